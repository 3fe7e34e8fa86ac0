//! Every damage.

use serde_json::{Value, json};

use super::store::{IMAGE, OTHER, Store};

/// One damage.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) damage: fn(&Store),
    /// Whether the store is on a read-only mount.
    pub(crate) read_only: bool,
    /// Whether it is none.
    pub(crate) harmless: bool,
}

fn case(name: &'static str, damage: fn(&Store)) -> Case {
    Case { name, damage, read_only: false, harmless: false }
}

fn harmless(name: &'static str, damage: fn(&Store)) -> Case {
    Case { harmless: true, ..case(name, damage) }
}

fn read_only(name: &'static str, damage: fn(&Store)) -> Case {
    Case { read_only: true, ..case(name, damage) }
}

const IMAGES_JSON: &str = "overlay-images/images.json";
const LAYERS_JSON: &str = "overlay-layers/layers.json";

fn top(store: &Store) -> String {
    store.layers()[0].clone()
}

fn middle(store: &Store) -> String {
    store.layers()[1].clone()
}

fn base(store: &Store) -> String {
    store.layers()[2].clone()
}

fn edit_image(store: &Store, edit: impl FnOnce(&mut Value)) {
    let index = store.image_index(IMAGE);
    store.edit("images", |images| edit(&mut images[index]));
}

fn edit_layer(store: &Store, id: &str, edit: impl FnOnce(&mut Value)) {
    store.edit("layers", |layers| edit(layers.iter_mut().find(|layer| layer["id"] == id).unwrap()));
}

/// Gives layers the file that podman 6 writes.
fn lower_layers(store: &Store) {
    let layers = store.layers();
    for (index, id) in layers.iter().enumerate().take(2) {
        store.write(&format!("overlay/{id}/lower-layers"), layers[index + 1..].join(":"));
    }
}

/// Runs shell in the topmost layer that has `/mark` changed: the middle one.
fn in_middle(store: &Store, script: &str) {
    store.shell(&format!("cd overlay/{}/diff; {script}", middle(store)));
}

fn in_base(store: &Store, script: &str) {
    store.shell(&format!("cd overlay/{}/diff; {script}", base(store)));
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    [records(), documents(), chains(), layout(), content(), places()].into_iter().flatten().collect()
}

