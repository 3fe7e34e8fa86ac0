//! Putting a node's stores into a document that somebody has already.
//!
//! What is ours in the document is read back, changed, and written anew where it differs;
//! everything else stays byte by byte. A storage.conf in the document is the base that is edited,
//! so what else it sets stays too. Doing it twice changes nothing.

use std::path::Path;

use super::ExistingDocument;
use super::change::DocumentChange;
use super::check::{ExpectedNode, check, is_rendered, listed, maker};
use super::container_runtime_config;
use super::document::{self, EditFault, Node, ProvisionDocument, Value, map, text};
use super::layout::{Directories, NodeLayout};
use super::machine_config;
use super::model::{MAIN_FILE, NodeModel};
use super::objects::{images_of_object, stores_of_object};
use super::own_parts::OwnParts;
use super::read::{Config, ConfigEntry, DocumentFormat, FileContent, ParsedDocument, Unread};
use super::request::{GenerateRequest, GeneratedDocument, Removals};
use super::sources::{FilesBeside, FollowedDocument, NoFilesBeside};
use super::{ocne, units};
use crate::problem::{Place, Problem, Severity};

/// Merges what `request` asks for into `before`, which was read from `file`. What that is made of
/// besides is known, and stays as it is.
///
/// # Errors
/// A [`Problem`] if the document is not of the request's kind, if something stands in
/// the way, or if a node would not do what it should.
pub fn merge(
    request: &GenerateRequest,
    before: &ExistingDocument,
    file: &Path,
    beside: &dyn FilesBeside,
) -> Result<GeneratedDocument, Problem> {
    let format = request.kind.format()?;
    if format == DocumentFormat::Blueprint {
        return Err(Problem::new(
            "kind-lacks",
            "nothing can be merged into a blueprint",
            "put the tables that `generate blueprint` writes into it by hand",
        ));
    }
    let read = match &before.parsed {
        Ok(read) if read.format == format => read,
        // The nodes get nothing of it yet.
        Err(Unread::NoInline) if format == DocumentFormat::Ocne => {
            return new_inline(request, before, file, beside);
        }
        _ => return Err(first_finding(before, format, file)),
    };
    request.check_others()?;
    if is_rendered(&read.doc.root) {
        return Err(Problem::new(
            "document-rendered",
            "the operator has rendered this object from others, and replaces it",
            "give nodes the stores with an object of its own, which is rendered into the next one: `storagectl generate machineconfig --store PATH`",
        ));
    }
    conflicts(read, file)?;
    let followed = FollowedDocument::of(read, beside).refused()?;
    let (request, mut told) = known(request, read, &followed)?;
    let request = &request;
    if request.asks_nothing() && !told.is_empty() {
        return Ok(GeneratedDocument { text: before.text.clone(), warnings: told });
    }
    match &read.config {
        None if format == DocumentFormat::ContainerRuntimeConfig => {
            let (after, layout) = stores_of_object(request, read, file)?;
            finish(request, before, after, format, &layout, &request.model, beside)
        }
        None if format == DocumentFormat::PinnedImageSet => {
            let after = images_of_object(request, read, file)?;
            finish(request, before, after, format, &NodeLayout::default(), &request.model, beside)
        }
        None => Err(first_finding(before, format, file)),
        Some(config) if config.spec.is_none() => Err(first_finding(before, format, file)),
        Some(config) => {
            let change = DocumentChange::of(request, read, config, &followed)?;
            elsewhere(&change.layout, config, &followed)?;
            if format == DocumentFormat::Ocne && read.doc.root.get(ocne::KEY).is_none_or(Node::is_null) {
                return new_inline(request, before, file, beside);
            }
            let after = changed(read, config, &change, file)?;
            let mut written = finish(request, before, after, format, &change.layout, &change.model, beside)?;
            told.extend(change.told);
            written.warnings.splice(0..0, told);
            Ok(written)
        }
    }
}

/// What is asked for without the stores that a part of the document lists, and what is told of those.
fn known(
    request: &GenerateRequest,
    read: &ParsedDocument,
    followed: &FollowedDocument,
) -> Result<(GenerateRequest, Vec<String>), Problem> {
    let (mut request, mut told) = (request.clone(), Vec::new());
    let (Some(config), Some(whole)) = (&read.config, followed.config()) else {
        return Ok((request, told));
    };
    if followed.parts.is_empty() {
        return Ok((request, told));
    }
    let (own, all) = (listed(config), listed(whole));
    let part = |store: &String| match all.contains(store) && !own.contains(store) {
        true => followed.lister(store),
        false => None,
    };
    let there = |what: &str, part: &str| {
        let message = format!("{what} in `{part}`, which this document is made of");
        Problem::new("not-listed", message, format!("remove it in `{part}`"))
    };
    if let Some((store, part)) = request.removed.stores.iter().find_map(|it| Some((it, part(it)?))) {
        return Err(there(&format!("`{store}` is listed"), &part.name));
    }
    let pulled = |config: &Config| OwnParts::of(config, &request.model).model.images;
    let (own_images, images) = (pulled(config), pulled(whole));
    let is_elsewhere = |image: &&String| images.contains(image) && !own_images.contains(image);
    if let Some(image) = request.removed.images.iter().find(is_elsewhere) {
        let unit = whole.units.iter().find(|unit| unit.name == units::LOAD);
        let part = unit.and_then(|unit| followed.name_at(unit.node.span.start)).unwrap_or("another part");
        return Err(there(&format!("`{image}` is pulled by a unit"), part));
    }
    request.model.stores.retain(|store| match part(&store.path) {
        Some(part) => {
            told.push(format!("`{}` is already listed in `{}`", store.path, part.name));
            false
        }
        None => true,
    });
    Ok((request, told))
}

