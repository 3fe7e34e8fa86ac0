//! `generate crio --pin-images` and `generate pinnedimageset`: the images that stores on this host or
//! below `--root` hold, which kubelet must not try to remove.

use std::path::Path;

use super::kind::KindName;
use super::made_by::made_by;
use super::{Common, Generate, Output, Status};
use crate::cli::store_paths;
use crate::problem::Problem;
use crate::provision::{GeneratedDocument, NodeModel, SimpleKind, crio};
use crate::registry::{repository, without_tag};
use crate::store::{image_names, recorded_images};

impl Generate {
    /// Writes which images CRI-O shall pin: those that the stores hold.
    pub(super) fn pins(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        if self.kind != Some(KindName::Crio) {
            return Err(Problem::new(
                "kind-lacks",
                "only CRI-O pins images",
                "leave out `--pin-images`, or use `generate crio`",
            )
            .into());
        }
        let host = common.host()?;
        let mut names = Vec::new();
        for store in store_paths(&self.stores)? {
            names.extend(image_names(&host.root, Path::new(&store))?);
        }
        let text = crio::write_pins(&names, &made_by())?;
        output.warning(crio::PINS_REPLACE);
        let written = GeneratedDocument { text, warnings: vec![crio::PINS_REPLACE.to_owned()] };
        let applying = SimpleKind::Crio.applying();
        self.put(common, output, &written, None, applying)?;
        output.status(&format!("note: {applying}"));
        Ok(Status::Done)
    }
    /// Images as a PinnedImageSet names them, with digests: those given, and in place of the stores
    /// those that they hold.
    pub(super) fn by_digest(
        &self,
        model: &mut NodeModel,
        common: &Common,
        output: &Output,
    ) -> anyhow::Result<()> {
        for image in &mut model.images {
            *image = without_tag(image);
        }
        let (mut found, mut without) = (Vec::new(), 0);
        for store in std::mem::take(&mut model.stores) {
            for image in recorded_images(&common.host()?.root, Path::new(&store.path))? {
                let names = image.names.unwrap_or_default();
                let digest = image.digest.filter(|digest| !digest.is_empty());
                without += usize::from(names.is_empty() || digest.is_none());
                found.extend(names.iter().filter_map(|name| match name.contains('@') {
                    true => Some(without_tag(name)),
                    false => Some(format!("{}@{}", repository(name), digest.as_deref()?)),
                }));
            }
        }
        if without > 0 {
            output.warning(&format!("images without a name or a digest are left out: {without}"));
        }
        if !found.is_empty() {
            output.warning(STORES_DIGESTS);
        }
        found.sort();
        model.images.append(&mut found);
        let mut seen = std::collections::BTreeSet::new();
        model.images.retain(|image| seen.insert(image.clone()));
        Ok(())
    }
}

/// What there is to know about digests from a store: nodes pull by them.
const STORES_DIGESTS: &str =
    "the digests are those of the stores' images: nodes pull them from registries, which must have them";