fn records() -> Vec<Case> {
    vec![
        harmless("none", |_| {}),
        Case { read_only: true, ..harmless("none", |_| {}) },
        case("the store is missing", |store| store.shell("rm -rf \"$PWD\"")),
        case("the store is a file", |store| {
            std::fs::remove_dir_all(&store.path).unwrap();
            std::fs::write(&store.path, "").unwrap();
        }),
        case("the store is empty", |store| store.shell("rm -rf overlay*")),
        read_only("the store is empty", |store| store.shell("rm -rf overlay*")),
        case("images.lock is missing", |store| store.remove("overlay-images/images.lock")),
        read_only("images.lock is missing", |store| store.remove("overlay-images/images.lock")),
        read_only("layers.lock is missing", |store| store.remove("overlay-layers/layers.lock")),
        read_only("both locks are missing", |store| {
            store.shell("rm overlay-images/images.lock overlay-layers/layers.lock");
        }),
        case("images.lock is a directory", |store| {
            store.shell("rm overlay-images/images.lock; mkdir overlay-images/images.lock");
        }),
        case("layers.lock is a directory", |store| {
            store.shell("rm overlay-layers/layers.lock; mkdir overlay-layers/layers.lock");
        }),
        case("`overlay-images` is a file", |store| store.shell("rm -r overlay-images; : >overlay-images")),
        case("images.json is missing", |store| store.remove(IMAGES_JSON)),
        case("images.json is empty", |store| store.write(IMAGES_JSON, "")),
        case("images.json is `null`", |store| store.write(IMAGES_JSON, "null")),
        case("images.json is `{}`", |store| store.write(IMAGES_JSON, "{}")),
        case("images.json is cut short", |store| store.shell("truncate -s -10 overlay-images/images.json")),
        case("images.json is a directory", |store| {
            store.shell("rm overlay-images/images.json; mkdir overlay-images/images.json");
        }),
        case("layers.json is missing", |store| store.remove(LAYERS_JSON)),
        case("layers.json is empty", |store| store.write(LAYERS_JSON, "")),
        case("layers.json is cut short", |store| store.shell("truncate -s -10 overlay-layers/layers.json")),
        case("volatile-layers.json is cut short", |store| {
            store.write("overlay-layers/volatile-layers.json", "[{");
        }),
        case("two images have one name", |store| {
            store.edit("images", |images| {
                let mut twin = images[0].clone();
                twin["id"] = Value::from("f".repeat(64));
                images.push(twin);
            });
        }),
        case("two images have one id", |store| {
            let index = store.image_index(OTHER);
            store.edit("images", |images| {
                let mut twin = images[index].clone();
                twin["names"] = json!(["localhost/twin:1"]);
                images.push(twin);
            });
        }),
        case("two layers have one name", |store| {
            store.edit("layers", |layers| {
                layers[0]["names"] = json!(["twice"]);
                layers[1]["names"] = json!(["twice"]);
            });
        }),
        case("two layers have one id", |store| {
            store.edit("layers", |layers| layers.push(layers[0].clone()));
        }),
        case("an image's digest is not one", |store| {
            edit_image(store, |image| image["digest"] = "sha256:short".into());
        }),
        case("a manifest's digest is not one", |store| {
            edit_image(store, |image| image["big-data-digests"]["manifest"] = "md5:00".into());
        }),
        case("an image was made at no time", |store| {
            edit_image(store, |image| image["created"] = "yesterday".into());
        }),
        case("a layer was made at no time", |store| {
            let top = top(store);
            edit_layer(store, &top, |layer| layer["created"] = "2024-01-01".into());
        }),
        case("an image's digest is another's", |store| {
            edit_image(store, |image| image["digest"] = format!("sha256:{}", "0".repeat(64)).into());
        }),
        case("an image has a name with capitals", |store| {
            edit_image(store, |image| image["names"][1] = "localhost/App:1".into());
        }),
        case("an image's metadata is malformed", |store| {
            edit_image(store, |image| image["metadata"] = "{".into());
        }),
        case("an id leads out of the store", |store| {
            edit_image(store, |image| image["id"] = "../../../etc".into());
        }),
    ]
}

fn documents() -> Vec<Case> {
    vec![
        case("an image's directory is missing", |store| store.remove(&store.image_dir(IMAGE))),
        case("the manifest is missing", |store| {
            store.remove(&format!("{}/manifest", store.image_dir(IMAGE)));
        }),
        case("the manifest by its digest is missing", |store| {
            store.shell(&format!("rm {}/=bWFuaWZlc3Qt*", store.image_dir(IMAGE)));
        }),
        case("the manifest is cut short", |store| {
            store.shell(&format!("truncate -s -10 {}/manifest", store.image_dir(IMAGE)));
        }),
        case("the manifest has another byte", |store| {
            store
                .shell(&format!("sed -i s/schemaVersion/schemaVersioN/ {}/manifest", store.image_dir(IMAGE)));
        }),
        case("the manifest is longer", |store| {
            store.shell(&format!("echo >>{}/manifest", store.image_dir(IMAGE)));
        }),
        case("the configuration is missing", |store| store.remove(&store.config_file(IMAGE))),
        case("the configuration is cut short", |store| {
            store.shell(&format!("truncate -s -10 {}", store.config_file(IMAGE)));
        }),
        case("the configuration has another byte", |store| {
            store.shell(&format!("sed -i s/linux/linuX/ {}", store.config_file(IMAGE)));
        }),
        case("the configuration names another layer", |store| {
            let file = store.config_file(IMAGE);
            let mut config: Value = serde_json::from_slice(&std::fs::read(store.at(&file)).unwrap()).unwrap();
            config["rootfs"]["diff_ids"][0] = format!("sha256:{}", "0".repeat(64)).into();
            store.write(&file, config.to_string());
        }),
        case("a recorded size is wrong", |store| {
            edit_image(store, |image| image["big-data-sizes"]["manifest"] = 1.into());
        }),
    ]
}

