//! Putting a node's stores into a document that somebody has already.
//!
//! What concerns the stores is added or brought up to date, everything else stays byte
//! by byte. A storage.conf in the document is the base that is edited, so what else it
//! sets stays too. Doing it twice changes nothing.

use std::path::{Path, PathBuf};

use super::butane::{self, Machine};
use super::check::{Expected, check};
use super::container_runtime_config;
use super::data_url;
use super::document::{self, EditFault, Node, ProvisionDocument, Value, map, text};
use super::ignition::{self, Spec};
use super::layout::{Directories, File, Layout};
use super::machine_config;
use super::model::{MAIN_FILE, Model};
use super::ocne;
use super::read::{Config, ConfigEntry, Content, Format, Read, Unread};
use super::request::{GenerateRequest, Written};
use crate::conf::{Position, clean};
use crate::problem::{Place, Problem, Severity};

/// Where our own drop-in may stand.
const OWN_DROP_INS: [&str; 3] = ["99-storagectl.conf", "zz-storagectl.conf", "~storagectl.conf"];

/// Merges what `request` asks for into `before`, which was read from `file`.
///
/// # Errors
/// A [`Problem`] if the document is not of the request's kind, if something stands in
/// the way, or if a node would not do what it should.
pub fn merge(request: &GenerateRequest, before: &str, file: &Path) -> Result<Written, Problem> {
    let Some(format) = request.kind.format() else {
        return Err(Problem::new(
            "kind-lacks",
            "nothing can be merged into a document of this kind",
            "`--from` takes ignition, butane, machineconfig, containerruntimeconfig and ocne",
        ));
    };
    let read = match Read::parse(before) {
        Ok(read) if read.format == format => read,
        // The nodes get nothing of it yet.
        Err(Unread::NoInline) if format == Format::Ocne => return new_inline(request, before, file),
        _ => return Err(first_finding(before, format, file)),
    };
    conflicts(&read, file)?;
    let (after, layout, model) = match &read.config {
        None if format == Format::ContainerRuntimeConfig => stores_of_object(request, &read, file)?,
        None => return Err(first_finding(before, format, file)),
        Some(config) => {
            let (model, layout) = layout(request, &read, config, file)?;
            let value = value(&read, config, &layout);
            let inner = edited(&config.doc, &rooted(&read, value), file)?;
            let after = match config.is_inner {
                true => edited(&read.doc, &map([(ocne::KEY, text(inner))]), file)?,
                false => inner,
            };
            (after, layout, model)
        }
    };
    finish(request, before, after, format, &layout, &model)
}

