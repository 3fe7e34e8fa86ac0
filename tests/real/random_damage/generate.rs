//! Damage that nobody thought of.

use std::path::Path;

use serde_json::{Value, json};

use super::act::{Act, Change, Edit};
use super::names::Names;
use crate::dice::Dice;

const IMAGES: &str = "overlay-images/images.json";
const LAYERS: &str = "overlay-layers/layers.json";

const OF_IMAGES: [&str; 14] = [
    "id",
    "digest",
    "names",
    "names-history",
    "layer",
    "mapped-layers",
    "metadata",
    "big-data-names",
    "big-data-sizes",
    "big-data-digests",
    "created",
    "flags",
    "unknown",
    "*",
];

const OF_LAYERS: [&str; 21] = [
    "id",
    "names",
    "parent",
    "metadata",
    "mountlabel",
    "created",
    "compressed-diff-digest",
    "compressed-size",
    "diff-digest",
    "diff-size",
    "toc-digest",
    "compression",
    "uidset",
    "gidset",
    "flags",
    "uidmap",
    "gidmap",
    "big-data-names",
    "parent",
    "diff-digest",
    "*",
];

/// Everything that can be damaged in a store.
pub(super) struct Targets {
    /// Its paths, by their names in acts.
    paths: Vec<String>,
    images: usize,
    layers: usize,
}

impl Targets {
    pub(super) fn of(store: &Path, names: &Names) -> Self {
        let mut paths = Vec::new();
        walk(store, store, 0, &mut paths);
        let mut paths: Vec<String> = paths.iter().map(|path| names.token(path)).collect();
        paths.sort();
        let count = |file: &str| {
            let records: Vec<Value> =
                serde_json::from_slice(&fs_err::read(store.join(file)).unwrap()).unwrap();
            records.len()
        };
        Self { paths, images: count(IMAGES), layers: count(LAYERS) }
    }
}

/// All paths, but of the content of layers only what is near the top.
fn walk(root: &Path, dir: &Path, inside: usize, paths: &mut Vec<String>) {
    for entry in fs_err::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let Some(name) = path.strip_prefix(root).unwrap().to_str().map(str::to_owned) else { continue };
        let inside = inside + usize::from(inside > 0 || entry.file_name() == "diff");
        if inside > 3 || name.contains(' ') {
            continue;
        }
        paths.push(name);
        if entry.file_type().unwrap().is_dir() {
            walk(root, &path, inside, paths);
        }
    }
}

/// One damage, or two at once.
pub(super) fn damage(seed: u64, number: u64, targets: &Targets) -> Vec<Act> {
    let mut dice = Dice::new(seed, number);
    let count = if dice.chance(25) { 2 } else { 1 };
    (0..count).map(|_| act(&mut dice, targets)).collect()
}

fn act(dice: &mut Dice, targets: &Targets) -> Act {
    if dice.chance(45) { record(dice, targets) } else { file(dice, targets) }
}

fn record(dice: &mut Dice, targets: &Targets) -> Act {
    let (file, fields, count) = if dice.chance(50) {
        (IMAGES, OF_IMAGES.as_slice(), targets.images)
    } else {
        (LAYERS, OF_LAYERS.as_slice(), targets.layers)
    };
    let index = dice.below(count);
    let field = dice.one(fields);
    let mut path = field.to_owned();
    if dice.chance(50) {
        let inner = match field {
            "names" | "big-data-names" | "uidset" => format!("{}", dice.below(2)),
            "big-data-sizes" | "big-data-digests" => {
                let other = format!("sha256:<I{index}>");
                dice.one(&["manifest", "x", "signature-0", &other]).to_owned()
            }
            _ => String::new(),
        };
        if !inner.is_empty() {
            path = format!("{field}/{inner}");
        }
    }
    let what = match dice.below(10) {
        0 | 1 => Edit::Remove,
        2 => Edit::Twice(value(dice, targets, field)),
        3 => {
            let capital = field.to_uppercase();
            let other = dice.one(fields);
            Edit::Key(dice.one(&[capital.as_str(), "other", other]).to_owned())
        }
        // Names that change places are those of other images from then on.
        4 if field != "names" => Edit::Swap(dice.below(count)),
        _ => Edit::Set(value(dice, targets, field)),
    };
    let what = if path.contains('/') && !matches!(what, Edit::Set(_)) { Edit::Remove } else { what };
    Act::Record { file: file.to_owned(), index, path, what }
}