fn chains() -> Vec<Case> {
    vec![
        case("an image has no layer", |store| edit_image(store, |image| image["layer"] = "".into())),
        case("a layer has no digest", |store| {
            let top = top(store);
            edit_layer(store, &top, |layer| drop(layer.as_object_mut().unwrap().remove("diff-digest")));
        }),
        case("an image's layer has no record", |store| {
            let top = top(store);
            store.edit("layers", |layers| layers.retain(|layer| layer["id"] != top.as_str()));
        }),
        case("a parent has no record", |store| {
            let base = base(store);
            store.edit("layers", |layers| layers.retain(|layer| layer["id"] != base.as_str()));
        }),
        case("a layer is incomplete", |store| {
            let top = top(store);
            edit_layer(store, &top, |layer| layer["flags"] = json!({"incomplete": true}));
        }),
        case("a layer's other data is missing", |store| {
            let top = top(store);
            edit_layer(store, &top, |layer| layer["big-data-names"] = json!(["zstd-chunked-manifest"]));
        }),
        case("a layer's recorded digest is another", |store| {
            let top = top(store);
            let digest = format!("sha256:{}", "0".repeat(64));
            edit_layer(store, &top, |layer| layer["diff-digest"] = digest.into());
        }),
        case("a layer's recorded size is another", |store| {
            let top = top(store);
            edit_layer(store, &top, |layer| layer["diff-size"] = 1.into());
        }),
    ]
}

