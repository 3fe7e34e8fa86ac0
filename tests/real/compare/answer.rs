//! What an engine makes of a host, as far as the storage library says it.

use std::fmt;

use crate::hosts::engines::paths;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It stops, and this is why.
    Stops(String),
    Works(Box<Seen>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) driver: String,
    /// The one that is used if none is set, too.
    pub(super) uses: String,
    pub(super) graphroot: String,
    pub(super) runroot: String,
    pub(super) imagestore: String,
    /// The paths, as the driver splits and cleans them.
    pub(super) stores: Vec<String>,
}

/// Entries as the overlay driver splits and cleans them.
pub(super) fn cleaned<'a>(entries: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    entries.into_iter().flat_map(paths).collect()
}

/// In what two answers differ, in words that are the same for all hosts with one fault.
pub(super) fn difference(library: &Answer, ours: &Answer) -> Option<String> {
    match (library, ours) {
        (Answer::Stops(_), Answer::Stops(_)) => None,
        (Answer::Stops(why), Answer::Works(_)) => Some(format!("the library stops: {}", plain(why))),
        (Answer::Works(_), Answer::Stops(why)) => Some(format!("storagectl stops: {}", plain(why))),
        (Answer::Works(library), Answer::Works(ours)) => {
            let fields = [
                ("driver", library.driver == ours.driver),
                ("driver in use", library.uses == ours.uses),
                ("graphroot", library.graphroot == ours.graphroot),
                ("runroot", library.runroot == ours.runroot),
                ("imagestore", library.imagestore == ours.imagestore),
                ("stores", library.stores == ours.stores),
            ];
            let other: Vec<&str> = fields.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
            (!other.is_empty()).then(|| format!("another {}", other.join(", ")))
        }
    }
}

/// A message without what is different from host to host.
pub(super) fn plain(message: &str) -> String {
    // Of a fault in a file what is wrong, and not where or with which type.
    let message = message.rsplit_once("): ").filter(|_| message.contains("toml:")).map_or(message, |it| it.1);
    let message = message.split(", but is").next().unwrap_or(message).replace("interface {}", "any");
    let mut words = Vec::new();
    let mut quoted = None;
    for word in message.split_whitespace() {
        let bare = word.trim_matches(|letter: char| ":,;.()".contains(letter));
        if let Some(quote) = quoted {
            if bare.ends_with(quote) {
                quoted = None;
            }
            continue;
        }
        let first = bare.chars().next().filter(|first| "\"'`".contains(*first));
        if let Some(quote) = first {
            quoted = (bare.len() == 1 || !bare.ends_with(quote)).then_some(quote);
            words.push("…");
        } else if bare.contains('/') || bare.bytes().any(|byte| byte.is_ascii_digit()) {
            words.push("…");
        } else {
            words.push(word);
        }
    }
    words.truncate(14);
    words.join(" ")
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stops(why) => write!(f, "stops: {}", why.trim()),
            Self::Works(seen) => {
                let Seen { driver, uses, graphroot, runroot, imagestore, stores } = seen.as_ref();
                write!(
                    f,
                    "driver {driver:?} ({uses}), graphroot {graphroot:?}, runroot {runroot:?}, imagestore {imagestore:?}, stores {stores:?}"
                )
            }
        }
    }
}