fn value(dice: &mut Dice, targets: &Targets, field: &str) -> Value {
    let texts = [
        "",
        "x",
        "a b",
        "UPPER/case:1",
        "localhost/new:1",
        "localhost/app:2",
        "localhost/app@sha256:short",
        "busybox",
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05.1+02:00",
        "2024-13-02T03:04:05Z",
        "2024-01-02 03:04:05Z",
        "0001-01-01T00:00:00Z",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "sha256:short",
        "sha512:0000000000000000000000000000000000000000000000000000000000000000",
        "md5:00000000000000000000000000000000",
        "../../etc",
        "/etc",
        ".",
        "{}",
        "{",
        "null",
        "{\"signature-sizes\":[5]}",
        "manifest",
        "signature-1",
        "system_u:object_r:container_file_t:s0:c1,c2",
        "\u{e9}\u{202e}",
    ];
    let id = if dice.chance(60) {
        format!("<L{}>", dice.below(targets.layers))
    } else {
        format!("<I{}>", dice.below(targets.images))
    };
    let text = |dice: &mut Dice| -> Value {
        if dice.chance(20) { id.clone().into() } else { dice.one(&texts).into() }
    };
    // What the field's own type is, more often.
    let kind = match field {
        "names" | "names-history" | "mapped-layers" | "big-data-names" if dice.chance(60) => 7,
        "big-data-sizes" | "big-data-digests" | "flags" if dice.chance(60) => 8,
        "uidset" | "gidset" | "uidmap" | "gidmap" if dice.chance(60) => 9,
        "diff-size" | "compressed-size" | "compression" if dice.chance(60) => 3,
        "id" | "digest" | "layer" | "parent" | "metadata" | "created" | "diff-digest" if dice.chance(60) => 5,
        _ => dice.below(10),
    };
    match kind {
        0 => Value::Null,
        1 => dice.chance(50).into(),
        2 => json!(1.5),
        3 => json!([0, 1, -1, 4_294_967_296_i64, 5][dice.below(5)]),
        4 => serde_json::from_str("9223372036854775808").unwrap(),
        5 | 6 => text(dice),
        7 => (0..dice.below(3)).map(|_| text(dice)).collect(),
        8 => {
            let key = text(dice);
            let key = key.as_str().unwrap().to_owned();
            let value = match dice.below(4) {
                0 => true.into(),
                1 => json!(7),
                2 => Value::Null,
                _ => text(dice),
            };
            let key = if field == "flags" { "incomplete".to_owned() } else { key };
            json!({ key: value })
        }
        _ => match dice.below(4) {
            0 => json!([]),
            1 => json!([0, 1]),
            2 => json!([-1]),
            _ => json!([{"container_id": 0, "host_id": dice.below(2) * 1000, "size": 65536}]),
        },
    }
}

fn file(dice: &mut Dice, targets: &Targets) -> Act {
    let mut path = targets.paths[dice.below(targets.paths.len())].clone();
    // There is more in layers than anywhere else.
    while path.contains("/diff/") && dice.chance(80) {
        path = targets.paths[dice.below(targets.paths.len())].clone();
    }
    let what = match dice.below(21) {
        0 | 1 => Change::Gone,
        2 => Change::Empty,
        3 => Change::Cut,
        4 | 5 => Change::Bit(dice.below(1000)),
        6 => Change::Directory,
        7 => Change::Fifo,
        8 => Change::Socket,
        9 => Change::Device,
        10 => Change::Dangling,
        11 => Change::Loop,
        12 | 13 => Change::Elsewhere,
        14 => Change::Mode([0, 0o600, 0o755, 0o777][dice.below(4)]),
        15 | 16 => {
            // One of the same name, if there is one.
            let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
            let same: Vec<&String> =
                targets.paths.iter().filter(|other| **other != path && name(other) == name(&path)).collect();
            let other = match same.as_slice() {
                [] => targets.paths[dice.below(targets.paths.len())].clone(),
                same => same[dice.below(same.len())].clone(),
            };
            Change::Other(other)
        }
        17 => return attribute(dice, targets),
        _ => return added(dice, targets),
    };
    Act::File { path, what }
}

/// An attribute of something in a layer: overlayfs' own more often than others.
fn attribute(dice: &mut Dice, targets: &Targets) -> Act {
    let inside: Vec<&String> = targets.paths.iter().filter(|path| path.contains("/diff")).collect();
    let name = match dice.one(&["opaque", "redirect", "metacopy", "whiteout", "origin", "kept"]) {
        "kept" => "user.kept".to_owned(),
        own => format!("{}.overlay.{own}", dice.one(&["trusted", "user"])),
    };
    let value = dice.one(&["y", "x", "/mark", "mark", "0"]).to_owned();
    Act::File { path: inside[dice.below(inside.len())].clone(), what: Change::Attribute(name, value) }
}

/// Something that was not there.
fn added(dice: &mut Dice, targets: &Targets) -> Act {
    let layer = format!("overlay/<L{}>", dice.below(targets.layers));
    let other = format!("<L{}>", dice.below(targets.layers));
    let file = |name: &str, what| Act::File { path: format!("{layer}/{name}"), what };
    match dice.below(9) {
        0 => file("composefs-data", Change::Directory),
        1 => file("composefs-data/composefs.blob", Change::Text("x".to_owned())),
        2 => file("additionallayer", Change::Text("/nowhere".to_owned())),
        3 => file("lower-layers", Change::Text(other)),
        4 => file("diff/added", Change::Text("added".to_owned())),
        5 => file(dice.one(&["diff/bin", "diff/mark", "diff/added"]), Change::Whiteout),
        6 => file("link", Change::Text(format!("<S{}>", dice.below(targets.layers)))),
        7 => file("lower", Change::Text(format!("l/<S{}>", dice.below(targets.layers)))),
        _ => {
            let text = dice.one(&["[]", "null", "[{", "", "{}", "[{\"id\":\"<L0>\"}]"]);
            Act::File {
                path: "overlay-layers/volatile-layers.json".to_owned(),
                what: Change::Text(text.to_owned()),
            }
        }
    }
}