/// Checks what came out: nothing may be wrong that was not before.
fn finish(
    request: &GenerateRequest,
    before: &str,
    after: String,
    format: Format,
    layout: &Layout,
    model: &Model,
) -> Result<Written, Problem> {
    let kept = layout.stores.iter().filter(|path| model.created().all(|it| it.path != **path)).cloned();
    let expected = Expected {
        stores: layout.stores.clone(),
        exactly: true,
        kept: kept.collect(),
        present: Vec::new(),
        worlds: model.worlds.clone(),
        generations: model.generations,
        podman6: model.podman6,
    };
    let old: Vec<String> = check(before, format, Path::new("before"), &expected)
        .into_iter()
        .map(|finding| finding.message)
        .collect();
    let mut warnings = request.warnings(format);
    for finding in check(&after, format, Path::new("after"), &expected) {
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
    Ok(Written { text: after, warnings })
}

/// Whether the document contradicts itself.
fn conflicts(read: &Read, file: &Path) -> Result<(), Problem> {
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
        (Content::Elsewhere(place), _) => {
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

/// What the node shall have, with what the document says as the base.
fn layout(
    request: &GenerateRequest,
    read: &Read,
    config: &Config,
    file: &Path,
) -> Result<(Model, Layout), Problem> {
    if config.spec.is_none() {
        return Err(first_finding(&read.doc.text, read.format, file));
    }
    let mut model = request.model.clone();
    for (path, text) in config.texts() {
        let path = PathBuf::from(path);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let below = |dir: &str| path.starts_with(dir);
        if path == Path::new(MAIN_FILE) {
            if !request.has_base {
                model.base = text;
            }
        } else if (below("/etc/containers") || below("/etc/crio")) && !OWN_DROP_INS.contains(&name) {
            for world in &mut model.worlds {
                world.push((path.clone(), text.clone()));
            }
        }
    }
    let openshift = read.format == Format::MachineConfig || config.is_openshift();
    let layout = Layout::of(&model, if openshift { Directories::ByUnit } else { Directories::Made })?;
    Ok((model, layout))
}

/// What is merged into a configuration.
fn value(read: &Read, config: &Config, layout: &Layout) -> Value {
    let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::List(items));
    let directory =
        |it: &super::layout::Directory| match config.directories.iter().find(|old| old.name == it.path) {
            Some(_) => map([("path", text(&it.path))]),
            None => ignition::directory(it),
        };
    let directories = list(layout.directories.iter().map(directory).collect());
    let files = list(layout.files.iter().map(|it| file_value(read, config, it)).collect());
    let units = list(layout.units.iter().map(ignition::unit).collect());
    let mut whole = map([]);
    let mut storage = map([]);
    for (key, value) in [("directories", directories), ("files", files)] {
        if let Some(value) = value {
            storage = storage.with(key, value);
        }
    }
    whole = whole.with("storage", storage);
    if let Some(units) = units {
        whole = whole.with("systemd", map([("units", units)]));
    }
    whole
}

/// What is said of a file: all of it if the document does not have it, else what differs.
fn file_value(read: &Read, config: &Config, file: &File) -> Value {
    let old = config.files.iter().find(|old| old.name == file.path);
    let spec = config.spec.unwrap_or(Spec::DEFAULT);
    let may_compress = read.format != Format::MachineConfig && !config.is_openshift();
    let Some(old) = old else {
        return match config.is_butane {
            true => butane::file(file),
            false => ignition::file(file, spec, may_compress),
        };
    };
    let mut value = map([("path", text(&file.path)), ("overwrite", Value::Bool(true))]);
    if old.decoded() == Ok(Some(file.text.as_bytes().to_vec())) {
        return value;
    }
    value = value.with("contents", contents(config, old, file, spec, may_compress));
    value
}

/// Other contents of a file, in the form in which the old ones stand there.
fn contents(config: &Config, old: &ConfigEntry, file: &File, spec: Spec, may_compress: bool) -> Value {
    let has = |path: &[&str]| old.node.at(path).is_some();
    let bytes = file.text.as_bytes();
    let hash = match old.node.at(&["contents", "verification", "hash"]).and_then(Node::raw) {
        Some(hash) if hash.starts_with("sha512-") || !spec.has_sha256() => Some(data_url::sha512(bytes)),
        Some(_) => Some(data_url::sha256(bytes)),
        None if !config.is_butane && spec.has_sha256() => Some(data_url::sha256(bytes)),
        None => None,
    };
    let mut contents = if config.is_butane && !has(&["contents", "source"]) {
        map([("inline", text(&file.text))])
    } else {
        let url = data_url::encode(bytes, may_compress);
        map([("source", text(url.source)), ("compression", text(url.compression))])
    };
    if let Some(hash) = hash {
        contents = contents.with("verification", map([("hash", text(hash))]));
    }
    contents
}

/// `value` at the place of the configuration in its text.
fn rooted(read: &Read, value: Value) -> Value {
    match read.format {
        Format::MachineConfig => map([("spec", map([("config", value)]))]),
        _ => value,
    }
}

/// A configuration of OCNE that has no string of this kind yet.
fn new_inline(request: &GenerateRequest, before: &str, file: &Path) -> Result<Written, Problem> {
    ocne::check(request.dialect)?;
    let layout = Layout::of(&request.model, Directories::Made)?;
    let doc = ProvisionDocument::parse(before).map_err(|_| first_finding(before, Format::Ocne, file))?;
    let after = edited(&doc, &ocne::value(&layout, request.dialect, &request.machine), file)?;
    finish(request, before, after, Format::Ocne, &layout, &request.model)
}

/// The list of a ContainerRuntimeConfig.
fn stores_of_object(
    request: &GenerateRequest,
    read: &Read,
    file: &Path,
) -> Result<(String, Layout, Model), Problem> {
    request.lacks_images("a ContainerRuntimeConfig", "`generate machineconfig`")?;
    if !matches!(request.model.position, Position::Any | Position::Last) {
        return Err(Problem::new(
            "kind-lacks",
            "stores are added to a ContainerRuntimeConfig after those that it has",
            "leave out the position, or move them in the file",
        ));
    }
    let path = ["spec", "containerRuntimeConfig", "additionalImageStores"];
    let listed = read.doc.root.at(&path).map(Node::items).unwrap_or_default();
    let mut stores: Vec<String> =
        listed.iter().filter_map(|item| item.get("path")?.raw()).map(str::to_owned).collect();
    let given = request.model.stores.iter().map(|store| &store.path);
    for store in request.model.kept.iter().chain(given) {
        if !stores.iter().any(|path| clean(path) == *store) {
            stores.push(store.clone());
        }
    }
    // The API's rules, and a place for each.
    let whole = container_runtime_config::value(&stores, &request.machine)?;
    let list =
        path.iter().try_fold(&whole, |value, key| value.get(key)).cloned().unwrap_or(Value::List(Vec::new()));
    let value = path.iter().rev().fold(list, |value, key| map([(*key, value)]));
    let layout = Layout { stores: stores.iter().map(|path| clean(path)).collect(), ..Layout::default() };
    Ok((edited(&read.doc, &value, file)?, layout, request.model.clone()))
}

/// A document with `value` in it.
fn edited(doc: &ProvisionDocument, value: &Value, file: &Path) -> Result<String, Problem> {
    match document::merge(doc, value) {
        Ok(Some(after)) => Ok(after.text),
        Ok(None) => Ok(doc.text.clone()),
        Err(EditFault::Other(span, needed)) => {
            let message = format!("here is something else than {needed}");
            Err(at(file, doc, span, message, "what is written belongs here; move the other one"))
        }
        Err(EditFault::Internal) => Err(Problem::new(
            "internal",
            format!("`{}` could not be edited safely", file.display()),
            "nothing was written; please report this document as a bug",
        )),
    }
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
fn first_finding(before: &str, format: Format, file: &Path) -> Problem {
    let expected = Expected::of(super::Preset::named("none").expect("there is such a preset"));
    match check(before, format, file, &expected).into_iter().next() {
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
    pub(super) fn warnings(&self, format: Format) -> Vec<String> {
        match format {
            Format::MachineConfig => vec![machine_config::order(&self.machine)],
            Format::ContainerRuntimeConfig => {
                container_runtime_config::directories(&self.model).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The name and role that a MachineConfig has already.
pub fn machine_of(text: &str) -> Option<Machine> {
    let doc = ProvisionDocument::parse(text).ok()?;
    let name = doc.root.at(&["metadata", "name"])?.raw()?.to_owned();
    let role =
        doc.root.at(&["metadata", "labels", "machineconfiguration.openshift.io/role"])?.raw()?.to_owned();
    Some(Machine { name, role })
}
