//! One package of the text.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::reader::{Faults, RecipeTable, text};
use super::{Architecture, Package, Payload, rules};
use crate::conf::schema::nearest;
use crate::images::Platform;
use crate::provision::document::Node;

/// The keys of a package. The last four are ours.
const KEYS: &[&str] = &[
    "name",
    "version",
    "release",
    "license",
    "summary",
    "description",
    "url",
    "path",
    "manifestPath",
    "arch",
    "payload",
    "split",
    "ostree",
    "requires",
];

/// The keys of an architecture.
const ARCH_KEYS: &[&str] = &["name", "image_arch", "images", "images_from", "manifests"];

/// Where manifests go if nothing else is said; MicroShift applies what is there.
const MANIFESTS: &str = "/usr/lib/microshift/manifests";

/// A package, and where its name stands; what is wrong is added to `faults`. Paths of
/// manifests are relative to `dir`.
pub(super) fn package(node: &Node, dir: &Path, faults: &mut Faults) -> Option<(Package, Range<usize>)> {
    let before = faults.0.len();
    let table = RecipeTable::read(node, "a package", KEYS, faults)?;
    let checked = |key, check: &dyn Fn(&str) -> Result<(), rules::Refusal>, faults: &mut Faults| {
        let (value, span) = table.text(key, faults)?;
        let value = value.trim();
        match check(value) {
            Ok(()) => Some((value.to_owned(), span)),
            Err((message, hint)) => {
                faults.add("pack-value", span, message, hint);
                None
            }
        }
    };
    table.required("name", "give the package a name", faults);
    let name = checked("name", &rules::package_name, faults);
    table.required("version", "give the package a version", faults);
    let version = checked("version", &|it| rules::version("version", it), faults);
    let release = checked("release", &|it| rules::version("release", it), faults);
    let license = checked("license", &|it| rules::line("license", it), faults);
    let summary = checked("summary", &|it| rules::line("summary", it), faults);
    let description = checked("description", &rules::description, faults);
    let url = checked("url", &rules::url, faults);
    let path = directory(&table, "path", faults);
    let manifest_path = directory(&table, "manifestPath", faults);
    let payload = payload(&table, faults);
    let (split, ostree) = (table.flag("split", faults), table.flag("ostree", faults));
    let refused = |key, payload, what: &str, faults: &mut Faults| {
        let span = table.get(key).map(|node| node.span.clone()).unwrap_or_default();
        faults.add(
            "pack-value",
            span,
            format!("`{key}` is for the payload `{payload}`: {what}"),
            "remove it",
        );
    };
    if split && payload != Payload::Sealed {
        refused("split", "sealed", "the other payloads have no file to split", faults);
    }
    if ostree && payload != Payload::Store {
        refused("ostree", "store", "ostree accepts the other payloads as they are", faults);
    }
    let requires = requirements(&table, faults);
    let architectures = architectures(&table, dir, faults);
    if faults.0.len() > before {
        return None;
    }
    let ((name, span), (version, _)) = (name?, version?);
    let is_of_images = architectures.iter().any(Architecture::has_images);
    let summary = summary.map(|(it, _)| it.trim_end_matches('.').to_owned());
    let what = if is_of_images { "Container images" } else { "Manifests" };
    let summary = summary.unwrap_or_else(|| format!("{what} of {name}"));
    let own = match payload {
        Payload::Embedded => format!("/usr/lib/embedded-images/{name}"),
        Payload::Sealed | Payload::Store => format!("/usr/lib/container-images/{name}"),
    };
    let package = Package {
        release: release.map_or_else(|| "1".to_owned(), |(it, _)| it),
        license: license.map_or_else(|| "Unknown".to_owned(), |(it, _)| it),
        description: description.map_or_else(|| format!("{summary}."), |(it, _)| it),
        url: url.map(|(it, _)| it),
        path: path.unwrap_or(own),
        manifest_path: manifest_path.unwrap_or_else(|| MANIFESTS.to_owned()),
        name,
        version,
        summary,
        payload,
        split,
        ostree,
        requires,
        architectures,
    };
    Some((package, span))
}

fn directory(table: &RecipeTable<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    let (value, span) = table.text(key, faults)?;
    rules::directory(value).map_err(|(message, hint)| faults.add("pack-value", span, message, hint)).ok()
}

