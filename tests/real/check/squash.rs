//! Stores as podman-hpc's `migrate` makes them, for its own mount program.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::engine::Engine;
use super::healthy::in_private;
use super::store::{IMAGE, Store, checked, made_by_buildah};
use crate::build::CRUN;
use crate::support::run;

/// Migrates all images of $SOURCE to $STORE: records, documents and what is kept of tar streams
/// as they are; of each layer its `link` and empty directories; the root file system of an image
/// as one squash file, beside the short name of its topmost layer.
const MIGRATE: &str = r#"
mkdir -p "$STORE/overlay/l" "$STORE/overlay-images" "$STORE/overlay-layers"
: >"$STORE/overlay-images/images.lock"; : >"$STORE/overlay-layers/layers.lock"
cp -r "$SOURCE"/overlay-images/*/ "$STORE/overlay-images"
cp "$SOURCE"/overlay-layers/*.tar-split.gz "$STORE/overlay-layers"
for kind in images layers; do cp "$SOURCE/overlay-$kind/$kind.json" "$STORE/overlay-$kind"; done
for layer in "$SOURCE"/overlay/*/link; do
    layer=${layer%/link} id=$(basename "${layer%/link}")
    mkdir "$STORE/overlay/$id"
    for part in empty merged work diff; do
        [ ! -e "$layer/$part" ] || mkdir "$STORE/overlay/$id/$part"
    done
    cp "$layer/link" "$STORE/overlay/$id"
    ln -s "../$id/diff" "$STORE/overlay/l/$(cat "$layer/link")"
done
for top in $TOPS; do
    mksquashfs "$SOURCE/overlay/$top/diff" "$STORE/overlay/l/$(cat "$STORE/overlay/$top/link").squash" -quiet -no-progress
done
"#;

/// A migrated store.
fn migrated(scratch: &Path) -> PathBuf {
    let source = Store::copy_of(&made_by_buildah("overlay"));
    let tops: Vec<String> =
        source.records("images").iter().map(|image| image["layer"].as_str().unwrap().to_owned()).collect();
    let store = scratch.join("store");
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", MIGRATE])
        .env("SOURCE", &source.path)
        .env("STORE", &store)
        .env("TOPS", tops.join(" "));
    run(&mut shell);
    store
}

fn findings(answer: &Value) -> Vec<(&str, &str)> {
    let findings = answer["findings"].as_array().unwrap().iter();
    let all = findings.map(|it| (it["id"].as_str().unwrap(), it["severity"].as_str().unwrap()));
    all.filter(|(id, _)| *id != "not-for-users").collect()
}

#[test]
fn layers_in_squash_files_are_not_verified_and_not_called_damage() {
    let scratch = tempfile::tempdir().unwrap();
    let store = migrated(scratch.path());
    for args in [&[][..], &["--deep"]] {
        let answer = checked(&[&[store.to_str().unwrap()], args].concat());
        let mut expected = vec![("squash-files", "warning")];
        if !args.is_empty() {
            expected.push(("not-verified", "warning"));
            let layers = &answer["verification"]["layers"];
            assert_eq!((&layers["verified"], &layers["damaged"]), (&0.into(), &0.into()), "{answer}");
            assert_eq!(answer["verification"]["images"]["not_verified"], 4, "{answer}");
        }
        assert_eq!(findings(&answer), expected, "{answer:#}");
    }
    // What engines do that mount no squash file.
    for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
        let script = "cp -a \"$STORE\" /run/store
            p() { \"$ENGINE\" --root /run/store --runroot /run/r --runtime $CRUN \"$@\"; }
            p images -q | sort -u | wc -l
            ls -A \"$(p mount $(p create --pull never --network none \"$IMAGE\" /bin/sh))\" | wc -l
            p save -q -o /run/archive \"$IMAGE\" >/run/said 2>&1 || echo not saved";
        let variables = [
            ("STORE", store.as_path()),
            ("ENGINE", &engine.program()),
            ("IMAGE", Path::new(IMAGE)),
            ("CRUN", Path::new(CRUN)),
        ];
        assert_eq!(in_private(script, &variables), "4\n0\nnot saved\n", "{}", engine.name());
    }
}

#[test]
fn what_no_squash_file_has_is_damaged() {
    let damages = [
        // Of one image; the layers below it are others' as well.
        "rm overlay/l/$LINK.squash",
        "echo something else >overlay/l/$LINK.squash",
        "mkdir overlay/l/x; mv overlay/l/$LINK.squash overlay/l/x",
    ];
    for damage in damages {
        let scratch = tempfile::tempdir().unwrap();
        let path = migrated(scratch.path());
        let top = Store::copy_of(&path).layers()[0].clone();
        let link = std::fs::read_to_string(path.join("overlay").join(&top).join("link")).unwrap();
        run(Command::new("sh").args(["-euc", damage]).current_dir(&path).env("LINK", link));
        let answer = checked(&[path.to_str().unwrap()]);
        let errors: Vec<&Value> =
            answer["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "error").collect();
        assert!(
            errors.iter().any(|it| it["id"] == "lower-missing" && it["layer"] == top.as_str()),
            "{answer:#}"
        );
        let answer = checked(&[path.to_str().unwrap(), "--deep"]);
        assert!(
            answer["findings"].as_array().unwrap().iter().any(|it| it["id"] == "file-missing"),
            "{answer:#}"
        );
    }
}

#[test]
fn the_same_layers_elsewhere_are_verified() {
    let scratch = tempfile::tempdir().unwrap();
    let migrated = migrated(scratch.path());
    let usual = Store::copy_of(&made_by_buildah("overlay"));
    for paths in [[&usual.path, &migrated], [&migrated, &usual.path]] {
        let answer = checked(&[paths[0].to_str().unwrap(), paths[1].to_str().unwrap(), "--deep"]);
        let layers = &answer["verification"]["layers"];
        assert_eq!((&layers["verified"], &layers["not_verified"]), (&4.into(), &4.into()), "{answer:#}");
    }
}

#[test]
fn a_squash_file_beside_layers_as_usual_changes_nothing() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    let link = store.layer_file(&store.layers()[0], "link");
    let before = findings(&store.checked(&["--deep"])).len();
    store.shell(&format!("mksquashfs overlay-layers overlay/l/{link}.squash -quiet -no-progress"));
    let answer = store.checked(&["--deep"]);
    assert_eq!(findings(&answer).len(), before, "{answer:#}");
    assert_eq!(answer["verification"]["layers"]["verified"], 4, "{answer:#}");
}

#[test]
fn what_podman_hpc_leaves_of_an_image_that_it_removed_is_not_damage() {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::copy_of(&migrated(scratch.path()));
    let index = store.image_index(IMAGE);
    let link = store.layer_file(&store.layers()[0], "link");
    store.edit("images", |images| drop(images.remove(index)));
    store.remove(&format!("overlay/l/{link}.squash"));
    let answer = store.checked(&["--deep"]);
    let found = findings(&answer);
    assert_eq!(
        found,
        [("squash-files", "warning"), ("not-verified", "warning"), ("orphan", "warning")],
        "{answer:#}"
    );
}
