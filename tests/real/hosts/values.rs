//! What becomes of single values and of the paths in the list.

use super::host::{Expected, Host, conf, fails, list, sees};

pub(super) fn table() -> Vec<Host> {
    [drivers(), roots(), image_stores(), paths()].into_iter().flatten().collect()
}

fn etc(name: &'static str, old: &str, new: &str) -> Host {
    Host::new(name).etc(conf("'/a'").replace(old, new))
}

fn drivers() -> Vec<Host> {
    vec![
        etc("overlay2 is overlay", "\"overlay\"", "\"overlay2\"").all(sees("/a")),
        etc("vfs has stores too", "\"overlay\"", "\"vfs\"").all(sees("/a").driver("vfs")),
        etc("an empty driver is none", "\"overlay\"", "\"\"").all(sees("/a").driver("")),
    ]
}

fn roots() -> Vec<Host> {
    let graphroot = |name, value: &str, expected: &str| {
        etc(name, "/var/lib/containers/storage", value).all(sees("/a").graphroot(expected))
    };
    vec![
        graphroot("variables are expanded in graphroot", "$HOME/g", "/root/g"),
        graphroot("variables may be in braces", "/srv/${NAME}x", "/srv/namex").variable("NAME", "name"),
        graphroot("variables that are not set are empty", "/srv/$NAME/g", "/srv/g"),
        graphroot("$UID is the user, whatever the environment says", "/srv/$UID", "/srv/0")
            .variable("UID", "7"),
        graphroot("paths are cleaned", "/srv//x/../g/", "/srv/g"),
        graphroot("a path that exists is resolved", "/srv/link/g", "/srv/real/g")
            .link("/srv/link", "real")
            .dir("/srv/real/g"),
        graphroot("a path that does not exist is not", "/srv/link/g", "/srv/link/g")
            .link("/srv/link", "real")
            .dir("/srv/real"),
        etc("runroot is expanded too", "/run/containers/storage", "/run/$NAME")
            .variable("NAME", "n")
            .all(sees("/a").runroot("/run/n")),
    ]
}

fn image_stores() -> Vec<Host> {
    let storage = |name, line: &str| etc(name, "[storage.options]", &format!("{line}\n[storage.options]"));
    vec![
        storage("imagestore is new in podman 5", "imagestore = '/srv/i'")
            .podman4(sees("/a"))
            .podman5(sees("/a").imagestore("/srv/i"))
            .modern(sees("/a").imagestore("/srv/i")),
        storage("imagestore must not be graphroot", "imagestore = '/var/lib/containers/storage'")
            .podman4(sees("/a"))
            .podman5(fails("must either be not set or be a different than graphroot"))
            .modern(fails("must either be not set or be different than graphroot")),
        etc(
            "imagestore among the options has no effect",
            "[storage.options]",
            "[storage.options]\nimagestore = '/srv/i'",
        )
        .all(sees("/a")),
        storage("imagestore in a drop-in counts", "")
            .drop_in("10.conf", "[storage]\nimagestore = '/srv/i'\n")
            .legacy(sees("/a"))
            .modern(sees("/a").imagestore("/srv/i")),
    ]
}

fn paths() -> Vec<Host> {
    let listed = |name, stores: &str, expected: Expected| Host::new(name).etc(conf(stores)).all(expected);
    vec![
        listed("stores are cleaned", "'/a/', '//b', '/srv/../c/.'", sees("/a /b /c")),
        listed("stores are not resolved", "'/srv/link'", sees("/srv/link")).link("/srv/link", "/a"),
        listed("a store may be there twice", "'/a', '/b', '/a'", sees("/a /b /a")),
        listed("an empty store is none", "'', '/a'", sees("/a")),
        listed("a comma separates stores", "'/a,/b'", sees("/a /b")),
        listed("spaces around a store are dropped", "' /a '", sees("/a")),
        listed("variables in stores are not expanded", "'/a/../$HOME'", sees("/$HOME")).dir("/$HOME"),
        Host::new("an equals sign in a store is part of it")
            .dir("/srv/a=b")
            .etc(conf("'/srv/a=b'"))
            .all(sees("/srv/a=b")),
        Host::new("a list of another key is none").etc(conf("")).drop_in("10.conf", list("")).all(sees("")),
    ]
}
