//! From the text to packages.

use std::ops::Range;
use std::path::Path;

use super::package::package;
use super::reader::{Faults, Table};
use super::{Package, Recipe};
use crate::conf::Fault;
use crate::problem::Problem;
use crate::provision::document::Document;

/// Reads the text of `file`; manifests are looked for beside it.
///
/// # Errors
/// All that is wrong with it, in its order: `syntax`-like faults alone, else `pack-key`,
/// `pack-type` and `pack-value`.
pub fn read(text: &str, file: &Path) -> Result<Recipe, Vec<Problem>> {
    let mut faults = Faults::default();
    let packages = match Document::parse(text) {
        Ok(document) => packages(&document, file, &mut faults),
        Err(fault) => {
            let hint = "mend the YAML; tabs cannot indent it";
            faults.add("pack-syntax", fault.at..fault.at, fault.message, hint);
            Vec::new()
        }
    };
    if faults.0.is_empty() {
        return Ok(Recipe { packages });
    }
    faults.0.sort_by_key(|fault| fault.span.start);
    let first_line = |mut fault: Fault| {
        // A block of text is marked where it begins.
        let lines = &text[fault.span.clone()];
        fault.span.end = fault.span.start + lines.lines().next().unwrap_or_default().len();
        Problem::at(fault, file.to_owned(), text)
    };
    Err(faults.0.into_iter().map(first_line).collect())
}

fn packages(document: &Document, file: &Path, faults: &mut Faults) -> Vec<Package> {
    let Some(table) = Table::read(&document.root, "the document", &["packages"], faults) else {
        return Vec::new();
    };
    table.required("packages", "list packages in it, each with `name`, `version` and `arch`", faults);
    let items = table.list("packages", faults);
    if let Some(node) = table.get("packages").filter(|_| items.is_empty() && faults.0.is_empty()) {
        faults.add("pack-value", node.span.clone(), "there is no package", "add one behind `- `");
    }
    let dir = file.parent().unwrap_or(Path::new(""));
    let mut found: Vec<(Package, Range<usize>)> = Vec::new();
    for node in items {
        let Some((package, span)) = package(node, dir, faults) else {
            continue;
        };
        if let Some(fault) = found.iter().find_map(|(other, _)| clash(&package, other)) {
            faults.add("pack-value", span.clone(), fault.0, fault.1);
        }
        found.push((package, span));
    }
    found.into_iter().map(|(package, _)| package).collect()
}

/// Why two packages cannot be installed side by side.
fn clash(package: &Package, other: &Package) -> Option<(String, &'static str)> {
    if package.name == other.name {
        let message = format!("there are two packages `{}`", package.name);
        return Some((message, "give each a name of its own"));
    }
    let inside = |one: &str, two: &str| format!("{one}/").starts_with(&format!("{two}/"));
    let both = package.has_images() && other.has_images();
    if both && (inside(&package.path, &other.path) || inside(&other.path, &package.path)) {
        let message = format!(
            "the packages `{}` and `{}` put their images into one directory",
            other.name, package.name
        );
        return Some((message, "give each a `path` of its own"));
    }
    None
}
