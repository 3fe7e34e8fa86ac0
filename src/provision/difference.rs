//! In what two documents differ, for the nodes.

use serde::Serialize;

use super::given::{GivenEntry, GivenToNode};

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentDifference {
    /// How.
    pub how: DifferenceKind,
    /// `store`, `image`, `unit`, `engine` or `order`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// What was before.
    pub before: Option<String>,
    /// What is after.
    pub after: Option<String>,
}

/// What differs between what two documents give nodes.
pub fn differences(before: &GivenToNode, after: &GivenToNode) -> Vec<DocumentDifference> {
    let mut all = Vec::new();
    all.extend(of("store", &stores(before), &stores(after)));
    let shared = |gives: &GivenToNode, other: &GivenToNode| -> Vec<String> {
        let paths = gives.stores.iter().map(|store| store.path.clone());
        paths.filter(|path| other.stores.iter().any(|store| store.path == *path)).collect()
    };
    let order = |paths: Vec<String>| vec![("of stores".to_owned(), paths.join(", "))];
    all.extend(of("order", &order(shared(before, after)), &order(shared(after, before))));
    all.extend(of("image", &images(before), &images(after)));
    all.extend(of("unit", &units(before, after), &units(after, before)));
    all.extend(of("engine", &engines(before), &engines(after)));
    all
}

/// Names, with what is said of each.
type Said = Vec<(String, String)>;

fn stores(gives: &GivenToNode) -> Said {
    let store = |it: &super::given::GivenStore| {
        let created = it
            .created_by
            .as_ref()
            .map_or_else(|| "the nodes must have it".to_owned(), |by| format!("created by {by}"));
        let mode = it.mode.as_ref().map_or_else(String::new, |mode| format!(" with mode {mode}"));
        let labelled = if it.labelled { ", labelled" } else { "" };
        (it.path.clone(), format!("{created}{mode}{labelled}"))
    };
    gives.stores.iter().map(store).collect()
}

fn images(gives: &GivenToNode) -> Said {
    gives.images.iter().map(|it| (it.image.clone(), format!("pulled into {}", it.store))).collect()
}

/// Whether units are enabled that both have; what one of them says nothing of, the image decides.
fn units(gives: &GivenToNode, other: &GivenToNode) -> Said {
    let says = |gives: &GivenToNode, name: &str| gives.units.iter().find(|it| it.name == name)?.enabled;
    let unit = |it: &super::given::GivenUnit| {
        says(other, &it.name)?;
        Some((it.name.clone(), if it.enabled? { "enabled" } else { "not enabled" }.to_owned()))
    };
    gives.units.iter().filter_map(unit).collect()
}

/// Whether each engine starts. What it sees are the stores.
fn engines(gives: &GivenToNode) -> Said {
    let engine = |it: &super::given::GivenEngine| {
        let missing = gives.stores.iter().filter(|store| !it.users && !it.stores.contains(&store.path));
        let missing: Vec<&str> = missing.map(|store| store.path.as_str()).collect();
        let said = match (&it.stops, missing.as_slice()) {
            (Some(why), _) => format!("stops: {why}"),
            (None, []) => "starts".to_owned(),
            (None, missing) => format!("does not see {}", missing.join(", ")),
        };
        (it.name.clone(), said)
    };
    gives.engines.iter().map(engine).collect()
}

fn of(what: &'static str, before: &Said, after: &Said) -> Vec<DocumentDifference> {
    let find = |said: &Said, name: &str| said.iter().find(|(it, _)| it == name).map(|(_, said)| said.clone());
    let names = before.iter().chain(after.iter().filter(|(name, _)| find(before, name).is_none()));
    let difference = |(name, _): &(String, String)| {
        let (before, after) = (find(before, name), find(after, name));
        let how = match (&before, &after) {
            (None, _) => DifferenceKind::Added,
            (_, None) => DifferenceKind::Removed,
            (Some(one), Some(other)) if one == other => return None,
            _ => DifferenceKind::Changed,
        };
        Some(DocumentDifference { how, what, name: name.clone(), before, after })
    };
    names.filter_map(difference).collect()
}

/// The files, units and directories that differ, as a unified diff.
pub fn text_diff(before: &[GivenEntry], after: &[GivenEntry]) -> String {
    let mut names: Vec<&str> = before.iter().chain(after).map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let text = |entries: &[GivenEntry], name: &str| {
        entries.iter().find(|entry| entry.name == name).map(|entry| entry.text.clone())
    };
    let mut out = String::new();
    for name in names {
        let (one, other) = (text(before, name), text(after, name));
        let head = |text: &Option<String>| text.as_ref().map_or("/dev/null", |_| name).to_owned();
        let (from, to) = (head(&one), head(&other));
        let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
        let diff = similar::TextDiff::from_lines(one.as_str(), other.as_str());
        out += &diff.unified_diff().header(&from, &to).to_string();
    }
    out
}
