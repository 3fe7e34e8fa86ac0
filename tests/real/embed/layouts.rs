//! Every layout, held against the scripts that made it: each takes the other's images for its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use storagectl::embedded::EmbeddedLayout;

use super::{by_script, embed, results, told, verify};
use crate::registry::{images, registry};
use crate::strace::{tamper, trace, tried};
use crate::support::{finish, run, storagectl, text, under};
use crate::tree::names;

/// How images get into the recipes' directory.
const CACHE_IN: &str = r#"set -e
mkdir -p "$0"
while read -r ref; do
    sum=$(echo "$ref" | sha256sum | awk '{ print $1 }')
    skopeo copy -q --preserve-digests "docker://$ref" "dir:$0/$sum"
    echo "$ref,$sum" >>"$0/mapping.txt"
done
"#;

/// How the role puts images there: those that are there are passed over.
const ROLE_IN: &str = r#"set -e
mkdir -p "$0"
while read -r ref; do
    name=$(printf %s "$ref" | sha256sum | cut -c 1-16)
    [ -f "$0/$name/manifest.json" ] && continue
    skopeo copy -q --preserve-digests "docker://$ref" "dir:$0/$name"
    [ -f "$0/mapping.txt" ] || printf '# not by hand\n# system_role:podman\n' >"$0/mapping.txt"
    grep -qxF "$ref,$name" "$0/mapping.txt" || echo "$ref,$name" >>"$0/mapping.txt"
done
"#;

/// How MicroShift's and the recipes' images get into storage.
const OUT: &str = r#"set -eu
while IFS=, read -r ref name; do
    skopeo copy -q --preserve-digests "dir:$DIR/$name" "containers-storage:$STORAGE$ref"
done <"$DIR/$LIST"
"#;

/// How the role's do, which it then removes.
const ROLE_OUT: &str = r##"set -eu
while IFS=, read -r ref name; do
    case $ref in "#"*) continue ;; esac
    skopeo copy -q --preserve-digests "dir:$DIR/$name" "containers-storage:$STORAGE$ref"
    rm -r "$DIR/$name"
done <"$DIR/$LIST"
rm "$DIR/$LIST"
rmdir "$DIR"
"##;

/// Embeds `references` as the scripts of the layout do.
fn scripts_embed(layout: EmbeddedLayout, dir: &Path, references: &[String]) {
    let script = match layout {
        EmbeddedLayout::MicroShift => super::LOOP,
        EmbeddedLayout::ImageCache => CACHE_IN,
        EmbeddedLayout::SystemRole => ROLE_IN,
    };
    by_script(script, dir, references);
}

/// Copies what is embedded to storage as the scripts of the layout do, and looks for each image there.
#[track_caller]
fn scripts_copy(layout: EmbeddedLayout, dir: &Path, references: &[String]) {
    let scratch = tempfile::tempdir().unwrap();
    let storage = format!("[vfs@{0}/graph+{0}/run]", scratch.path().display());
    let script = if layout == EmbeddedLayout::SystemRole { ROLE_OUT } else { OUT };
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("DIR", dir).env("LIST", layout.list()).env("STORAGE", &storage);
    run(&mut shell);
    for reference in references {
        run(Command::new("skopeo")
            .args(["inspect", "--raw"])
            .arg(format!("containers-storage:{storage}{reference}")));
    }
}

/// The directories and the list, and nothing else; every image is sound.
#[track_caller]
fn assert_has(layout: EmbeddedLayout, dir: &Path, references: &[String]) {
    let output = verify(dir);
    assert!(output.status.success(), "{layout:?}: {}", text(&output));
    assert!(!text(&output).contains("note") && !text(&output).contains("warning"), "{}", text(&output));
    let mut wanted: Vec<String> = references.iter().map(|reference| layout.directory(reference)).collect();
    wanted.push(layout.list().to_owned());
    wanted.sort();
    let mut there = names(dir);
    there.sort();
    assert_eq!(there, wanted, "{layout:?}");
}

#[test]
fn what_scripts_embed_is_read_added_to_pruned_and_copied_by_them() {
    let images = &images()[..3];
    for layout in EmbeddedLayout::ALL {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("images");
        scripts_embed(layout, &dir, &images[..2]);
        assert_has(layout, &dir, &images[..2]);
        let list = told(&mut storagectl(&["list-images", "--source", dir.to_str().unwrap()]), 0);
        assert_eq!(list["layout"], layout.name());
        let list = fs_err::read(dir.join(layout.list())).unwrap();
        let again = told(&mut embed(&dir, &[], &[]), 0);
        assert_eq!((&again["changed"], &again["layout"]), (&false.into(), &layout.name().into()), "{again}");
        assert_eq!(fs_err::read(dir.join(layout.list())).unwrap(), list, "{layout:?}");

        let more = told(&mut embed(&dir, &images[2..], &[]), 0);
        assert_eq!(results(&more), ["fetched"]);
        assert_has(layout, &dir, images);
        told(&mut embed(&dir, &images[1..], &["--prune"]), 0);
        assert_has(layout, &dir, &images[1..]);
        // The scripts go on where we stopped, and take what is there.
        scripts_embed(layout, &dir, images);
        told(&mut embed(&dir, &[], &[]), 0);
        assert_has(layout, &dir, images);
        scripts_copy(layout, &dir, images);
        assert_eq!(dir.exists(), layout != EmbeddedLayout::SystemRole);
    }
}

