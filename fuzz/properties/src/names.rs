//! Lists of images, references, names, sources, digests and paths: what is taken is what
//! programs behind it can take.

use std::path::Path;

use storagectl::embedded::{EmbeddedLayout, ImageList};
use storagectl::images::{Digest, Name, Source};
use storagectl::references::{check_reference, references_in};
use storagectl::registry::{Failure, repository};
use storagectl::store::store_path;

use super::shown::assert_told;

/// A text: a list of images, and each of its lines a name.
pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    EmbeddedLayout::LISTS.iter().for_each(|name| list(text, Path::new(name)));
    match references_in(text, Path::new("f")) {
        Ok(found) => {
            found.remarks.iter().for_each(assert_told);
            for image in &found.images {
                assert!(is_a_word(&image.reference), "{image:?} of {text:?}");
                assert_eq!(check_reference(&image.reference), Ok(()));
            }
        }
        Err(problem) => assert_told(&problem),
    }
    assert_told(&Failure::of("localhost/a:1", text).problem);
    text.lines().take(50).for_each(one);
}

fn is_a_word(text: &str) -> bool {
    !text.is_empty() && !text.contains([',', ' ', '\t', '\n', '\r', '\0'])
}

fn list(text: &str, file: &Path) {
    let list = match ImageList::parse(text, file) {
        Ok(list) => list,
        Err(problem) => return assert_told(&problem),
    };
    list.remarks.iter().for_each(assert_told);
    for entry in &list.entries {
        assert!(is_a_word(&entry.reference), "{entry:?} of {text:?}");
        let is_plain =
            !entry.directory.contains(['/', '\0']) && !matches!(entry.directory.as_str(), "" | "." | "..");
        assert!(is_plain, "{entry:?} of {text:?}");
        let line = text.lines().nth(entry.line - 1);
        assert!(line.is_some_and(|line| line.contains(&entry.reference)), "{entry:?} of {text:?}");
    }
    // What is written of it is the same list.
    let again = ImageList::parse(&list.text(), file).expect("it is what was taken");
    assert_eq!((again.layout, again.text()), (list.layout, list.text()), "of {text:?}");
    let pairs = |list: &ImageList| -> Vec<_> {
        list.entries.iter().map(|entry| (entry.reference.clone(), entry.directory.clone())).collect()
    };
    assert_eq!(pairs(&again), pairs(&list), "of {text:?}");
}

fn one(text: &str) {
    if let Err(problem) = check_reference(text) {
        assert_told(&problem);
    }
    match Name::parse(text) {
        Ok(name) => {
            assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
            assert!(is_a_word(name.as_str()), "{name}");
        }
        Err(problem) => assert_told(&problem),
    }
    match Source::parse(text) {
        Ok(source) => assert_eq!(Source::parse(&source.text).map(|it| it.path), Ok(source.path)),
        Err(problem) => assert_told(&problem),
    }
    if let Some(digest) = Digest::parse(text) {
        assert_eq!((digest.as_str(), digest.hex().len()), (text, 64));
    }
    match store_path(text.as_ref()) {
        Ok(path) => assert_eq!(store_path(path.as_ref()).as_ref(), Ok(&path)),
        Err(problem) => assert_told(&problem),
    }
    assert!(text.starts_with(repository(text)));
}
