//! Our stores against those that engines make of the same images.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::image::{Layout, Tar, everything, gzipped, plain};
use super::listing::{assert_same, fingerprint};
use crate::check::engine::{Engine, podmans};
use crate::check::healthy::in_private;
use crate::check::store::{checked, made_by_buildah};
use crate::support::{run, storagectl};

pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() - 1.0
}

/// Copies images to a store with skopeo: a source and a name each.
pub(crate) fn skopeo(store: &Path, images: &[(String, &str)]) {
    for (source, name) in images {
        let script = "skopeo copy -q \"$SOURCE\" \"containers-storage:[overlay@$STORE+/run/r]$NAME\"; umount \"$STORE/overlay\" 2>/dev/null || :";
        in_private(script, &[("SOURCE", Path::new(source)), ("STORE", store), ("NAME", Path::new(name))]);
    }
}

pub(crate) fn build(store: &Path, images: &[(String, &str)]) {
    let mut command = storagectl(&["build-store", "--no-sync", "-o"]);
    command.arg(store).args(images.iter().map(|(source, name)| format!("{name}={source}")));
    run(&mut command);
}

pub(crate) fn records(store: &Path, file: &str) -> Vec<Value> {
    let bytes = std::fs::read(store.join(file)).unwrap();
    let mut records: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    records.sort_by_key(|record| record["id"].as_str().unwrap().to_owned());
    records
}

/// The lines of a layer's tar-split; old versions of the library write an empty one last.
fn tar_split(store: &Path, id: &str) -> String {
    let file = store.join(format!("overlay-layers/{id}.tar-split.gz"));
    let text = run(Command::new("zcat").arg(file));
    let lines = text.lines().filter(|line| !line.contains("\"payload\":\"\""));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Takes out of an image's record what stands for no signatures; newer engines leave it out.
fn drop_empty_signatures(record: &mut Value) {
    let metadata: Value = serde_json::from_str(record["metadata"].as_str().unwrap()).unwrap();
    let mut metadata = metadata.as_object().unwrap().clone();
    metadata.retain(|_, lists| {
        lists.as_object().is_none_or(|lists| lists.values().any(|list| *list != json!([])))
    });
    record["metadata"] = Value::Object(metadata);
    let sizes = record["big-data-sizes"].as_object().unwrap().clone();
    let is_kept = |name: &str| !name.starts_with("signature-") || sizes[name] != 0;
    record["big-data-names"].as_array_mut().unwrap().retain(|name| is_kept(name.as_str().unwrap()));
    for field in ["big-data-sizes", "big-data-digests"] {
        record[field].as_object_mut().unwrap().retain(|name, _| is_kept(name));
    }
}

/// Compares two stores, file by file and record by record.
pub(crate) fn assert_same_store(ours: &Path, theirs: &Path, latest: f64) {
    let (our_layers, their_layers) =
        (records(ours, "overlay-layers/layers.json"), records(theirs, "overlay-layers/layers.json"));
    assert_eq!(our_layers.len(), their_layers.len());
    for (mut ours_is, mut theirs_is) in our_layers.into_iter().zip(their_layers) {
        let id = theirs_is["id"].as_str().unwrap().to_owned();
        // When it was unpacked.
        ours_is["created"] = Value::Null;
        theirs_is["created"] = Value::Null;
        assert_eq!(ours_is, theirs_is);
        let diff = format!("overlay/{id}/diff");
        if std::fs::read_dir(theirs.join(&diff)).unwrap().next().is_some() {
            assert_same(&ours.join(&diff), &theirs.join(&diff), latest);
        }
        assert_eq!(tar_split(ours, &id), tar_split(theirs, &id), "{id}");
    }
    let (our_images, their_images) =
        (records(ours, "overlay-images/images.json"), records(theirs, "overlay-images/images.json"));
    assert_eq!(our_images.len(), their_images.len());
    for (mut ours_is, mut theirs_is) in our_images.into_iter().zip(their_images) {
        // The order is that in which they came.
        for record in [&mut ours_is, &mut theirs_is] {
            let names = record["names"].as_array_mut().unwrap();
            names.sort_by_key(|name| name.as_str().unwrap().to_owned());
            drop_empty_signatures(record);
        }
        for field in
            ["id", "names", "layer", "metadata", "big-data-names", "big-data-sizes", "big-data-digests"]
        {
            assert_eq!(ours_is[field], theirs_is[field], "{field}");
        }
        // Of an image from a list, engines take the digest of either, by lot.
        let keys = ours_is["big-data-names"].as_array().unwrap();
        if keys.iter().filter(|key| key.as_str().unwrap().starts_with("manifest-")).count() == 1 {
            assert_eq!(ours_is["digest"], theirs_is["digest"]);
        }
        let dir = format!("overlay-images/{}", theirs_is["id"].as_str().unwrap());
        let files = |store: &Path| {
            let mut names = crate::tree::names(&store.join(&dir));
            names.retain(|name| fs_err::metadata(store.join(&dir).join(name)).unwrap().len() > 0);
            names
        };
        assert_eq!(files(ours), files(theirs));
        assert_eq!(files(ours).len(), ours_is["big-data-names"].as_array().unwrap().len());
        for file in files(ours) {
            assert_eq!(
                std::fs::read(ours.join(&dir).join(&file)).unwrap(),
                std::fs::read(theirs.join(&dir).join(&file)).unwrap()
            );
        }
    }
}

#[test]
fn a_store_of_ours_is_that_of_skopeo_for_everything_that_a_layer_can_hold() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("all", "amd64", &everything());
    let many: Vec<_> = (0..100)
        .map(|number| gzipped(&Tar::default().file(&format!("file-{number}"), b"x").finish()))
        .collect();
    layout.image("many", "amd64", &many);
    layout.image("none", "amd64", &[]);
    let images = [
        (layout.source("all"), "localhost/all:1"),
        (layout.source("many"), "localhost/many:1"),
        (layout.source("none"), "localhost/none:1"),
    ];
    let (ours, theirs) = (scratch.path().join("ours"), scratch.path().join("theirs"));
    let latest = now();
    skopeo(&theirs, &images);
    build(&ours, &images);
    assert_same_store(&ours, &theirs, latest);
    let answer = checked(&[ours.to_str().unwrap(), "--deep"]);
    let found: Vec<&Value> =
        answer["findings"].as_array().unwrap().iter().filter(|one| one["severity"] != "note").collect();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(answer["assembled"]["layers"], 107);
    let answer = checked(&[theirs.to_str().unwrap(), "--deep"]);
    assert!(!answer.to_string().contains("file-xattr"), "{answer}");
    // As podman 5 has it.
    let without_value = "getfattr -R --absolute-names -n user.two \"$0\"/overlay/*/diff 2>/dev/null || :";
    assert!(run(Command::new("sh").args(["-c", without_value]).arg(&ours)).contains("user.two=\"\""));
}

