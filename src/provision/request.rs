//! Asking for a document.

use super::butane::{self, Dialect, Machine};
use super::container_runtime_config::OtherStores;
use super::ignition::{self, SpecVersion};
use super::layout::{Directories, NodeLayout};
use super::model::NodeModel;
use super::prove::prove;
use super::read::DocumentFormat;
use super::simple::SimpleKind;
use super::{blueprint, container_runtime_config, machine_config, ocne, pinned_image_set};
use crate::problem::Problem;

/// Which documents can be read, and what to do about others.
pub const READ: &str = "ignition, butane, machineconfig, containerruntimeconfig, pinnedimageset, ocne and blueprint are read; write others anew with all their stores and images";

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// An Ignition configuration.
    Ignition,
    /// A Butane configuration.
    Butane,
    /// A MachineConfig.
    MachineConfig,
    /// A ContainerRuntimeConfig.
    ContainerRuntimeConfig,
    /// A PinnedImageSet, which has images and no stores.
    PinnedImageSet,
    /// A cluster configuration of OCNE.
    Ocne,
    /// A blueprint of Image Builder.
    Blueprint,
    /// A kind that is only written.
    Simple(SimpleKind),
}

impl DocumentKind {
    /// What such a document is read as.
    ///
    /// # Errors
    /// `kind-lacks` for kinds that are only written.
    pub fn format(self) -> Result<DocumentFormat, Problem> {
        match self {
            Self::Ignition => Ok(DocumentFormat::Ignition),
            Self::Butane => Ok(DocumentFormat::Butane),
            Self::MachineConfig => Ok(DocumentFormat::MachineConfig),
            Self::ContainerRuntimeConfig => Ok(DocumentFormat::ContainerRuntimeConfig),
            Self::PinnedImageSet => Ok(DocumentFormat::PinnedImageSet),
            Self::Ocne => Ok(DocumentFormat::Ocne),
            Self::Blueprint => Ok(DocumentFormat::Blueprint),
            Self::Simple(_) => Err(Problem::new(
                "kind-lacks",
                "documents of this kind are only written, and none is read",
                READ,
            )),
        }
    }

    /// The preset of the nodes that such documents are for, if Butane's variant is this.
    pub(super) fn usual_preset(self, variant: &str) -> &'static str {
        match (self, variant) {
            (Self::Ocne, _) => "ocne",
            (Self::MachineConfig | Self::ContainerRuntimeConfig | Self::PinnedImageSet, _)
            | (Self::Butane, "openshift") => "rhcos",
            (Self::Butane, "fcos" | "fiot") | (Self::Blueprint, _) => "fedora",
            (Self::Butane, "r4e") => "rhel9",
            (Self::Butane, "flatcar") => "flatcar",
            (Self::Simple(kind), _) => kind.usual_preset(),
            _ => "none",
        }
    }
}

/// What a document shall no longer have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removals {
    /// Stores, with all that came with them.
    pub stores: Vec<String>,
    /// Images that are pulled into one.
    pub images: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// The kind.
    pub kind: DocumentKind,
    /// What a node shall have.
    pub model: NodeModel,
    /// Ignition's specification, where it is written directly.
    pub spec: SpecVersion,
    /// Butane's variant and version, where that is written.
    pub dialect: Dialect,
    /// The name and role of an object.
    pub machine: Machine,
    /// Whether the base was given, and not the preset's or a tree's.
    pub has_base: bool,
    /// Whether the credentials were given, and are not the preset's.
    pub has_authfile: bool,
    /// What a document that exists shall no longer have.
    pub removed: Removals,
    /// What only a ContainerRuntimeConfig lists.
    pub others: OtherStores,
    /// The comment with which YAML starts.
    pub made_by: String,
}

