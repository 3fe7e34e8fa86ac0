//! The transactions that are compared with what sed scriptlets make of them, and
//! what storage.conf has to be after each.

use super::cases::{CONF, Case};
use super::machine::Machine;

/// A host with one store of its administrator.
pub(crate) const BEFORE: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
]
"#;

/// The same with the store of the package `app`.
pub(crate) const WITH_APP: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/images",
]
"#;

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    vec![
        array_over_several_lines(),
        array_on_one_line(),
        indented_array(),
        commented_out_array(),
        vendor_file_only(),
        broken_file(),
        same_path(),
        another_path(),
        installed_without_scriptlets(),
        erased_without_scriptlets(),
        meanwhile(),
        shared_store(),
        replaced_package(),
        administrators_images(),
        ostree_unprovided(),
    ]
}

pub(crate) fn array_over_several_lines() -> Case {
    Case::new("Array over several lines", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .says("added `/opt/app/images` to `/etc/containers/storage.conf`")
        .rpm("erase", &["-e", "app"], BEFORE)
        .says("removed `/opt/app/images` from `/etc/containers/storage.conf`")
}

pub(crate) fn array_on_one_line() -> Case {
    let before = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = ["/opt/site"]
"#;
    let with_app = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = ["/opt/site", "/opt/app/images"]
"#;
    Case::new("Array on one line", before).rpm("install", &["-i", "app-1"], with_app).rpm(
        "erase",
        &["-e", "app"],
        before,
    )
}

pub(crate) fn indented_array() -> Case {
    let before = r#"[storage]
  driver = "overlay"
  runroot = "/run/containers/storage"
  graphroot = "/var/lib/containers/storage"

  [storage.options]
  additionalimagestores = [
    "/opt/site"
  ]
"#;
    let with_app = r#"[storage]
  driver = "overlay"
  runroot = "/run/containers/storage"
  graphroot = "/var/lib/containers/storage"

  [storage.options]
  additionalimagestores = [
    "/opt/site",
    "/opt/app/images"
  ]
"#;
    Case::new("Array indented", before).rpm("install", &["-i", "app-1"], with_app).rpm(
        "erase",
        &["-e", "app"],
        before,
    )
}

pub(crate) fn commented_out_array() -> Case {
    let before = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
# additionalimagestores = [
# ]

[storage.options.overlay]
mountopt = "nodev"
"#;
    let with_app = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
# additionalimagestores = [
# ]
additionalimagestores = [
  "/opt/app/images",
] # storagectl: added this array

[storage.options.overlay]
mountopt = "nodev"
"#;
    Case::new("Array commented out", before).rpm("install", &["-i", "app-1"], with_app).rpm(
        "erase",
        &["-e", "app"],
        before,
    )
}

pub(crate) fn vendor_file_only() -> Case {
    let copy = r#"# Copied by storagectl from /usr/share/containers/storage.conf
# sha256:63ad30fccabcc7f8ec7134b089783056187c1367c0d2bca7870d8c8a211dc774
# Removing the last added store removes this file again.

[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/images",
]
"#;
    Case::without_conf("Only the vendor's file in /usr/share", Some(BEFORE))
        .rpm("install", &["-i", "app-1"], copy)
        .rpm("reinstall", &["-U", "--replacepkgs", "app-1"], copy)
        .rpm("erase", &["-e", "app"], None)
}

pub(crate) fn no_file_at_all() -> Case {
    let made = r#"# Created by storagectl: this host had no storage.conf.
# sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
# sha256 without added stores:3a80b2e3d9e2e7245994ba2efca1c40af2983aa27e22a2ead4247a05f98ab2fa
# Removing the last added store removes this file again.

[storage]
# Engines before podman 5 stop without driver, runroot and graphroot.
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/app/images",
]  # storagectl: added this table
"#;
    Case::without_conf("No storage.conf at all", None).rpm("install", &["-i", "app-1"], made).rpm(
        "erase",
        &["-e", "app"],
        None,
    )
}

