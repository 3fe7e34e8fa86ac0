//! What CRI-O's own files add to storage.conf.

use super::host::{Expected, Host, conf, fails, sees};

pub(super) fn table() -> Vec<Host> {
    [main_file(), drop_ins()].into_iter().flatten().collect()
}

/// A host whose storage.conf lists /a, with this text as crio.conf, and what CRI-O sees.
fn host(name: &'static str, text: &str, expected: Expected) -> Host {
    Host::new(name).etc(conf("'/a'")).file("/etc/crio/crio.conf", text).crio(expected)
}

fn storage_option(options: &str) -> String {
    format!("[crio]\nstorage_option = [{options}]\n")
}

fn main_file() -> Vec<Host> {
    let own = |name, options: &str, stores: &str| host(name, &storage_option(options), sees(stores));
    vec![
        own("storage_option is added to storage.conf's", "'overlay.imagestore=/x'", "/a /x"),
        own(
            "of equal options the last one is kept",
            "'overlay.imagestore=/x', 'overlay.imagestore=/a'",
            "/x /a",
        ),
        own(
            "only options that are spelt alike are equal",
            "'imagestore=/a', 'additionalimagestore=/a'",
            "/a /a /a",
        ),
        own("an empty storage_option removes nothing", "", "/a"),
        host("duplicates in storage.conf go once there is a crio.conf", "[crio]\n", sees("/b /a"))
            .etc(conf("'/a', '/b', '/a'")),
        Host::new("duplicates in storage.conf stay without a crio.conf")
            .etc(conf("'/a', '/b', '/a'"))
            .crio(sees("/a /b /a")),
        host(
            "root, runroot, storage_driver and imagestore replace storage.conf's",
            "[crio]\nroot = '/srv/g'\nrunroot = '/srv/r'\nstorage_driver = 'vfs'\nimagestore = '/srv/i'\n",
            sees("").graphroot("/srv/g").runroot("/srv/r").driver("vfs").imagestore("/srv/i"),
        )
        .etc(conf("")),
        host(
            "empty values keep storage.conf's",
            "[crio]\nroot = ''\nrunroot = ''\nstorage_driver = ''\n",
            sees("/a"),
        ),
        host(
            "CRI-O's values are not expanded",
            "[crio]\nroot = '/srv/$HOME'\n",
            sees("/a").graphroot("/srv/$HOME"),
        ),
        host(
            "a broken crio.conf is fatal",
            "[crio",
            fails("unable to decode configuration /etc/crio/crio.conf"),
        ),
        host("a broken storage.conf is fatal", "", fails("expected '.' or ']' to end table name"))
            .etc("[storage"),
        host(
            "a key of CRI-O's own with a value of the wrong type is fatal",
            "[crio]\ninternal_wipe = 'true'\n",
            fails("unable to decode configuration /etc/crio/crio.conf"),
        ),
        host(
            "so is a string instead of a list",
            "[crio.image]\npinned_images = 'x'\n",
            fails("unable to decode configuration /etc/crio/crio.conf"),
        ),
        host("unknown keys are ignored", "[crio]\nstorage_options = ['overlay.imagestore=/x']\n", sees("/a")),
    ]
}

fn drop_ins() -> Vec<Host> {
    let x = storage_option("'overlay.imagestore=/x'");
    let dir = "/etc/crio/crio.conf.d";
    let host = |name, stores: &str| host(name, "", sees(stores));
    vec![
        host("storage_option adds up over drop-ins", "/a /x /z")
            .file(&format!("{dir}/10.conf"), &x)
            .file(&format!("{dir}/20.conf"), storage_option("'overlay.imagestore=/z'")),
        host("every file in the directory of drop-ins counts, and those below it", "/a /o /x /b /z")
            .file(&format!("{dir}/20.conf.bak"), storage_option("'overlay.imagestore=/z'"))
            .file(&format!("{dir}/10/10"), &x)
            .file(&format!("{dir}/.hidden"), storage_option("'overlay.imagestore=/o'"))
            .file(&format!("{dir}/10.conf"), storage_option("'overlay.imagestore=/b'")),
        host("a symlink to a drop-in counts", "/a /x")
            .file("/srv/10", &x)
            .link(&format!("{dir}/10.conf"), "/srv/10"),
        Host::new("drop-ins count without a crio.conf")
            .etc(conf("'/a'"))
            .file(&format!("{dir}/10.conf"), &x)
            .crio(sees("/a /x")),
        Host::new("a dangling symlink among the drop-ins is fatal")
            .etc(conf("'/a'"))
            .link(&format!("{dir}/10.conf"), "/srv/gone")
            .crio(fails("no such file or directory")),
        Host::new("a symlink to a directory among the drop-ins is fatal")
            .etc(conf("'/a'"))
            .link(&format!("{dir}/10"), "/srv/dir")
            .file("/srv/dir/10.conf", &x)
            .crio(fails("is a directory")),
        Host::new("the last drop-in wins")
            .etc(conf("'/a'"))
            .file(&format!("{dir}/10.conf"), "[crio]\nroot = '/srv/g'\n")
            .file(&format!("{dir}/20.conf"), "[crio]\nroot = '/srv/h'\n")
            .crio(sees("/a").graphroot("/srv/h")),
        Host::new("storage.conf's drop-ins do not count")
            .etc(conf("'/a'"))
            .drop_in("10.conf", conf("'/o'"))
            .crio(sees("/a")),
    ]
}