#[test]
fn a_new_directory_is_what_the_scripts_would_make() {
    let images = &images()[..2];
    for layout in EmbeddedLayout::ALL {
        let scratch = tempfile::tempdir().unwrap();
        let (ours, theirs) = (scratch.path().join("ours"), scratch.path().join("theirs"));
        told(&mut embed(&ours, images, &["--layout", layout.name()]), 0);
        scripts_embed(layout, &theirs, images);
        let mut diff = Command::new("diff");
        diff.args(["-r", "-I", "^#", "--exclude", "storagectl.json"]).args([&ours, &theirs]);
        run(&mut diff);
        scripts_copy(layout, &ours, images);
    }
}

/// A tree with the images in the directory of the layout's scripts.
fn tree(layout: EmbeddedLayout, references: &[String]) -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join(layout.home().trim_start_matches('/'));
    scripts_embed(layout, &home, references);
    (scratch, home)
}

#[test]
fn without_a_directory_that_of_a_layout_is_found_and_another_is_told() {
    let images = &images()[..2];
    for layout in EmbeddedLayout::ALL {
        let (tree, home) = tree(layout, &images[..1]);
        let root = tree.path().to_str().unwrap();
        let command = |args: &[&str]| {
            let mut command = storagectl(&["--root", root]);
            command.args(args);
            registry().serve(&mut command);
            command
        };
        let found = told(&mut command(&["embed-images", &images[1]]), 0);
        assert_eq!(results(&found), ["fetched"]);
        assert_has(layout, &home, images);
        for name in ["list-images", "verify-images"] {
            assert_eq!(told(&mut command(&[name]), 0)["layout"], layout.name());
        }
        let copied = told(&mut command(&["copy-images", "--store", "/var/images"]), 0);
        assert_eq!(copied["images"].as_array().unwrap().len(), 2);
        run(&mut command(&["check-store", "--deep", "/var/images"]));
        run(&mut command(&["build-store", "--embedded", layout.home(), "-o", "/var/made"]));
        run(&mut command(&["check-store", "--deep", "/var/made"]));
        // A list of any layout counts, wherever it is.
        let other = tree.path().join("usr/lib/containers-image-cache");
        if layout == EmbeddedLayout::MicroShift {
            fs_err::create_dir_all(&other).unwrap();
            fs_err::write(other.join("image-list.txt"), "").unwrap();
            let output = finish(&mut command(&["verify-images"]));
            assert!(output.status.success(), "{}", text(&output));
            assert!(
                text(&output).contains("containers-image-cache` has embedded images, too"),
                "{}",
                text(&output)
            );
        }
    }
    // A new directory at a layout's place has that layout.
    let scratch = tempfile::tempdir().unwrap();
    let mut command = storagectl(&["--root", scratch.path().to_str().unwrap(), "embed-images", "--into"]);
    command.arg(EmbeddedLayout::ImageCache.home()).arg(&images[0]);
    told(registry().serve(&mut command), 0);
    assert_has(
        EmbeddedLayout::ImageCache,
        &scratch.path().join("usr/lib/containers-image-cache"),
        &images[..1],
    );
}

#[test]
fn a_directory_is_converted_without_a_registry() {
    let images = &images()[..3];
    for from in EmbeddedLayout::ALL {
        for to in EmbeddedLayout::ALL {
            let scratch = tempfile::tempdir().unwrap();
            let dir = scratch.path().join("images");
            scripts_embed(from, &dir, images);
            let blob = |layout: EmbeddedLayout| {
                let path = dir.join(layout.directory(&images[0])).join("manifest.json");
                std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap())
            };
            let before = blob(from);
            let mut command = embed(&dir, &[], &["--layout", to.name()]);
            let rehearsed = told(command.arg("--dry-run"), 0);
            assert_eq!(
                (&rehearsed["converted"], &rehearsed["changed"]),
                (&(from != to).into(), &(from != to).into())
            );
            assert_has(from, &dir, images);
            let mut command = embed(&dir, &[], &["--layout", to.name()]);
            let report = told(command.env("PATH", "/nowhere"), 0);
            assert_eq!(report["converted"], from != to, "{report}");
            assert_eq!(results(&report), ["present"; 3]);
            assert_has(to, &dir, images);
            assert_eq!(blob(to), before, "it was not copied");
            scripts_copy(to, &dir, images);
        }
    }
}

