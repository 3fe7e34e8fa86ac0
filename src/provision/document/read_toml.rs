//! Reading TOML with places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Unreadable;
use super::node::{MappingKey, Node, NodeKind};
use crate::limits;

/// Whether a text is TOML by its first line that says something: a table's name in brackets, or a
/// key before `=`. No YAML or JSON that is known here starts so.
pub(super) fn is_toml(text: &str) -> bool {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let first = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let is_key = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '"' | '\'' | ' ');
    first.starts_with('[')
        || first.split_once('=').is_some_and(|(key, _)| !key.is_empty() && key.chars().all(is_key))
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    let table = DeTable::parse(text).map_err(|error| Unreadable {
        message: error.message().replace('\n', "; "),
        at: error.span().map_or(0, |span| span.start),
    })?;
    let mut count = 0;
    self::table(text, table.get_ref(), 0..text.len(), &mut count)
}

fn table(
    text: &str,
    table: &DeTable<'_>,
    span: std::ops::Range<usize>,
    count: &mut usize,
) -> Result<Node, Unreadable> {
    let pair = |(key, it): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        let name = MappingKey { name: key.get_ref().to_string(), span: key.span() };
        Ok((name, value(text, it, count)?))
    };
    let pairs: Result<Vec<(MappingKey, Node)>, Unreadable> = table.iter().map(pair).collect();
    Ok(Node { span, kind: NodeKind::Map { pairs: pairs?, flow: false } })
}

fn value(text: &str, value: &Spanned<DeValue<'_>>, count: &mut usize) -> Result<Node, Unreadable> {
    let span = value.span();
    *count += 1;
    if *count > limits::VALUES {
        return Err(super::too_many(span.start));
    }
    let kind = match value.get_ref() {
        DeValue::Table(inner) => return table(text, inner, span, count),
        DeValue::Array(items) => {
            let items: Result<Vec<Node>, Unreadable> =
                items.iter().map(|item| self::value(text, item, count)).collect();
            NodeKind::List { items: items?, flow: true }
        }
        DeValue::String(string) => NodeKind::Scalar { text: string.to_string(), plain: false },
        _ => NodeKind::Scalar { text: text.get(span.clone()).unwrap_or_default().to_owned(), plain: true },
    };
    Ok(Node { span, kind })
}
