//! CRI-O's own files: `[crio]` of crio.conf and its drop-ins, crio.conf(5).

use super::Profile;
use super::decode::{Parsed, parse};
use super::modern::bytes_of;
use super::options::{self, add_option};
use super::reading::{FileRole, ReadFile, Reading, Sourced, ValueOrigin};
use super::reason::{Reason, Site};
use super::view::View;
use crate::conf::Leaf;
use crate::problem::words;

pub(super) fn read(view: &View<'_>, reading: &mut Reading) {
    let main = view.etc().join("crio/crio.conf");
    let mut files = vec![main.clone()];
    let mut any = false;
    match view.walk(&view.etc().join("crio/crio.conf.d")) {
        Ok(drop_ins) => files.extend(drop_ins),
        Err(error) => {
            let message = format!("/etc/crio/crio.conf.d: {}", words(&error));
            reading.reasons.push(Reason::other(message));
        }
    }
    for path in files {
        let bytes = match bytes_of(view, &path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) if path == main => continue,
            Ok(None) => {
                let message = format!("open {}: no such file or directory", path.display());
                reading.reasons.push(Reason::other(message));
                continue;
            }
            Err(reason) => {
                reading.reasons.push(reason);
                continue;
            }
        };
        any = true;
        let text = view.cache.lossy(&bytes);
        reading.files.push(ReadFile { path: path.clone(), kind: FileRole::Crio, text });
        if let Some(parsed) = parse(view.cache, &path, &bytes, Profile::Crio, &mut reading.reasons) {
            merge(&path, parsed, reading);
        }
    }
    if any {
        // Without a file of its own CRI-O takes the list as it is; of options that are the
        // same to the letter the last one stays.
        let all = std::mem::take(&mut reading.options);
        let same = |one: &super::DriverOption, other: &super::DriverOption| {
            one.key == other.key && one.value.value == other.value.value
        };
        let last = |(index, option): &(usize, &super::DriverOption)| {
            all[index + 1..].iter().all(|later| !same(later, option))
        };
        reading.options = all.iter().enumerate().filter(last).map(|(_, option)| option.clone()).collect();
    }
    // Its own values are not expanded.
    options::finish(view, str::to_owned, reading);
}

/// Takes what one file sets.
fn merge(path: &std::path::Path, Parsed { text, leaves }: Parsed, reading: &mut Reading) {
    for leaf in leaves {
        let site = Site::of(path, &text, leaf.span.clone());
        let wrong = |what: &str| {
            let message = format!("`{}` must be {what}", leaf.name);
            let hint = "write the value as crio.conf(5) shows it";
            Reason::stops("wrong-type", message, hint).at(Some(site.clone()))
        };
        let origin = ValueOrigin::File(site.clone());
        let place = match leaf.name.as_str() {
            "crio.storage_option" => {
                let strings: Option<Vec<&String>> = match &leaf.value {
                    Leaf::Array(items) => items
                        .iter()
                        .map(|item| match item {
                            Leaf::String(option) => Some(option),
                            _ => None,
                        })
                        .collect(),
                    _ => None,
                };
                match strings {
                    Some(options) => {
                        for (index, option) in options.into_iter().enumerate() {
                            let span = leaf.items.get(index).unwrap_or(&leaf.span).clone();
                            let origin = ValueOrigin::File(Site::of(path, &text, span));
                            add_option(option, origin, "crio.storage_option", reading);
                        }
                    }
                    None => reading.reasons.push(wrong("an array of strings")),
                }
                continue;
            }
            "crio.runtime.additional_artifact_stores" => {
                // `ValidateRuntimeConfig` in pkg/config/config.go: an entry is absolute; whether
                // it is there is not looked at.
                let strings = match &leaf.value {
                    Leaf::Array(items) => items.iter().map(Some).collect(),
                    _ => vec![None],
                };
                for (index, item) in strings.into_iter().enumerate() {
                    let span = leaf.items.get(index).unwrap_or(&leaf.span).clone();
                    let site = Site::of(path, &text, span);
                    match item {
                        Some(Leaf::String(entry)) if entry.starts_with('/') => {}
                        Some(Leaf::String(entry)) => {
                            let message = format!("the artifact store `{entry}` is not an absolute path");
                            let hint = "write the absolute path, or remove it";
                            reading
                                .reasons
                                .push(Reason::stops("artifact-store", message, hint).at(Some(site)));
                        }
                        _ => reading.reasons.push(wrong("an array of strings").at(Some(site))),
                    }
                }
                continue;
            }
            "crio.storage_driver" => &mut reading.driver,
            "crio.root" => &mut reading.graphroot,
            "crio.runroot" => &mut reading.runroot,
            "crio.imagestore" => &mut reading.imagestore,
            name => {
                match wrong_type(name, &leaf.value) {
                    Some(what) => reading.reasons.push(wrong(what)),
                    None => {
                        reading.crio.insert(leaf.name.clone(), Sourced { value: leaf.value, origin });
                    }
                }
                continue;
            }
        };
        match leaf.value {
            Leaf::String(text) if !text.is_empty() => *place = Some(Sourced { value: text, origin }),
            Leaf::String(_) => {}
            _ => reading.reasons.push(wrong("a string")),
        }
    }
}

/// What a key that storagectl looks at would have to be, if it is not.
fn wrong_type(name: &str, value: &Leaf) -> Option<&'static str> {
    match name {
        "crio.internal_wipe" | "crio.internal_repair" => {
            (!matches!(value, Leaf::Boolean(_))).then_some("a boolean")
        }
        "crio.clean_shutdown_file"
        | "crio.version_file"
        | "crio.version_file_persist"
        | "crio.api.listen"
        | "crio.image.pause_image" => (!matches!(value, Leaf::String(_))).then_some("a string"),
        "crio.image.pinned_images" => {
            let strings = |items: &Vec<Leaf>| items.iter().all(|item| matches!(item, Leaf::String(_)));
            (!matches!(value, Leaf::Array(items) if strings(items))).then_some("an array of strings")
        }
        _ => None,
    }
}
