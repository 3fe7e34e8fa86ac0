//! A file of records as bytes: its elements, and the file without some of them.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::store::parse_records;

/// The bytes of each element of the JSON array in `text`. Nothing and `null` are an
/// array without elements, as for engines.
///
/// # Errors
/// If it is not an array.
pub(super) fn elements(text: &[u8]) -> Result<Vec<Range<usize>>, serde_json::Error> {
    let elements: Vec<&RawValue> = parse_records(text)?;
    let start = text.as_ptr().addr();
    let span = |element: &&RawValue| {
        let at = element.get().as_ptr().addr() - start;
        at..at + element.get().len()
    };
    Ok(elements.iter().map(span).collect())
}

/// `text` without the elements whose place in `elements` is in `gone`, which is
/// sorted. All other bytes stay, but for the comma that belonged to each.
pub(super) fn without(text: &[u8], elements: &[Range<usize>], gone: &[usize]) -> Vec<u8> {
    let is_gone = |index: &usize| gone.binary_search(index).is_ok();
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let first_kept = (0..elements.len()).find(|index| !is_gone(index));
    for index in (0..elements.len()).filter(is_gone) {
        cuts.push(match first_kept {
            // To the end of the element before it, with the comma in between.
            Some(kept) if kept < index => elements[index - 1].end..elements[index].end,
            // To the start of the next.
            Some(_) => elements[index].start..elements[index + 1].start,
            None => {
                elements[index].start..elements.get(index + 1).map_or(elements[index].end, |next| next.start)
            }
        });
    }
    let mut rest = Vec::with_capacity(text.len());
    let mut from = 0;
    for cut in cuts {
        rest.extend_from_slice(&text[from..cut.start]);
        from = cut.end;
    }
    rest.extend_from_slice(&text[from..]);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, gone: &[usize]) -> String {
        let spans = elements(text.as_bytes()).unwrap();
        String::from_utf8(without(text.as_bytes(), &spans, gone)).unwrap()
    }

    #[test]
    fn elements_are_cut_out_and_all_other_bytes_stay() {
        let text = "[\n  {\"id\": \"ä\\u00e4\"},\n  {\"id\":  \"b,]\"} ,\n\t{\"id\":\"c\", \"n\":1.50}\n]\n";
        assert_eq!(cut(text, &[]), text);
        assert_eq!(cut(text, &[0]), "[\n  {\"id\":  \"b,]\"} ,\n\t{\"id\":\"c\", \"n\":1.50}\n]\n");
        assert_eq!(cut(text, &[1]), "[\n  {\"id\": \"ä\\u00e4\"} ,\n\t{\"id\":\"c\", \"n\":1.50}\n]\n");
        assert_eq!(cut(text, &[2]), "[\n  {\"id\": \"ä\\u00e4\"},\n  {\"id\":  \"b,]\"}\n]\n");
        assert_eq!(cut(text, &[0, 2]), "[\n  {\"id\":  \"b,]\"}\n]\n");
        assert_eq!(cut(text, &[0, 1]), "[\n  {\"id\":\"c\", \"n\":1.50}\n]\n");
        assert_eq!(cut(text, &[0, 1, 2]), "[\n  \n]\n");
        assert_eq!(cut("[1,2,3,4]", &[1, 2]), "[1,4]");
        assert_eq!(cut("[1]", &[0]), "[]");
    }

    #[test]
    fn what_remains_are_the_other_elements_whichever_are_cut_out() {
        let text = " [ 1 ,2, {\"a\" : [ ] } ,\"]\",null ] ";
        let all: Vec<&str> = vec!["1", "2", "{\"a\" : [ ] }", "\"]\"", "null"];
        for mask in 0_u32..1 << all.len() {
            let gone: Vec<usize> = (0..all.len()).filter(|index| mask >> index & 1 == 1).collect();
            let rest = cut(text, &gone);
            let kept: Vec<&str> =
                elements(rest.as_bytes()).unwrap().into_iter().map(|at| &rest[at]).collect();
            let wanted: Vec<&str> =
                (0..all.len()).filter(|index| !gone.contains(index)).map(|index| all[index]).collect();
            assert_eq!(kept, wanted, "{gone:?}: {rest}");
        }
    }

    #[test]
    fn nothing_and_null_are_empty_and_all_else_but_an_array_is_malformed() {
        assert!(elements(b"").unwrap().is_empty());
        assert!(elements(b"null\n").unwrap().is_empty());
        assert!(elements(b"\n").is_err());
        assert!(elements(b"{}").is_err());
        assert!(elements(b"[1").is_err());
    }
}
