//! Edits of generated files: what must hold for every file that a person could write.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::test_runner::Config;
use storagectl::conf::{
    self, CutItem, Document, EditError, Fault, Leaf, Mark, MarkedEntry, Position, Redefined, StoreList,
    clean, copy, toml11,
};
use storagectl_properties::edit::is_insertion;
use storagectl_properties::toml::{LIBRARIES, is_read_alike};

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

/// What may stand beside a comma.
const GAPS: &[&str] = &[
    "",
    "",
    "",
    "",
    " ",
    " ",
    " ",
    "\t",
    "\n",
    "\n",
    "\n  ",
    "\n  ",
    "\r\n ",
    "\n\n",
    " # c1\n",
    "  # c2\n   # \"/off\",\n",
    "\n  # c3\r\n\n  ",
];

/// What somebody may leave who edits where entries are set aside.
const SPOILT: &[&str] = &[
    "",
    " ",
    "\n",
    "\n  # storagectl: missing at boot: \"/off/1\", # why\n",
    "\n  # storagectl: missing at boot: '/off/2'\r\n",
    "\n# storagectl: missing at boot: , \"/off/3\"\n # c1\n",
    "\n# storagectl: missing at boot, from this line: \"/off/4\", \n",
    " # c2\n# storagectl: missing at boot, from this line: \"/off/5\"\n# c3\n",
    "\n # storagectl: missing at boot, from this line: ,\n",
    "\n# storagectl: missing at boot: ,\n",
    "\n# storagectl: missing at boot: \"/off\", \"/off\"\n",
    "\n# storagectl: missing at boot: \"/off\n",
    " # storagectl: app (x)\n",
];

/// Any array at all: with `gaps` wherever there may be white space.
fn wild(gaps: &'static [&'static str]) -> impl Strategy<Value = (String, Vec<String>)> {
    let gap = proptest::sample::select(gaps);
    let quote = proptest::sample::select(vec!["\"", "\"", "'", "\"\"\"", "'''"]);
    let key = prop_oneof![
        Just(("[storage.options]\n  additionalimagestores = ", "\n")),
        Just(("\u{feff}storage.options.additionalimagestores=", "")),
        Just(("[storage]\r\noptions = { additionalimagestores = ", ", size = '' } # c4\r\n")),
    ];
    let gaps = proptest::collection::vec((gap.clone(), gap), 7);
    (stores(), proptest::collection::vec(quote, 6), gaps, key, any::<bool>()).prop_map(
        |(items, quotes, gaps, (head, tail), trailing)| {
            let mut text = format!("{head}[{}", gaps[6].0);
            for (index, item) in items.iter().enumerate() {
                let (before, behind) = gaps[index];
                let quote = quotes[index];
                text += &format!("{quote}{item}{quote}{before}");
                let last = index + 1 == items.len();
                if !last || trailing {
                    text += &format!(",{behind}");
                }
            }
            (text + "]" + tail, items)
        },
    )
}

/// A file and the items of its list.
fn files() -> impl Strategy<Value = (String, Vec<String>)> {
    prop_oneof![(looks(), stores()).prop_map(|(looks, items)| (file(&looks, &items), items)), wild(GAPS)]
}

fn add(text: &str, paths: &[String], position: &Position) -> Result<String, EditError> {
    let doc = Document::parse(text)?;
    Ok(conf::add(&doc, paths, position)?.unwrap_or(doc).text().to_owned())
}

fn remove(text: &str, gone: impl Fn(&str) -> bool) -> Result<String, Fault> {
    let doc = Document::parse(text)?;
    Ok(conf::remove(&doc, gone)?.unwrap_or(doc).text().to_owned())
}