/// Refuses to write what a part of the document would write again.
fn elsewhere(layout: &NodeLayout, config: &Config, followed: &FollowedDocument) -> Result<(), Problem> {
    let has = |list: &[ConfigEntry], name: &str| list.iter().any(|entry| entry.name == name);
    for part in &followed.parts {
        let files = layout.files.iter().map(|file| (&part.config.files, &config.files, &file.path));
        let units = layout.units.iter().map(|unit| (&part.config.units, &config.units, &unit.name));
        let mut all = files.chain(units);
        let found = all.find(|(there, here, name)| has(there, name) && !(part.gives_way && has(here, name)));
        if let Some((_, _, name)) = found {
            let counts = match part.gives_way {
                true => "would no longer count",
                false => "counts more than what is written here",
            };
            return Err(Problem::new(
                "document-conflict",
                format!("`{name}` stands in `{}`, too, and {counts}", part.name),
                format!("add the stores in `{}`", part.name),
            ));
        }
    }
    Ok(())
}

/// The document with a change.
fn changed(
    read: &ParsedDocument,
    config: &Config,
    change: &DocumentChange,
    file: &Path,
) -> Result<String, Problem> {
    let prefix: &[&str] =
        if read.format == DocumentFormat::MachineConfig { &["spec", "config"] } else { &[] };
    let value = prefix.iter().rev().fold(change.value.clone(), |value, key| map([(*key, value)]));
    let mut inner = edited(&config.doc, &value, file)?;
    for (list, key, name) in &change.gone {
        let doc = ProvisionDocument::parse(&inner).map_err(|_| unsafe_edit(file))?;
        let without = document::remove(&doc, &[prefix, list].concat(), key, name);
        if let Some(without) = without.map_err(|_| unsafe_edit(file))? {
            inner = without.text;
        }
    }
    match config.is_inner {
        true => edited(&read.doc, &map([(ocne::KEY, text(inner))]), file),
        false => Ok(inner),
    }
}

/// Checks what came out: nothing may be wrong that was not before.
fn finish(
    request: &GenerateRequest,
    before: &ExistingDocument,
    after: String,
    format: DocumentFormat,
    layout: &NodeLayout,
    model: &NodeModel,
    beside: &dyn FilesBeside,
) -> Result<GeneratedDocument, Problem> {
    // What neither the document nor this run makes, the image has.
    let config = before.parsed.as_ref().ok().and_then(|read| FollowedDocument::of(read, beside).read.config);
    let is_made = |path: &str| {
        model.created().any(|it| it.path == path)
            || config.as_ref().is_some_and(|it| maker(it, path).is_some())
    };
    let kept = layout.stores.iter().filter(|path| !is_made(path)).cloned();
    let expected = ExpectedNode {
        stores: layout.stores.clone(),
        exactly: true,
        kept: kept.collect(),
        present: Vec::new(),
        has_main: model.has_main,
        platform_versions: model.platform_versions.clone(),
        generations: model.generations,
        podman6: model.podman6,
    };
    let old: Vec<String> = check(before, format, Path::new("before"), &expected, beside)
        .into_iter()
        .map(|finding| finding.message)
        .collect();
    let mut warnings = request.warnings(format);
    let after = ExistingDocument::parse(after);
    for finding in check(&after, format, Path::new("after"), &expected, beside) {
        if finding.id == "no-store" && request.removed != Removals::default() {
            warnings.push("no store is left in the document".to_owned());
            continue;
        }
        if !old.contains(&finding.message) {
            return Err(Problem::new(
                "document-wrong",
                format!("the resulting document is wrong: {}", finding.message),
                format!("{}; nothing was written", finding.hint),
            ));
        }
        let was = if finding.severity == Severity::Error {
            "already wrong in your file"
        } else {
            "already present in your file"
        };
        warnings.push(format!("{} ({was})", finding.message));
    }
    Ok(GeneratedDocument { text: changed_since(&before.text, after.text), warnings })
}

/// The comment of the run that made a document does not say what others have changed.
fn changed_since(before: &str, after: String) -> String {
    let Some(line) =
        after.lines().next().filter(|line| line.starts_with("# Made by `") && line.ends_with('`'))
    else {
        return after;
    };
    if before == after { after } else { format!("{line}, and changed since{}", &after[line.len()..]) }
}

