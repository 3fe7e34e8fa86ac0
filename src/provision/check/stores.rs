//! Rules about the stores of the node that comes out.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::contents::unit_text;
use super::finding::{ExpectedNode, ProvisionFindings};
use super::units::{mentions, settings};
use crate::conf::{self, StoreList, clean};
use crate::engine::Profile;
use crate::judgement::{Judgement, Reader};
use crate::problem::quoted_series;
use crate::provision::blueprint::Containers;
use crate::provision::document::Node;
use crate::provision::model::{MAIN_FILE, PlatformFile};
use crate::provision::quadlet;
use crate::provision::read::{Config, DocumentFormat, FileContent, ParsedDocument};
use crate::provision::storage_conf::{judged, node_readers};

const ENGINES_STOP: &str = "no engine starts: CRI-O, podman and with them kubelet";

/// The stores that files of a document list, cleaned.
pub(in crate::provision) fn listed(config: &Config) -> Vec<String> {
    let mut all = Vec::new();
    for (path, text) in config.texts() {
        if !is_configuration(&path) {
            continue;
        }
        let doc = conf::Document::parse(text).ok();
        let paths = doc.and_then(|doc| doc.leaves().iter().find_map(store_items));
        for path in paths.unwrap_or_default() {
            let path = clean(&path);
            if !all.contains(&path) {
                all.push(path);
            }
        }
    }
    all
}

/// The strings of the list, also of one with attributes, or the stores in CRI-O's options.
fn store_items(leaf: &conf::LeafAt) -> Option<Vec<String>> {
    let is_list = leaf.name == "storage.options.additionalimagestores";
    if !is_list && leaf.name != "crio.storage_option" {
        return None;
    }
    let conf::Leaf::Array(items) = &leaf.value else {
        return None;
    };
    let text = |item: &conf::Leaf| match item {
        conf::Leaf::String(text) if is_list => Some(text.clone()),
        conf::Leaf::String(text) => Some(text.split_once("imagestore=")?.1.to_owned()),
        _ => None,
    };
    Some(items.iter().filter_map(text).collect())
}

/// Whether a file is one that engines read their stores from.
fn is_configuration(path: &str) -> bool {
    let drop_in = ["storage.conf.d/", "storage.rootful.conf.d/", "storage.rootless.conf.d/"];
    let below = path.strip_prefix("/etc/containers/").or_else(|| path.strip_prefix("/usr/share/containers/"));
    below.is_some_and(|rest| rest == "storage.conf" || drop_in.iter().any(|dir| rest.starts_with(dir)))
        || path.starts_with("/etc/crio/")
}

/// Whether configurations are missing is said by `lacks`: what those bring is not known.
pub(super) fn check(
    read: &ParsedDocument,
    config: &Config,
    lacks: bool,
    expected: &ExpectedNode,
    findings: &mut ProvisionFindings,
) {
    let files: Vec<PlatformFile> = config
        .texts()
        .into_iter()
        .filter(|(path, _)| is_configuration(path))
        .map(|(path, text)| (PathBuf::from(path), text))
        .collect();
    let undecoded = config.files.iter().any(|file| {
        is_configuration(&file.name)
            && !matches!(file.decoded(), Ok(Some(_)))
            && file.content() != FileContent::Nothing
    });
    if undecoded {
        // That was said where it stands.
        return;
    }
    let all = listed(config);
    if all.is_empty() && !broken(&files) {
        if !lacks && !findings.has(&["append-to-file", "no-contents", "compression-missing"]) {
            findings.add_whole(
                "no-store",
                "no file of this document lists a store",
                "the nodes get no store",
                format!("`storagectl generate … --from` adds `{MAIN_FILE}`"),
            );
        }
        return;
    }
    main_file(config, &files, findings);
    let graphroot = files
        .iter()
        .find(|(path, _)| path == Path::new(MAIN_FILE))
        .and_then(|(_, text)| {
            conf::Document::parse(text.as_str()).ok()?.string(&["storage", "graphroot"]).ok()?
        })
        .unwrap_or_else(|| "/var/lib/containers/storage".to_owned());
    let at = |path: &str| {
        config.files.iter().find(|file| may_list_stores(file, path)).map(|file| file.span(&["path"]))
    };
    for store in &all {
        let span = at(store).unwrap_or(0..0);
        check_place(store, &clean(&graphroot), span.clone(), findings);
        if !is_made(config, store, expected) {
            findings.add(
                "store-missing",
                span,
                format!("`{store}` is listed, but nothing in this document creates it"),
                ENGINES_STOP,
                made_by(read, config),
            );
        }
    }
    // Without a storage.conf in the document the image's own stays, with its stores.
    let replaces = files.iter().any(|(path, _)| path == Path::new(MAIN_FILE));
    let kept = if replaces { expected.kept.clone() } else { Vec::new() };
    check_lost(&all, &ExpectedNode { kept, ..expected.clone() }, findings);
    readings(&files, expected, findings);
}

