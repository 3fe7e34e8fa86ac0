//! Ids that podman 4 maps containers to while it reads a file (`NewIDMappings` in
//! pkg/idtools/idtools.go of library 1.43). No later engine knows these keys.

use std::path::Path;

use super::reading::{Reading, Sourced};
use super::reason::Reason;
use super::view::View;
use crate::conf::Leaf;
use crate::sys::accounts;

/// Why it does not read on.
pub(super) struct RemapFault {
    pub reason: Reason,
    /// Whether a file of ids is not there, which the library confuses with its own.
    pub lacks_ids: bool,
}

/// The first thing that is wrong with them.
pub(super) fn check(view: &View<'_>, reading: &Reading) -> Result<(), RemapFault> {
    let set = |name: &str| match reading.values.get(&format!("storage.options.{name}")) {
        Some(Sourced { value: Leaf::String(text), origin }) if !text.is_empty() => Some((text, origin)),
        _ => None,
    };
    let (user, group) = (set("remap-user"), set("remap-group"));
    let lists = [("/etc/subuid", user.or(group)), ("/etc/subgid", group.or(user))];
    let lists = lists.into_iter().filter_map(|(file, name)| Some((file, name?)));
    let lists: Vec<_> = lists.map(|(file, set)| (file, set, view.text(Path::new(file)))).collect();
    let lines = |text: &Option<String>| -> Vec<Vec<String>> {
        let lines = text.iter().flat_map(|text| text.lines()).map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    // One malformed line is enough. Both files are read before either is searched.
    let is_read = |text: &Option<String>| text.is_some() && lines(text).iter().all(|line| line.len() == 3);
    let passwd = view.text(Path::new("/etc/passwd"));
    let uid = |name: &str| {
        let passwd = passwd.as_deref().unwrap_or_default();
        accounts(passwd).find(|account| account.name == name).map(|account| account.uid.to_string())
    };
    let has = |(_, (name, _), text): &&(_, (&String, _), Option<String>)| {
        let uid = uid(name);
        let is_its = |owner: &str| *name == "ALL" || owner == **name || uid.as_deref() == Some(owner);
        lines(text).iter().any(|line| is_its(&line[0]))
    };
    let refused =
        lists.iter().find(|(_, _, text)| !is_read(text)).or_else(|| lists.iter().find(|it| !has(it)));
    if let Some((file, (name, origin), text)) = refused.filter(|_| view.root().is_some()) {
        let message = format!("`{file}` has no range of ids for `{name}`");
        let hint = "add one, or remove `remap-user` and `remap-group`: no later engine knows them";
        let reason = Reason::stops("subid-missing", message, hint).at(origin.site().cloned());
        return Err(RemapFault { reason, lacks_ids: text.is_none() });
    }
    for name in ["remap-uids", "remap-gids"] {
        let Some((text, origin)) = set(name) else {
            continue;
        };
        let numbers: Vec<&str> = text.split(':').collect();
        let is_number =
            |number: &&str| number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u32>().is_ok();
        if !(numbers.len().is_multiple_of(3) && numbers.iter().all(is_number)) {
            let message = format!("`storage.options.{name}` must be ids in threes, but is `{text}`");
            let hint = "write such a value, as `0:100000:65536`, or remove the setting";
            let reason = Reason::stops("bad-value", message, hint).at(origin.site().cloned());
            return Err(RemapFault { reason, lacks_ids: false });
        }
    }
    Ok(())
}
