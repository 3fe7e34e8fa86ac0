//! TOML: blueprints of Image Builder, and the configuration of CRI-O.

use ::toml::Spanned;
use serde::Deserialize;

use super::file::SourceFile;
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TomlFields {
    /// `[[containers]]` of a blueprint.
    containers: Option<Vec<BlueprintContainer>>,
    crio: Option<CrioTable>,
}

#[derive(Debug, Deserialize)]
struct BlueprintContainer {
    source: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CrioTable {
    image: Option<CrioImage>,
}

/// `[crio.image]` of crio.conf(5).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CrioImage {
    pause_image: Option<Spanned<String>>,
    pinned_images: Option<Vec<Spanned<String>>>,
}

/// Reads what names images in it. `None` if it is TOML in which nothing can.
///
/// # Errors
/// `document` if it is not TOML, or these keys have other types.
pub(super) fn read(file: &mut SourceFile<'_>) -> Result<Option<()>, Problem> {
    let document: TomlFields = ::toml::from_str(file.text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        file.malformed(format!("`{}`: {}", file.shown.display(), error.message().replace('\n', "; ")), at)
    })?;
    let crio = document.crio.and_then(|crio| crio.image);
    if document.containers.is_none() && crio.is_none() {
        return Ok(None);
    }
    for container in document.containers.into_iter().flatten() {
        file.image(container.source.get_ref(), container.source.span())?;
    }
    let CrioImage { pause_image, pinned_images } = crio.unwrap_or_default();
    for image in pause_image.into_iter().chain(pinned_images.into_iter().flatten()) {
        match image.get_ref().as_str() {
            "" => {}
            // A glob or keyword of `pinned_images`.
            pattern if pattern.contains('*') => {
                file.unknown(format!("`{}` is a pattern", pattern.escape_debug()), image.span());
            }
            reference => file.image(reference, image.span())?,
        }
    }
    Ok(Some(()))
}
