//! Values that engines take, and values that they might not.

use storagectl::conf::schema::{SchemaKey, ValueType};

use super::host::{PROGRAM, STORES};
use crate::dice::Dice;

/// A list of stores that are there.
pub(super) fn list(dice: &mut Dice) -> Vec<String> {
    let mut stores = STORES.to_vec();
    let count = dice.below(4).min(dice.below(4));
    (0..count).map(|_| format!("\"{}\"", stores.remove(dice.below(stores.len())))).collect()
}

pub(super) fn array(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// A value with which every engine works, or nearly every one.
pub(super) fn right(dice: &mut Dice, key: &SchemaKey) -> String {
    let text = |dice: &mut Dice, of: &[&str]| format!("\"{}\"", dice.one(of));
    match (key.name, key.kind) {
        ("driver", _) => text(dice, &["overlay", "overlay", "overlay", "overlay2", "vfs"]),
        ("driver_priority", _) => {
            dice.one(&["[\"overlay\"]", "[\"overlay\", \"vfs\"]", "[\"vfs\"]", "[]"]).to_owned()
        }
        ("runroot", _) => text(dice, &["/run/containers/storage", "/run/s", "$HOME/run", "/tmp/${UID}"]),
        ("graphroot", _) => text(
            dice,
            &[
                "/var/lib/containers/storage",
                "/srv/$UID/x",
                "${HOME}/g",
                "/srv/g/../h",
                "/var/lib/containers/storage/",
            ],
        ),
        ("rootless_storage_path", _) => text(dice, &["$HOME/r", "/srv/$UID/r", "/srv/r/"]),
        ("imagestore", _) => text(dice, &["/srv/i", "/srv/i/", ""]),
        ("additionalimagestores", _) => array(&list(dice)),
        ("additionallayerstores", _) => {
            dice.one(&["[\"/a:ref\"]", "[\"/b\"]", "[]", "[\"/a\", \"/c:ref\"]"]).to_owned()
        }
        ("size", _) => text(dice, &["10G", "1t", "512m", "10GB", "10", "1.5g"]),
        ("inodes", _) => text(dice, &["1000", "1", "0"]),
        ("min_space", _) => text(dice, &["1G", "10m"]),
        ("mountopt", _) => text(dice, &["nodev", "nodev,metacopy=on", "", "volatile"]),
        ("mount_program", _) => text(dice, &[PROGRAM, ""]),
        ("force_mask", ValueType::String) => text(dice, &["shared", "private", "0755", "700", "0700"]),
        ("sync", _) => text(dice, &["none", "filesystem"]),
        ("remap-uids" | "remap-gids", _) => text(dice, &["0:1000:65536", ""]),
        (_, ValueType::Boolean) => dice.one(&["true", "false"]).to_owned(),
        (_, ValueType::StringBoolean) => text(dice, &["true", "false", "1", "0", "T", "False"]),
        (_, ValueType::Integer) => dice.one(&["1024", "0o700", "0", "65536"]).to_owned(),
        (_, ValueType::Strings) => "[\"x\"]".to_owned(),
        (_, ValueType::String) => text(dice, &["x", "", "1"]),
    }
}

/// A value of any type.
pub(super) fn any(dice: &mut Dice) -> String {
    let values = [
        "1",
        "-1",
        "0",
        "4294967296",
        "4294967295",
        "99999999999999999999",
        "1.5",
        "1e3",
        "inf",
        "nan",
        "true",
        "false",
        "\"\"",
        "\"x\"",
        "'y'",
        "\"true\"",
        "\"1\"",
        "[]",
        "[\"x\"]",
        "['']",
        "[1]",
        "[[\"x\"]]",
        "[true]",
        "[\"x\", 1]",
        "{}",
        "{a = \"b\"}",
        "{append = true}",
        "[{append = true}]",
        "[{}]",
        "[{x = 1}]",
        "1979-05-27",
        "07:32:00",
        "1979-05-27T07:32:00Z",
        "0x1F",
        "0o17",
        "0b1",
        "1_000",
        "\"\"\"x\"\"\"",
        "'''x'''",
        "\"\\u0041\"",
        "\"yes\"",
        "[\"x\",]",
        "+1",
        "{a.b = 1}",
        "[{append = true}, \"/a\"]",
    ];
    dice.one(&values).to_owned()
}

/// A text of the right type that may not be right all the same.
pub(super) fn odd(dice: &mut Dice, key: &SchemaKey) -> String {
    let of: &[&str] = match key.name {
        "driver" => {
            &["btrfs", "zfs", "aufs", "Overlay", "", "vfs", "overlay ", "devicemapper", "x", "overlay2"]
        }
        "runroot" | "graphroot" | "imagestore" | "rootless_storage_path" => &[
            "",
            "relative",
            "./x",
            "~/x",
            "$NOTHING",
            "$HOME",
            "${",
            "$",
            "$$",
            "${HOME",
            "$1",
            "${}",
            "$UID$UID",
            "/var/lib/containers/storage",
            "/a",
            "/root/x",
            " /x",
            "/x ",
            "/link",
            "/",
            "//x",
            "$-x",
            "$*",
            "${HOME}{",
            "/srv/$/x",
        ],
        "size" | "min_space" => &[
            "", "x", "-1", "10Q", "10 G", "10 gb", " 10G", "1.5.5", "1e3", "0", "1,5G", "10GiB", ".5g",
            "10g ",
        ],
        "inodes" => &["", "x", "-1", "1k", "1.5", "18446744073709551616", "+1", "1_000", " 5", "0x10"],
        "mountopt" => &[
            "fsync=0",
            "bogus",
            ",",
            "nodev,,",
            "metacopy=on,redirect_dir=on",
            " nodev",
            "volatile",
            "lowerdir=/x",
        ],
        "mount_program" => {
            &["/usr/bin/nothing", "fuse-overlayfs", " ", "/usr/bin", "/usr/bin/fuse-overlayfs ", "/link"]
        }
        "force_mask" => &["", "x", "0o755", "8", "99999999999", "-1", "Shared", "0755 ", "+7", "0_7"],
        "sync" => &["", "x", "None", "fsync", "FILESYSTEM", "file"],
        "remap-user" | "remap-group" => &["u", "root", "nobody", "1000"],
        "remap-uids" | "remap-gids" => {
            &["x", "0:1000", "0:1000:65536,1:2:3", "0:a:1", " 0:1000:1", "0:1000:-1"]
        }
        _ => match key.kind {
            ValueType::StringBoolean => {
                &["yes", "", "TRUE", "tRUE", "t", "f", "on", "2", " true", "true ", "True", "no"]
            }
            ValueType::String => &["", "x", " ", ","],
            ValueType::Boolean | ValueType::Integer | ValueType::Strings => return any(dice),
        },
    };
    format!("\"{}\"", dice.one(of))
}

/// An item of a list of stores.
pub(super) fn odd_store(dice: &mut Dice) -> String {
    let of = [
        "\"/a \"",
        "\" /a\"",
        "\" \"",
        "\"\"",
        "\"/a,/b\"",
        "\"/a,\"",
        "\",/a\"",
        "\"/a, /b\"",
        "\"a\"",
        "\"./a\"",
        "\"~/a\"",
        "\"$HOME\"",
        "\"/a/\"",
        "\"/a/../b\"",
        "\"//a\"",
        "\"/missing\"",
        "\"/file\"",
        "\"/link\"",
        "\"/dangling\"",
        "\"/closed\"",
        "\"/closed/below\"",
        "\"/root\"",
        "\"/root/x\"",
        "\"/home/u\"",
        "1",
        "true",
        "[]",
        "[\"/a\"]",
        "{}",
        "{append = true}",
        "{append=false}",
        "{append = 1}",
        "{append = \"true\"}",
        "{Append = true}",
        "{append = true, other = 1}",
        "{other = true}",
        "{append = true,}",
        "'/a'",
        "\"\"\"/a\"\"\"",
        "\"\\u002fa\"",
        "\"/d e\"",
        "\"/var/lib/containers/storage\"",
        "\"/a\", \"/a\"",
        "\"/a:ref\"",
        "\"/a=b\"",
        "\"=\"",
        "\"/a\\t\"",
        "\"\\e\"",
        "\"\\x2fa\"",
        "1979-05-27",
        "\"/\"",
        "\"/a\\u00a0\"",
        "\"/a\\n\"",
        "\"/a\", # a comment\n",
        "\n",
        "\"/tmp/../a\"",
        "\"/dev\"",
        "\"/loop\"",
    ];
    dice.one(&of).to_owned()
}

/// An item of a list of layer stores.
pub(super) fn odd_layer_store(dice: &mut Dice) -> String {
    let of = [
        "\"/a:ref\"",
        "\"/a:bad\"",
        "\"/a:ref:ref\"",
        "\":ref\"",
        "\"/missing:ref\"",
        "\"/missing\"",
        "\"/file\"",
        "\"/a:\"",
        "\"a\"",
        "\"\"",
        "\"/a,/b:ref\"",
        "\"/closed/below\"",
        "{append = true}",
        "\"/a:ref \"",
        "\"/link:ref\"",
        "\" /a\"",
    ];
    dice.one(&of).to_owned()
}