/// Whether the document contradicts itself.
fn conflicts(read: &ParsedDocument, file: &Path) -> Result<(), Problem> {
    if let Some(key) = read.doc.root.key_twice() {
        return Err(at(
            file,
            &read.doc,
            key.span.clone(),
            format!("`{}` is set twice here", key.name),
            "put both into one",
        ));
    }
    let Some(config) = &read.config else {
        return Ok(());
    };
    let mut seen: Vec<&str> = Vec::new();
    for entry in config.directories.iter().chain(&config.files).chain(&config.links) {
        if seen.contains(&entry.name.as_str()) {
            let message = format!("`{}` is written twice", entry.name);
            return Err(at(file, &config.doc, entry.span(&["path"]), message, "merge its entries into one"));
        }
        seen.push(&entry.name);
    }
    let storage_conf = config.files.iter().find(|entry| entry.name == MAIN_FILE);
    let other = config.links.iter().chain(&config.directories).find(|entry| entry.name == MAIN_FILE);
    if let Some(entry) = other {
        let message = format!("`{MAIN_FILE}` is a link or a directory in this document");
        return Err(at(
            file,
            &config.doc,
            entry.span(&["path"]),
            message,
            "remove it, so that the file can be written",
        ));
    }
    let Some(entry) = storage_conf else {
        return Ok(());
    };
    if entry.node.get("append").is_some_and(|node| !node.items().is_empty()) {
        let message = format!("text is appended to `{MAIN_FILE}`, which would then hold keys twice");
        return Err(at(
            file,
            &config.doc,
            entry.span(&["append"]),
            message,
            "remove `append`, and give the file with `--base`",
        ));
    }
    match (entry.content(), entry.decoded()) {
        (FileContent::Elsewhere(place), _) => {
            let message = format!("the contents of `{MAIN_FILE}` are fetched from `{place}`");
            Err(at(
                file,
                &config.doc,
                entry.span(&["contents"]),
                message,
                "put it into the document as `inline` or a `data:` URL first",
            ))
        }
        (_, Err(_)) => {
            let message = format!("the contents of `{MAIN_FILE}` cannot be decoded");
            Err(at(
                file,
                &config.doc,
                entry.span(&["contents"]),
                message,
                "`--check` shows what is wrong with it",
            ))
        }
        _ => Ok(()),
    }
}

/// A configuration of OCNE that has no string of this kind yet.
fn new_inline(
    request: &GenerateRequest,
    before: &ExistingDocument,
    file: &Path,
    beside: &dyn FilesBeside,
) -> Result<GeneratedDocument, Problem> {
    ocne::check(request.dialect)?;
    let layout = NodeLayout::of(&request.model, Directories::Made)?;
    let doc = ProvisionDocument::parse(&before.text)
        .map_err(|_| first_finding(before, DocumentFormat::Ocne, file))?;
    let after = edited(&doc, &ocne::value(&layout, request.dialect, &request.machine), file)?;
    finish(request, before, after, DocumentFormat::Ocne, &layout, &request.model, beside)
}

/// A document with `value` in it.
pub(super) fn edited(doc: &ProvisionDocument, value: &Value, file: &Path) -> Result<String, Problem> {
    match document::merge(doc, value) {
        Ok(Some(after)) => Ok(after.text),
        Ok(None) => Ok(doc.text.clone()),
        Err(EditFault::Other(span, needed)) => {
            let message = format!("here is something else than {needed}");
            Err(at(file, doc, span, message, "what is written belongs here; move the other one"))
        }
        Err(EditFault::Internal) => Err(unsafe_edit(file)),
    }
}

pub(super) fn unsafe_edit(file: &Path) -> Problem {
    Problem::new(
        "internal",
        format!("`{}` could not be edited safely", file.display()),
        "nothing was written; please report this document as a bug",
    )
}

fn at(
    file: &Path,
    doc: &ProvisionDocument,
    span: std::ops::Range<usize>,
    message: String,
    hint: &str,
) -> Problem {
    let mut problem = Problem::new("document-conflict", message, hint);
    problem.place = Some(Box::new(Place::new(file.to_owned(), &doc.text, span)));
    problem
}

/// What is wrong with a document that cannot be read.
fn first_finding(before: &ExistingDocument, format: DocumentFormat, file: &Path) -> Problem {
    let expected = ExpectedNode::of(super::Preset::none());
    match check(before, format, file, &expected, &NoFilesBeside).into_iter().next() {
        Some(found) => {
            let place = found.place.filter(|place| place.position().is_some());
            Problem { place, ..Problem::new("document", found.message, found.hint) }
        }
        None => Problem::new(
            "document",
            "this document cannot be merged into",
            "`--check` shows what is wrong with it",
        ),
    }
}

impl GenerateRequest {
    /// What there is to know about a document of this kind.
    pub(super) fn warnings(&self, format: DocumentFormat) -> Vec<String> {
        match format {
            DocumentFormat::MachineConfig => vec![machine_config::order(&self.machine)],
            DocumentFormat::ContainerRuntimeConfig => {
                container_runtime_config::directories(&self.model, &self.others).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}
