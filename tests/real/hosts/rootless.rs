//! Engines that a normal user runs.

use super::host::{HOME, Host, conf, fails, list, sees, user_sees};

/// Directories for a user's drop-ins, the strongest first.
const DIRS: [&str; 7] = [
    "/home/u/.config/containers/storage.conf.d",
    "/etc/containers/storage.rootless.conf.d/1000",
    "/etc/containers/storage.rootless.conf.d",
    "/etc/containers/storage.conf.d",
    "/usr/share/containers/storage.rootless.conf.d/1000",
    "/usr/share/containers/storage.rootless.conf.d",
    "/usr/share/containers/storage.conf.d",
];
const STORES: [&str; 7] = ["/x", "/a", "/b", "/c", "/o", "/v", "/z"];

pub(super) fn table() -> Vec<Host> {
    [system_files(), own_files(), drop_ins(), directories(), environment()].into_iter().flatten().collect()
}

fn own(text: &str) -> (String, String) {
    (format!("{HOME}/.config/containers/storage.conf"), text.to_owned())
}

/// A host with a user's own main file.
fn with_own(name: &'static str, text: &str) -> Host {
    let (path, text) = own(text);
    Host::rootless(name).file(&path, text)
}

fn system_files() -> Vec<Host> {
    vec![
        Host::rootless("without any file there are defaults below the home")
            .podman4(user_sees("").driver("vfs"))
            .podman5(user_sees(""))
            .modern(user_sees("").driver("")),
        Host::rootless("legacy engines take the driver of the system and nothing else")
            .etc(conf("'/a'"))
            .legacy(user_sees(""))
            .modern(sees("/a")),
        Host::rootless("the same for the vendor's file")
            .usr(conf("'/v'").replace("overlay", "vfs"))
            .legacy(user_sees("").driver("vfs"))
            .modern(sees("/v").driver("vfs")),
        Host::rootless("a driver that is none for users is not taken")
            .etc(conf("").replace("overlay", "zfs"))
            .podman4(user_sees("").driver("vfs"))
            .podman5(user_sees("")),
        Host::rootless("rootless_storage_path is the graphroot, expanded")
            .etc("[storage]\ndriver = 'overlay'\nrootless_storage_path = '/srv/$UID/${HOME}'\n")
            .all(user_sees("").graphroot("/srv/1000/home/u")),
        Host::rootless("graphroot of the system is stronger than rootless_storage_path for modern engines")
            .etc(conf("").replace("[storage.options]", "rootless_storage_path = '/srv/u'\n[storage.options]"))
            .legacy(user_sees("").graphroot("/srv/u"))
            .modern(sees("")),
        Host::rootless("the system's imagestore is not the user's for legacy engines")
            .etc(conf("").replace("[storage.options]", "imagestore = '/srv/i'\n[storage.options]"))
            .legacy(user_sees(""))
            .modern(sees("").imagestore("/srv/i")),
        Host::rootless("a broken file of the system is fatal")
            .etc("[storage")
            .all(fails("expected '.' or ']' to end table name")),
    ]
}

fn own_files() -> Vec<Host> {
    vec![
        with_own("the user's own file counts and hides the system's", &conf("'/x'"))
            .etc(conf("'/a'"))
            .all(sees("/x")),
        with_own("what the user's file does not set has a default", "[storage]\ndriver = 'overlay'\n")
            .etc(conf("'/a'").replace("/var", "/srv"))
            .all(user_sees("")),
        with_own("an empty file of the user's hides the system's", "")
            .etc(conf("'/a'"))
            .all(user_sees("").driver("")),
        with_own(
            "the user's file may have a rootless_storage_path",
            "[storage]\nrootless_storage_path = '/srv/$UID'\n",
        )
        .all(user_sees("").driver("").graphroot("/srv/1000")),
        with_own("a broken file of the user's is a warning for legacy engines", "[storage")
            .etc(conf("'/a'"))
            .legacy(user_sees("").driver(""))
            .modern(fails("decode configuration")),
        with_own("append in the user's file makes legacy engines ignore it", &conf("'/x', {append = true}"))
            .legacy(user_sees("").driver(""))
            .modern(sees("/x")),
        with_own("a broken file of the system is fatal for legacy engines even so", &conf("'/x'"))
            .etc("[storage")
            .legacy(fails("expected '.' or ']' to end table name"))
            .modern(sees("/x")),
        with_own(
            "the system's rootless_storage_path counts where the user's file is silent",
            "[storage]\ndriver = 'overlay'\n",
        )
        .etc("[storage]\nrootless_storage_path = '/srv/u'\n")
        .legacy(user_sees("").graphroot("/srv/u"))
        .modern(user_sees("")),
    ]
}