#[test]
fn images_of_buildah_are_the_same_from_every_form_and_engines_save_and_run_them() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let made = made_by_buildah("overlay");
    // Copied by hand, since an engine changes the store that it opens.
    let script = "cp -a \"$MADE\" /run/store
        from=containers-storage:[overlay@/run/store+/run/r]localhost
        for tag in app:2 other:1; do
            skopeo copy -q $from/$tag oci:\"$DIR\"/oci:localhost/$tag
            skopeo copy -q $from/$tag dir:\"$DIR\"/dir-${tag%:*}
            skopeo copy -q $from/$tag oci-archive:\"$DIR\"/oci-${tag%:*}.tar:localhost/$tag
            skopeo copy -q $from/$tag docker-archive:\"$DIR\"/docker-${tag%:*}.tar:localhost/$tag
        done";
    in_private(script, &[("MADE", &made), ("DIR", scratch.path())]);
    let file = |kind: &str, name: &str| format!("{kind}:{}", at(name).display());
    let names = ["localhost/app:2", "localhost/other:1"];
    let forms = [
        ["oci:{}:localhost/app:2", "oci:{}:localhost/other:1"]
            .map(|text| text.replace("{}", at("oci").to_str().unwrap())),
        [file("dir", "dir-app"), file("dir", "dir-other")],
        [file("oci-archive", "oci-app.tar"), file("oci-archive", "oci-other.tar")],
        [file("docker-archive", "docker-app.tar"), file("docker-archive", "docker-other.tar")],
    ];
    for (number, form) in forms.iter().enumerate() {
        let images: Vec<(String, &str)> = form.iter().cloned().zip(names).collect();
        let (ours, theirs) = (at(&format!("ours-{number}")), at(&format!("theirs-{number}")));
        let latest = now();
        skopeo(&theirs, &images);
        build(&ours, &images);
        assert_same_store(&ours, &theirs, latest);
    }
    let (ours, theirs) = (at("ours-0"), at("theirs-0"));
    // What podman saves from both is the same, and what it runs.
    let save = "for store in ours theirs; do
            cp -a \"$DIR/$store-0\" /run/$store
            podman --root /run/$store --runroot /run/r save -q --format docker-archive -o /run/$store.tar localhost/app:2
        done
        cmp /run/ours.tar /run/theirs.tar && echo same";
    assert!(in_private(save, &[("DIR", scratch.path())]).contains("same"));
    for (name, engine) in podmans() {
        let use_it = "mkdir /run/ours; mount --bind -o ro \"$OURS\" /run/ours; mount -o remount,bind,ro /run/ours
            printf '[storage]\\ndriver = \"overlay\"\\nrunroot = \"/run/r\"\\ngraphroot = \"/run/root\"\\n[storage.options]\\nadditionalimagestores = [\"/run/ours\"]\\n' >/run/storage.conf
            export CONTAINERS_STORAGE_CONF=/run/storage.conf
            $ENGINE images --format '{{.Repository}}:{{.Tag}}' | sort
            for image in localhost/app:2 localhost/other:1; do
                $ENGINE --runtime $CRUN run --rm --network none --cgroups=disabled --security-opt seccomp=unconfined --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 $image /bin/sh -c 'read line </mark; echo runs $line'
            done 2>&1";
        let said =
            in_private(use_it, &[("OURS", &ours), ("ENGINE", &engine), ("CRUN", Path::new(super::CRUN))]);
        assert_eq!(said, "localhost/app:2\nlocalhost/other:1\nruns app\nruns other\n", "{name}");
    }
    let check =
        "cp -a \"$OURS\" /run/own; $ENGINE --root /run/own --runroot /run/r system check 2>&1; echo clean";
    let said = in_private(check, &[("OURS", &ours), ("ENGINE", &Engine::Podman6.program())]);
    assert_eq!(said, "clean\n");
    assert!(theirs.exists());
}