fn layout() -> Vec<Case> {
    vec![
        case("`overlay` is missing", |store| store.remove("overlay")),
        case("a layer's `diff` is a symlink out of the store", |store| {
            let middle = middle(store);
            store.shell(&format!(
                "mv overlay/{middle}/diff ../away; ln -s \"$PWD/../away\" overlay/{middle}/diff; echo other >../away/mark"
            ));
        }),
        case("a layer's `diff` is a symlink to nothing", |store| {
            let top = top(store);
            store.shell(&format!("rm -r overlay/{top}/diff; ln -s /nonexistent overlay/{top}/diff"));
        }),
        case("a layer has a directory for composefs and nothing in it", |store| {
            let top = top(store);
            store.shell(&format!("mkdir overlay/{top}/composefs-data"));
        }),
        case("the top layer's directory is missing", |store| {
            store.remove(&format!("overlay/{}", top(store)))
        }),
        case("a lower layer's directory is missing", |store| {
            store.remove(&format!("overlay/{}", base(store)))
        }),
        case("the top layer's `diff` is missing", |store| {
            store.remove(&format!("overlay/{}/diff", top(store)))
        }),
        case("a lower layer's `diff` is missing", |store| {
            store.remove(&format!("overlay/{}/diff", base(store)))
        }),
        harmless("`work`, `merged` and `empty` are missing", |store| {
            store.shell("rm -rf overlay/*/work overlay/*/merged overlay/*/empty");
        }),
        case("`l` is missing", |store| store.remove("overlay/l")),
        case("the top layer's symlink in `l` is missing", |store| {
            store.remove(&format!("overlay/l/{}", store.layer_file(&top(store), "link")));
        }),
        case("the top layer's symlink in `l` dangles", |store| {
            let link = store.layer_file(&top(store), "link");
            store.shell(&format!("ln -sfn ../gone/diff overlay/l/{link}"));
        }),
        case("the top layer's symlink in `l` leads to another layer", |store| {
            let (link, base) = (store.layer_file(&top(store), "link"), base(store));
            store.shell(&format!("ln -sfn ../{base}/diff overlay/l/{link}"));
        }),
        case("a lower layer's symlink in `l` is missing", |store| {
            store.remove(&format!("overlay/l/{}", store.layer_file(&base(store), "link")));
        }),
        case("a lower layer's symlink in `l` leads to another layer", |store| {
            let (link, other) = (store.layer_file(&base(store), "link"), other_layer(store));
            store.shell(&format!("ln -sfn ../{other}/diff overlay/l/{link}"));
        }),
        case("with `lower-layers`, a lower layer's symlink in `l` is missing", |store| {
            lower_layers(store);
            store.remove(&format!("overlay/l/{}", store.layer_file(&base(store), "link")));
        }),
        case("the top layer's `link` is missing", |store| {
            store.remove(&format!("overlay/{}/link", top(store)))
        }),
        case("a lower layer's `link` is missing", |store| {
            store.remove(&format!("overlay/{}/link", base(store)))
        }),
        case("the top layer's `link` is wrong", |store| {
            store.write(&format!("overlay/{}/link", top(store)), "AAAAAAAAAAAAAAAAAAAAAAAAAA");
        }),
        case("the top layer's `link` is another's", |store| {
            let link = store.layer_file(&other_layer(store), "link");
            store.write(&format!("overlay/{}/link", top(store)), link);
        }),
        case("the top layer's `lower` is missing", |store| {
            store.remove(&format!("overlay/{}/lower", top(store)))
        }),
        case("a lower layer's `lower` is missing", |store| {
            // That layer is the top of an image, too: of another one.
            store.remove(&format!("overlay/{}/lower", middle(store)));
        }),
        case("`lower` lacks a layer", |store| {
            let top = top(store);
            let lower = store.layer_file(&top, "lower");
            store.write(&format!("overlay/{top}/lower"), lower.split(':').next().unwrap());
        }),
        case("`lower` is in another order", |store| {
            let top = top(store);
            let lower = store.layer_file(&top, "lower");
            let (one, other) = lower.split_once(':').unwrap();
            store.write(&format!("overlay/{top}/lower"), format!("{other}:{one}"));
        }),
        case("`lower` names a layer that is none", |store| {
            let top = top(store);
            let lower = store.layer_file(&top, "lower");
            let first = lower.split(':').next().unwrap();
            store.write(&format!("overlay/{top}/lower"), format!("{first}:l/AAAAAAAAAAAAAAAAAAAAAAAAAA"));
        }),
        case("with `lower-layers`, the top layer's `lower` is missing", |store| {
            lower_layers(store);
            store.remove(&format!("overlay/{}/lower", top(store)));
        }),
        case("`lower-layers` lacks a layer", |store| {
            lower_layers(store);
            let middle = middle(store);
            store.write(&format!("overlay/{}/lower-layers", top(store)), middle);
        }),
        case("`lower-layers` names a layer that is none", |store| {
            lower_layers(store);
            let ids = format!("{}:{}", middle(store), "0".repeat(64));
            store.write(&format!("overlay/{}/lower-layers", top(store)), ids);
        }),
        harmless("`lower-layers`, as podman 6 writes it", lower_layers),
        case("the tar-split is missing", |store| {
            store.remove(&format!("overlay-layers/{}.tar-split.gz", base(store)));
        }),
        case("the tar-split is cut short", |store| {
            store.shell(&format!("truncate -s -20 overlay-layers/{}.tar-split.gz", base(store)));
        }),
        case("the tar-split is no gzip", |store| {
            store.write(&format!("overlay-layers/{}.tar-split.gz", base(store)), "nonsense");
        }),
        case("the tar-split says something else", |store| {
            // Another name of an owner, in the pieces that are no file.
            let script = "import base64, gzip, json, sys\n\
                name = sys.argv[1]\n\
                lines = [json.loads(line) for line in gzip.open(name)]\n\
                piece = next(line for line in lines if line['type'] == 2 and len(base64.b64decode(line['payload'])) >= 512)\n\
                raw = bytearray(base64.b64decode(piece['payload']))\n\
                raw[300] ^= 1\n\
                piece['payload'] = base64.b64encode(bytes(raw)).decode()\n\
                gzip.open(name, 'w').write(b''.join(json.dumps(line).encode() + b'\\n' for line in lines))\n";
            let file = store.at(&format!("overlay-layers/{}.tar-split.gz", base(store)));
            crate::support::run(std::process::Command::new("python3").args(["-c", script]).arg(file));
        }),
        case("the tar-split has another checksum for a file", |store| {
            let script = "import gzip, json, sys\n\
                name = sys.argv[1]\n\
                lines = [json.loads(line) for line in gzip.open(name)]\n\
                next(line for line in lines if line['type'] == 1 and line.get('size'))['payload'] = 'AAAAAAAAAAA='\n\
                gzip.open(name, 'w').write(b''.join(json.dumps(line).encode() + b'\\n' for line in lines))\n";
            let file = store.at(&format!("overlay-layers/{}.tar-split.gz", base(store)));
            crate::support::run(std::process::Command::new("python3").args(["-c", script]).arg(file));
        }),
    ]
}

