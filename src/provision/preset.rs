//! The platforms that are known: which stores they have, and what hides the main file.

use std::path::PathBuf;

use super::model::PlatformFile;

/// A platform.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// The stores that its image has; without them in the list the node lacks images.
    pub stores: &'static [&'static str],
    /// Its storage.conf, as far as it differs from the engines' defaults.
    pub base: &'static str,
    /// Whether its image has, or may have, an /etc/containers/storage.conf: on such a node Ignition
    /// stops at a file that does not say `overwrite`.
    pub has_main: bool,
    /// The vendor's drop-ins of its newer versions, by path and text.
    drop_ins: &'static [(&'static str, &'static str)],
    /// Whether a version of it has or may get podman 6, which applies the files of the system
    /// to normal users.
    pub podman6: bool,
    /// Whether SELinux is on.
    pub selinux: bool,
    /// Where the credentials for pulling are.
    pub authfile: Option<&'static str>,
}

impl Preset {
    /// What its vendor's files may be: without drop-ins in older versions, with them in newer.
    pub(super) fn platform_versions(&self) -> Vec<Vec<PlatformFile>> {
        let file = |(path, text): &(&str, &str)| (PathBuf::from(path), (*text).to_owned());
        let mut platform_versions = vec![Vec::new()];
        if !self.drop_ins.is_empty() {
            platform_versions.push(self.drop_ins.iter().map(file).collect());
        }
        platform_versions
    }

    /// The platform of which nothing is known.
    pub fn none() -> &'static Self {
        Self::named("none").expect("there is such a preset")
    }

    /// The preset of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

/// containers-common 0.69 of Fedora 45 sets the list in a drop-in, which replaces the
/// main file's.
const VENDOR_DROP_IN: (&str, &str) = (
    "/usr/share/containers/storage.rootful.conf.d/00-vendor-additional-store.conf",
    "[storage.options]\nadditionalimagestores = [\"/usr/lib/containers/storage\"]\n",
);

const OCNE: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/usr/ock/containers",
]
pull_options = {enable_partial_images = "false", use_hard_links = "false", ostree_repos = ""}

[storage.options.overlay]
mountopt = "nodev,metacopy=on"
"#;

const FEDORA: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/usr/lib/containers/storage",
]
pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}

[storage.options.overlay]
mountopt = "nodev,metacopy=on"
"#;

const RHEL_9: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
]

[storage.options.overlay]
mountopt = "nodev,metacopy=on"
"#;

/// As the Machine Config Operator writes it (templates/common/_base/files in its repository).
const RHCOS: &str = r#"[storage]
driver = "overlay"
runroot = "/var/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
]
"#;

const IMAGE_BUILDER: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/usr/share/containers/storage",
]

[storage.options.overlay]
mountopt = "nodev,metacopy=on"
"#;

/// All of them. Fedora, its CoreOS, and RHEL 10 have storage.conf in /usr/share alone (kubespray#8953).
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "ocne",
        description: "Oracle Cloud Native Environment: keeps /usr/ock/containers",
        stores: &["/usr/ock/containers"],
        base: OCNE,
        has_main: true,
        drop_ins: &[],
        podman6: false,
        selinux: false,
        authfile: None,
    },
    Preset {
        name: "fedora",
        description: "Fedora, also CoreOS and IoT: keeps /usr/lib/containers/storage",
        stores: &["/usr/lib/containers/storage"],
        base: FEDORA,
        has_main: false,
        drop_ins: &[VENDOR_DROP_IN],
        podman6: true,
        selinux: true,
        authfile: None,
    },
    Preset {
        name: "rhel9",
        description: "RHEL 9 and similar systems, which have no store of their own",
        stores: &[],
        base: RHEL_9,
        has_main: true,
        drop_ins: &[],
        podman6: false,
        selinux: true,
        authfile: None,
    },
    Preset {
        name: "rhel10",
        description: "RHEL 10 and similar systems: keeps /usr/lib/containers/storage",
        stores: &["/usr/lib/containers/storage"],
        base: FEDORA,
        has_main: false,
        drop_ins: &[VENDOR_DROP_IN],
        podman6: true,
        selinux: true,
        authfile: None,
    },
    Preset {
        name: "rhcos",
        description: "OpenShift's CoreOS, which has no store of its own",
        stores: &[],
        base: RHCOS,
        has_main: true,
        drop_ins: &[],
        podman6: true,
        selinux: true,
        authfile: Some("/var/lib/kubelet/config.json"),
    },
    Preset {
        name: "image-builder",
        description: "Image Builder's images: keeps /usr/share/containers/storage",
        stores: &["/usr/share/containers/storage"],
        base: IMAGE_BUILDER,
        has_main: true,
        drop_ins: &[],
        podman6: true,
        selinux: true,
        authfile: None,
    },
    Preset {
        name: "flatcar",
        description: "Flatcar, which has no store of its own",
        stores: &[],
        base: "",
        has_main: true,
        drop_ins: &[],
        podman6: true,
        selinux: false,
        authfile: None,
    },
    Preset {
        name: "none",
        description: "No platform: nothing but the given stores",
        stores: &[],
        base: "",
        has_main: true,
        drop_ins: &[],
        podman6: true,
        selinux: false,
        authfile: None,
    },
];
