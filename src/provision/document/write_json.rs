//! Values as JSON.

use super::value::Value;

/// `value` as indented JSON. Lines but the first start with `indent`; `step` is one
/// more level. Without a final newline.
pub fn to_json(value: &Value, indent: &str, step: &str) -> String {
    let inner = format!("{indent}{step}");
    let block = |open: char, lines: Vec<String>, close: char| {
        if lines.is_empty() {
            return format!("{open}{close}");
        }
        format!("{open}\n{inner}{}\n{indent}{close}", lines.join(&format!(",\n{inner}")))
    };
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Mode(mode) => mode.to_string(),
        Value::Text(text) => quoted(text),
        Value::List(items) => block('[', items.iter().map(|item| to_json(item, &inner, step)).collect(), ']'),
        Value::Map(pairs) => {
            let pair =
                |(key, value): &(String, Value)| format!("{}: {}", quoted(key), to_json(value, &inner, step));
            block('{', pairs.iter().map(pair).collect(), '}')
        }
    }
}

/// A string in double quotes, which both languages read alike.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}
