//! Which main file counts.

use super::host::{Host, conf, fails, fails_in_debian, sees};

const HOME_FILE: &str = "/root/.config/containers/storage.conf";

pub(super) fn table() -> Vec<Host> {
    [search(), kinds_of_files(), missing_keys()].into_iter().flatten().collect()
}

fn search() -> Vec<Host> {
    vec![
        Host::new("without any file there are defaults").all(sees("").driver("")),
        Host::new("the vendor's file counts if it is alone").usr(conf("'/v'")).all(sees("/v")),
        Host::new("the administrator's file hides the vendor's as a whole")
            .etc(conf("'/a'"))
            .usr(conf("'/v'"))
            .all(sees("/a")),
        Host::new("root's own file counts for modern engines only")
            .file(HOME_FILE, conf("'/x'"))
            .etc(conf("'/a'"))
            .legacy(sees("/a"))
            .modern(sees("/x")),
        Host::new("root's own file alone is none for legacy engines")
            .file(HOME_FILE, conf("'/x'"))
            .legacy(sees("").driver(""))
            .modern(sees("/x")),
        Host::new("a broken file of root's own does not trouble legacy engines")
            .file(HOME_FILE, "[storage")
            .etc(conf("'/a'"))
            .legacy(sees("/a"))
            .modern(fails("expected '.' or ']' to end table name")),
        // podman 4 asks for its defaults once before it knows of the administrator's file.
        Host::new("a broken vendor's file that is hidden is fatal for podman 4")
            .etc(conf("'/a'"))
            .usr("[storage")
            .all(sees("/a"))
            .podman4(fails_in_debian("runroot must be set")),
        Host::new("an incomplete vendor's file that is hidden is fatal for podman 4")
            .etc(conf("'/a'"))
            .usr("[storage]\ndriver = 'overlay'\nrunroot = '/run/containers/storage'\n")
            .all(sees("/a"))
            .podman4(fails_in_debian("graphroot must be set")),
    ]
}

fn kinds_of_files() -> Vec<Host> {
    let etc = "/etc/containers/storage.conf";
    vec![
        Host::new("a symlink is followed")
            .link(etc, "/srv/shared.conf")
            .file("/srv/shared.conf", conf("'/a'"))
            .all(sees("/a")),
        Host::new("a dangling symlink is no file")
            .link(etc, "/srv/gone.conf")
            .usr(conf("'/v'"))
            .all(sees("/v")),
        Host::new("a symlink in a circle is no file for legacy engines, and fatal for modern ones")
            .link(etc, "storage.conf")
            .usr(conf("'/v'"))
            .legacy(sees("/v"))
            .modern(fails("too many levels of symbolic links")),
        Host::new("an empty file hides the vendor's; podman 4 wants a runroot")
            .etc("")
            .usr(conf("'/v'"))
            .podman4(fails_in_debian("runroot must be set"))
            .podman5(sees("").driver(""))
            .modern(sees("").driver("")),
        Host::new("a symlink to /dev/null is an empty file")
            .link(etc, "/dev/null")
            .file("/dev/null", "")
            .usr(conf("'/v'"))
            .podman5(sees("").driver(""))
            .modern(sees("").driver("")),
        Host::new("a file of comments is an empty file")
            .etc("# [storage]\n# driver = \"overlay\"\n")
            .podman4(fails_in_debian("runroot must be set"))
            .podman5(sees("").driver(""))
            .modern(sees("").driver("")),
        Host::new("a directory is fatal").dir(etc).usr(conf("'/v'")).all(fails("is a directory")),
    ]
}

fn missing_keys() -> Vec<Host> {
    vec![
        Host::new("a table of options alone has no runroot for podman 4")
            .etc("[storage.options]\nadditionalimagestores = ['/a']\n")
            .podman4(fails_in_debian("runroot must be set"))
            .podman5(sees("/a").driver(""))
            .modern(sees("/a").driver("")),
        Host::new("only podman 4 needs a runroot")
            .etc("[storage]\ndriver = 'overlay'\ngraphroot = '/srv/g'\n")
            .podman4(fails_in_debian("runroot must be set"))
            .podman5(sees("").graphroot("/srv/g"))
            .modern(sees("").graphroot("/srv/g")),
        Host::new("only podman 4 needs a graphroot")
            .etc("[storage]\ndriver = 'overlay'\nrunroot = '/srv/r'\n")
            .podman4(fails_in_debian("graphroot must be set"))
            .podman5(sees("").runroot("/srv/r"))
            .modern(sees("").runroot("/srv/r")),
        Host::new("a file without a driver has one picked")
            .etc(conf("'/a'").replace("driver = \"overlay\"\n", ""))
            .all(sees("/a").driver("")),
        Host::new("rootless_storage_path takes the place of a missing graphroot for legacy root, and not for modern")
            .etc("[storage]\ndriver = 'overlay'\nrunroot = '/run/containers/storage'\nrootless_storage_path = '/srv/u'\n")
            .podman5(sees("").graphroot("/srv/u"))
            .modern(sees("")),
    ]
}
