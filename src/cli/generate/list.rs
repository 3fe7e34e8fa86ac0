//! `generate --list FILE`: what a document gives a node.

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use super::beside::FilesDir;
use super::given::read_file;
use super::kind::KindName;
use super::{Common, Generate, Output, print_platforms};
use crate::cli::list_stores::aligned;
use crate::problem::Problem;
use crate::provision::read::{ParsedDocument, Unread};
use crate::provision::sources::FollowedDocument;
use crate::provision::{EntryOrigin, ExistingDocument, GivenToNode, Preset};

#[derive(Serialize)]
struct ListJson<'a> {
    version: u32,
    #[serde(flatten)]
    document: &'a ListedDocument,
}

/// The documents of a file that has several.
#[derive(Serialize)]
struct SeveralJson<'a> {
    version: u32,
    documents: &'a [ListedDocument],
}

#[derive(Serialize)]
struct ListedDocument {
    /// Where it starts, if the file has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    kind: String,
    #[serde(flatten)]
    gives: GivenToNode,
}

impl Generate {
    /// Lists instead of writing.
    pub(super) fn list(&self, file: &Path, common: &Common, output: &Output) -> anyhow::Result<()> {
        let (mut listed, mut platforms) = (Vec::new(), Vec::new());
        for it in self.documents(read_file(file)?) {
            let platform = self.platform(common, Some(&it.document))?;
            let kind = self.kind(Some(&it.document))?;
            let gives = self.gives(&it.document, file, common, platform.preset)?;
            listed.push(ListedDocument { line: it.line(), kind: name(kind), gives });
            platforms.push(platform);
        }
        if output.json {
            return match listed.as_slice() {
                [document] if document.line.is_none() => {
                    output.print_json(&ListJson { version: 1, document })
                }
                documents => output.print_json(&SeveralJson { version: 1, documents }),
            };
        }
        for (index, ListedDocument { line, kind, gives }) in listed.iter().enumerate() {
            let between = if index > 0 { "\n" } else { "" };
            if let Some(line) = line {
                output.print_lines(&format!("{between}Line {line}: {kind}\n"))?;
            }
            print_tables(kind, gives, file, output)?;
        }
        print_platforms(&platforms, output);
        Ok(())
    }

    /// What a document gives a node of a platform.
    pub(super) fn gives(
        &self,
        document: &ExistingDocument,
        file: &Path,
        common: &Common,
        preset: &Preset,
    ) -> anyhow::Result<GivenToNode> {
        let model = self.request(common, Some(document), preset)?.model;
        let nothing;
        let read = match &document.parsed {
            // OCNE's without a string gives nodes nothing.
            Err(Unread::NoInline) => {
                nothing = ParsedDocument::parse("extraIgnitionInline: '{}'");
                &nothing
            }
            read => read,
        };
        let unreadable = |_| {
            let check = format!("`storagectl generate --check {}` shows where", file.display());
            Problem::new("document", format!("`{}` cannot be read", file.display()), check)
        };
        let read = read.as_ref().map_err(unreadable)?;
        let beside = FilesDir::open(self.files_dir.as_deref())?;
        Ok(GivenToNode::of(&FollowedDocument::of(read, &beside).refused()?, &model))
    }
}

/// Prints what a document gives a node, for people.
fn print_tables(kind: &str, gives: &GivenToNode, file: &Path, output: &Output) -> anyhow::Result<()> {
    let mut tables = Vec::new();
    if !gives.stores.is_empty() {
        tables.push(table(gives));
    } else if kind != name(KindName::PinnedImageSet) {
        output.status(&format!("`{}` lists no image store", file.display()));
    }
    if !gives.images.is_empty() {
        let mut rows = vec![["IMAGE", "PULLED INTO", "FROM"].map(str::to_owned)];
        rows.extend(
            gives.images.iter().map(|it| [it.image.clone(), it.store.clone(), shown(it.from.as_ref())]),
        );
        let has_parts = gives.images.iter().any(|it| it.from.is_some());
        tables.push(aligned(&rows, [true, true, has_parts]));
    }
    output.print_lines(&tables.join("\n"))?;
    for engine in &gives.engines {
        if let Some(why) = &engine.stops {
            output.warning(&format!("{} stops on such a node: {why}", engine.name));
        }
    }
    for name in &gives.edited {
        output.warning(&format!("`{name}` was edited by hand"));
    }
    not_followed(gives, output);
    Ok(())
}

/// What a kind is called on the command line.
fn name(kind: KindName) -> String {
    kind.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned())
}

/// Says what a document names and could not be followed.
pub(super) fn not_followed(gives: &GivenToNode, output: &Output) {
    for message in &gives.not_followed {
        output.status(&format!("note: {message}"));
    }
}

fn table(gives: &GivenToNode) -> String {
    let heads = ["STORE", "ORIGIN", "FROM", "CREATED BY", "MODE", "LABELLED", "SEEN BY"];
    let mut rows = vec![heads.map(str::to_owned)];
    for store in &gives.stores {
        let origin = match store.origin {
            EntryOrigin::Generate => "generate",
            EntryOrigin::Platform => "platform",
            EntryOrigin::Document => "document",
            EntryOrigin::Image => "image",
        };
        rows.push([
            store.path.clone(),
            origin.to_owned(),
            shown(store.from.as_ref()),
            shown(store.created_by.as_ref()),
            shown(store.mode.as_ref()),
            if store.labelled { "yes" } else { "-" }.to_owned(),
            seen_by(gives, &store.path),
        ]);
    }
    let labelled = gives.stores.iter().any(|store| store.labelled);
    let has_parts = gives.stores.iter().any(|store| store.from.is_some());
    aligned(&rows, [true, true, has_parts, true, true, labelled, true])
}

fn shown(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

/// Who sees a store, as shortly as that can be said.
fn seen_by(gives: &GivenToNode, store: &str) -> String {
    let sees = |users: bool| {
        let engines = gives.engines.iter().filter(move |engine| engine.users == users);
        engines.filter(|engine| engine.stores.iter().any(|path| path == store))
    };
    let count = |users: bool| gives.engines.iter().filter(|engine| engine.users == users).count();
    let mut names: Vec<String> = match sees(false).count() {
        0 => Vec::new(),
        all if all == count(false) => vec!["root".to_owned()],
        _ => sees(false).map(|engine| engine.name.clone()).collect(),
    };
    names.extend(sees(true).map(|engine| engine.name.clone()));
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
