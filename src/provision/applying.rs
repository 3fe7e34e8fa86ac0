//! What applying a document does to nodes, and when.

use super::request::{DocumentKind, GenerateRequest};
use super::simple::SimpleKind;
use crate::problem::series;

impl GenerateRequest {
    /// What applying the document does to nodes, as a sentence. The operator drains and reboots for
    /// every file and unit that it is not told to treat in another way (`calculatePostConfigChangeAction`
    /// in its pkg/daemon/update.go); a ContainerRuntimeConfig becomes such a file.
    pub fn applying(&self) -> String {
        let pool = || {
            let role = &self.machine.role;
            let all =
                format!("applying it drains and reboots the nodes of the pool `{role}`, one after another");
            let gone: Vec<String> = self.removed.stores.iter().map(|path| format!("`{path}`")).collect();
            match gone.is_empty() {
                true => all,
                false => format!("{all}, and leaves {} on their disks", series(&gone)),
            }
        };
        let ignition =
            "Ignition applies it at a node's first boot only: nodes that run already do not change";
        match self.kind {
            DocumentKind::MachineConfig | DocumentKind::ContainerRuntimeConfig => pool(),
            DocumentKind::PinnedImageSet => format!(
                "the nodes of the pool `{}` pull the images and reload CRI-O; none is drained or rebooted",
                self.machine.role
            ),
            DocumentKind::Butane if self.dialect.is_openshift() => pool(),
            DocumentKind::Ignition | DocumentKind::Butane | DocumentKind::Ocne => ignition.to_owned(),
            DocumentKind::Blueprint => "hosts get it with the image that is built from it".to_owned(),
            DocumentKind::Simple(kind) => kind.applying().to_owned(),
        }
    }
}

impl SimpleKind {
    /// What applying such a document does to nodes, as a sentence.
    pub fn applying(self) -> &'static str {
        match self {
            Self::Tmpfiles => "nodes apply it at their next boot, before engines start",
            Self::DropIn => {
                "podman 6 reads it at its next command, and services of podman when they start again"
            }
            Self::Crio => "CRI-O reads it when it starts: `systemctl restart crio` on nodes that run",
            Self::Containerfile | Self::Osbuild => "hosts get it with the image, when they boot into it",
            Self::Kickstart => "anaconda applies it once, when a host is installed",
            Self::CloudConfig => "cloud-init applies it at an instance's first boot only",
            Self::Ansible | Self::AnsibleCollection => {
                "a run restarts CRI-O where it runs and its stores have changed"
            }
            Self::Quadlet => "systemd reads it at the next boot, or after `systemctl daemon-reload`",
        }
    }
}
