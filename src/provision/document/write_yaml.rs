//! Values as YAML that people read: block style, two spaces, strings bare where every
//! reader takes them for strings, text of several lines as a block, modes in octal.

use super::value::Value;
use super::write_json::quoted;

/// `value` as YAML, each line indented by `indent` spaces, with a final newline.
/// Items of a list stand at the indentation of its key.
pub fn to_yaml(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    put(&mut out, value, indent);
    out
}

/// Writes a value that starts on a line of its own.
fn put(out: &mut String, value: &Value, indent: usize) {
    let margin = " ".repeat(indent);
    match value {
        Value::Map(pairs) if !pairs.is_empty() => {
            for (key, value) in pairs {
                *out += &format!("{margin}{}:", plain_or_quoted(key));
                behind(out, value, indent, indent + 2);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for item in items {
                match item {
                    // Its first key stands behind the dash.
                    Value::Map(pairs) if !pairs.is_empty() => {
                        let block = to_yaml(item, indent + 2);
                        *out += &format!("{margin}- {}", &block[indent + 2..]);
                    }
                    item => {
                        *out += &format!("{margin}-");
                        behind(out, item, indent + 2, indent + 2);
                    }
                }
            }
        }
        scalar => *out += &format!("{margin}{}\n", scalar_text(scalar)),
    }
}

/// Writes a value behind `key:` or `-`.
fn behind(out: &mut String, value: &Value, list_indent: usize, indent: usize) {
    match value {
        Value::Map(pairs) if !pairs.is_empty() => {
            *out += "\n";
            put(out, value, indent);
        }
        Value::List(items) if !items.is_empty() => {
            *out += "\n";
            put(out, value, list_indent);
        }
        Value::Text(text) if is_block(text) => *out += &block(text, indent),
        scalar => *out += &format!(" {}\n", scalar_text(scalar)),
    }
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Mode(mode) => format!("0{mode:o}"),
        Value::Text(text) => plain_or_quoted(text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// Whether a text can stand as a literal block: lines of printable characters, of which
/// the first is neither empty nor indented, since it says where the block begins.
fn is_block(text: &str) -> bool {
    let printable = |letter: char| letter == '\n' || letter == '\t' || !letter.is_control();
    let special = |letter: char| matches!(letter, '\u{feff}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    text.trim_end_matches('\n').contains('\n')
        && text.chars().all(|letter| printable(letter) && !special(letter))
        && !text.starts_with(['\n', ' ', '\t'])
}

/// A literal block with its header.
pub(super) fn block(text: &str, indent: usize) -> String {
    let header = match text.len() - text.trim_end_matches('\n').len() {
        0 => " |-\n",
        1 => " |\n",
        _ => " |+\n",
    };
    let margin = " ".repeat(indent);
    let mut out = header.to_owned();
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            out += &format!("{margin}{line}");
        }
        out.push('\n');
    }
    out
}

/// A string bare if no reader, of YAML 1.1 or 1.2, takes it for anything else.
pub(super) fn plain_or_quoted(text: &str) -> String {
    let word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '_' | '.' | '-' | '+');
    let inner =
        |letter: char| word(letter) || matches!(letter, ' ' | ':' | '=' | '@' | '(' | ')' | '~' | ';');
    let reserved = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/');
    let version = text.split('.').count() == 3
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let plain = (starts || version)
        && text.chars().all(inner)
        && text.ends_with(word)
        && !text.contains(": ")
        && !text.contains(" #")
        && !reserved.iter().any(|other| other.eq_ignore_ascii_case(text));
    if plain { text.to_owned() } else { quoted(text) }
}
