//! Which drop-ins are read, in which order. Legacy engines read none.

use super::host::{Expected, Host, conf, fails, list, sees};

/// Directories for root's drop-ins, the strongest first.
const DIRS: [&str; 5] = [
    "/root/.config/containers/storage.conf.d",
    "/etc/containers/storage.rootful.conf.d",
    "/etc/containers/storage.conf.d",
    "/usr/share/containers/storage.rootful.conf.d",
    "/usr/share/containers/storage.conf.d",
];

pub(super) fn table() -> Vec<Host> {
    [order(), masks(), entries(), contents()].into_iter().flatten().collect()
}

/// A host with a main file that lists /a, and what modern engines see.
fn host(name: &'static str, expected: Expected) -> Host {
    Host::new(name).etc(conf("'/a'")).legacy(sees("/a")).modern(expected)
}

fn order() -> Vec<Host> {
    let append = |host: Host, dir: &str, name: &str, store: &str| {
        host.file(&format!("{dir}/{name}"), list(&format!("'{store}', {{append = true}}")))
    };
    let every_dir = DIRS.iter().zip(["/x", "/b", "/c", "/o", "/v"]).zip(["50", "40", "30", "20", "10"]);
    let by_name = every_dir.fold(
        host(
            "drop-ins apply in the order of their names, whatever their directory is",
            sees("/a /v /o /c /b /x"),
        ),
        |host, ((dir, store), name)| append(host, dir, &format!("{name}.conf"), store),
    );
    vec![
        host("a drop-in replaces the main file's list", sees("/o")).drop_in("10.conf", list("'/o'")),
        by_name,
        ["10", "9", "B", "a"]
            .iter()
            .zip(["/b", "/c", "/o", "/x"])
            .fold(host("names are compared byte by byte", sees("/a /b /c /o /x")), |host, (name, store)| {
                append(host, DIRS[2], &format!("{name}.conf"), store)
            }),
        Host::new("drop-ins count without a main file")
            .drop_in("10.conf", conf("'/o'"))
            .legacy(sees("").driver(""))
            .modern(sees("/o")),
        Host::new("drop-ins count beside the vendor's main file")
            .usr(conf("'/v'"))
            .drop_in("10.conf", list("'/o'"))
            .legacy(sees("/v"))
            .modern(sees("/o")),
        Host::new("the vendor's drop-in beats the administrator's main file")
            .etc(conf("'/a'"))
            .file(&format!("{}/00-vendor.conf", DIRS[3]), list("'/v'"))
            .legacy(sees("/a"))
            .modern(sees("/v")),
    ]
}

fn masks() -> Vec<Host> {
    // Each host has one directory less, so that every pair of neighbours is compared.
    let mut hosts: Vec<Host> = (0..DIRS.len())
        .map(|first| {
            let stores = ["/x", "/b", "/c", "/o", "/v"];
            DIRS.iter().zip(stores).skip(first).fold(
                host("of drop-ins with one name that in the strongest directory counts", sees(stores[first])),
                |host, (dir, store)| host.file(&format!("{dir}/10.conf"), list(&format!("'{store}'"))),
            )
        })
        .collect();
    let vendor = format!("{}/10.conf", DIRS[4]);
    let masked = |name, expected| host(name, expected).file(&vendor, list("'/v'"));
    hosts.extend([
        masked("a symlink to /dev/null masks a drop-in", sees("/a"))
            .file("/dev/null", "")
            .link(&format!("{}/10.conf", DIRS[2]), "/dev/null"),
        masked("an empty file masks a drop-in", sees("/a")).drop_in("10.conf", ""),
        masked("a dangling symlink masks a drop-in", sees("/a"))
            .link(&format!("{}/10.conf", DIRS[2]), "/srv/gone"),
        masked("a directory masks no drop-in", sees("/v")).dir(&format!("{}/10.conf", DIRS[2])),
        masked("names are compared as a whole", sees("/o"))
            .drop_in("10-o.conf", "")
            .drop_in("20.conf", list("'/o'")),
    ]);
    hosts
}

fn entries() -> Vec<Host> {
    let dir = DIRS[2];
    vec![
        host("hidden drop-ins count", sees("/o")).drop_in(".10.conf", list("'/o'")),
        host("a name of nothing but the suffix counts", sees("/o")).drop_in(".conf", list("'/o'")),
        host("other suffixes do not count", sees("/a"))
            .drop_in("10.conf.rpmsave", list("'/o'"))
            .drop_in("10.CONF", list("'/o'"))
            .drop_in("10.conf~", list("'/o'"))
            .drop_in("10", list("'/o'")),
        host("sub-directories are not read", sees("/a")).file(&format!("{dir}/10/10.conf"), list("'/o'")),
        host("a symlink to a drop-in is one", sees("/o"))
            .link(&format!("{dir}/10.conf"), "/srv/10")
            .file("/srv/10", list("'/o'")),
        host("a symlink to a directory with the suffix is fatal", fails("is a directory"))
            .dir("/srv/dir")
            .link(&format!("{dir}/10.conf"), "/srv/dir"),
        host("a directory of drop-ins may be a symlink", sees("/o"))
            .link(dir, "/srv/shared")
            .file("/srv/shared/10.conf", list("'/o'")),
        host("a file in the place of a directory of drop-ins is fatal", fails("not a directory"))
            .file(dir, ""),
        host("a dangling symlink in the place of a directory of drop-ins is none", sees("/a"))
            .link(dir, "/srv/gone"),
        host("users' drop-ins do not count for root", sees("/a"))
            .file("/etc/containers/storage.rootless.conf.d/10.conf", list("'/o'"))
            .file("/etc/containers/storage.rootless.conf.d/0/10.conf", list("'/o'"))
            .file("/root/.config/containers/storage.rootful.conf.d/10.conf", list("'/o'")),
    ]
}

fn contents() -> Vec<Host> {
    vec![
        host("a malformed drop-in is fatal, and legacy engines do not notice", fails("decode configuration"))
            .drop_in("10.conf", "[storage"),
        host("a drop-in of comments changes nothing", sees("/a")).drop_in("10.conf", "# nothing\n"),
        host("a drop-in replaces single values", sees("/a").graphroot("/srv/g"))
            .drop_in("10.conf", "[storage]\ngraphroot = '/srv/g'\n"),
        host("an empty value in a drop-in brings the default back", sees("/a").driver(""))
            .drop_in("10.conf", "[storage]\ndriver = ''\ngraphroot = ''\n")
            .drop_in("05.conf", "[storage]\ngraphroot = '/srv/g'\n"),
        host("the last drop-in wins", sees("/o").graphroot("/srv/h"))
            .drop_in("10.conf", format!("[storage]\ngraphroot = '/srv/g'\n{}", list("'/z'")))
            .drop_in("20.conf", format!("[storage]\ngraphroot = '/srv/h'\n{}", list("'/o'"))),
        host("unknown keys in a drop-in are ignored", sees("/a"))
            .drop_in("10.conf", "[storage]\ngraph_root = 1\n"),
    ]
}
