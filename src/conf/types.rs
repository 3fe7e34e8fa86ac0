//! Values whose type an engine cannot read.

use super::document::{Document, Fault, Leaf, article};
use super::leaves::LeafAt;
use super::schema::{self, Kind};
use super::stores::KEY;

/// The first value that the storage library of this version (its minor number)
/// refuses because of its type. Keys that it does not know it passes over.
pub fn type_fault(doc: &Document, version: u16) -> Option<Fault> {
    let leaves = doc.leaves();
    leaves.into_iter().find_map(|leaf| {
        let wanted = wanted(&leaf, version)?;
        Some(Fault {
            id: "wrong-type",
            message: format!("`{}` must be {wanted}, but is {}", leaf.name, article(leaf.value.kind())),
            hint: "mend this value; engines stop on it".to_owned(),
            span: leaf.span,
        })
    })
}

/// What a value must be, if it is not that.
fn wanted(leaf: &LeafAt, version: u16) -> Option<&'static str> {
    // The array of stores has rules of its own: `Document::attributed_list`.
    if leaf.name == KEY.join(".") {
        return None;
    }
    if schema::is_table(&leaf.name) {
        return Some("a table");
    }
    let (table, name) = leaf.name.rsplit_once('.')?;
    if schema::is_map(table) {
        return (!matches!(leaf.value, Leaf::String(_))).then_some("a string");
    }
    let known = schema::known(table, name).filter(|known| known.is_known_to(version))?;
    let right = match (known.kind, &leaf.value) {
        (Kind::String | Kind::StringBoolean, Leaf::String(_)) | (Kind::Boolean, Leaf::Boolean(_)) => true,
        (Kind::Integer, Leaf::Integer(number)) => u32::try_from(*number).is_ok(),
        (Kind::Strings, Leaf::Array(items)) => {
            // Attributes, where engines know them.
            let tables = version >= schema::MODERN;
            items
                .iter()
                .all(|item| matches!(item, Leaf::String(_)) || (tables && matches!(item, Leaf::Table(_))))
        }
        _ => false,
    };
    (!right).then(|| known.kind.describe())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_matters_to_engines_that_know_the_key() {
        for (text, faulty) in [
            ("storage.driver = 1", [true, true, true]),
            ("storage.transient_store = \"true\"", [false, true, true]),
            ("storage.options.overlay.skip_mount_home = true", [true, true, true]),
            ("storage.options.overlay.skip_mount_home = \"true\"", [false, false, false]),
            ("storage.driver_priority = [\"overlay\", {append=true}]", [false, true, false]),
            ("storage.options.nobody = 1", [false, false, false]),
            ("storage.options = 1", [true, true, true]),
            ("storage.options.auto-userns-min-size = -1", [true, true, true]),
        ] {
            let doc = Document::parse(text).unwrap();
            let found = [43, 62, 65].map(|version| type_fault(&doc, version).is_some());
            assert_eq!(found, faulty, "{text}");
        }
    }
}