/// Whether the main file is not even TOML.
fn broken(files: &[PlatformFile]) -> bool {
    files
        .iter()
        .any(|(path, text)| path == Path::new(MAIN_FILE) && conf::Document::parse(text.as_str()).is_err())
}

/// Whether a file may list a store.
pub(in crate::provision) fn may_list_stores(file: &crate::provision::read::ConfigEntry, store: &str) -> bool {
    matches!(file.decoded(), Ok(Some(bytes)) if is_configuration(&file.name)
        && String::from_utf8_lossy(&bytes).contains(store))
}

/// What is wrong with storage.conf by itself.
fn main_file(config: &Config, files: &[PlatformFile], findings: &mut ProvisionFindings) {
    let Some((_, text)) = files.iter().find(|(path, _)| path == Path::new(MAIN_FILE)) else {
        return;
    };
    let span =
        config.files.iter().find(|file| file.name == MAIN_FILE).map_or(0..0, |file| file.span(&["path"]));
    let doc = match conf::Document::parse(text.as_str()) {
        Ok(doc) => doc,
        Err(fault) => {
            let line = text[..fault.span.start.min(text.len())].matches('\n').count() + 1;
            let message = format!("line {line} of `{MAIN_FILE}`: {}", fault.message);
            return findings.add("conf-syntax", span, message, ENGINES_STOP, fault.hint);
        }
    };
    let missing: Vec<&str> = ["driver", "runroot", "graphroot"]
        .into_iter()
        .filter(|key| matches!(doc.string(&["storage", key]), Ok(None)))
        .collect();
    if !missing.is_empty() {
        let message = format!("`{MAIN_FILE}` lacks {}", missing.join(", "));
        let effect = "podman 4 and older CRI-O stop, and others use a storage without the images";
        findings.add("conf-incomplete", span.clone(), message, effect, "give all three in `[storage]`");
    }
    match StoreList::of(&doc) {
        Ok(Some(list)) => {
            let mut seen: Vec<String> = Vec::new();
            for path in list.entries.iter().map(conf::StoreEntry::clean) {
                if seen.contains(&path) {
                    let message = format!("`{path}` is listed twice in `{MAIN_FILE}`");
                    let effect = "each of its images is listed twice";
                    findings.add("store-twice", span.clone(), message, effect, "remove one of the two");
                }
                seen.push(path);
            }
        }
        Ok(None) => {}
        Err(fault) if text.contains("append") => {
            let effect = "podman 4 and 5 and CRI-O stop";
            let message = format!("`{MAIN_FILE}` has an attribute in its list of stores");
            findings.add("append-in-main", span, message, effect, fault.hint);
        }
        Err(fault) => findings.add("engine-stops", span, fault.message, ENGINES_STOP, fault.hint),
    }
}