fn drop_ins() -> Vec<Host> {
    let mut hosts: Vec<Host> = (0..DIRS.len())
        .map(|first| {
            DIRS.iter().zip(STORES).skip(first).fold(
                with_own(
                    "of a user's drop-ins with one name that in the strongest directory counts",
                    &conf("'/z'"),
                )
                .legacy(sees("/z"))
                .modern(sees(STORES[first])),
                |host, (dir, store)| host.file(&format!("{dir}/10.conf"), list(&format!("'{store}'"))),
            )
        })
        .collect();
    hosts.extend([
        with_own("root's and other users' drop-ins do not count for a user", &conf("'/x'"))
            .file("/etc/containers/storage.rootful.conf.d/10.conf", list("'/o'"))
            .file("/etc/containers/storage.rootless.conf.d/1001/10.conf", list("'/o'"))
            .file("/home/u/.config/containers/storage.rootless.conf.d/10.conf", list("'/o'"))
            .all(sees("/x")),
        Host::rootless("drop-ins count without a main file of the user's")
            .etc(conf("'/a'"))
            .file("/etc/containers/storage.rootless.conf.d/1000/10.conf", list("'/o', {append = true}"))
            .legacy(user_sees(""))
            .modern(sees("/a /o")),
    ]);
    hosts
}

fn directories() -> Vec<Host> {
    let bare = |name| with_own(name, "[storage]\ndriver = 'overlay'\n");
    vec![
        bare("XDG_DATA_HOME is where images are kept")
            .variable("XDG_DATA_HOME", "/srv/data")
            .all(user_sees("").graphroot("/srv/data/containers/storage")),
        bare("an empty XDG_DATA_HOME is none").variable("XDG_DATA_HOME", "").all(user_sees("")),
        bare("without XDG_RUNTIME_DIR it is looked for below /run/user")
            .without_variable("XDG_RUNTIME_DIR")
            .all(user_sees("")),
        bare("an XDG_RUNTIME_DIR that does not exist is fatal but for podman 4")
            .variable("XDG_RUNTIME_DIR", "/run/gone")
            .podman4(user_sees(""))
            .podman5(fails("lstat /run/gone: no such file or directory"))
            .modern(fails("lstat /run/gone: no such file or directory")),
    ]
}

fn environment() -> Vec<Host> {
    vec![
        Host::rootless("XDG_CONFIG_HOME counts")
            .variable("XDG_CONFIG_HOME", "/srv/config")
            .file("/srv/config/containers/storage.conf", conf("'/x'"))
            .file(&own("").0, conf("'/z'"))
            .etc(conf("'/a'"))
            .all(sees("/x")),
        Host::rootless("a broken file in XDG_CONFIG_HOME is fatal")
            .variable("XDG_CONFIG_HOME", "/srv/config")
            .file("/srv/config/containers/storage.conf", "[storage")
            .etc(conf("'/a'"))
            .all(fails("expected '.' or ']' to end table name")),
        Host::rootless("an XDG_CONFIG_HOME without the file hides the home's")
            .variable("XDG_CONFIG_HOME", "/srv/config")
            .file(&own("").0, conf("'/z'"))
            .etc(conf("'/a'"))
            .legacy(user_sees(""))
            .modern(sees("/a")),
        Host::rootless("an empty XDG_CONFIG_HOME is the home's for legacy engines only")
            .variable("XDG_CONFIG_HOME", "")
            .file(&own("").0, conf("'/z'"))
            .etc(conf("'/a'"))
            .legacy(sees("/z"))
            .modern(sees("/a")),
        Host::rootless("CONTAINERS_STORAGE_CONF counts as the user's own file")
            .variable("CONTAINERS_STORAGE_CONF", "/srv/named.conf")
            .file("/srv/named.conf", conf("'/x'"))
            .etc(conf("'/a'"))
            .drop_in("10.conf", list("'/o'"))
            .all(sees("/x")),
        Host::rootless("STORAGE_OPTS replaces the list in a file of the user's own")
            .variable("STORAGE_OPTS", "overlay.imagestore=/o")
            .file(&own("").0, conf("'/x'"))
            .all(sees("/o")),
        Host::rootless("STORAGE_OPTS counts without a file of the user's own")
            .variable("STORAGE_OPTS", "overlay.imagestore=/o")
            .etc(conf("'/a'"))
            .legacy(user_sees("/o"))
            .modern(sees("/o")),
        Host::rootless("an empty STORAGE_OPTS empties the list")
            .variable("STORAGE_OPTS", "")
            .file(&own("").0, conf("'/x'"))
            .all(sees("")),
        Host::rootless("STORAGE_DRIVER replaces the driver of the system")
            .variable("STORAGE_DRIVER", "vfs")
            .etc(conf("'/a'"))
            .legacy(user_sees("").driver("vfs"))
            .modern(sees("/a").driver("vfs")),
    ]
}
