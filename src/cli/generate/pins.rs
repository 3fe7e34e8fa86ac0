//! `generate crio --pin-images`: what kubelet must not try to remove.

use std::path::Path;

use super::kind::KindName;
use super::made_by::made_by;
use super::{Common, Generate, Output, Status};
use crate::cli::store_paths;
use crate::problem::Problem;
use crate::provision::{Simple, Written, crio};
use crate::store::image_names;

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
        let written = Written { text, warnings: vec![crio::PINS_REPLACE.to_owned()] };
        let applying = Simple::Crio.applying();
        self.put(common, output, &written, None, applying)?;
        output.status(&format!("note: {applying}"));
        Ok(Status::Done)
    }
}
