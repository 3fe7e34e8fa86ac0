//! Where the array goes in a document that has none.

use toml_edit::{Item, TableLike};

use super::array::CutItem;
use super::document::{Document, Fault, find_key, wrong_type};
use super::made::Made;
use super::splice::Splice;
use super::stores::KEY;
use super::style;

/// The splices that give `doc`, which has no array, one that holds `item`.
///
/// In this order: right behind a commented-out example, if the key is in its
/// table there; behind the other keys of `storage.options`, in the form in which
/// they are written (a table, dotted keys, an inline table); else in a new
/// `[storage.options]` table.
///
/// # Errors
/// A [`Fault`] if `storage` or `storage.options` is not a table.
pub(super) fn new_array(doc: &Document, item: &CutItem) -> Result<Vec<Splice>, Fault> {
    let Some((_, storage)) = find_key(doc.root(), KEY[0])? else {
        return Ok(vec![new_section(doc, item)]);
    };
    let tables = storage.as_table_like().ok_or_else(|| wrong_type(KEY[0], "a table", storage))?;
    if let Some((_, options)) = find_key(tables, KEY[1])? {
        let name = KEY[..2].join(".");
        let keys = options.as_table_like().ok_or_else(|| wrong_type(&name, "a table", options))?;
        return Ok(match shape(options) {
            Shape::Header(span) => vec![in_table(doc, span.end, keys, item)],
            Shape::Dotted if storage.is_inline_table() => in_inline(doc, storage, Some(options), "", item),
            Shape::Dotted => vec![beside_dotted(doc, keys, "", item)],
            Shape::Inline => in_inline(doc, options, None, "", item),
            Shape::Implied => vec![new_section(doc, item)],
        });
    }
    Ok(match shape(storage) {
        Shape::Inline => in_inline(doc, storage, None, KEY[1], item),
        Shape::Dotted => vec![beside_dotted(doc, tables, KEY[1], item)],
        Shape::Header(_) | Shape::Implied => vec![new_section(doc, item)],
    })
}

/// How a table is written.
enum Shape {
    /// `[name]`, with the header's bytes.
    Header(std::ops::Range<usize>),
    /// `name.key = …`
    Dotted,
    /// `name = { … }`
    Inline,
    /// Only as part of other tables' headers.
    Implied,
}

fn shape(item: &Item) -> Shape {
    if let Some(table) = item.as_table() {
        return match table.span() {
            _ if table.is_dotted() => Shape::Dotted,
            Some(span) if !table.is_implicit() => Shape::Header(span),
            _ => Shape::Implied,
        };
    }
    match item.as_inline_table() {
        Some(table) if table.is_dotted() => Shape::Dotted,
        _ => Shape::Inline,
    }
}

/// The array over several lines, as a table's key, with `mark` behind it.
fn array_lines(indent: &str, prefix: &str, newline: &str, item: &CutItem, mark: &str) -> String {
    let inner = style::deeper(indent);
    let above: String = item.above.iter().map(|comment| format!("{inner}{comment}{newline}")).collect();
    let behind = item.behind.as_ref().map(|comment| format!(" {comment}")).unwrap_or_default();
    let raw = &item.raw;
    format!(
        "{indent}{prefix}{key} = [{newline}{above}{inner}{raw},{behind}{newline}{indent}]{mark}{newline}",
        key = KEY[2]
    )
}

/// Inserts whole lines at `at`, the start of a line or the end of the text. A
/// text that does not end in a newline still does not afterwards.
pub(super) fn insert_lines(doc: &Document, at: usize, lines: String) -> Splice {
    let text = doc.text();
    if at == text.len() && !text.is_empty() && !text.ends_with('\n') && text != "\u{feff}" {
        let newline = style::newline(text, at);
        let lines = lines.strip_suffix("\r\n").or_else(|| lines.strip_suffix('\n')).unwrap_or(&lines);
        return Splice::insert(at, format!("{newline}{lines}"));
    }
    Splice::insert(at, lines)
}

fn in_table(doc: &Document, header_end: usize, keys: &dyn TableLike, item: &CutItem) -> Splice {
    let text = doc.text();
    let last = last_value_end(keys, true);
    let anchor = last.unwrap_or(header_end);
    let at = example_end(doc, header_end, doc.section_end(header_end))
        .unwrap_or_else(|| style::next_line(text, anchor));
    let indent = style::indentation(text, anchor_line(text, keys).unwrap_or(header_end));
    let mark = Made::Array.mark(0);
    insert_lines(doc, at, array_lines(indent, "", style::newline(text, anchor), item, &mark))
}

/// Where a key of the table stands, to copy its indentation.
fn anchor_line(text: &str, keys: &dyn TableLike) -> Option<usize> {
    keys.iter()
        .filter(|(_, item)| written_here(item))
        .filter_map(|(key, _)| keys.get_key_value(key)?.0.span())
        .map(|span| span.start)
        .find(|&start| style::starts_line(text, start))
}