/// Whether a store is where none can be.
pub(super) fn check_place(
    store: &str,
    graphroot: &str,
    span: Range<usize>,
    findings: &mut ProvisionFindings,
) {
    let path = Path::new(store);
    if path.starts_with(graphroot) || Path::new(graphroot).starts_with(store) {
        findings.add(
            "store-in-graphroot",
            span,
            format!("`{store}` is, or is inside or around, the engines' own storage `{graphroot}`"),
            "engines stop, or CRI-O wipes the store after a power cut",
            "give it a directory of its own, such as `/var/images`",
        );
    } else if ["/tmp", "/run", "/var/run", "/dev", "/proc", "/sys"].iter().any(|dir| path.starts_with(dir)) {
        findings.add(
            "store-temporary",
            span,
            format!("`{store}` is in a directory that is empty after a boot"),
            ENGINES_STOP,
            "give it a directory that stays, such as `/var/images`",
        );
    }
}

/// What the platform has, or was asked for, and is not listed.
pub(super) fn check_lost(listed: &[String], expected: &ExpectedNode, findings: &mut ProvisionFindings) {
    for store in expected.kept.iter().filter(|store| !listed.contains(store)) {
        findings.add_whole(
            "vendor-store-lost",
            format!("the platform's own store `{store}` is not listed"),
            "the node lacks the images that its own system needs",
            format!("list `{store}` too"),
        );
    }
    for store in expected.stores.iter().filter(|store| !listed.contains(store)) {
        findings.add_whole(
            "store-unlisted",
            format!("`{store}` is not listed"),
            "no engine sees its images",
            "`storagectl generate … --from` adds it",
        );
    }
}

fn made_by(read: &ParsedDocument, config: &Config) -> &'static str {
    if read.format == DocumentFormat::MachineConfig || config.is_openshift() {
        "create it with a unit that is ordered before crio.service, or in tmpfiles.d"
    } else if read.format == DocumentFormat::Blueprint {
        "create it with a file of tmpfiles.d"
    } else {
        "add it to `storage.directories`"
    }
}

/// Whether a listed directory will be there: made by the document, or part of the image.
fn is_made(config: &Config, store: &str, expected: &ExpectedNode) -> bool {
    store.starts_with("/usr/")
        || expected.kept.iter().chain(&expected.present).any(|there| there == store)
        || maker(config, store).is_some()
}

/// What of a document makes the directory of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// An entry of this list: a directory, or something below it.
    Entry(&'static str),
    /// A file system that is mounted there.
    Mount,
    /// A unit of this name.
    Unit(String),
    /// A file of tmpfiles.d.
    Tmpfiles(String),
    /// The builder of an image, which puts containers into it.
    Containers,
}

/// What of a document makes the directory of a store.
pub(in crate::provision) fn maker(config: &Config, store: &str) -> Option<Maker> {
    let is_filled = |it: &Containers| !it.images.is_empty() && it.store.as_deref() == Some(store);
    if config.containers.as_ref().is_some_and(is_filled) {
        return Some(Maker::Containers);
    }
    let below = |name: &str| Path::new(name).starts_with(store);
    let is_blueprint = config.containers.is_some();
    let lists = [
        (
            &config.directories,
            if is_blueprint { "customizations.directories" } else { "storage.directories" },
        ),
        (&config.files, if is_blueprint { "customizations.files" } else { "storage.files" }),
        (&config.links, "storage.links"),
    ];
    let list = lists.into_iter().find(|(list, _)| list.iter().any(|entry| below(&entry.name)));
    if let Some((_, name)) = list {
        return Some(Maker::Entry(name));
    }
    // A file system that is mounted there: systemd makes the directory.
    let storage = config.node.get("storage");
    let filesystems =
        storage.and_then(|storage| storage.get("filesystems")).map(Node::items).unwrap_or_default();
    if filesystems.iter().any(|it| it.get("path").and_then(Node::raw) == Some(store)) {
        return Some(Maker::Mount);
    }
    let texts = config.units.iter().filter_map(|unit| Some((unit, unit_text(unit)?.1)));
    let mounts = |text: &str| settings(text, "Where").any(|place| place.trim() == store);
    if texts.clone().any(|(_, text)| mounts(text)) {
        return Some(Maker::Mount);
    }
    let mut by_unit = texts.filter(|(_, text)| {
        let commands = ["ExecStart", "ExecStartPre"].into_iter().flat_map(|key| settings(text, key));
        let makes = |command: &str| ["mkdir", "install -d", "--root"].iter().any(|it| command.contains(it));
        commands.into_iter().any(|command| makes(command) && mentions(command, store))
    });
    if let Some((unit, _)) = by_unit.next() {
        return Some(Maker::Unit(unit.name.clone()));
    }
    let quadlets = quadlet::all(config);
    if let Some(one) = quadlets.iter().find(|it| it.store.as_deref() == Some(store)) {
        return Some(Maker::Unit(one.name().to_owned()));
    }
    let by_tmpfiles = config.texts().into_iter().find(|(path, text)| {
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let kind = words.next().unwrap_or_default().trim_end_matches(['!', '-', '+', '=']);
            matches!(kind, "d" | "D" | "v" | "q" | "Q" | "C" | "L")
                && words.next().is_some_and(|it| clean(it.trim_matches('"')) == store)
        };
        path.contains("/tmpfiles.d/") && text.lines().any(line)
    });
    by_tmpfiles.map(|(path, _)| Maker::Tmpfiles(path))
}

