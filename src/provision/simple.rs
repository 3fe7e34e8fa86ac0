//! Kinds that are only written: no document of somebody else's is checked or merged.

use super::model::NodeModel;
use super::request::GeneratedDocument;
use super::{ansible, cloud_config, containerfile, crio, drop_in, kickstart, osbuild, quadlet, tmpfiles};
use crate::problem::Problem;

/// Such a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimpleKind {
    /// A file of tmpfiles.d.
    Tmpfiles,
    /// A drop-in of storage.conf.
    DropIn,
    /// Instructions of a Containerfile for bootc.
    Containerfile,
    /// A section of a kickstart file.
    Kickstart,
    /// A cloud-config.
    CloudConfig,
    /// A playbook of Ansible.
    Ansible,
    /// The same with the project's collection.
    AnsibleCollection,
    /// A drop-in of crio.conf.
    Crio,
    /// Stages of osbuild.
    Osbuild,
    /// A quadlet for an image that stores have.
    Quadlet,
}

impl SimpleKind {
    /// The preset of the nodes that such documents are for.
    pub fn usual_preset(self) -> &'static str {
        match self {
            Self::Containerfile | Self::Kickstart => "fedora",
            Self::Osbuild => "image-builder",
            _ => "none",
        }
    }

    /// Writes such a document. `made_by` is the comment that it starts with.
    ///
    /// # Errors
    /// A [`Problem`] if the kind cannot hold what is asked for, or a node would not do
    /// what it should.
    pub fn write(self, model: &NodeModel, made_by: &str) -> Result<GeneratedDocument, Problem> {
        if let Some((kind, other)) = self.without_images()
            && !model.images.is_empty()
        {
            return Err(Problem::new(
                "kind-lacks",
                format!("{kind} cannot load images"),
                format!("use {other}"),
            ));
        }
        let (text, warnings) = match self {
            Self::Tmpfiles => (tmpfiles::write(model, made_by)?, tmpfiles::warnings(model)),
            Self::DropIn => (drop_in::write(model, made_by)?, drop_in::warnings(model)),
            Self::Containerfile => (containerfile::write(model, made_by)?, Vec::new()),
            Self::Kickstart => (kickstart::write(model, made_by)?, Vec::new()),
            Self::CloudConfig => (cloud_config::write(model, made_by)?, Vec::new()),
            Self::Ansible => (ansible::write(model, made_by)?, Vec::new()),
            Self::AnsibleCollection => (ansible::write_with_collection(model, made_by)?, Vec::new()),
            Self::Crio => (crio::write(model, made_by)?, crio::warnings(model)),
            Self::Osbuild => osbuild::write(model, made_by)?,
            Self::Quadlet => (quadlet::write(model, made_by)?, quadlet::warnings()),
        };
        Ok(GeneratedDocument { text, warnings })
    }

    /// For a kind that cannot load images: what it is, and what can.
    fn without_images(self) -> Option<(&'static str, &'static str)> {
        const UNITS: &str = "`generate cloud-config`, `containerfile` or `ignition`";
        match self {
            Self::Tmpfiles => Some(("tmpfiles.d", UNITS)),
            Self::DropIn => Some(("a drop-in", UNITS)),
            Self::Crio => Some(("crio.conf", UNITS)),
            _ => None,
        }
    }
}
