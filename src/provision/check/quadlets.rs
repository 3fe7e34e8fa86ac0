//! Rules about quadlets in a document.

use std::path::Path;

use super::contents::unit_text;
use super::finding::ProvisionFindings;
use super::stores::{listed, maker};
use super::units::{mentions, settings};
use crate::provision::quadlet;
use crate::provision::read::Config;

pub(super) fn check(config: &Config, findings: &mut ProvisionFindings) {
    let all = quadlet::all(config);
    let stores = listed(config);
    // What a store of the image has is not known.
    let are_made = !stores.is_empty() && stores.iter().all(|store| maker(config, store).is_some());
    for one in &all {
        let file = config.files.iter().find(|file| file.name == one.path);
        let span = file.map_or(0..0, |file| file.span(&["path"]));
        let is_unit = Path::new(&one.image).extension().is_some_and(|it| it == "image");
        if is_unit && !all.iter().any(|other| other.name() == one.image) {
            findings.add(
                "quadlet-missing",
                span,
                format!("`{}` needs `{}`, which is not in this document", one.name(), one.image),
                "podman makes no service of it, unless the image has that file",
                "write it beside this one: `storagectl generate quadlet`",
            );
            continue;
        }
        let is_brought = all.iter().any(|other| !other.never_pulls && other.image == one.image)
            || is_pulled(config, &one.image);
        if one.never_pulls && !is_unit && are_made && !is_brought {
            findings.add(
                "quadlet-image-absent",
                span,
                format!("`{}` does not pull `{}`, and nothing in this document does", one.name(), one.image),
                "its service fails",
                "pull it into a store: `storagectl generate … --from` with `--image`",
            );
        }
    }
}

/// Whether a unit names an image in a command, or the builder puts it into the image.
fn is_pulled(config: &Config, image: &str) -> bool {
    let mut commands = config.units.iter().filter_map(|unit| Some(unit_text(unit)?.1));
    commands.any(|text| settings(text, "ExecStart").any(|command| mentions(command, image)))
        || config.containers.iter().flat_map(|it| &it.images).any(|it| it.name == image)
}