fn restore(text: &str, item: &CutItem, behind: Option<&str>) -> Result<String, Fault> {
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

fn listed(text: &str) -> Vec<MarkedEntry> {
    conf::listed(&Document::parse(text).unwrap()).unwrap()
}

fn arrange(text: &str, wanted: &[MarkedEntry]) -> String {
    let doc = Document::parse(text).unwrap();
    conf::arrange(&doc, wanted).unwrap().unwrap_or(doc).text().to_owned()
}

fn set_aside(text: &str, gone: impl Fn(&str) -> bool) -> String {
    let doc = Document::parse(text).unwrap();
    conf::set_aside(&doc, gone).unwrap().unwrap_or(doc).text().to_owned()
}

fn put_back(text: &str, back: impl Fn(&str) -> bool) -> String {
    let doc = Document::parse(text).unwrap();
    conf::put_back(&doc, back).unwrap().unwrap_or(doc).text().to_owned()
}

fn asides(text: &str) -> Vec<String> {
    let found = conf::asides(&Document::parse(text).unwrap()).unwrap();
    found.into_iter().map(|aside| aside.path).collect()
}

/// Entries that storagectl owns, and between which of the others each goes.
fn owned() -> impl Strategy<Value = Vec<(usize, MarkedEntry)>> {
    let comment =
        prop_oneof![Just(None), Just(Some("demo (x) # \"/y\", ]")), Just(Some("missing at boot: \"/a\","))];
    let mark = ("[A-Za-z0-9._@+-]{1,6}", comment).prop_map(|(name, comment)| Mark::new(&name, comment));
    let entry = ("/owned/[a-z]{1,2}", mark).prop_map(|(path, mark)| MarkedEntry { path, mark: Some(mark) });
    proptest::collection::vec((0..7usize, entry), 0..4)
}

/// `theirs` with the `owned` entries among them.
fn mixed(theirs: &[MarkedEntry], owned: &[(usize, MarkedEntry)]) -> Vec<MarkedEntry> {
    let mut list = Vec::new();
    for place in 0..=theirs.len() {
        let here = |(at, _): &&(usize, MarkedEntry)| at % (theirs.len() + 1) == place;
        list.extend(owned.iter().filter(here).map(|(_, entry)| entry.clone()));
        list.extend(theirs.get(place).cloned());
    }
    list
}

fn unmarked(list: &[MarkedEntry]) -> Vec<MarkedEntry> {
    list.iter().filter(|entry| entry.mark.is_none()).cloned().collect()
}

/// Everything but the list.
fn rest(text: &str) -> Leaf {
    let emptied = remove(text, |_| true).unwrap();
    Document::parse(emptied).unwrap().to_leaf()
}

fn config(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: asked.unwrap_or(cases), failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config(3000))]

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