/// What each engine sees in each version of the platform.
fn readings(files: &[PlatformFile], expected: &ExpectedNode, findings: &mut ProvisionFindings) {
    let main = files.iter().find(|(path, _)| path == Path::new(MAIN_FILE));
    let wanted: Option<Vec<String>> = if expected.exactly {
        Some(expected.stores.clone())
    } else {
        main.and_then(|(_, text)| StoreList::paths(&conf::Document::parse(text.as_str()).ok()?).ok())
            .map(|paths| paths.iter().map(|path| clean(path)).collect())
    };
    // CRI-O's own options are for it alone.
    let own_options = files.iter().any(|(path, _)| path.starts_with("/etc/crio"));
    for platform in &expected.platform_versions {
        let judged: Vec<(Reader, Rc<Judgement>)> = node_readers(expected.generations, expected.podman6)
            .into_iter()
            .map(|reader| (reader.clone(), judged(platform, files, &reader)))
            .collect();
        // Which engines a node has, only its owner knows: what one of them alone does not take
        // beyond what all read is no mistake.
        let all_stop = judged.iter().all(|(reader, it)| reader.is_of_users() || it.stops());
        for (reader, judgement) in &judged {
            let profile = reader.profile;
            let seen = &judgement.reading;
            let stop = judgement.stop().filter(|_| all_stop || reader.is_of_users());
            let stop = seen.failure().or(stop);
            if let Some(failure) = stop.filter(|_| reader.is_of_users()) {
                // In one version of the platform as in the other.
                if !findings.has(&["users-stop"]) {
                    let message = format!("{reader} stops on such a node: {}", failure.message);
                    findings.add_whole(
                        "users-stop",
                        message,
                        "normal users cannot run containers",
                        &failure.hint,
                    );
                }
                continue;
            }
            if let Some(failure) = stop {
                if !findings.has(&["conf-syntax", "conf-incomplete", "append-in-main", "engine-stops"]) {
                    let message = format!("{reader} stops on such a node: {}", failure.message);
                    findings.add_whole(
                        "engine-stops",
                        message,
                        "its containers do not start",
                        "fix the file that it reads",
                    );
                }
                continue;
            }
            let paths: Vec<String> = seen.paths().into_iter().map(clean).collect();
            // What normal users see is theirs to say.
            let others = (own_options && profile == Profile::Crio) || reader.is_of_users();
            let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != paths && !others) else {
                continue;
            };
            if findings.has(&["drop-in-hides-main", "store-unseen", "append-in-main"]) {
                continue;
            }
            let hides = profile.is_modern() && !platform.is_empty();
            let list = |paths: &[String]| match paths {
                [] => "no store".to_owned(),
                paths => quoted_series(paths),
            };
            let (id, hint) = match hides {
                true => (
                    "drop-in-hides-main",
                    "write a drop-in beside it: `storagectl generate … --from` adds one",
                ),
                false => ("store-unseen", "give every engine the same list"),
            };
            findings.add_whole(
                id,
                format!("{reader} sees {} on such a node, and not {}", list(&paths), list(wanted)),
                "the images of the others are missing",
                hint,
            );
        }
    }
}