/// Whether an item is written among its table's keys, and not under a header of its own.
fn written_here(item: &Item) -> bool {
    match item {
        Item::Value(_) => true,
        Item::Table(table) => table.is_dotted(),
        _ => false,
    }
}

/// The end of the last value among the keys of a table, dotted ones included.
fn last_value_end(keys: &dyn TableLike, dotted: bool) -> Option<usize> {
    keys.iter()
        .filter(|(_, item)| written_here(item))
        .filter_map(|(_, item)| match item.as_table_like() {
            Some(table) if dotted && !is_braced(item) => last_value_end(table, true),
            _ => item.span().map(|span| span.end),
        })
        .max()
}

/// Whether a table is written with braces, so that its span is its text.
fn is_braced(item: &Item) -> bool {
    item.as_inline_table().is_some_and(|table| !table.is_dotted())
}

/// A new line behind the other dotted keys of the same table, with their prefix.
fn beside_dotted(doc: &Document, keys: &dyn TableLike, table: &str, item: &CutItem) -> Splice {
    let text = doc.text();
    let end = last_value_end(keys, true).expect("a dotted table has a value");
    let sibling = keys
        .iter()
        .filter(|(_, item)| written_here(item))
        .filter_map(|(key, _)| keys.get_key_value(key)?.0.span())
        .map(|span| span.start)
        .next()
        .unwrap_or(end);
    let indent = style::indentation(text, sibling);
    let dots = text[style::line_start(text, sibling)..sibling].trim_start_matches(['\u{feff}', ' ', '\t']);
    let dot = if table.is_empty() { "" } else { "." };
    let newline = style::newline(text, end);
    let mark = Made::Array.mark(0);
    let lines = array_lines(indent, &format!("{dots}{table}{dot}"), newline, item, &mark);
    insert_lines(doc, style::next_line(text, end), lines)
}

/// Inside `{ … }`, behind the last value. `dotted` is the table inside it whose
/// keys are written with dots; `table` is one to be made there.
fn in_inline(
    doc: &Document,
    container: &Item,
    dotted: Option<&Item>,
    table: &str,
    item: &CutItem,
) -> Vec<Splice> {
    let text = doc.text();
    let keys = container.as_table_like().expect("an inline table is a table");
    let span = container.span().unwrap_or_default();
    let raw = &item.raw;
    let array = if item.above.is_empty() && item.behind.is_none() {
        format!("{} = [{raw}]", KEY[2])
    } else {
        let newline = style::newline(text, span.start);
        array_lines("", "", newline, item, "").trim_end().to_owned()
    };
    let entry = match dotted.and_then(|options| options.span().map(|span| (options, span))) {
        Some((options, key)) => {
            let leaf = options
                .as_table_like()
                .and_then(|table| table.iter().find_map(|(name, _)| table.get_key_value(name)?.0.span()))
                .map_or(key.end, |leaf| leaf.start);
            format!("{}{array}", &text[key.start..leaf])
        }
        None if table.is_empty() => array,
        None => format!("{table} = {{ {array} }}"),
    };
    let (entry, blanks) = match last_value_end(keys, true) {
        Some(end) => (Splice::insert(end, format!(", {entry}")), 0),
        None => {
            let space = if text[span.start + 1..].starts_with(' ') { "" } else { " " };
            (Splice::insert(span.start + 1, format!(" {entry}{space}")), space.len())
        }
    };
    let made = if table.is_empty() { Made::Array } else { Made::Table };
    let mark = line_end_outside(doc, span.end).map(|end| {
        let end = text[..end].trim_end_matches([' ', '\t']).len();
        Splice::insert(end, made.mark(blanks))
    });
    std::iter::once(entry).chain(mark).collect()
}

/// The end of the line on which byte `at` stands, or of the first line behind it that does not
/// end within a string.
pub(super) fn line_end_outside(doc: &Document, mut at: usize) -> Option<usize> {
    let text = doc.text();
    loop {
        let end = at + style::rest_of_line(text, at).len();
        if !is_in_value(doc, end) {
            return Some(end);
        }
        at = style::next_line(text, end);
        if at >= text.len() {
            return None;
        }
    }
}

/// `[storage.options]` with the array, where it takes no other key into itself.
fn new_section(doc: &Document, item: &CutItem) -> Splice {
    let text = doc.text();
    let (at, indent) = section_place(doc);
    let newline = style::newline(text, at);
    insert_section(doc, at, |blanks| {
        let array = array_lines(indent, "", newline, item, &Made::Table.mark(blanks));
        format!("{indent}[storage.options]{newline}{array}")
    })
}

