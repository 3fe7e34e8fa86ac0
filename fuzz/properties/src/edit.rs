//! Stores come and go, by hand and declared, in any text: everything else stays, and when all
//! are gone every byte is as it was.

use storagectl::conf::{
    Document, EditError, Essentials, Fault, Leaf, Mark, MarkedEntry, Position, StoreEntry, StoreList, add,
    add_essentials, arrange, asides, clean, listed, put_back, remove, set_aside, without_essentials,
};
use storagectl::problem::Problem;

use super::shown::assert_told;

/// What somebody does to the list.
#[derive(Debug, Clone)]
pub enum Step {
    /// Adds a store by hand, and says whether it is to be the first.
    Add(usize, bool),
    /// Takes it off again.
    Remove(usize),
    /// Has a declaration list a store.
    Declare(usize),
    /// Withdraws that.
    Undeclare(usize),
}

/// The stores that are added by hand.
pub const ADDED: [&str; 3] = ["/srv/a", "/srv/b", "/srv/c"];

/// The stores that are declared.
pub const DECLARED: [&str; 3] = ["/usr/lib/a", "/usr/lib/b", "/usr/lib/c"];

/// The most that happens to one text.
const STEPS: usize = 8;

/// A line with a letter for each step, and a text.
pub fn holds(input: &[u8]) {
    let Some((steps, text)) = std::str::from_utf8(input).ok().and_then(|input| input.split_once('\n')) else {
        return;
    };
    let doc = match Document::parse(text) {
        Ok(doc) => doc,
        Err(fault) => return assert_told(&Problem::at(fault, "f".into(), text)),
    };
    let list = match listed(&doc) {
        Ok(list) => list,
        Err(fault) => return refused(&doc, &fault),
    };
    let is_ours = |path: &str| ADDED.contains(&path) || DECLARED.contains(&path);
    // A text in which we have been says what we did there, and may lie.
    let is_new = !text.contains("storagectl") && !list.iter().any(|entry| is_ours(&clean(&entry.path)));
    let steps: Vec<Step> = steps.bytes().filter_map(of_letter).take(STEPS).collect();
    match is_new {
        true => leaves_the_original_bytes(&doc, &steps),
        false => stays_sound(&doc, &steps),
    }
    removing(&doc);
    setting_aside(&doc);
}

fn of_letter(letter: u8) -> Option<Step> {
    let store = |first: u8| usize::from(letter - first);
    Some(match letter {
        b'a'..=b'c' => Step::Add(store(b'a'), false),
        b'A'..=b'C' => Step::Add(store(b'A'), true),
        b'r'..=b't' => Step::Remove(store(b'r')),
        b'd'..=b'f' => Step::Declare(store(b'd')),
        b'u'..=b'w' => Step::Undeclare(store(b'u')),
        _ => return None,
    })
}

/// Nothing is edited where the list cannot be read.
fn refused(doc: &Document, fault: &Fault) {
    assert_ne!(fault.id, "internal", "{}: {:?}", fault.message, doc.text());
    assert_told(&Problem::at(fault.clone(), "f".into(), doc.text()));
    let path = [ADDED[0].to_owned()];
    assert!(add(doc, &path, &Position::Any).is_err(), "added to {:?}", doc.text());
    assert!(arrange(doc, &[]).is_err(), "arranged {:?}", doc.text());
}

/// One step. `None` if the text cannot be edited, which it has said.
pub fn step(doc: &Document, step: &Step) -> Option<Document> {
    try_step(doc, step).unwrap_or_else(|fault| {
        assert_ne!(fault.id, "internal", "{}: {step:?} of {:?}", fault.message, doc.text());
        assert_told(&Problem::at(fault, "f".into(), doc.text()));
        None
    })
}

fn try_step(doc: &Document, step: &Step) -> Result<Option<Document>, Fault> {
    let mut list = listed(doc)?;
    let edited = match *step {
        Step::Add(store, first) => {
            let position = if first { Position::First } else { Position::Any };
            let doc = with_settings(doc)?;
            return match add(&doc, &[ADDED[store].to_owned()], &position) {
                Ok(edited) => Ok(Some(edited.unwrap_or(doc))),
                Err(EditError::Fault(fault)) => Err(fault),
                Err(EditError::NotListed(other)) => panic!("`{other}` was not asked for"),
            };
        }
        Step::Remove(store) => remove(doc, |path| path == ADDED[store])?,
        Step::Declare(store) => {
            let doc = with_settings(doc)?;
            let mark = Some(Mark::new(&format!("app{store}"), None));
            if !list.iter().any(|entry| entry.path == DECLARED[store]) {
                list.push(MarkedEntry { path: DECLARED[store].to_owned(), mark });
            }
            return Ok(Some(arrange(&doc, &list)?.unwrap_or(doc)));
        }
        Step::Undeclare(store) => {
            list.retain(|entry| entry.path != DECLARED[store]);
            arrange(doc, &list)?
        }
    };
    let edited = edited.unwrap_or_else(|| doc.clone());
    Ok(Some(without_essentials(&edited)?.unwrap_or(edited)))
}

fn with_settings(doc: &Document) -> Result<Document, Fault> {
    Ok(add_essentials(doc, &Essentials::default(), false)?.unwrap_or_else(|| doc.clone()))
}