fn other_layer(store: &Store) -> String {
    store.records("images")[store.image_index(OTHER)]["layer"].as_str().unwrap().to_owned()
}

fn content() -> Vec<Case> {
    vec![
        case("a file has other bytes", |store| {
            in_base(store, "printf B | dd of=below conv=notrunc 2>/dev/null")
        }),
        case("a file is shorter", |store| in_base(store, "truncate -s 2 below")),
        case("a file is longer", |store| in_base(store, "echo more >>below")),
        case("a file is gone", |store| in_base(store, "rm below")),
        case("an empty directory is gone", |store| in_middle(store, "rmdir etc/empty")),
        case("a symlink is gone", |store| in_base(store, "rm bin/cat")),
        case("a file is a symlink to one with the same content", |store| {
            in_base(store, "rm below; ln -s mark below");
        }),
        case("a file is a symlink to another", |store| in_base(store, "rm below; ln -s etc/Grüße below")),
        case("a symlink leads elsewhere", |store| in_base(store, "ln -sf /bin/ping bin/cat")),
        case("a FIFO is a file", |store| in_base(store, "rm dev/fifo; : >dev/fifo")),
        case("a device has another number", |store| in_base(store, "rm dev/null; mknod dev/null c 1 5")),
        case("an empty file has content", |store| in_base(store, "echo planted >etc/empty")),
        case("a hard link is another file", |store| {
            in_base(
                store,
                "rm bin/sh; head -c 1000 /dev/zero >bin/sh; touch -r bin/busybox bin/sh; chmod 4755 bin/sh",
            );
        }),
        harmless("a hard link is a copy", |store| {
            in_base(
                store,
                "touch -r bin ../time; rm bin/sh; cp -p bin/busybox bin/sh; touch -r ../time bin; rm ../time",
            );
        }),
        case("a file more", |store| in_middle(store, "echo planted >etc/planted")),
        case("a directory more", |store| {
            in_middle(store, "mkdir -p opt/planted; echo planted >opt/planted/file")
        }),
        case("a whiteout more", |store| in_middle(store, "mknod below c 0 0")),
        case("a whiteout less", |store| in_middle(store, "rm gone")),
        case("a directory hides what is below", |store| {
            in_middle(store, "setfattr -n trusted.overlay.opaque -v y etc");
        }),
        case("a directory does not hide what is below", |store| {
            in_middle(store, "setfattr -x trusted.overlay.opaque opaque");
        }),
        case("another mode", |store| in_base(store, "chmod 0666 below")),
        case("setuid", |store| in_base(store, "chmod u+s bin/ping")),
        case("another owner", |store| in_base(store, "chown 1000 below")),
        case("another time", |store| in_base(store, "touch below")),
        case("an attribute less", |store| in_base(store, "setfattr -x user.kept mark")),
        case("an attribute more", |store| in_base(store, "setfattr -n user.more -v 1 below")),
        case("capabilities more", |store| in_base(store, "setcap cap_sys_admin+ep usr/lib/big")),
        case("another mode of `/`", |store| in_base(store, "chmod 0777 .")),
    ]
}

fn places() -> Vec<Case> {
    vec![
        case("a directory of no layer", |store| store.shell(&format!("mkdir overlay/{}", "0".repeat(64)))),
        case("a directory of no image", |store| {
            store.shell(&format!("mkdir overlay-images/{}", "0".repeat(64)))
        }),
        case("everyone may write", |store| store.shell("chmod 0755 .; chmod 0777 overlay-images")),
        case("somebody else owns it", |store| store.shell("chown 1000 overlay-images/images.json")),
        case("the store was made by vfs", |store| {
            store.shell("for part in images layers; do mv overlay-$part vfs-$part; done; rm -r overlay; mkdir -p vfs/dir");
        }),
    ]
}