/// Inserts a table's lines at `at`, with a blank line before and behind where there is none.
/// `section` is given a number that says which of the two came with it.
pub(super) fn insert_section(doc: &Document, at: usize, section: impl Fn(usize) -> String) -> Splice {
    let text = doc.text();
    let newline = style::newline(text, at);
    let before = text[..at].trim_start_matches('\u{feff}');
    let above = if before.is_empty() || ends_in_blank_line(before) { "" } else { newline };
    let below = if style::rest_of_line(text, at).trim().is_empty() { "" } else { newline };
    let blanks = usize::from(!above.is_empty()) + 2 * usize::from(!below.is_empty());
    insert_lines(doc, at, format!("{above}{}{below}", section(blanks)))
}

fn ends_in_blank_line(before: &str) -> bool {
    let Some(line) = before.strip_suffix('\n') else {
        return false;
    };
    line.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
}

/// Where a new `[storage.options]` can stand, and how far it is indented.
fn section_place(doc: &Document) -> (usize, &str) {
    let text = doc.text();
    let end = text.len();
    let starts = std::iter::once(0).chain(doc.headers().iter().map(|header| header.end));
    for start in starts {
        let section_end = doc.section_end(start);
        let Some(at) = example_end(doc, start, section_end) else {
            continue;
        };
        let takes_a_key = doc.values().iter().any(|value| at <= value.start && value.start < section_end);
        if !takes_a_key {
            return (at, style::indentation(text, at.saturating_sub(1)));
        }
    }
    let named = |wanted: &str| {
        doc.headers().iter().find(|header| {
            let name: String =
                text[(*header).clone()].chars().filter(|letter| !letter.is_whitespace()).collect();
            name.eq_ignore_ascii_case(wanted)
        })
    };
    let inside = doc.headers().iter().find(|header| {
        let name: String = text[(*header).clone()].chars().filter(|letter| !letter.is_whitespace()).collect();
        name.to_ascii_lowercase().starts_with("[storage.options.")
    });
    if let Some(header) = named("[storage]") {
        let next = doc.section_end(header.end);
        return (comment_start(doc, next), style::indentation(text, header.start));
    }
    match inside {
        Some(header) => (comment_start(doc, header.start), style::indentation(text, header.start)),
        None => (end, ""),
    }
}

/// The start of the comment lines directly above the header at `header`, which
/// belong to it; `header` itself if it is the end of the text.
pub(super) fn comment_start(doc: &Document, header: usize) -> usize {
    let text = doc.text();
    if header == text.len() {
        return header;
    }
    let mut start = style::line_start(text, header);
    while start > 0 {
        let above = style::line_start(text, start - 1);
        if !text[above..start].trim_start_matches('\u{feff}').trim().starts_with('#')
            || is_in_value(doc, above)
        {
            break;
        }
        start = above;
    }
    if start == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { start }
}

fn is_in_value(doc: &Document, at: usize) -> bool {
    doc.values().iter().any(|value| value.start < at && at < value.end)
}

/// The end of a commented-out example of the array between `start` and `end`:
/// behind the line that closes its bracket.
fn example_end(doc: &Document, start: usize, end: usize) -> Option<usize> {
    example(doc, start, end).map(|found| found.end)
}

/// The lines of a commented-out example of the array between `start` and `end`.
pub(super) fn example(doc: &Document, start: usize, end: usize) -> Option<std::ops::Range<usize>> {
    let text = doc.text();
    let mut at = if start == 0 { 0 } else { style::next_line(text, start) };
    while at < end {
        let next = style::next_line(text, at);
        if let Some(array) = example_start(&text[at..next])
            && !is_in_value(doc, at)
        {
            return Some(at..example_close(text, array, next).unwrap_or(next));
        }
        at = next;
    }
    None
}

/// What stands behind the bracket in `# additionalimagestores = [`.
fn example_start(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(['\u{feff}', ' ', '\t']);
    let line = line.strip_prefix('#')?.trim_start_matches(['#', ' ', '\t']);
    let value = line.strip_prefix(KEY[2])?.trim_start().strip_prefix('=')?;
    value.trim_start().strip_prefix('[')
}

/// The end of the line that closes the bracket: this one or a comment line behind it.
fn example_close(text: &str, first: &str, next: usize) -> Option<usize> {
    if closes(first) {
        return Some(next);
    }
    let mut at = next;
    while at < text.len() {
        let end = style::next_line(text, at);
        let line = text[at..end].trim();
        if !line.starts_with('#') {
            return None;
        }
        if closes(line) {
            return Some(end);
        }
        at = end;
    }
    None
}

/// Whether a bracket closes on this line, outside of strings.
fn closes(line: &str) -> bool {
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, ']') => return true,
            _ => {}
        }
    }
    false
}
