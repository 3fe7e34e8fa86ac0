//! From the text to packages.

use std::ops::Range;
use std::path::Path;

use super::package::package;
use super::reader::{Faults, RecipeTable};
use super::{Package, Recipe};
use crate::conf::Fault;
use crate::problem::Problem;
use crate::provision::document::ProvisionDocument;

/// Reads the text of `file`; manifests are looked for beside it.
///
/// # Errors
/// All that is wrong with it, in its order: `syntax`-like faults alone, else `pack-key`,
/// `pack-type` and `pack-value`.
pub fn read(text: &str, file: &Path) -> Result<Recipe, Vec<Problem>> {
    let mut faults = Faults::default();
    let packages = match ProvisionDocument::parse(text) {
        Ok(document) => packages(&document, file, &mut faults),
        Err(fault) => {
            let hint = "fix the YAML; tabs cannot indent it";
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
        let lines = text.get(fault.span.clone()).unwrap_or_default();
        fault.span.end = fault.span.start + lines.lines().next().unwrap_or_default().len();
        Problem::at(fault, file.to_owned(), text)
    };
    Err(faults.0.into_iter().map(first_line).collect())
}

fn packages(document: &ProvisionDocument, file: &Path, faults: &mut Faults) -> Vec<Package> {
    let Some(table) = RecipeTable::read(&document.root, "the document", &["packages"], faults) else {
        return Vec::new();
    };
    table.required("packages", "list packages in it, each with `name`, `version` and `arch`", faults);
    let items = table.list("packages", faults);
    if let Some(node) = table.get("packages").filter(|_| items.is_empty() && faults.0.is_empty()) {
        faults.add("pack-value", node.span.clone(), "there is no package", "add one after `- `");
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "packages:
  - name: app
    version: 1.0
    description: |
      Zwölf Größen.
    requires: [\"a >= 1\"]
    arch:
      - {name: x86_64, image_arch: amd64, images: [localhost/app:1]}
      - name: aarch64
        manifests: ./manifests
";

    fn read(text: &str) -> Result<Recipe, Vec<Problem>> {
        super::read(text, Path::new("dir/packages.yaml"))
    }

    #[test]
    fn what_is_not_said_follows_from_the_name() {
        let recipe = read(TEXT).unwrap();
        let package = &recipe.packages[0];
        assert_eq!(package.summary, "Container images of app");
        assert_eq!((package.release.as_str(), package.label()), ("1", "app-1.0-1".to_owned()));
        assert_eq!(package.path, "/usr/lib/container-images/app");
        assert_eq!(package.manifest_path, "/usr/lib/microshift/manifests");
        assert_eq!(package.architectures[1].manifests.as_deref(), Some(Path::new("dir/./manifests")));
        assert_eq!(package.architectures[1].platform.arch, "arm64");
    }

    proptest! {
        #[test]
        fn any_change_of_a_text_is_read_or_told_with_a_place_in_it(
            at in 0..TEXT.len(), length in 0usize..30, new in "[-a-zäß:|{}\\[\\],# \n%\"']{0,8}"
        ) {
            let boundary = |mut at: usize| { while !TEXT.is_char_boundary(at) { at += 1; } at };
            let (start, end) = (boundary(at), boundary((at + length).min(TEXT.len())));
            let text = format!("{}{new}{}", &TEXT[..start], &TEXT[end.max(start)..]);
            if let Err(problems) = read(&text) {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    let place = problem.place.expect("it stands in the text");
                    prop_assert!(place.excerpt.get(place.marked.clone()).is_some(), "{place:?}");
                    prop_assert!(!problem.hint.is_empty());
                }
            }
        }
    }
}