// Each of these cases is a series of edits.
proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn marked_entries_come_and_go_in_any_order_and_leave_no_trace((text, _) in files(), rounds in proptest::collection::vec(owned(), 1..4)) {
        let theirs = listed(&text);
        let mut now = text.clone();
        for owned in &rounds {
            let before = now.clone();
            let wanted = mixed(&theirs, owned);
            now = arrange(&before, &wanted);
            prop_assert_eq!(&listed(&now), &wanted);
            prop_assert!(is_insertion(&text, &now), "bytes were lost:\n{text}\n{now}");
            prop_assert_eq!(conf::arrange(&Document::parse(now.as_str()).unwrap(), &wanted).unwrap().map(|doc| doc.text().to_owned()), None);
            prop_assert_eq!(toml11::scan(&now).len(), toml11::scan(&text).len());
            let own = wanted.len() - theirs.len();
            prop_assert_eq!(now.lines().filter(|line| line.trim_start_matches([' ', '\t', ',']).starts_with(['"', '\'']) && line.contains("# storagectl: ")).count(), own, "not on lines of their own:\n{}", now);
            if owned.len() == 1 {
                // What it looks like does not depend on what was there before.
                prop_assert_eq!(&now, &arrange(&text, &wanted), "from:\n{}", before);
            }
        }
        prop_assert_eq!(&arrange(&now, &theirs), &text, "after:\n{}", now);
        let bare = conf::without_marked(&Document::parse(now.as_str()).unwrap()).unwrap();
        prop_assert_eq!(bare.text(), text);
    }

    #[test]
    fn another_marked_entry_is_an_insertion((text, _) in files(), owned in owned(), one in owned()) {
        let theirs = listed(&text);
        let before = arrange(&text, &mixed(&theirs, &owned));
        let all: Vec<_> = owned.iter().chain(&one).cloned().collect();
        let after = arrange(&before, &mixed(&theirs, &all));
        prop_assert!(is_insertion(&before, &after), "bytes were lost:\n{before}\n{after}");
    }

    #[test]
    fn an_edit_by_hand_beside_marked_entries_is_undone_by_its_opposite(looks in looks(), items in stores(), owned in owned(), place in 0..5usize, at in 0..6usize) {
        let text = file(&looks, &items);
        let marked = arrange(&text, &mixed(&listed(&text), &owned));
        let position = position(place, at, &list(&marked));
        let added = add(&marked, &["/the/new/one".to_owned()], &position).unwrap();
        // The lines of marked entries are ours, and may be laid out anew.
        prop_assert!(is_insertion(&text, &added), "bytes were lost:\n{text}\n{added}");
        let removed = remove(&added, |path| path == "/the/new/one").unwrap();
        prop_assert_eq!(&removed, &marked, "after:\n{}", added);
    }

    #[test]
    fn edits_by_hand_between_marked_entries_lose_nothing((text, items) in files(), owned in owned(), then in owned(), place in 0..5usize, at in 0..6usize, pick in 0..6usize) {
        let marked = arrange(&text, &mixed(&listed(&text), &owned));
        let position = position(place, at, &list(&marked));
        let added = add(&marked, &["/the/new/one".to_owned()], &position).unwrap();
        let gone = items.get(pick).cloned();
        let edited = remove(&added, |path| Some(path) == gone.as_deref()).unwrap();
        let theirs = unmarked(&listed(&edited));
        let mut expected = items.clone();
        expected.push("/the/new/one".to_owned());
        expected.retain(|path| Some(path) != gone.as_ref());
        expected.sort();
        let sorted = |list: Vec<MarkedEntry>| {
            let mut paths: Vec<_> = list.into_iter().map(|entry| entry.path).collect();
            paths.sort();
            paths
        };
        prop_assert_eq!(&sorted(theirs.clone()), &expected, "{}", edited);
        let again = arrange(&edited, &mixed(&theirs, &then));
        let bare = conf::without_marked(&Document::parse(again.as_str()).unwrap()).unwrap();
        prop_assert_eq!(&conf::listed(&bare).unwrap(), &theirs);
        prop_assert!(!bare.text().contains("# storagectl:"));
        // Comments of the entry that was removed go with it; of wild files nobody can say which.
        let own = gone.map(|gone| [format!("# above {gone}"), format!("# behind {gone}")]).unwrap_or_default();
        let others = |text: &str| {
            let told = |comment: &String| !comment.starts_with("# c") && !comment.starts_with("# \"/off") && !own.contains(comment);
            comments(text).into_iter().filter(told).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(bare.text()), others(&text), "a comment was lost:\n{}\n{}", text, bare.text());
    }

    #[test]
    fn what_is_set_aside_comes_back_byte_for_byte((text, items) in files(), gone in proptest::bits::u8::ANY, back in proptest::bits::u8::ANY) {
        let chosen = |bits: u8, path: &str| items.iter().position(|item| item == path).is_some_and(|at| bits & (1 << at) != 0);
        let without = |bits: u8| items.iter().filter(|item| !chosen(bits, item)).cloned().collect::<Vec<_>>();
        let aside = set_aside(&text, |path| chosen(gone, path));
        prop_assert!(is_insertion(&text, &aside), "bytes were lost:\n{text}\n{aside}");
        prop_assert_eq!(list(&aside), without(gone), "{}", aside);
        prop_assert_eq!(asides(&aside), items.iter().filter(|item| chosen(gone, item)).cloned().collect::<Vec<_>>());
        prop_assert_eq!(toml11::scan(&aside).len(), toml11::scan(&text).len());
        prop_assert_eq!(rest(&aside), rest(&text));
        prop_assert_eq!(set_aside(&aside, |path| chosen(gone, path)), aside.clone());
        let fewer = put_back(&aside, |path| chosen(back, path));
        prop_assert_eq!(&fewer, &set_aside(&text, |path| chosen(gone & !back, path)), "of:\n{}", aside);
        prop_assert_eq!(&put_back(&fewer, |_| true), &text, "of:\n{}", fewer);
        // Step by step it is as at once.
        let more = set_aside(&fewer, |path| chosen(gone, path));
        prop_assert_eq!(more, aside);
    }

    #[test]
    fn marked_entries_and_those_set_aside_do_not_know_of_each_other((text, items) in files(), first in owned(), then in owned(), gone in proptest::bits::u8::ANY) {
        let gone = |path: &str| items.iter().position(|item| item == path).is_some_and(|at| gone & (1 << at) != 0);
        let here = |text: &str| unmarked(&listed(text));
        let marked = arrange(&text, &mixed(&here(&text), &first));
        let aside = set_aside(&marked, gone);
        prop_assert!(is_insertion(&marked, &aside), "bytes were lost:\n{marked}\n{aside}");
        prop_assert_eq!(&put_back(&aside, |_| true), &marked, "of:\n{}", aside);
        let wanted = mixed(&here(&aside), &then);
        let other = arrange(&aside, &wanted);
        prop_assert_eq!(&listed(&other), &wanted);
        prop_assert_eq!(asides(&other), asides(&aside));
        prop_assert_eq!(arrange(&other, &wanted), other.clone());
        let back = put_back(&other, |_| true);
        prop_assert_eq!(&arrange(&back, &here(&back)), &text, "of:\n{}", other);
        let bare = arrange(&other, &here(&other));
        prop_assert_eq!(&put_back(&bare, |_| true), &text, "of:\n{}", bare);
    }

    #[test]
    fn spoilt_lines_of_what_is_set_aside_stop_nothing((text, items) in wild(SPOILT), owned in owned()) {
        let back = put_back(&text, |_| true);
        let (found, mut expected) = (asides(&text), items.clone());
        prop_assert_eq!(asides(&back), Vec::<String>::new());
        expected.extend(found.clone());
        let mut all = list(&back);
        let theirs: Vec<_> = all.iter().filter(|path| items.contains(path)).cloned().collect();
        prop_assert_eq!(theirs, items);
        all.sort();
        expected.sort();
        prop_assert_eq!(all, expected, "of:\n{}", text);
        let told = |text: &str| comments(text).into_iter().filter(|comment| comment.starts_with("# c")).count();
        prop_assert_eq!(told(&back), told(&text), "a comment was lost:\n{}\n{}", text, back);
        let wanted = mixed(&unmarked(&listed(&text)), &owned);
        let arranged = arrange(&text, &wanted);
        prop_assert_eq!(listed(&arranged), wanted);
        prop_assert_eq!(asides(&arranged), found, "of:\n{}", text);
    }

    #[test]
    fn edits_by_hand_beside_what_is_set_aside_lose_nothing((text, items) in files(), owned in owned(), gone in proptest::bits::u8::ANY, place in 0..5usize, at in 0..6usize, pick in 0..6usize) {
        let gone = |path: &str| items.iter().position(|item| item == path).is_some_and(|at| gone & (1 << at) != 0);
        let marked = arrange(&text, &mixed(&listed(&text), &owned));
        let aside = set_aside(&marked, gone);
        let position = position(place, at, &list(&aside));
        let added = add(&aside, &["/the/new/one".to_owned()], &position).unwrap();
        prop_assert_eq!(asides(&added), asides(&aside));
        let removed = items.get(pick).filter(|path| !gone(path));
        let edited = remove(&added, |path| Some(path) == removed.map(String::as_str)).unwrap();
        prop_assert_eq!(asides(&edited), asides(&aside), "of:\n{}", added);
        let back = put_back(&edited, |_| true);
        let mut expected: Vec<_> = list(&marked).into_iter().filter(|path| Some(path) != removed).collect();
        expected.push("/the/new/one".to_owned());
        expected.sort();
        let mut found = list(&back);
        found.sort();
        prop_assert_eq!(found, expected, "of:\n{}", edited);
        prop_assert_eq!(asides(&back), Vec::<String>::new());
        prop_assert!(!back.contains("missing at boot, from") && !back.contains("missing at boot: \"/t"));
        let order = |text: &str| list(text).into_iter().filter(|path| items.contains(path) && Some(path) != removed).collect::<Vec<_>>();
        if !matches!(position, Position::Before(_) | Position::After(_)) {
            prop_assert_eq!(order(&back), order(&marked), "of:\n{}", edited);
        }
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

fn key() -> impl Strategy<Value = String> {
    let part =
        proptest::sample::select(vec!["a", "b", "\"a\"", "storage", "options", "size", "pull_options"]);
    proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join("."))
}

