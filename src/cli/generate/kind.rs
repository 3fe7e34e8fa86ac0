//! The kinds of documents, by their names on the command line.

use clap::ValueEnum;

use crate::provision::read::DocumentFormat;
use crate::provision::{DocumentKind, SimpleKind};

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
    pub(super) fn of(format: DocumentFormat) -> Self {
        match format {
            DocumentFormat::Ignition => Self::Ignition,
            DocumentFormat::Butane => Self::Butane,
            DocumentFormat::MachineConfig => Self::MachineConfig,
            DocumentFormat::ContainerRuntimeConfig => Self::ContainerRuntimeConfig,
            DocumentFormat::PinnedImageSet => Self::PinnedImageSet,
            DocumentFormat::Ocne => Self::Ocne,
            DocumentFormat::Blueprint => Self::Blueprint,
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
            Self::Tmpfiles => DocumentKind::Simple(SimpleKind::Tmpfiles),
            Self::DropIn => DocumentKind::Simple(SimpleKind::DropIn),
            Self::Containerfile => DocumentKind::Simple(SimpleKind::Containerfile),
            Self::Kickstart => DocumentKind::Simple(SimpleKind::Kickstart),
            Self::CloudConfig => DocumentKind::Simple(SimpleKind::CloudConfig),
            Self::Ansible => DocumentKind::Simple(SimpleKind::Ansible),
            Self::Crio => DocumentKind::Simple(SimpleKind::Crio),
            Self::Osbuild => DocumentKind::Simple(SimpleKind::Osbuild),
            Self::Quadlet => DocumentKind::Simple(SimpleKind::Quadlet),
        }
    }
}
