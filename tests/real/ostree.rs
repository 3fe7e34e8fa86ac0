//! Updates of an ostree system, with the real ostree.
//!
//! ostree merges `/etc` file by file: one that differs from the old image's stays as
//! it is, all others are the new image's. So a storage.conf to which a store was added
//! on the host knows nothing of what a new image brings and drops. The apply at boot
//! has to make it right, with nothing but the merged `/etc` to go by.

mod boot;
mod sysroot;

use crate::hosts::engines;
use boot::stores;
use sysroot::{Sysroot, Tree};

/// What an image says of storage before any store is declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vendor {
    /// The main file is in the image's own `/etc`, as on RHEL 9.
    Etc,
    /// It is in `/usr/share` and lists a store, as on RHEL 10 and Fedora.
    Share,
    /// It is all comments, and a drop-in for new engines lists a store, as on Fedora 45.
    DropIn,
}

/// What the build of an image does about its declared stores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    /// Nothing: the declarations are there, and that is all.
    Declares,
    /// `storagectl apply`, as package scriptlets do in a container build.
    Applies,
    /// The same when `/etc` is `/usr/etc` already.
    AppliesToUsrEtc,
}

const VENDOR_STORE: &str = "/usr/lib/containers/storage";

impl Vendor {
    /// The engines that start on such a host, and the stores that each sees there.
    fn engines(self) -> [(&'static str, &'static [&'static str]); 2] {
        match self {
            Self::Etc => [("/usr/bin/podman", &[]), ("podman-6", &[])],
            Self::Share => [("/usr/bin/podman", &[VENDOR_STORE]), ("podman-6", &[VENDOR_STORE])],
            // podman 4 needs a main file that sets something.
            Self::DropIn => [("podman-5", &[]), ("podman-6", &[VENDOR_STORE])],
        }
    }

    /// The image with these stores, declared as `NAME=PATH`. `version` is found in the
    /// main file, also in a copy that follows it.
    fn image(self, build: Build, version: u32, stores: &[&str]) -> Tree {
        let tree = Tree::new();
        let list = match self {
            Self::Etc => "[\n]".to_owned(),
            Self::Share => format!("[\n  \"{VENDOR_STORE}\",\n]"),
            Self::DropIn => String::new(),
        };
        let conf = format!(
            "# The vendor's, version {version}.\n[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
             graphroot = \"/var/lib/containers/storage\"\n\n[storage.options]\nadditionalimagestores = {list}\n"
        );
        match self {
            Self::Etc => tree.write("etc/containers/storage.conf", &conf),
            Self::Share => tree.write("usr/share/containers/storage.conf", &conf),
            Self::DropIn => {
                let comments: String =
                    format!("The vendor's, version {version}.\n[storage]\n\n[storage.options]\nadditionalimagestores = []\n")
                        .lines()
                        .map(|line| format!("# {line}\n"))
                        .collect();
                tree.write("usr/share/containers/storage.conf", &comments);
                tree.write(
                    "usr/share/containers/storage.rootful.conf.d/00-vendor-additional-store.conf",
                    &format!("[storage.options]\nadditionalimagestores = [\"{VENDOR_STORE}\"]\n"),
                );
            }
        }
        if self != Self::Etc {
            tree.storagectl(&["init-store", VENDOR_STORE]);
        }
        for store in stores {
            let (name, path) = store.split_once('=').unwrap();
            tree.storagectl(&["init-store", "--declare", name, path]);
        }
        match build {
            Build::Declares => {}
            Build::Applies => tree.storagectl(&["apply"]),
            Build::AppliesToUsrEtc => {
                tree.move_etc();
                tree.storagectl(&["apply"]);
            }
        }
        tree
    }
}

const APP: &str = "app=/usr/lib/app/images";
const NEW: &str = "new=/usr/lib/new/images";
const SITE: &str = "/opt/site";

/// Boots: each engine starts, and sees the vendor's stores and these. To boot again
/// changes nothing.
#[track_caller]
fn boot(sysroot: &Sysroot, vendor: Vendor, declared: &[&str], by_hand: &[&str]) {
    let said = boot::storagectl(sysroot, &["apply", "--boot"]);
    let etc = sysroot.deployment().join("etc");
    let settled = (configuration(sysroot), crate::tree::stamps(&etc));
    let again = boot::storagectl(sysroot, &["apply", "--boot"]);
    assert_eq!(configuration(sysroot), settled.0, "a second boot changes nothing: {said}{again}");
    assert_eq!(crate::tree::stamps(&etc), settled.1, "a second boot writes nothing: {again}");
    for (engine, vendors) in vendor.engines() {
        let mut seen = stores(sysroot, engine);
        let mut wanted: Vec<String> =
            [vendors, declared, by_hand].concat().iter().map(|&store| store.to_owned()).collect();
        seen.sort();
        wanted.sort();
        assert_eq!(seen, wanted, "{engine}\n{said}{}", configuration(sysroot));
    }
}

/// The main file, which may be a copy, has the rest from the image that runs.
#[track_caller]
fn assert_follows(sysroot: &Sysroot, version: u32) {
    let files = ["etc/containers/storage.conf", "usr/share/containers/storage.conf"];
    let file =
        files.map(|file| sysroot.deployment().join(file)).into_iter().find(|file| file.is_file()).unwrap();
    let text = fs_err::read_to_string(file).unwrap();
    assert!(text.contains(&format!("The vendor's, version {version}.")), "{text}");
}

/// The files that say which stores there are.
fn configuration(sysroot: &Sysroot) -> String {
    let dirs = ["etc/containers", "etc/containers/storage.conf.d"];
    let files = dirs.iter().flat_map(|dir| {
        let dir = sysroot.deployment().join(dir);
        let names = if dir.is_dir() { crate::tree::names(&dir) } else { Vec::new() };
        names.into_iter().map(move |name| dir.join(name)).filter(|file| file.is_file())
    });
    files
        .map(|file| {
            format!("== {}\n{}", file.file_name().unwrap().display(), fs_err::read_to_string(&file).unwrap())
        })
        .collect()
}

/// An update that brings a store, one that drops one, a rollback, and a reset.
#[track_caller]
fn play_through(vendor: Vendor, build: Build) {
    let sysroot = Sysroot::new();
    let first = sysroot.commit("first", &vendor.image(build, 1, &[APP]));
    let second = sysroot.commit("second", &vendor.image(build, 2, &[APP, NEW]));
    let third = sysroot.commit("third", &vendor.image(build, 3, &[NEW]));
    let (app, new) = ("/usr/lib/app/images", "/usr/lib/new/images");

    sysroot.deploy(&first);
    boot(&sysroot, vendor, &[app], &[]);
    boot::storagectl(&sysroot, &["add-store", "--init", SITE]);
    boot(&sysroot, vendor, &[app], &[SITE]);

    sysroot.deploy(&second);
    boot(&sysroot, vendor, &[app, new], &[SITE]);
    assert_follows(&sysroot, 2);

    sysroot.deploy(&third);
    boot(&sysroot, vendor, &[new], &[SITE]);
    assert_follows(&sysroot, 3);

    sysroot.roll_back();
    boot(&sysroot, vendor, &[app, new], &[SITE]);
    assert_follows(&sysroot, 2);

    // As a downgrade: with the /etc of now.
    sysroot.deploy(&first);
    boot(&sysroot, vendor, &[app], &[SITE]);
    assert_follows(&sysroot, 1);

    // Without it, the file is the image's to the byte, and ostree replaces it.
    boot::storagectl(&sysroot, &["remove-store", SITE]);
    boot(&sysroot, vendor, &[app], &[]);
    sysroot.deploy(&third);
    boot(&sysroot, vendor, &[new], &[]);
    assert_follows(&sysroot, 3);

    sysroot.reset(&third);
    boot(&sysroot, vendor, &[new], &[]);
    assert_follows(&sysroot, 3);
}

/// A store that nobody declares goes with the image that had it; the administrator had
/// listed it. Engines start, and see it again as soon as it is back.
#[test]
fn a_store_that_a_new_image_lacks_is_set_aside_until_it_is_back() {
    const OLD: &str = "/usr/lib/old/images";
    for vendor in [Vendor::Etc, Vendor::Share, Vendor::DropIn] {
        let sysroot = Sysroot::new();
        let with = vendor.image(Build::Declares, 1, &[APP]);
        with.storagectl(&["init-store", OLD]);
        let with = sysroot.commit("with", &with);
        let without = sysroot.commit("without", &vendor.image(Build::Declares, 2, &[APP]));
        let app = "/usr/lib/app/images";

        sysroot.deploy(&with);
        boot(&sysroot, vendor, &[app], &[]);
        boot::storagectl(&sysroot, &["add-store", OLD]);
        boot(&sysroot, vendor, &[app], &[OLD]);
        let listed = configuration(&sysroot);

        sysroot.deploy(&without);
        let output = boot::on(&sysroot, &engines::program(vendor.engines()[0].0), &["images"]);
        assert!(!output.status.success(), "without the apply at boot no engine would start");
        boot(&sysroot, vendor, &[app], &[]);
        assert_follows(&sysroot, 2);

        sysroot.roll_back();
        assert_eq!(configuration(&sysroot), listed, "each deployment has an /etc of its own");
        boot(&sysroot, vendor, &[app], &[OLD]);

        sysroot.deploy(&without);
        boot(&sysroot, vendor, &[app], &[]);
        sysroot.deploy(&with);
        boot(&sysroot, vendor, &[app], &[OLD]);
        assert!(!configuration(&sysroot).contains("missing at boot"), "{}", configuration(&sysroot));
    }
}

#[test]
fn rhel_9_whose_images_declare() {
    play_through(Vendor::Etc, Build::Declares);
}

#[test]
fn rhel_9_whose_builds_apply_to_usr_etc() {
    play_through(Vendor::Etc, Build::AppliesToUsrEtc);
}

#[test]
fn rhel_10_whose_images_declare() {
    play_through(Vendor::Share, Build::Declares);
}

#[test]
fn rhel_10_whose_builds_apply() {
    play_through(Vendor::Share, Build::Applies);
}

#[test]
fn fedora_45_whose_images_declare() {
    play_through(Vendor::DropIn, Build::Declares);
}

#[test]
fn fedora_45_whose_builds_apply_to_usr_etc() {
    play_through(Vendor::DropIn, Build::AppliesToUsrEtc);
}
