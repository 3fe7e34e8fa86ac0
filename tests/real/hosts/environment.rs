//! What the environment changes.

use super::host::{Host, conf, fails, list, sees};

const XDG_FILE: &str = "/srv/config/containers/storage.conf";

pub(super) fn table() -> Vec<Host> {
    [storage_conf(), storage_conf_override(), xdg(), home(), options()].into_iter().flatten().collect()
}

fn storage_conf() -> Vec<Host> {
    let named = || {
        Host::new("CONTAINERS_STORAGE_CONF names the only file that is read, drop-ins included")
            .variable("CONTAINERS_STORAGE_CONF", "/srv/named.conf")
    };
    vec![
        named()
            .file("/srv/named.conf", conf("'/x'"))
            .etc(conf("'/a'"))
            .drop_in("10.conf", list("'/o'"))
            .all(sees("/x")),
        named()
            .file("/srv/named.conf", conf("'/x'"))
            .etc("[storage")
            .file("/root/.config/containers/storage.conf", "[storage")
            .all(sees("/x")),
        Host::new("the file that CONTAINERS_STORAGE_CONF names must exist")
            .variable("CONTAINERS_STORAGE_CONF", "/srv/gone.conf")
            .etc(conf("'/a'"))
            .legacy(fails("stat /srv/gone.conf: no such file or directory"))
            .modern(fails("open /srv/gone.conf: no such file or directory")),
        Host::new("an empty CONTAINERS_STORAGE_CONF is fatal for legacy engines and nothing for modern ones")
            .variable("CONTAINERS_STORAGE_CONF", "")
            .etc(conf("'/a'"))
            .drop_in("10.conf", list("'/o'"))
            .legacy(fails("stat : no such file or directory"))
            .modern(sees("/o")),
        Host::new("CONTAINERS_STORAGE_CONF wins over XDG_CONFIG_HOME")
            .variable("CONTAINERS_STORAGE_CONF", "/srv/named.conf")
            .variable("XDG_CONFIG_HOME", "/srv/config")
            .file("/srv/named.conf", conf("'/x'"))
            .file(XDG_FILE, "[storage")
            .all(sees("/x")),
    ]
}

fn storage_conf_override() -> Vec<Host> {
    let with_override = |name, path| Host::new(name).variable("CONTAINERS_STORAGE_CONF_OVERRIDE", path);
    vec![
        with_override("CONTAINERS_STORAGE_CONF_OVERRIDE is read last", "/srv/last.conf")
            .file("/srv/last.conf", list("'/x'"))
            .etc(conf("'/a'"))
            .drop_in("99.conf", list("'/o'"))
            .legacy(sees("/a"))
            .modern(sees("/x")),
        with_override(
            "CONTAINERS_STORAGE_CONF_OVERRIDE is read after CONTAINERS_STORAGE_CONF",
            "/srv/last.conf",
        )
        .variable("CONTAINERS_STORAGE_CONF", "/srv/named.conf")
        .file("/srv/named.conf", conf("'/a'"))
        .file("/srv/last.conf", list("'/x', {append = true}"))
        .drop_in("99.conf", list("'/o'"))
        .legacy(sees("/a"))
        .modern(sees("/a /x")),
        with_override("the file that CONTAINERS_STORAGE_CONF_OVERRIDE names must exist", "/srv/gone.conf")
            .etc(conf("'/a'"))
            .legacy(sees("/a"))
            .modern(fails("open /srv/gone.conf: no such file or directory")),
        with_override("an empty CONTAINERS_STORAGE_CONF_OVERRIDE is none", "")
            .etc(conf("'/a'"))
            .all(sees("/a")),
    ]
}

