//! The rooms of ARCHITECTURE.md are those of src, and each uses what its row says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests read the checkout")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string};
use std::path::Path;

type Uses = BTreeMap<String, BTreeSet<String>>;

/// Every room may use these, which are files.
const OF_ALL: [&str; 2] = ["hex", "limits"];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names that follow `crate::` in the code below `dir`.
fn used_below(dir: &Path, used: &mut BTreeSet<String>) {
    for entry in read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            used_below(&entry.path(), used);
            continue;
        }
        let text = read_to_string(entry.path()).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let code = line.split(" // ").next().unwrap();
            for rest in code.split("crate::").skip(1) {
                assert!(
                    !rest.starts_with('{'),
                    "{}: name each room in a `use` of its own",
                    entry.path().display()
                );
                used.insert(
                    rest.chars().take_while(|next| next.is_ascii_lowercase() || *next == '_').collect(),
                );
            }
        }
    }
}

fn uses_of_source() -> Uses {
    let rooms = read_dir(project().join("src")).unwrap().map(Result::unwrap);
    let rooms = rooms.filter(|entry| entry.file_type().unwrap().is_dir());
    rooms
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let mut used = BTreeSet::new();
            used_below(&entry.path(), &mut used);
            used.retain(|used| *used != name && !OF_ALL.contains(&used.as_str()));
            (name, used)
        })
        .collect()
}

fn uses_of_page() -> Uses {
    let page = read_to_string(project().join("ARCHITECTURE.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `src/"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let uses = cells.last().unwrap().trim_end_matches(" |").split(", ").filter(|used| *used != "nothing");
        (cells[0].trim_end_matches("/`").to_owned(), uses.map(Into::into).collect())
    })
    .collect()
}

#[test]
fn the_table_of_rooms_is_what_the_imports_say() {
    assert_eq!(uses_of_page(), uses_of_source());
}

#[test]
fn no_room_is_used_by_what_it_uses() {
    let mut left = uses_of_source();
    assert!(left.len() > 15);
    while !left.is_empty() {
        let lowest: Vec<String> =
            left.iter().filter(|(_, uses)| uses.is_empty()).map(|(room, _)| room.clone()).collect();
        assert!(!lowest.is_empty(), "rooms that use one another: {left:?}");
        left.retain(|room, _| !lowest.contains(room));
        left.values_mut().for_each(|uses| uses.retain(|used| !lowest.contains(used)));
    }
}
