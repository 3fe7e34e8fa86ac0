//! Values whose type an engine cannot read.

use super::document::{Document, Fault, Leaf, article};

/// The first value that engines refuse because of its type.
pub fn type_fault(doc: &Document) -> Option<Fault> {
    const STRINGS: [&str; 5] = [
        "storage.driver",
        "storage.graphroot",
        "storage.runroot",
        "storage.imagestore",
        "storage.rootless_storage_path",
    ];
    doc.leaves()
        .into_iter()
        .find(|leaf| STRINGS.contains(&leaf.name.as_str()) && !matches!(leaf.value, Leaf::String(_)))
        .map(|leaf| Fault {
            id: "wrong-type",
            message: format!("`{}` must be a string, but is {}", leaf.name, article(leaf.value.kind())),
            hint: "mend this value; every engine stops on it".to_owned(),
            span: leaf.span,
        })
}
