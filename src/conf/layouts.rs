//! The ways in which people write the array.

use super::document::{Document, Fault};
use super::stores::StoreList;
use super::style;

/// The document with its array laid out in every usual way: on one line, or one
/// entry a line. What was added to and taken out of an array by several hands may
/// leave it in another layout than it had; whoever knows the digest of the former
/// text finds it among these. None if the array holds comments, which have a place.
///
/// # Errors
/// A [`Fault`] if the key is not an array of strings.
pub fn layouts(doc: &Document) -> Result<Vec<String>, Fault> {
    let text = doc.text();
    let Some(list) = StoreList::of(doc)? else {
        return Ok(Vec::new());
    };
    let raws: Vec<&str> = list.entries.iter().map(|entry| &text[entry.span.clone()]).collect();
    let between = list.entries.iter().map(|entry| entry.span.clone());
    let mut gap = list.span.start;
    for span in between.chain(std::iter::once(list.span.end..list.span.end)) {
        if text[gap..span.start].contains('#') {
            return Ok(Vec::new());
        }
        gap = span.end;
    }
    let newline = style::newline(text, list.span.start);
    let key_indent = style::indentation(text, list.span.start);
    let joined = raws.join(", ");
    let mut arrays = vec![format!("[{joined}]"), format!("[{joined},]"), format!("[ {joined} ]")];
    arrays.push("[ ]".to_owned());
    for indent in ["", "  ", "    ", "\t"] {
        let lines: Vec<String> = raws.iter().map(|raw| format!("{key_indent}{indent}{raw}")).collect();
        let body = lines.join(&format!(",{newline}"));
        let end = if raws.is_empty() { String::new() } else { newline.to_owned() };
        for comma in ["", ","] {
            let comma = if raws.is_empty() { "" } else { comma };
            arrays.push(format!("[{newline}{body}{comma}{end}{key_indent}]"));
        }
    }
    let (head, tail) = (&text[..list.span.start], &text[list.span.end..]);
    let fits = |array: &String| !raws.is_empty() || !array.contains(',');
    Ok(arrays.into_iter().filter(fits).map(|array| format!("{head}{array}{tail}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_former_layout_is_among_them() {
        for array in [
            "[]",
            "[ ]",
            "[\n]",
            "['/a']",
            "['/a', '/b']",
            "[ '/a', '/b' ]",
            "[\n'/a',\n]",
            "[\n  '/a',\n  '/b'\n]",
            "[\n\t'/a',\n]",
        ] {
            let text = |array: &str| format!("[storage.options]\nadditionalimagestores = {array}\n# end\n");
            let former = text(array);
            let items = array.replace(['[', ']', ' ', '\n', '\t'], "");
            let now = Document::parse(text(&format!("[{}  ]", items.replace(',', "  ,\n ")))).unwrap();
            assert!(layouts(&now).unwrap().contains(&former), "{array}");
        }
        let commented = Document::parse("[storage.options]\nadditionalimagestores = ['/a' # x\n]\n").unwrap();
        assert!(layouts(&commented).unwrap().is_empty());
    }
}
