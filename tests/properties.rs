//! Edits of generated files: what must hold for every file that a person could write.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::test_runner::Config;
use storagectl::conf::{self, Cut, Document, EditError, Fault, Leaf, Position, StoreList, clean, copy};

/// One way to write an array of stores, around the items of the list.
#[derive(Debug, Clone)]
struct Looks {
    newline: &'static str,
    indent: &'static str,
    multiline: bool,
    trailing_comma: bool,
    comments_behind: bool,
    comments_above: bool,
    blank_lines: bool,
    dangling_comment: bool,
    commented_entry: bool,
    comma_first: bool,
    literal: bool,
    key: usize,
    bom: bool,
    final_newline: bool,
    glued: bool,
    spaced: bool,
}

fn looks() -> impl Strategy<Value = Looks> {
    (
        prop_oneof![Just("\n"), Just("\r\n")],
        prop_oneof![Just(""), Just("  "), Just("\t"), Just("    ")],
        proptest::array::uniform14(any::<bool>()),
        0..7usize,
    )
        .prop_map(|(newline, indent, flag, key)| Looks {
            newline,
            indent,
            multiline: flag[0],
            trailing_comma: flag[1],
            comments_behind: flag[2],
            comments_above: flag[3],
            blank_lines: flag[4],
            dangling_comment: flag[5],
            commented_entry: flag[6],
            comma_first: flag[7] && flag[13],
            literal: flag[8],
            key,
            bom: flag[9],
            final_newline: flag[10],
            glued: flag[11],
            spaced: flag[12],
        })
}

fn array(looks: &Looks, items: &[String]) -> String {
    let quote = |item: &String| if looks.literal { format!("'{item}'") } else { format!("\"{item}\"") };
    let nl = looks.newline;
    if !looks.multiline {
        let space = if looks.spaced { " " } else { "" };
        let comma = if looks.trailing_comma && !items.is_empty() { "," } else { "" };
        let list = items.iter().map(quote).collect::<Vec<_>>().join(", ");
        return format!("[{space}{list}{comma}{space}]");
    }
    let mut out = format!("[{nl}");
    if looks.dangling_comment && looks.blank_lines {
        out += &format!("{}# all our stores{nl}{nl}", looks.indent);
    }
    for (index, item) in items.iter().enumerate() {
        let last = index + 1 == items.len();
        if looks.comments_above && index % 2 == 0 {
            out += &format!("{}# above {item}{nl}", looks.indent);
        }
        if looks.comma_first && index > 0 {
            out += &format!("{}, {}", looks.indent, quote(item));
        } else {
            out += &format!("{}{}", looks.indent, quote(item));
        }
        if !looks.comma_first && (!last || looks.trailing_comma) {
            out += ",";
        }
        let glue = last && looks.glued && !looks.dangling_comment && !looks.commented_entry;
        if looks.comments_behind && !glue && index % 3 != 1 {
            out += &format!(" # behind {item}");
        }
        if !glue {
            out += nl;
        }
        if looks.blank_lines && !glue && index % 2 == 1 {
            out += nl;
        }
        if looks.commented_entry && index == 0 {
            out += &format!("{}# \"/switched/off\",{nl}", looks.indent);
        }
    }
    if looks.dangling_comment {
        out += &format!("{}# add more here{nl}", looks.indent);
    }
    out + "]"
}

fn file(looks: &Looks, items: &[String]) -> String {
    let nl = looks.newline;
    let array = array(looks, items);
    let key = "additionalimagestores";
    let body = match looks.key {
        0 => format!(
            "[storage]{nl}driver = \"overlay\"{nl}{nl}[storage.options]{nl}{key} = {array}{nl}{nl}[storage.options.overlay]{nl}mountopt = \"nodev\""
        ),
        1 => format!(
            "# top{nl}[storage]{nl}driver = \"overlay\"{nl}options.{key} = {array}{nl}options.size = \"1\""
        ),
        2 => format!("storage.driver = 'overlay'{nl}storage.options.{key} = {array} # stores"),
        3 => format!("[storage]{nl}options = {{ size = \"\", {key} = {array} }}"),
        4 => format!("storage = {{ driver = \"overlay\", options = {{ {key} = {array}, size = '' }} }}"),
        5 => format!(
            "[storage.options.overlay]{nl}size = ''{nl}\t[storage.options] # here{nl}\t\"{key}\"={array}{nl}"
        ),
        _ => format!(
            "[storage]{nl}  'driver' = 'overlay'{nl}[storage.options]{nl}  additionalImageStores = {array}{nl}  size = \"\""
        ),
    };
    format!("{}{body}{}", if looks.bom { "\u{feff}" } else { "" }, if looks.final_newline { nl } else { "" })
}

fn stores() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("/[a-z]{1,3}(/[a-z0-9. =\\[\\]#-]{1,6}x){0,2}", 0..6).prop_map(|list| {
        // "# " marks the comments of these files, so that `comments` finds them.
        let mut list: Vec<String> = list.iter().map(|path| path.replace("# ", "#_")).collect();
        list.sort();
        list.dedup();
        list
    })
}

fn add(text: &str, paths: &[String], position: &Position) -> Result<String, EditError> {
    let doc = Document::parse(text)?;
    Ok(conf::add(&doc, paths, position)?.unwrap_or(doc).text().to_owned())
}

fn remove(text: &str, gone: impl Fn(&str) -> bool) -> Result<String, Fault> {
    let doc = Document::parse(text)?;
    Ok(conf::remove(&doc, gone)?.unwrap_or(doc).text().to_owned())
}

