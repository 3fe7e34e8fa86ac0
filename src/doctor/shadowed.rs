//! Images that an older one of the same name keeps from being used.

use super::problems::problem;
use crate::inventory::{HostStores, ImageAt, list};
use crate::judgement::{Reader, names};
use crate::plan::Host;
use crate::problem::{Problem, shell_word};

/// How many of them are told.
const TOLD: usize = 3;

/// A finding for each name of which an older image is found first.
pub(super) fn shadowed(host: &Host, stores: &HostStores) -> Vec<Problem> {
    let mut found = Vec::new();
    for listed in list(stores, |_| true) {
        let Some(name) = listed.name else { continue };
        for shadow in &listed.visibility.shadows {
            if shadow.by.image.is_older_than(listed.at.image) {
                found.push(shadowed_image(host, name, &listed.at, &shadow.by, &shadow.readers));
            }
        }
    }
    let more = found.len().saturating_sub(TOLD);
    found.truncate(TOLD);
    if let Some(last) = found.last_mut().filter(|_| more > 0) {
        last.message += &format!(", and {more} more like it");
    }
    found
}

fn shadowed_image(
    host: &Host,
    name: &str,
    newer: &ImageAt<'_>,
    older: &ImageAt<'_>,
    readers: &[Reader],
) -> Problem {
    let message = format!(
        "`{name}` in `{}` is newer than that in `{}`, which is looked into first",
        host.show(&newer.store.path),
        host.show(&older.store.path)
    );
    let store = shell_word(&host.show(&older.store.path));
    let hint = match older.store.is_own {
        true => format!("`podman rmi {}` removes the older one", shell_word(name)),
        false => format!("`storagectl remove-images {store} {}` removes the older one", shell_word(name)),
    };
    let is_fixed = host.root.is_read_only(&older.store.path).unwrap_or(true);
    let hint = match is_fixed && !older.store.is_own {
        true => format!(
            "list the store of the newer one first; `storagectl show-image {}` shows both",
            shell_word(name)
        ),
        false => hint,
    };
    let verb = if readers.len() == 1 { "uses" } else { "use" };
    problem("image-shadowed", message, hint).because(format!("{} {verb} the older one", names(readers)))
}