/// A value; in an array no key is dotted, since podman 4 takes it for its last part.
fn value() -> impl Strategy<Value = String> {
    let array = |items: Vec<String>| format!("[{}]", items.join(", "));
    let inline = |pairs: Vec<(String, String)>| {
        let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{{ {} }}", pairs.join(", "))
    };
    let scalar = proptest::sample::select(vec!["1", "'s'", "true", "2.5", "07:32:00", "\"\"\"\nx\"\"\""]);
    let scalar = scalar.prop_map(str::to_owned).boxed();
    let item = scalar.clone().prop_recursive(2, 8, 3, move |inner| {
        let name = proptest::sample::select(vec!["a".to_owned(), "b".to_owned(), "size".to_owned()]);
        let pairs = proptest::collection::vec((name, inner.clone()), 0..3);
        prop_oneof![proptest::collection::vec(inner, 0..3).prop_map(array), pairs.prop_map(inline)]
    });
    scalar.prop_recursive(2, 8, 3, move |inner| {
        let pairs = proptest::collection::vec((key(), inner), 0..3);
        prop_oneof![proptest::collection::vec(item.clone(), 0..3).prop_map(array), pairs.prop_map(inline)]
    })
}

/// Headers and pairs in any order. Arrays of tables are not among them: the library takes
/// what it knows of one element for true of the next.
fn statements() -> impl Strategy<Value = String> {
    let header = key().prop_map(|key| format!("[{key}]\n"));
    let pair = (key(), value()).prop_map(|(key, value)| format!("{key} = {value}\n"));
    proptest::collection::vec(prop_oneof![1 => header, 2 => pair], 0..6).prop_map(|lines| lines.concat())
}