#[test]
fn a_name_that_no_layout_gives_is_kept_and_what_is_no_image_is_not_lost() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..2];
    scripts_embed(EmbeddedLayout::ImageCache, &dir, images);
    let (first, second) = (
        dir.join(EmbeddedLayout::ImageCache.directory(&images[0])),
        EmbeddedLayout::ImageCache.directory(&images[1]),
    );
    fs_err::rename(&first, dir.join("mine")).unwrap();
    let list = format!("{},mine\n{},{second}\n", images[0], images[1]);
    fs_err::write(dir.join("mapping.txt"), list).unwrap();
    fs_err::create_dir(dir.join(&second).join("more")).unwrap();
    told(&mut embed(&dir, &[], &["--layout", "system-role"]), 0);
    assert!(dir.join("mine/manifest.json").exists() && dir.join(&second).join("more").is_dir());
    let report = told(&mut embed(&dir, &[], &["--layout", "system-role"]), 0);
    assert_eq!((&report["converted"], results(&report)), (&false.into(), vec!["present"; 2]));
    assert_eq!(report["layout"], "system-role");
}

#[test]
fn a_conversion_copies_where_nothing_can_be_linked() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..2];
    scripts_embed(EmbeddedLayout::MicroShift, &dir, images);
    let output = tamper(&["inject=linkat:error=EPERM"], &embed(&dir, &[], &["--layout", "system-role"]));
    assert!(output.status.success(), "{}", text(&output));
    assert_has(EmbeddedLayout::SystemRole, &dir, images);
}

#[test]
fn a_directory_in_a_lower_layer_of_an_image_build_is_converted() {
    let scratch = tempfile::tempdir().unwrap();
    let images = &images()[..2];
    scripts_embed(EmbeddedLayout::MicroShift, &scratch.path().join("lower/images"), images);
    for name in ["merged", "tmp"] {
        fs_err::create_dir(scratch.path().join(name)).unwrap();
    }
    let script = "set -e; cd \"$0\"; mount -t tmpfs none tmp; mkdir tmp/upper tmp/work
        mount -t overlay -o lowerdir=lower,upperdir=tmp/upper,workdir=tmp/work,redirect_dir=off,metacopy=off none merged
        \"$@\"; \"$1\" verify-images -v --source merged/images; ls -A merged/images; \"$@\"";
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", script]).arg(scratch.path());
    let merged = scratch.path().join("merged/images");
    let output = finish(&mut under(outer, &embed(&merged, &[], &["--layout", "system-role"])));
    let said = text(&output);
    assert!(output.status.success() && said.contains("2 images, ") && said.contains("no problems"), "{said}");
    assert_eq!(said.matches("converted `").count(), 1, "{said}");
    let mut there: Vec<String> =
        images.iter().map(|image| EmbeddedLayout::SystemRole.directory(image)).collect();
    there.push("mapping.txt".to_owned());
    there.sort();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), there);
}

#[test]
fn two_lists_are_told_and_made_one() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..3];
    scripts_embed(EmbeddedLayout::SystemRole, &dir, &images[..2]);
    scripts_embed(EmbeddedLayout::MicroShift, &dir, &images[1..]);
    for command in ["verify-images", "list-images", "copy-images"] {
        let error = told(&mut storagectl(&[command, "--source", dir.to_str().unwrap()]), 2);
        assert_eq!(error["error"]["id"], "lists-several", "{error}");
    }
    let report = told(&mut embed(&dir, &[], &["--layout", "microshift"]), 0);
    assert_eq!(results(&report), ["present"; 3]);
    assert_has(EmbeddedLayout::MicroShift, &dir, images);
}

#[test]
fn a_conversion_that_is_killed_leaves_a_list_that_leads_to_every_image() {
    let images = &images()[..2];
    for (from, to) in [
        (EmbeddedLayout::MicroShift, EmbeddedLayout::SystemRole),
        (EmbeddedLayout::ImageCache, EmbeddedLayout::MicroShift),
        (EmbeddedLayout::SystemRole, EmbeddedLayout::ImageCache),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let (original, dir) = (scratch.path().join("original"), scratch.path().join("images"));
        scripts_embed(from, &original, images);
        let begin = || {
            run(Command::new("rm").arg("-rf").arg(&dir));
            run(Command::new("cp").arg("-a").args([&original, &dir]));
            embed(&dir, &[], &["--layout", to.name(), "--jobs", "1"])
        };
        let (_, calls) = trace(&begin());
        let is_change =
            |name: &str| ["rename", "link", "unlink", "mkdir"].iter().any(|it| name.starts_with(it));
        let calls = calls.iter().filter(|call| is_change(&call.name));
        for call in tried(calls.collect(), 20) {
            let output = tamper(&[&call.inject("signal=KILL")], &begin());
            assert!(output.status.code().is_none(), "{}", call.line);
            let list = finish(&mut storagectl(&[
                "verify-images",
                "--source",
                dir.to_str().unwrap(),
                "--format",
                "json",
            ]));
            let found: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
            assert_eq!(found["images"], 2, "{from:?} {to:?} at {}: {found}", call.line);
            let findings = found["findings"].as_array().unwrap();
            let is_harmless = |finding: &serde_json::Value| finding["severity"] != "error";
            assert!(findings.iter().all(is_harmless), "{from:?} {to:?} at {}: {found}", call.line);
            told(&mut embed(&dir, &[], &["--layout", to.name()]), 0);
            assert_has(to, &dir, images);
        }
    }
}