fn payload(table: &RecipeTable<'_>, faults: &mut Faults) -> Payload {
    let Some((name, span)) = table.text("payload", faults) else {
        return Payload::Sealed;
    };
    let known = Payload::ALL.iter().find(|(known, _)| *known == name);
    known.map_or_else(
        || {
            let hint = match nearest(name, Payload::ALL.iter().map(|(known, _)| *known)) {
                Some(near) => format!("`{near}` was probably meant"),
                None => "use `sealed`, `embedded` or `store`".to_owned(),
            };
            faults.add("pack-value", span, format!("there is no payload `{}`", name.escape_debug()), hint);
            Payload::Sealed
        },
        |(_, payload)| *payload,
    )
}

fn requirements(table: &RecipeTable<'_>, faults: &mut Faults) -> Vec<String> {
    let mut found = Vec::new();
    for node in table.list("requires", faults) {
        let Some(it) = text(node, "a requirement", faults) else {
            continue;
        };
        match rules::requirement(it) {
            Ok(()) => found.push(it.trim().to_owned()),
            Err((message, hint)) => faults.add("pack-value", node.span.clone(), message, hint),
        }
    }
    found
}

fn architectures(table: &RecipeTable<'_>, dir: &Path, faults: &mut Faults) -> Vec<Architecture> {
    table.required("arch", "say for which architectures, with `name` and `images`", faults);
    let mut found: Vec<Architecture> = Vec::new();
    let items = table.list("arch", faults);
    if let Some(node) = table.get("arch").filter(|_| items.is_empty())
        && faults.0.is_empty()
    {
        faults.add("pack-value", node.span.clone(), "there is no architecture", "add one after `- `");
    }
    for node in items {
        let Some(table) = RecipeTable::read(node, "an architecture", ARCH_KEYS, faults) else {
            continue;
        };
        let Some((architecture, span)) = architecture(&table, dir, faults) else {
            continue;
        };
        if found.iter().any(|other| other.name == architecture.name) {
            let message = format!("the package has the architecture `{}` twice", architecture.name);
            faults.add("pack-value", span, message, "put all its images into one list");
        }
        found.push(architecture);
    }
    found
}

fn architecture(
    table: &RecipeTable<'_>,
    dir: &Path,
    faults: &mut Faults,
) -> Option<(Architecture, Range<usize>)> {
    table.required("name", "use RPM's name for it, such as `x86_64` or `aarch64`", faults);
    let name = table.text("name", faults);
    let platform = name.as_ref().and_then(|(name, span)| platform(name, span, table, faults));
    let images = images(table, faults);
    let manifests = table.text("manifests", faults).map(|(path, _)| dir.join(PathBuf::from(path)));
    let images_from = paths(table, "images_from", dir, faults);
    if ["images", "images_from", "manifests"].iter().all(|key| table.get(key).is_none()) {
        let message = "an architecture has none of `images`, `images_from` and `manifests`";
        faults.add("pack-key", table.span(), message, "say what the package holds for it, or remove it");
    }
    let (name, span) = name?;
    let (name, platform) = (name.to_owned(), platform?);
    Some((Architecture { name, platform, images, images_from, manifests }, span))
}

fn platform(
    name: &str,
    span: &Range<usize>,
    table: &RecipeTable<'_>,
    faults: &mut Faults,
) -> Option<Platform> {
    let of_name = match rules::architecture(name) {
        Ok(platform) => Some(platform),
        Err((message, hint)) => {
            faults.add("pack-value", span.clone(), message, hint);
            None
        }
    };
    let Some((given, span)) = table.text("image_arch", faults) else {
        return of_name;
    };
    rules::image_architecture(given)
        .map_err(|(message, hint)| faults.add("pack-value", span, message, hint))
        .ok()
}

/// A list of paths, which are meant beside the file.
fn paths(table: &RecipeTable<'_>, key: &'static str, dir: &Path, faults: &mut Faults) -> Vec<PathBuf> {
    let nodes = table.list(key, faults);
    nodes.iter().filter_map(|node| Some(dir.join(text(node, "a path", faults)?))).collect()
}

fn images(table: &RecipeTable<'_>, faults: &mut Faults) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for node in table.list("images", faults) {
        let Some(it) = text(node, "an image", faults) else {
            continue;
        };
        if let Err((message, hint)) = rules::reference(it) {
            faults.add("pack-value", node.span.clone(), message, hint);
        } else if found.iter().any(|other| other == it) {
            let message = format!("the image `{it}` is listed twice");
            faults.add("pack-value", node.span.clone(), message, "remove one of the two");
        } else {
            found.push(it.to_owned());
        }
    }
    found
}