fn restore(text: &str, item: &Cut, behind: Option<&str>) -> Result<String, Fault> {
    Ok(conf::restore(&Document::parse(text)?, item, behind)?.text().to_owned())
}

fn list(text: &str) -> Vec<String> {
    StoreList::paths(&Document::parse(text).unwrap()).unwrap()
}

fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<String> =
        text.lines().filter_map(|line| Some(line[line.find("# ")?..].trim().to_owned())).collect();
    found.sort();
    found
}

/// Everything but the list.
fn rest(text: &str) -> Leaf {
    let emptied = remove(text, |_| true).unwrap();
    Document::parse(emptied).unwrap().to_leaf()
}

/// What is left of `longer` when `shorter`'s bytes are taken out from both ends.
fn is_insertion(shorter: &str, longer: &str) -> bool {
    let mut rest = shorter.bytes();
    let mut next = rest.next();
    for byte in longer.bytes() {
        if Some(byte) == next {
            next = rest.next();
        }
    }
    next.is_none()
}

proptest! {
    #![proptest_config(Config {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3000),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn add_then_remove_gives_the_original_bytes(looks in looks(), items in stores(), place in 0..5usize, at in 0..6usize) {
        let text = file(&looks, &items);
        let position = position(place, at, &items);
        let added = add(&text, &["/the/new/one".to_owned()], &position).unwrap();
        prop_assert!(is_insertion(&text, &added), "bytes were lost:\n{text}\n{added}");
        prop_assert_eq!(list(&added).len(), items.len() + 1);
        prop_assert_eq!(rest(&added), rest(&text));
        let removed = remove(&added, |path| clean(path) == "/the/new/one").unwrap();
        prop_assert_eq!(&removed, &text, "after:\n{}", added);
    }

    #[test]
    fn adding_is_idempotent_and_keeps_the_order_of_others(looks in looks(), items in stores(), place in 0..5usize, at in 0..6usize, pick in 0..7usize) {
        let text = file(&looks, &items);
        let store = items.get(pick).cloned().unwrap_or_else(|| "/n".to_owned());
        let position = position(place, at, &items);
        let Ok(once) = add(&text, std::slice::from_ref(&store), &position) else {
            // A store cannot stand beside itself.
            prop_assert!(matches!(&position, Position::Before(other) | Position::After(other) if *other == store));
            return Ok(());
        };
        prop_assert_eq!(&add(&once, std::slice::from_ref(&store), &position).unwrap(), &once);
        let others = |text: &str| list(text).into_iter().filter(|path| *path != store).collect::<Vec<_>>();
        prop_assert_eq!(others(&once), others(&text));
        prop_assert_eq!(comments(&once), comments(&text), "a comment was lost:\n{}\n{}", text, once);
        let index = list(&once).iter().position(|path| *path == store).unwrap();
        match &position {
            Position::First => prop_assert_eq!(index, 0),
            Position::Last => prop_assert_eq!(index, list(&once).len() - 1),
            Position::Before(other) => prop_assert!(index < list(&once).iter().position(|p| p == other).unwrap()),
            Position::After(other) => prop_assert!(index > list(&once).iter().position(|p| p == other).unwrap()),
            Position::Any => {}
        }
    }

    #[test]
    fn removing_takes_the_item_and_its_comments_and_nothing_else(looks in looks(), items in stores(), pick in 0..6usize) {
        let text = file(&looks, &items);
        let Some(store) = items.get(pick % items.len().max(1)) else { return Ok(()) };
        let out = remove(&text, |path| path == store).unwrap();
        prop_assert!(is_insertion(&out, &text), "bytes came from nowhere:\n{text}\n{out}");
        prop_assert_eq!(list(&out), items.iter().filter(|item| *item != store).cloned().collect::<Vec<_>>());
        prop_assert_eq!(rest(&out), rest(&text));
        let own = [format!("# above {store}"), format!("# behind {store}")];
        let mut expected = comments(&text);
        expected.retain(|comment| !own.iter().any(|mine| mine == comment));
        let mut left = comments(&out);
        left.retain(|comment| !own.iter().any(|mine| mine == comment));
        prop_assert_eq!(left, expected, "a comment of another item went:\n{}\n{}", text, out);
    }

    #[test]
    fn an_entry_that_is_put_back_brings_its_comments_back(looks in looks(), items in stores(), pick in 0..6usize) {
        let text = file(&looks, &items);
        let index = pick % items.len().max(1);
        let Some(store) = items.get(index) else { return Ok(()) };
        let item = copy(&Document::parse(text.as_str()).unwrap(), store).unwrap().unwrap();
        let removed = remove(&text, |path| path == store).unwrap();
        let behind = index.checked_sub(1).map(|before| items[before].clone());
        let back = restore(&removed, &item, behind.as_deref()).unwrap();
        prop_assert_eq!(&list(&back), &items);
        prop_assert_eq!(comments(&back), comments(&text), "a comment was lost:\n{}\n{}", text, back);
        let plain = !looks.blank_lines && !looks.commented_entry && !looks.comma_first && !looks.glued;
        // The look of a list's only item is gone with it.
        let alone = items.len() == 1;
        if plain && !alone {
            prop_assert_eq!(back, text);
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_but_never_a_panic(text in "\\PC{0,200}") {
        let _ = add(&text, &["/a".to_owned()], &Position::Any);
        let _ = remove(&text, |_| true);
    }
}

fn position(place: usize, at: usize, items: &[String]) -> Position {
    let other = items.get(at % items.len().max(1)).cloned();
    match (place, other) {
        (1, _) => Position::First,
        (2, _) => Position::Last,
        (3, Some(other)) => Position::Before(other),
        (4, Some(other)) => Position::After(other),
        _ => Position::Any,
    }
}
