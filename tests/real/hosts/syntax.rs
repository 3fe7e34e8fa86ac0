//! What the parsers of the generations accept.

use super::host::{Host, conf, fails, sees};

pub(super) fn table() -> Vec<Host> {
    [documents(), types()].into_iter().flatten().collect()
}

fn documents() -> Vec<Host> {
    vec![
        // CRI-O reads as podman 5 does, with a newer parser.
        Host::new("of a key that is there twice podman 4 and 5 take the last")
            .etc(conf("'/a'").replace("[storage.options]", "[storage.options]\nadditionalimagestores = ['/b']"))
            .legacy(sees("/a"))
            .crio(fails("has already been defined"))
            .modern(fails("has already been defined")),
        Host::new("a table that is there twice is fatal for all")
            .etc(format!("{}[storage.options]\n", conf("'/a'")))
            .all(fails("has already been defined")),
        Host::new("a byte order mark is fatal for podman 4")
            .etc(format!("\u{feff}{}", conf("'/a'")))
            .podman4(fails("toml:"))
            .podman5(sees("/a"))
            .modern(sees("/a")),
        Host::new("CRLF ends a line").etc(conf("'/a'").replace('\n', "\r\n")).all(sees("/a")),
        Host::new("a line break in an inline table is TOML 1.1")
            .etc(format!("{}pull_options = {{\n  convert_images = 'false',\n}}\n", conf("'/a'")))
            .legacy(fails("newlines not allowed within inline tables"))
            .crio(sees("/a"))
            .modern(sees("/a")),
        Host::new("the escape of ESC is TOML 1.1")
            .etc(format!("{}mountopt = \"\\e\"\n", conf("'/a'")))
            .drop_in("10.conf", "[storage.options]\nmountopt = ''\n")
            .legacy(fails("invalid escape in string"))
            .crio(sees("/a"))
            .modern(sees("/a")),
        Host::new("dotted keys are tables")
            .etc(
                "storage.driver = 'overlay'\nstorage.runroot = '/run/containers/storage'\n\
                 storage.graphroot = '/var/lib/containers/storage'\nstorage.options.additionalimagestores = ['/a']\n",
            )
            .all(sees("/a")),
        Host::new("an inline table is a table")
            .etc(
                "storage = {driver = 'overlay', runroot = '/run/containers/storage', \
                 graphroot = '/var/lib/containers/storage', options = {additionalimagestores = ['/a']}}\n",
            )
            .all(sees("/a")),
        Host::new("bytes that are no UTF-8 are fatal, in a comment too")
            .etc([conf("'/a'").as_bytes(), b"# \xff\n"].concat())
            .all(fails("invalid UTF-8")),
        Host::new("keys know no case")
            .etc(conf("'/a'").replace("driver", "Driver").replace("additionalimagestores", "AdditionalImageStores"))
            .all(sees("/a")),
        Host::new("tables know no case").etc(conf("'/a'").replace("storage", "STORAGE").replace("/STORAGE", "/storage")).all(sees("/a")),
        Host::new("unknown keys and tables are ignored")
            .etc(format!("{}additionalimagestore = ['/b']\n[storage.nonsense]\na = 1\n[other]\nb = 2\n", conf("'/a'")))
            .all(sees("/a")),
        Host::new("options outside of their table are none").etc(conf("'/a'").replace("[storage.options]", "[options]")).all(sees("")),
    ]
}

fn types() -> Vec<Host> {
    let with = |name, line: &str| Host::new(name).etc(format!("{}{line}\n", conf("'/a'")));
    vec![
        with("a native boolean in the place of a string is fatal", "ignore_chown_errors = false")
            .all(fails("incompatible types: TOML value has type bool")),
        with("the same in a driver's table", "[storage.options.overlay]\nskip_mount_home = true")
            .all(fails("incompatible types: TOML value has type bool")),
        with("a string in the place of a native boolean is fatal", "disable-volatile = 'true'")
            .all(fails("incompatible types: TOML value has type string")),
        Host::new("a key that podman 4 does not know may have any type there")
            .etc(conf("'/a'").replace("[storage.options]", "transient_store = 'true'\n[storage.options]"))
            .podman4(sees("/a"))
            .podman5(fails("incompatible types: TOML value has type string"))
            .modern(fails("incompatible types: TOML value has type string")),
        with("a number in the place of a string is fatal", "size = 10")
            .all(fails("incompatible types: TOML value has type int64")),
        Host::new("a string in the place of a table is fatal")
            .etc("storage = 'overlay'\n")
            .all(fails("toml:")),
    ]
}
