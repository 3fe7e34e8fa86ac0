//! `generate --diff OLD NEW`: in what two documents differ, or a node and a document.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::given::{node_document, read_file};
use super::list::not_followed;
use super::{Common, Generate, Output, print_platforms};
use crate::cli::Status;
use crate::plan::Host;
use crate::problem::{Place, Problem};
use crate::provision::{
    DifferenceKind, DocumentDifference, ExistingDocument, GivenEntry, GivenStore, Preset, differences,
    text_diff,
};
use crate::store::engine_type;

#[derive(Serialize)]
struct DiffJson<'a> {
    version: u32,
    differences: &'a [DocumentDifference],
    diff: &'a str,
    not_followed: Vec<&'a String>,
}

impl Generate {
    /// Compares instead of writing.
    pub(super) fn diff(&self, files: &[PathBuf], common: &Common, output: &Output) -> anyhow::Result<Status> {
        let new = files.last().expect("clap wants one at least");
        let document = self.read_known(new)?;
        let platform = self.platform(common, Some(&document))?;
        let mut after;
        let (name, before) = match files {
            [old, _] => {
                let old_document = self.read_known(old)?;
                let old_platform = self.platform(common, Some(&old_document))?;
                let platforms = [old_platform.clone().or(&platform), platform.or(&old_platform)];
                let before = self.gives(&old_document, old, common, platforms[0].preset)?;
                after = self.gives(&document, new, common, platforms[1].preset)?;
                print_platforms(&platforms, output);
                (old.display().to_string(), before)
            }
            _ => {
                let host = common.host()?;
                after = self.gives(&document, new, common, platform.preset)?;
                print_platforms(&[platform], output);
                // What a node has is all there.
                let node = ExistingDocument::parse(node_document(&host, &after)?);
                let mut before = self.gives(&node, Path::new("node"), common, Preset::none())?;
                for store in &mut before.stores {
                    made_there(&host, store, after.stores.iter().find(|it| it.path == store.path))?;
                }
                // Of the node only what engines read was looked at, and what is not ours stays there.
                let has = |all: &[GivenEntry], name: &str| all.iter().any(|entry| entry.name == name);
                after.entries.retain(|it| has(&before.entries, &it.name) || concerns_stores(&it.name));
                before.entries.retain(|it| has(&after.entries, &it.name) || is_own(&it.name));
                (host.show(Path::new("/")).to_string(), before)
            }
        };
        let all = differences(&before, &after);
        let text = text_diff(&before.entries, &after.entries);
        if output.json {
            let not_followed = before.not_followed.iter().chain(&after.not_followed).collect();
            output.print_json(&DiffJson { version: 1, differences: &all, diff: &text, not_followed })?;
        } else {
            not_followed(&before, output);
            not_followed(&after, output);
            let lines: String = all.iter().map(line).collect();
            let between = if lines.is_empty() || text.is_empty() { "" } else { "\n" };
            output.print_document(&format!("{lines}{between}{text}"))?;
        }
        if all.is_empty() && text.is_empty() {
            output.status(&format!("`{}` gives nodes what `{name}` has", new.display()));
            return Ok(Status::Done);
        }
        Ok(Status::No)
    }

    /// A document of a known kind.
    fn read_known(&self, file: &Path) -> anyhow::Result<ExistingDocument> {
        let document = self.document(read_file(file)?, file)?.document;
        self.kind(Some(&document)).map_err(|problem| {
            let place = Some(Box::new(Place::whole(file.to_owned())));
            Problem { place, ..problem }
        })?;
        Ok(document)
    }
}

/// What is known of a store's directory on a node: that it is there, and its mode. Who made it is not.
fn made_there(host: &Host, store: &mut GivenStore, wanted: Option<&GivenStore>) -> anyhow::Result<()> {
    let path = Path::new(&store.path);
    let stat = host.root.stat(path).map_err(Problem::cannot("look at", host.show(path)))?;
    let like = |part: fn(&GivenStore) -> Option<String>| wanted.and_then(part);
    store.created_by = stat.as_ref().and_then(|_| like(|it| it.created_by.clone()));
    store.mode = stat.and_then(|stat| like(|it| it.mode.clone()).map(|_| format!("{:04o}", stat.mode)));
    // What says that it is labelled on a node is the label, where it has one.
    if let Some(is_labelled) =
        engine_type(&host.root, path).map_err(Problem::cannot("look at", host.show(path)))?
    {
        store.labelled = is_labelled && wanted.is_none_or(|it| it.labelled);
    }
    Ok(())
}

/// Whether a file of a node is one that only documents bring.
fn is_own(path: &str) -> bool {
    path.ends_with("-storagectl.conf") || path.starts_with("/etc/systemd/system/storagectl-")
}

fn concerns_stores(path: &str) -> bool {
    path.starts_with("/etc/containers/storage") || path.starts_with("/etc/systemd/system/storagectl-")
}

fn line(it: &DocumentDifference) -> String {
    let said = |said: &Option<String>| said.clone().unwrap_or_default();
    match it.how {
        DifferenceKind::Added => format!("+ {} {}: {}\n", it.what, it.name, said(&it.after)),
        DifferenceKind::Removed => format!("- {} {}: {}\n", it.what, it.name, said(&it.before)),
        DifferenceKind::Changed => {
            format!("~ {} {}: {} (was: {})\n", it.what, it.name, said(&it.after), said(&it.before))
        }
    }
}
