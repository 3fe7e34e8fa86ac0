//! Which stores something in the own storages builds on.

use super::find::find;
use super::layout::layout;
use super::own::{Part, read};
use super::shelf::{self, Shelf};
use crate::plan::Host;

/// Those of `stores` without which a container, an image or a layer in an own storage of
/// this host's engines would lose a layer. Each is asked after in turn, and one that is not
/// needed counts as gone for the next. `others` are stores that may not be listed yet.
///
/// A store that cannot be read counts as needed.
///
/// # Errors
/// A [`crate::problem::Problem`] if an own storage cannot be read.
pub fn needed(host: &Host, stores: &[String], others: &[String]) -> anyhow::Result<Vec<String>> {
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let mut layout = layout(host)?;
    for store in others.iter().chain(stores) {
        if !layout.stores.contains(store) {
            layout.stores.push(store.clone());
        }
    }
    let mut needed = Vec::new();
    let mut users = Vec::new();
    // The other drivers know no additional stores.
    for storage in layout.storages.iter().filter(|it| matches!(it.driver.as_str(), "overlay" | "vfs")) {
        let mut shelves = Vec::new();
        for store in &layout.stores {
            match shelf::read(&host.root, store, &storage.driver) {
                Ok(shelf) => shelves.push((store.clone(), shelf)),
                Err(_) if stores.contains(store) && !needed.contains(store) => needed.push(store.clone()),
                Err(_) => {}
            }
        }
        users.push(User { driver: &storage.driver, parts: read(host, storage)?, shelves });
    }
    for store in stores {
        if needed.contains(store) {
            continue;
        }
        if users.iter().any(|user| user.needs(store)) {
            needed.push(store.clone());
        } else {
            users.iter_mut().for_each(|user| user.shelves.retain(|(path, _)| path != store));
        }
    }
    Ok(needed)
}

/// An own storage, and all that it can build on.
struct User<'a> {
    driver: &'a str,
    parts: Vec<Part>,
    shelves: Vec<(String, Shelf)>,
}

impl User<'_> {
    fn needs(&self, store: &str) -> bool {
        let lost = |stays: &dyn Fn(&str) -> bool| {
            let shelves = self.shelves.iter().filter(|(path, _)| stays(path));
            let shelves: Vec<Shelf> = shelves.map(|(_, shelf)| shelf.clone()).collect();
            find(&self.parts, &shelves, self.driver).len()
        };
        lost(&|path| path != store) > lost(&|_| true)
    }
}
