//! The kinds of documents, by their names on the command line.

use clap::ValueEnum;

use crate::provision::read::Format;
use crate::provision::{DocumentKind, Simple};

/// The kinds, as they are named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KindName {
    /// An Ignition configuration, JSON
    Ignition,
    /// A Butane configuration, YAML
    Butane,
    /// A MachineConfig of OpenShift
    #[value(name = "machineconfig")]
    MachineConfig,
    /// A ContainerRuntimeConfig of OpenShift
    #[value(name = "containerruntimeconfig")]
    ContainerRuntimeConfig,
    /// A PinnedImageSet of OpenShift: images by digest, or those of --store
    #[value(name = "pinnedimageset", alias = "pinned-image-set")]
    PinnedImageSet,
    /// A cluster configuration of Oracle Cloud Native Environment
    Ocne,
    /// A blueprint of Image Builder or configuration of bootc-image-builder, TOML
    Blueprint,
    /// A file of tmpfiles.d
    Tmpfiles,
    /// A drop-in of storage.conf, for podman 6
    DropIn,
    /// Instructions of a Containerfile for bootc
    Containerfile,
    /// A %post section of a kickstart file
    Kickstart,
    /// A cloud-config of cloud-init
    CloudConfig,
    /// A playbook of Ansible
    Ansible,
    /// A drop-in of crio.conf, for CRI-O alone
    Crio,
    /// Stages of osbuild, JSON
    Osbuild,
    /// A quadlet that fails if no store has the image, and asks no registry
    Quadlet,
}

impl KindName {
    /// The kind of documents of this format.
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Ignition => Self::Ignition,
            Format::Butane => Self::Butane,
            Format::MachineConfig => Self::MachineConfig,
            Format::ContainerRuntimeConfig => Self::ContainerRuntimeConfig,
            Format::PinnedImageSet => Self::PinnedImageSet,
            Format::Ocne => Self::Ocne,
            Format::Blueprint => Self::Blueprint,
        }
    }

    /// The same for the library.
    pub(super) fn kind(self) -> DocumentKind {
        match self {
            Self::Ignition => DocumentKind::Ignition,
            Self::Butane => DocumentKind::Butane,
            Self::MachineConfig => DocumentKind::MachineConfig,
            Self::ContainerRuntimeConfig => DocumentKind::ContainerRuntimeConfig,
            Self::PinnedImageSet => DocumentKind::PinnedImageSet,
            Self::Ocne => DocumentKind::Ocne,
            Self::Blueprint => DocumentKind::Blueprint,
            Self::Tmpfiles => DocumentKind::Simple(Simple::Tmpfiles),
            Self::DropIn => DocumentKind::Simple(Simple::DropIn),
            Self::Containerfile => DocumentKind::Simple(Simple::Containerfile),
            Self::Kickstart => DocumentKind::Simple(Simple::Kickstart),
            Self::CloudConfig => DocumentKind::Simple(Simple::CloudConfig),
            Self::Ansible => DocumentKind::Simple(Simple::Ansible),
            Self::Crio => DocumentKind::Simple(Simple::Crio),
            Self::Osbuild => DocumentKind::Simple(Simple::Osbuild),
            Self::Quadlet => DocumentKind::Simple(Simple::Quadlet),
        }
    }
}