fn xdg() -> Vec<Host> {
    let xdg = |name, value| Host::new(name).variable("XDG_CONFIG_HOME", value);
    vec![
        xdg("root's XDG_CONFIG_HOME counts for podman 4 and 6", "/srv/config")
            .file(XDG_FILE, conf("'/x'"))
            .etc(conf("'/a'"))
            .podman4(sees("/x"))
            .podman5(sees("/a"))
            .modern(sees("/x")),
        xdg("root's XDG_CONFIG_HOME is behind the vendor's file for podman 5", "/srv/config")
            .file(XDG_FILE, conf("'/x'"))
            .usr(conf("'/v'"))
            .podman4(sees("/x"))
            .podman5(sees("/v"))
            .modern(sees("/x")),
        xdg("root's XDG_CONFIG_HOME counts for podman 5 if there is no other file", "/srv/config")
            .file(XDG_FILE, conf("'/x'"))
            .all(sees("/x")),
        xdg("a broken file in root's XDG_CONFIG_HOME is fatal for all", "/srv/config")
            .file(XDG_FILE, "[storage")
            .etc(conf("'/a'"))
            .all(fails("expected '.' or ']' to end table name")),
        xdg("an XDG_CONFIG_HOME without the file hides $HOME's", "/srv/config")
            .file("/root/.config/containers/storage.conf", conf("'/x'"))
            .etc(conf("'/a'"))
            .all(sees("/a")),
        xdg("drop-ins in root's XDG_CONFIG_HOME count", "/srv/config")
            .file("/srv/config/containers/storage.conf.d/10.conf", list("'/x'"))
            .file("/root/.config/containers/storage.conf.d/20.conf", list("'/z'"))
            .etc(conf("'/a'"))
            .legacy(sees("/a"))
            .modern(sees("/x")),
        xdg("an empty XDG_CONFIG_HOME is set, and hides $HOME's file", "")
            .file("/root/.config/containers/storage.conf", conf("'/x'"))
            .etc(conf("'/a'"))
            .all(sees("/a")),
    ]
}

fn home() -> Vec<Host> {
    let own = "/root/.config/containers/storage.conf";
    vec![
        Host::new("HOME is where root's own file is")
            .variable("HOME", "/srv/home")
            .file("/srv/home/.config/containers/storage.conf", conf("'/x'"))
            .file(own, conf("'/z'"))
            .etc(conf("'/a'"))
            .legacy(sees("/a"))
            .modern(sees("/x")),
        Host::new("without HOME it is the one in the list of users")
            .without_variable("HOME")
            .file(own, conf("'/x'"))
            .etc(conf("'/a'"))
            .modern(sees("/x")),
        Host::new("an empty HOME is none").variable("HOME", "").file(own, conf("'/x'")).modern(sees("/x")),
    ]
}

fn options() -> Vec<Host> {
    let options = |name, value| Host::new(name).variable("STORAGE_OPTS", value);
    vec![
        options("STORAGE_OPTS replaces the list", "overlay.imagestore=/x,overlay.imagestore=/z")
            .etc(conf("'/a'"))
            .drop_in("10.conf", list("'/o'"))
            .all(sees("/x /z")),
        options("an empty STORAGE_OPTS empties the list", "").etc(conf("'/a'")).all(sees("")),
        options(
            "options in STORAGE_OPTS have several names",
            "imagestore=/x,additionalimagestore=/z,.imagestore=/o",
        )
        .etc(conf("'/a'"))
        .all(sees("/x /z /o")),
        options("STORAGE_OPTS counts without a file for modern engines only", "overlay.imagestore=/x")
            .legacy(sees("").driver(""))
            .modern(sees("/x").driver("")),
        Host::new("STORAGE_DRIVER replaces the driver")
            .variable("STORAGE_DRIVER", "overlay")
            .etc(conf("'/a'").replace("overlay", "vfs"))
            .all(sees("/a")),
        Host::new("an empty STORAGE_DRIVER is none")
            .variable("STORAGE_DRIVER", "")
            .etc(conf("'/a'"))
            .all(sees("/a")),
    ]
}
