//! The arguments as a request.

use super::given::{main_file_text, read_file, take_from_tree};
use super::kind::KindName;
use super::made_by::made_by;
use super::{Common, EngineGeneration, Generate};
use crate::cli::position::position;
use crate::cli::store_paths;
use crate::problem::Problem;
use crate::provision::butane::{DIALECTS, Dialect, Machine};
use crate::provision::container_runtime_config::OtherStores;
use crate::provision::ignition::SpecVersion;
use crate::provision::{
    DocumentKind, DocumentPlatform, ExistingDocument, GenerateRequest, Generations, NodeModel, NodeStore,
    Preset, READ, Removals, SimpleKind,
};

impl Generate {
    /// The platform of a new document, or of `given`, which is merged into or read.
    pub(super) fn platform(
        &self,
        common: &Common,
        given: Option<&ExistingDocument>,
    ) -> anyhow::Result<DocumentPlatform> {
        let asked = match &self.preset {
            Some(preset) => preset,
            // A tree has its own files, and they say what is listed.
            None if common.root.is_some() => "none",
            None => {
                let name = self.kind(given)?;
                return Ok(DocumentPlatform::of(name.kind(), self.dialect(name, given)?.variant, given));
            }
        };
        Ok(DocumentPlatform::asked(Preset::named(asked).expect("clap knows the names")))
    }

    /// What is asked for of nodes of a platform. `given` is the document that is merged into or read.
    pub(super) fn request(
        &self,
        common: &Common,
        given: Option<&ExistingDocument>,
        preset: &Preset,
    ) -> anyhow::Result<GenerateRequest> {
        let name = self.kind(given)?;
        let kind = self.with_collection(name)?;
        if given.is_some() {
            kind.format()?;
        }
        let dialect = self.dialect(name, given)?;
        let spec = self.spec()?;
        let name = match (&self.name, name) {
            (Some(name), _) => name.clone(),
            (None, KindName::ContainerRuntimeConfig | KindName::Blueprint) => "storagectl-stores".to_owned(),
            (None, KindName::PinnedImageSet) => format!("{}-storagectl-images", self.role),
            (None, _) => format!("99-{}-storagectl-stores", self.role),
        };
        Ok(GenerateRequest {
            kind,
            model: self.model(common, preset)?,
            spec,
            dialect,
            machine: Machine { name, role: self.role.clone() },
            has_authfile: self.authfile.is_some(),
            others: OtherStores {
                layers: store_paths(&self.layer_stores)?,
                artifacts: store_paths(&self.artifact_stores)?,
            },
            removed: Removals { stores: store_paths(&self.remove)?, images: self.remove_image.clone() },
            has_base: self.base.is_some() || common.config.is_some(),
            made_by: made_by(),
        })
    }

    fn model(&self, common: &Common, preset: &Preset) -> anyhow::Result<NodeModel> {
        let mut stores: Vec<NodeStore> =
            store_paths(&self.stores)?.iter().map(|path| NodeStore::new(path, self.mode)).collect();
        for store in &mut stores {
            store.create &= !self.no_create;
        }
        let mut model = NodeModel::new(preset, stores);
        if common.root.is_some() {
            take_from_tree(&common.host()?, &mut model)?;
        }
        match (&self.base, &common.config) {
            (Some(file), _) => model.base = read_file(file)?,
            (None, Some(_)) => model.base = main_file_text(&common.host()?)?,
            (None, None) => {}
        }
        model.position = position(self.first, self.last, self.before.as_ref(), self.after.as_ref())?;
        model.images.clone_from(&self.images);
        model.authfile = self.authfile.clone().or(model.authfile);
        model.generations = match self.engine {
            EngineGeneration::All => Generations::All,
            EngineGeneration::Legacy => Generations::Legacy,
            EngineGeneration::Modern => Generations::Modern,
        };
        for store in &mut model.stores {
            store.selinux = self.selinux || (store.selinux && !self.no_selinux);
        }
        Ok(model)
    }

    fn spec(&self) -> Result<SpecVersion, Problem> {
        let Some(name) = &self.spec else {
            return Ok(SpecVersion::DEFAULT);
        };
        SpecVersion::named(name).ok_or_else(|| {
            Problem::new(
                "spec",
                format!("there is no version `{name}` of Ignition's specification"),
                format!("give one from {} to {}", SpecVersion(0), SpecVersion::NEWEST),
            )
        })
    }

    /// The kind for the library.
    fn with_collection(&self, name: KindName) -> Result<DocumentKind, Problem> {
        match (self.collection, name) {
            (false, _) => Ok(name.kind()),
            (true, KindName::Ansible) => Ok(DocumentKind::Simple(SimpleKind::AnsibleCollection)),
            (true, _) => Err(Problem::new(
                "kind-lacks",
                "only playbooks use the collection",
                "leave out `--collection`, or use `generate ansible`",
            )),
        }
    }

    /// The kind that was named, or that a document tells.
    pub(super) fn kind(&self, given: Option<&ExistingDocument>) -> Result<KindName, Problem> {
        let told = || Some(KindName::of(given?.format()?));
        self.kind.or_else(told).ok_or_else(|| {
            Problem::new(
                "document",
                "what kind of document this is cannot be told from it",
                format!("name its kind, as in `storagectl generate butane --check FILE`; {READ}"),
            )
        })
    }

    /// Butane's variant and version: those of a document, or of a new one.
    fn dialect(&self, kind: KindName, given: Option<&ExistingDocument>) -> Result<Dialect, Problem> {
        if let Some(dialect) = given.and_then(ExistingDocument::dialect) {
            return Ok(dialect);
        }
        let variant = self.variant.as_deref().unwrap_or("fcos");
        let newest = match (&self.spec, kind) {
            (None, KindName::Ocne) => crate::provision::ocne::NEWEST,
            _ => self.spec()?,
        };
        let found = match &self.variant_version {
            Some(version) => Dialect::named(variant, version),
            None => Dialect::newest(variant, newest),
        };
        found.ok_or_else(|| {
            let versions: Vec<&str> =
                DIALECTS.iter().filter(|it| it.variant == variant).map(|it| it.version).collect();
            let given = self.variant_version.as_deref().unwrap_or_default();
            Problem::new(
                "spec",
                format!("there is no version `{given}` of Butane's variant `{variant}`"),
                format!("give one of {}", versions.join(", ")),
            )
        })
    }
}