/// Pieces of TOML in any order.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        "b",
        ".",
        "=",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        "\n",
        " ",
        "#",
        "\"",
        "'",
        "'''",
        "\\",
        "1",
        "-",
        "1e400",
        "é",
        "\r",
        "\0",
        "\u{feff}",
        "a = 1\n",
        "[a]\n",
        "a.b = [1]\n",
        "{a = 1}",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn toml_is_read_alike_by_the_reader_of_what_is_no_toml(text in statements()) {
        let strict = Document::parse(text.as_str());
        for library in LIBRARIES {
            let read = Redefined::read(&text, library);
            match &strict {
                Ok(doc) => {
                    let read = read.unwrap();
                    prop_assert_eq!(read.leaves, doc.leaves(), "of:\n{}", text);
                    prop_assert!(!read.replaced && !read.dropped, "of:\n{}", text);
                }
                Err(fault) => {
                    prop_assert_eq!(fault.id, "duplicate-key", "of:\n{}", text);
                    prop_assert!(read.map_or_else(|fault| fault.id == "duplicate-key", |_| true));
                }
            }
        }
    }

    #[test]
    fn no_text_is_too_odd_for_the_reader_of_what_is_no_toml(text in prop_oneof![pieces(), any::<String>()]) {
        is_read_alike(&text);
    }
}
