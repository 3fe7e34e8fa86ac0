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
use crate::provision::{EntryOrigin, GivenToNode, Preset};

#[derive(Serialize)]
struct ListJson<'a> {
    version: u32,
    #[serde(flatten)]
    listed: Listed<'a>,
}

/// The documents of a file that has several.
#[derive(Serialize)]
struct SeveralJson<'a> {
    version: u32,
    documents: Vec<DocumentJson<'a>>,
}

#[derive(Serialize)]
struct DocumentJson<'a> {
    line: usize,
    #[serde(flatten)]
    listed: Listed<'a>,
}

#[derive(Serialize)]
struct Listed<'a> {
    kind: String,
    #[serde(flatten)]
    gives: &'a GivenToNode,
}

impl Generate {
    /// Lists instead of writing.
    pub(super) fn list(&self, file: &Path, common: &Common, output: &Output) -> anyhow::Result<()> {
        let text = read_file(file)?;
        let several = self.several(&text);
        if several.is_empty() {
            let platform = self.platform(common, Some(&text))?;
            let gives = self.gives(&text, file, common, platform.preset)?;
            if output.json {
                return output.print_json(&ListJson { version: 1, listed: self.listed(&text, &gives)? });
            }
            self.tables(&text, &gives, file, output)?;
            print_platforms(&[platform], output);
            return Ok(());
        }
        let (mut given, mut platforms) = (Vec::new(), Vec::new());
        for one in &several {
            let platform = self.platform(common, Some(&one.text))?;
            given.push(self.gives(&one.text, file, common, platform.preset)?);
            platforms.push(platform);
        }
        if output.json {
            let documents = several.iter().zip(&given).map(|(one, gives)| {
                Ok(DocumentJson { line: one.line(), listed: self.listed(&one.text, gives)? })
            });
            let documents = documents.collect::<anyhow::Result<Vec<_>>>()?;
            return output.print_json(&SeveralJson { version: 1, documents });
        }
        for (index, (one, gives)) in several.iter().zip(&given).enumerate() {
            let between = if index > 0 { "\n" } else { "" };
            let kind = self.listed(&one.text, gives)?.kind;
            output.print_lines(&format!("{between}Line {}: {kind}\n", one.line()))?;
            self.tables(&one.text, gives, file, output)?;
        }
        print_platforms(&platforms, output);
        Ok(())
    }

    /// What a document of this text gives, with its kind.
    fn listed<'a>(&self, text: &str, gives: &'a GivenToNode) -> anyhow::Result<Listed<'a>> {
        let value = self.kind(Some(text))?.to_possible_value();
        Ok(Listed { kind: value.map_or_else(String::new, |it| it.get_name().to_owned()), gives })
    }

    /// The same for people.
    fn tables(&self, text: &str, gives: &GivenToNode, file: &Path, output: &Output) -> anyhow::Result<()> {
        let mut tables = Vec::new();
        if !gives.stores.is_empty() {
            tables.push(table(gives));
        } else if self.kind(Some(text))? != KindName::PinnedImageSet {
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

    /// What a document gives a node of a platform.
    pub(super) fn gives(
        &self,
        text: &str,
        file: &Path,
        common: &Common,
        preset: &Preset,
    ) -> anyhow::Result<GivenToNode> {
        let model = self.request(common, Some(text), preset)?.model;
        let read = ParsedDocument::parse(text).or_else(|unread| match unread {
            // OCNE's without a string gives nodes nothing.
            Unread::NoInline => ParsedDocument::parse("extraIgnitionInline: '{}'"),
            other => Err(other),
        });
        let unreadable = |_| {
            let check = format!("`storagectl generate --check {}` shows where", file.display());
            Problem::new("document", format!("`{}` cannot be read", file.display()), check)
        };
        let beside = FilesDir::open(self.files_dir.as_deref())?;
        Ok(GivenToNode::of(&FollowedDocument::of(&read.map_err(unreadable)?, &beside).refused()?, &model))
    }
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