/// Nothing is asked for.
pub(super) fn no_store() -> Problem {
    Problem::new("no-store", "no store is given", "give its path on the nodes: `--store /var/images`")
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedDocument {
    /// Its text.
    pub text: String,
    /// What there is to know.
    pub warnings: Vec<String>,
}

impl GenerateRequest {
    /// Whether nothing is to be added or removed.
    pub(super) fn asks_nothing(&self) -> bool {
        let model = &self.model;
        let is_added = !(model.stores.is_empty() && model.images.is_empty() && self.others.is_empty());
        !is_added && self.removed == Removals::default()
    }

    /// Writes the document, and reads it back.
    ///
    /// # Errors
    /// A [`Problem`] if the kind cannot hold what is asked for, or a node would not do
    /// what it should.
    pub fn write(&self) -> Result<GeneratedDocument, Problem> {
        let model = &self.model;
        self.check_others()?;
        let has_none = model.stores.is_empty() && self.others.is_empty();
        if has_none && self.kind != DocumentKind::PinnedImageSet {
            return Err(no_store());
        }
        let mut warnings = Vec::new();
        let proved = |text: String, format, layout: &NodeLayout| {
            prove(&text, format, layout, model)?;
            Ok::<_, Problem>(text)
        };
        let text = match self.kind {
            DocumentKind::Ignition => {
                let layout = NodeLayout::of(model, Directories::Made)?;
                proved(ignition::write(&layout, self.spec), DocumentFormat::Ignition, &layout)?
            }
            DocumentKind::Butane => {
                if self.dialect.is_openshift() {
                    warnings.push(machine_config::order(&self.machine));
                }
                let layout = NodeLayout::of(model, self.dialect.directories())?;
                let text = butane::write(&layout, self.dialect, &self.machine, &self.made_by);
                proved(text, DocumentFormat::Butane, &layout)?
            }
            DocumentKind::MachineConfig => {
                warnings.push(machine_config::order(&self.machine));
                let layout = NodeLayout::of(model, Directories::ByUnit)?;
                let text = machine_config::write(&layout, self.spec, &self.machine, &self.made_by);
                proved(text, DocumentFormat::MachineConfig, &layout)?
            }
            DocumentKind::ContainerRuntimeConfig => {
                self.lacks_images("a ContainerRuntimeConfig", "`generate machineconfig`")?;
                warnings.extend(container_runtime_config::directories(model, &self.others));
                let layout = match model.stores.is_empty() {
                    true => NodeLayout::default(),
                    false => NodeLayout::of(model, Directories::Made)?,
                };
                let (stores, others) = (&layout.stores, &self.others);
                let text = container_runtime_config::write(stores, others, &self.machine, &self.made_by)?;
                proved(text, DocumentFormat::ContainerRuntimeConfig, &layout)?
            }
            DocumentKind::PinnedImageSet => {
                let text = pinned_image_set::write(&model.images, &self.machine, &self.made_by)?;
                proved(text, DocumentFormat::PinnedImageSet, &NodeLayout::default())?
            }
            DocumentKind::Ocne => {
                ocne::check(self.dialect)?;
                let layout = NodeLayout::of(model, Directories::Made)?;
                let text = ocne::write(&layout, self.dialect, &self.machine, &self.made_by);
                proved(text, DocumentFormat::Ocne, &layout)?
            }
            DocumentKind::Blueprint => {
                warnings.extend(blueprint::warnings(model));
                let (text, layout) = blueprint::write(model, &self.machine, &self.made_by)?;
                proved(text, DocumentFormat::Blueprint, &layout)?
            }
            DocumentKind::Simple(kind) => return kind.write(model, &self.made_by),
        };
        Ok(GeneratedDocument { text, warnings })
    }

    /// Stores of layers and artifacts are for one kind alone.
    ///
    /// # Errors
    /// `kind-lacks`.
    pub(super) fn check_others(&self) -> Result<(), Problem> {
        if self.others.is_empty() || self.kind == DocumentKind::ContainerRuntimeConfig {
            return Ok(());
        }
        Err(Problem::new(
            "kind-lacks",
            "only a ContainerRuntimeConfig lists stores of layers and artifacts",
            "use `generate containerruntimeconfig`, or leave out `--layer-store` and `--artifact-store`",
        ))
    }

    /// For a kind that cannot load images.
    ///
    /// # Errors
    /// A [`Problem`] if images are asked for.
    pub(super) fn lacks_images(&self, kind: &str, other: &str) -> Result<(), Problem> {
        if self.model.images.is_empty() {
            return Ok(());
        }
        Err(Problem::new("kind-lacks", format!("{kind} cannot load images"), format!("use {other} for that")))
    }
}
