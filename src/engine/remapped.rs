//! Ids that podman 4 maps containers to while it reads a file (`NewIDMappings` in
//! pkg/idtools/idtools.go of library 1.43). No later engine knows these keys.

use std::path::Path;

use super::reading::{Reading, Value};
use super::reason::Reason;
use super::view::View;
use crate::conf::Leaf;

/// What is wrong with them.
pub(super) fn check(view: &View<'_>, reading: &Reading) -> Vec<Reason> {
    let set = |name: &str| match reading.values.get(&format!("storage.options.{name}")) {
        Some(Value { value: Leaf::String(text), origin }) if !text.is_empty() => Some((text, origin)),
        _ => None,
    };
    let mut reasons = Vec::new();
    for name in ["remap-uids", "remap-gids"] {
        let Some((text, origin)) = set(name).filter(|(text, _)| !text.trim().is_empty()) else {
            continue;
        };
        let numbers: Vec<&str> = text.split([':', ',']).collect();
        if numbers.len() % 3 != 0 || numbers.iter().any(|number| number.parse::<u32>().is_err()) {
            let message = format!("`storage.options.{name}` must be ids in threes, but is `{text}`");
            let hint = "write such a value, as `0:100000:65536`, or remove the setting";
            reasons.push(Reason::stops("bad-value", message, hint).at(origin.site().cloned()));
        }
    }
    let (user, group) = (set("remap-user"), set("remap-group"));
    for (file, name) in [("/etc/subuid", user.or(group)), ("/etc/subgid", group.or(user))] {
        let Some((name, origin)) = name else {
            continue;
        };
        let text = view.text(Path::new(file)).unwrap_or_default();
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#')).collect();
        // One malformed line is enough.
        let is_whole = lines.iter().all(|line| line.split(':').count() == 3);
        let has = lines.iter().any(|line| line.split(':').next() == Some(name.as_str()));
        if view.root().is_some() && !(is_whole && has) {
            let message = format!("`{file}` has no range of ids for `{name}`");
            let hint = "add one, or remove `remap-user` and `remap-group`: no later engine knows them";
            reasons.push(Reason::stops("subid-missing", message, hint).at(origin.site().cloned()));
        }
    }
    reasons
}