#[test]
fn the_same_images_give_the_same_bytes_in_any_order_whoever_makes_them() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("all", "amd64", &everything());
    let mut other = everything();
    other.truncate(2);
    other.push(plain(Tar::default().file("more", b"more").finish()));
    layout.image("other", "amd64", &other);
    let sources = [
        format!("localhost/a:1={}", layout.source("all")),
        format!("localhost/b:1,localhost/a:0={}", layout.source("other")),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (number, order) in [[0, 1], [1, 0]].into_iter().enumerate() {
        let mut prints = Vec::new();
        for kind in ["", ".tar", ".squashfs"] {
            let out = scratch.path().join(format!("out-{number}{kind}"));
            let mut command = storagectl(&["build-store", "-o"]);
            command.arg(&out).args(order.map(|index| &sources[index])).args(["--jobs", ["1", "4"][number]]);
            let umask = ["0022", "0077"][number];
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
                .arg(command.get_program())
                .args(command.get_args());
            shell.env("TZ", ["UTC", "Asia/Tokyo"][number]);
            run(&mut shell);
            prints.push(if kind.is_empty() {
                fingerprint(&out)
            } else {
                run(Command::new("sha256sum").stdin(fs_err::File::open(&out).unwrap().into_parts().0))
            });
        }
        // The clock of a second run is another one.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        seen.insert(prints);
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    let epoch = scratch.path().join("epoch");
    let mut command = storagectl(&["build-store", "-o"]);
    run(command.arg(&epoch).args(&sources).env("SOURCE_DATE_EPOCH", "1000000000"));
    for record in records(&epoch, "overlay-layers/layers.json")
        .iter()
        .chain(&records(&epoch, "overlay-images/images.json"))
    {
        assert_eq!(record["created"], json!("2001-09-09T01:46:40Z"));
    }
}

#[test]
fn the_image_for_the_wanted_machine_is_chosen_and_its_list_is_kept() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    let mut entries = Vec::new();
    for (arch, variant) in [("amd64", None), ("arm64", Some("v8")), ("arm", Some("v6")), ("arm", Some("v7"))]
    {
        let name = format!("{arch}{}", variant.unwrap_or_default());
        let layers = [gzipped(&Tar::default().file(&name, b"x").finish())];
        let manifest = layout.manifest(&Layout::config(&layers, arch), &layers);
        let mut entry =
            layout.blob(manifest.to_string().as_bytes(), "application/vnd.oci.image.manifest.v1+json");
        entry["platform"] = json!({"os": "linux", "architecture": arch});
        if let Some(variant) = variant {
            entry["platform"]["variant"] = json!(variant);
        }
        entries.push(entry);
    }
    let list = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries});
    layout.add("list", &list);
    for (args, file) in [
        (&["--arch", "aarch64"][..], "arm64v8"),
        (&["--arch", "arm"], "armv7"),
        (&["--arch", "arm", "--variant", "v6"], "armv6"),
    ] {
        let out = scratch.path().join(file);
        let mut command = storagectl(&["build-store", "-o"]);
        run(command.arg(&out).arg(format!("localhost/list:1={}", layout.source("list"))).args(args));
        let layer = records(&out, "overlay-layers/layers.json")[0]["id"].as_str().unwrap().to_owned();
        assert!(out.join("overlay").join(layer).join("diff").join(file).exists());
    }
    // As an engine has it.
    let (ours, theirs) = (scratch.path().join("ours"), scratch.path().join("theirs"));
    let images = [(layout.source("list"), "localhost/list:1")];
    let latest = now();
    skopeo(&theirs, &images);
    build(&ours, &images);
    assert_same_store(&ours, &theirs, latest);
}
