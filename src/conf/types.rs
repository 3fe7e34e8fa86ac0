//! Values whose type an engine cannot read.

use super::document::{Fault, Leaf, article};
use super::leaves::LeafAt;
use super::schema::{self, ValueType};

const HINT: &str = "write the value as containers-storage.conf(5) shows it";

/// Why the storage library of this version (its minor number) refuses a value because of
/// its type. Of a key that it does not know the type does not matter.
///
/// The rules are those of BurntSushi/toml's `unify` functions and, for arrays of the
/// modern generation, of pkg/configfile/slice.go.
pub fn type_fault(leaf: &LeafAt, version: u16) -> Option<Fault> {
    let fault = |id, message: String, hint: &str, span: &std::ops::Range<usize>| {
        Some(Fault { id, message, hint: hint.to_owned(), span: span.clone() })
    };
    let name = &leaf.name;
    let wrong = |wanted: &str| {
        let message = format!("`{name}` must be {wanted}, but is {}", article(leaf.value.kind()));
        fault("wrong-type", message, HINT, &leaf.span)
    };
    if schema::is_table_of(name, version) {
        // For a map, anything else is as good as nothing (`unifyMap`).
        return if schema::is_map(name) { None } else { wrong("a table") };
    }
    let (table, key) = name.rsplit_once('.')?;
    if schema::is_map(table) {
        return match &leaf.value {
            Leaf::String(_) => None,
            Leaf::Boolean(value) => bare(name, *value, &leaf.span),
            _ => wrong("a string"),
        };
    }
    let known = schema::known(table, key).filter(|known| known.is_known_to(version))?;
    match (known.kind, &leaf.value) {
        (ValueType::String | ValueType::StringBoolean, Leaf::String(_))
        | (ValueType::Boolean, Leaf::Boolean(_)) => None,
        (ValueType::StringBoolean, Leaf::Boolean(value)) => bare(name, *value, &leaf.span),
        (ValueType::Boolean, Leaf::String(text)) if ["true", "false"].contains(&text.as_str()) => {
            let message = format!("`{name}` must be `{text}`, without quotes");
            fault("quoted-boolean", message, &format!("write `{text}`"), &leaf.span)
        }
        (ValueType::Integer, Leaf::Integer(number)) if u32::try_from(*number).is_ok() => None,
        (ValueType::Integer, Leaf::Integer(_)) => {
            fault("wrong-type", format!("`{name}` must be between 0 and 4294967295"), HINT, &leaf.span)
        }
        // What stands in headers is an array of tables and nothing else (`[[…]]`).
        (ValueType::Strings, Leaf::Array(items)) if leaf.items.len() == items.len() => {
            items.iter().enumerate().find_map(|(index, item)| {
                let span = leaf.items.get(index).unwrap_or(&leaf.span);
                match item {
                    Leaf::String(_) => None,
                    Leaf::Table(_) if version < schema::MODERN => fault(
                        "append-in-main",
                        format!("`{key}` has an attribute in a file that legacy engines read"),
                        "remove it: a main file has nothing to append to",
                        span,
                    ),
                    Leaf::Table(pairs) => {
                        let message = pairs.iter().find_map(|(key, value)| match (key.as_str(), value) {
                            ("append", Leaf::Boolean(_)) => None,
                            ("append", _) => {
                                Some("`append` must be `true` or `false`, without quotes".to_owned())
                            }
                            _ => Some(format!("no engine knows the attribute `{key}`")),
                        })?;
                        fault("bad-attribute", message, "write `{append=true}` or `{append=false}`", span)
                    }
                    other => {
                        let what = article(other.kind());
                        let message = format!("`{name}` must be an array of strings, but one item is {what}");
                        fault("wrong-type", message, HINT, span)
                    }
                }
            })
        }
        _ => wrong(known.kind.describe()),
    }
}

/// A boolean where engines want a string.
fn bare(name: &str, value: bool, span: &std::ops::Range<usize>) -> Option<Fault> {
    Some(Fault {
        id: "native-boolean",
        message: format!("`{name}` must be `\"{value}\"`, in quotes"),
        hint: format!("write `\"{value}\"`"),
        span: span.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Document;
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
            ("storage.graphroot = {a = 'b'}", [true, true, true]),
            ("storage.options.pull_options = 1", [false, false, false]),
            ("storage.options.pull_options.x = 1", [true, true, true]),
            ("storage.options.additionalimagestores = [{append=true}]", [true, true, false]),
            ("storage.options.additionalimagestores = [{x=true}]", [true, true, true]),
            ("storage.options.auto-userns-min-size = -1", [true, true, true]),
        ] {
            let doc = Document::parse(text).unwrap();
            let found = [43, 62, 65]
                .map(|version| doc.leaves().iter().any(|leaf| type_fault(leaf, version).is_some()));
            assert_eq!(found, faulty, "{text}");
        }
    }
}