/// Takes everything off that steps may have listed.
pub fn cleared(mut doc: Document) -> Option<Document> {
    for store in 0..ADDED.len() {
        doc = step(&step(&doc, &Step::Remove(store))?, &Step::Undeclare(store))?;
    }
    Some(doc)
}

/// After these steps, and when everything is taken off, the text is what it was.
pub fn leaves_the_original_bytes(doc: &Document, steps: &[Step]) {
    let mut now = doc.clone();
    let mut states = String::new();
    let theirs = others(doc);
    for it in steps {
        let Some(next) = step(&now, it) else {
            return;
        };
        now = next;
        states += &format!("{it:?}:\n{}\n", now.text());
        assert_eq!(others(&now), theirs, "of {:?}, after:\n{states}", doc.text());
        assert_eq!(rest(&now), rest(doc), "of {:?}, after:\n{states}", doc.text());
    }
    let cleared = cleared(now).expect("what could be edited can be edited");
    assert_eq!(cleared.text(), doc.text(), "after:\n{states}");
}

/// In a text in which somebody has our comments, steps still change nothing but the list.
fn stays_sound(doc: &Document, steps: &[Step]) {
    let mut now = doc.clone();
    for it in steps {
        let Some(next) = step(&now, it) else {
            return;
        };
        let settings = rest(&next);
        if !is_of_settings(&now, &next) {
            assert_eq!(settings, rest(&now), "{it:?} of {:?}", now.text());
        }
        now = next;
    }
}

/// Whether the settings that older engines need have come or gone, as far as they tell.
fn is_of_settings(before: &Document, after: &Document) -> bool {
    let driver = |doc: &Document| doc.string(&["storage", "driver"]).ok().flatten().is_some();
    driver(before) != driver(after)
}

/// The stores of others, in their order.
fn others(doc: &Document) -> Vec<String> {
    let paths = StoreList::paths(doc).expect("the list was read before");
    paths
        .into_iter()
        .filter(|path| !ADDED.contains(&path.as_str()) && !DECLARED.contains(&path.as_str()))
        .collect()
}

/// Everything but the list, and what comes with a file that had no settings.
fn rest(doc: &Document) -> Leaf {
    let mut rest = doc.to_leaf();
    forget(&mut rest, &["storage", "options", "additionalimagestores"]);
    for (key, value) in [
        ("driver", "overlay"),
        ("runroot", "/run/containers/storage"),
        ("graphroot", "/var/lib/containers/storage"),
    ] {
        if doc.string(&["storage", key]).ok().flatten().as_deref() == Some(value) {
            forget(&mut rest, &["storage", key]);
        }
    }
    rest
}

/// Removes a value whatever the case of its key, and tables on the way that are empty then.
fn forget(leaf: &mut Leaf, path: &[&str]) {
    let (Leaf::Table(table), Some((name, deeper))) = (leaf, path.split_first()) else {
        return;
    };
    let Some(key) = table.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned() else {
        return;
    };
    if deeper.is_empty() {
        table.remove(&key);
        return;
    }
    let child = table.get_mut(&key).expect("the key was just found");
    forget(child, deeper);
    if matches!(child, Leaf::Table(inner) if inner.is_empty()) {
        table.remove(&key);
    }
}

/// Whether `longer` is `shorter` with something put in.
pub fn is_insertion(shorter: &str, longer: &str) -> bool {
    let mut rest = shorter.bytes();
    let mut next = rest.next();
    for byte in longer.bytes() {
        if Some(byte) == next {
            next = rest.next();
        }
    }
    next.is_none()
}

/// Taking off one entry takes that entry.
fn removing(doc: &Document) {
    let paths = StoreList::paths(doc).expect("the list was read before");
    let Some(gone) = paths.first() else {
        return;
    };
    match remove(doc, |path| path == gone) {
        Ok(edited) => {
            let edited = edited.expect("it was listed");
            let left: Vec<_> = paths.iter().filter(|path| *path != gone).cloned().collect();
            assert_eq!(StoreList::paths(&edited).expect("it was edited"), left, "of {:?}", doc.text());
            assert!(is_insertion(edited.text(), doc.text()), "{:?} of {:?}", edited.text(), doc.text());
        }
        Err(fault) => assert_ne!(fault.id, "internal", "{}: {:?}", fault.message, doc.text()),
    }
}

/// What is set aside comes back byte for byte.
fn setting_aside(doc: &Document) {
    let gone = |path: &str| path.len().is_multiple_of(2);
    let aside = match set_aside(doc, gone) {
        Ok(Some(aside)) => aside,
        Ok(None) => return,
        Err(fault) => panic!("{}: {:?}", fault.message, doc.text()),
    };
    let back =
        put_back(&aside, |_| true).unwrap_or_else(|fault| panic!("{}: {:?}", fault.message, aside.text()));
    if doc.text().contains("storagectl") {
        return;
    }
    assert_eq!(back.expect("something was set aside").text(), doc.text(), "of {:?}", aside.text());
    let there: Vec<String> =
        asides(&aside).expect("it was edited").into_iter().map(|aside| aside.path).collect();
    let list = StoreList::of(doc).expect("the list was read before").expect("there is one");
    // What is written over several lines stays.
    let on_a_line = |entry: &&StoreEntry| !doc.text()[entry.span.clone()].contains('\n');
    let went =
        list.entries.iter().filter(on_a_line).map(|entry| entry.path.clone()).filter(|path| gone(path));
    assert_eq!(there, went.collect::<Vec<_>>(), "of {:?}", aside.text());
}