pub(crate) fn broken_file() -> Case {
    let broken = r#"[storage]
driver = "overlay"
runroot = /run/containers/storage

[storage.options]
additionalimagestores = [
  "/opt/site",
]
"#;
    Case::new("storage.conf is not TOML (engines have stopped)", broken)
        .rpm("install", &["-i", "app-1"], broken)
        .says(
            " --> /etc/containers/storage.conf:3:11
",
        )
        .engines_are_stopped()
        .rpm("erase", &["-e", "app"], broken)
        .says("error: ")
        .engines_are_stopped()
}

pub(crate) fn same_path() -> Case {
    Case::new("Upgrade, reinstall, downgrade", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("upgrade", &["-U", "app-2"], WITH_APP)
        .rpm("reinstall", &["--reinstall", "app-2"], WITH_APP)
        .rpm("downgrade", &["-U", "--oldpackage", "app-1"], WITH_APP)
        .rpm("reinstall", &["-U", "--replacepkgs", "app-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
}

pub(crate) fn another_path() -> Case {
    let moved = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/moved",
]
"#;
    Case::new("Upgrade to a version with another path", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("upgrade", &["-U", "app-3"], moved)
        .rpm("erase", &["-e", "app"], BEFORE)
}

pub(crate) fn installed_without_scriptlets() -> Case {
    Case::new("Erase after an install with `--noscripts`", BEFORE)
        .rpm("install", &["-i", "--noscripts", "app-1"], BEFORE)
        .rpm("erase", &["-e", "app"], BEFORE)
}

pub(crate) fn erased_without_scriptlets() -> Case {
    Case::new("Install after an erase with `--noscripts`", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("erase", &["-e", "--noscripts", "app"], WITH_APP)
        .engines_are_stopped()
        .rpm("install again", &["-i", "app-1"], WITH_APP)
        .rpm("erase again", &["-e", "app"], BEFORE)
}

pub(crate) fn meanwhile() -> Case {
    let with_watched = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/watched",
]
"#;
    let seen = |machine: &Machine| {
        let conf = machine.read("/meanwhile.conf").unwrap();
        machine.write(CONF, &conf);
    };
    Case::new("An engine starts while the package is erased", BEFORE)
        .rpm("install", &["-i", "watched-1"], with_watched)
        .rpm("erase", &["-e", "watched"], BEFORE)
        .meanwhile("during the erase", seen, BEFORE)
}

pub(crate) fn shared_store() -> Case {
    let with_another = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/images",
  "/opt/place",
]
"#;
    Case::new("Two packages share a store, one is erased", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("install of the other", &["-i", "twin-1"], WITH_APP)
        .rpm("install of a third", &["-i", "place-1"], with_another)
        .rpm("erase", &["-e", "app"], with_another)
        .rpm("erase of the third", &["-e", "place"], WITH_APP)
        .rpm("erase of the other", &["-e", "twin"], BEFORE)
}

pub(crate) fn replaced_package() -> Case {
    Case::new("A package with another name replaces it (`Obsoletes:`)", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("upgrade", &["-U", "heir-1"], WITH_APP)
        .rpm("erase", &["-e", "heir"], BEFORE)
}

/// The same with the store of the package `place`.
pub(crate) const WITH_PLACE: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/place",
]
"#;

/// What an administrator made of the entry of the package `place`.
const EDITED: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  # Also holds what the plant needs.
  "/opt/place",    # do not remove
  "/opt/site", # of this site
]
"#;

pub(crate) fn administrators_images() -> Case {
    Case::new("An administrator's images in the store, then erase", BEFORE)
        .rpm("install", &["-i", "place-1"], WITH_PLACE)
        .meanwhile("administrator", |machine| machine.fill_store("/opt/place"), WITH_PLACE)
        .meanwhile("edit", |machine| machine.write(CONF, EDITED), EDITED)
        .rpm("erase", &["-e", "place"], EDITED)
}

pub(crate) fn ostree_unprovided() -> Case {
    Case::new("rpm-ostree, store below /var that nothing provides", BEFORE)
        .under_ostree()
        .rpm("install", &["-i", "unprovided-1"], BEFORE)
        .says("error: the store `/var/images` is not listed: its directory does not exist, and nothing in this system provides it at boot")
}
