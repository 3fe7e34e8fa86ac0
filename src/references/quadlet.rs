//! Quadlets (podman-systemd.unit(5)), among them the bound images of bootc.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::file::SourceFile;
use super::search::{read_source, referenced_file};
use super::unit_file::{UnitSetting, settings};
use crate::problem::Problem;
use crate::sys::Root;

/// The sections in which a quadlet names images, or says how one is built.
const SECTIONS: [&str; 5] = ["Container", "Image", "Kube", "Volume", "Build"];

/// The ends of their names.
pub(super) const KINDS: [&str; 6] = ["container", "image", "kube", "volume", "build", "pod"];

/// Where a quadlet is: what it refers to is beside it.
#[derive(Clone, Copy)]
pub(super) struct QuadletDir<'a> {
    pub(super) root: &'a Root,
    pub(super) path: &'a Path,
    /// The files to which others have referred: each is read once, however often that is.
    pub(super) read: &'a RefCell<HashSet<PathBuf>>,
    /// How many more files may refer to one another: reading is recursive.
    pub(super) depth: usize,
}

/// Whether a text has a section of quadlets. One that is indented stands in something else.
pub(super) fn is_quadlet(text: &str) -> bool {
    let header = |line: &str| line.trim_end().strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    text.lines().filter_map(header).any(|section| SECTIONS.contains(&section.as_str()))
}

/// Reads a quadlet and its drop-ins.
pub(super) fn read(file: &mut SourceFile<'_>, beside: Option<QuadletDir<'_>>) -> Result<(), Problem> {
    let sources = beside.map_or_else(|| Ok(Vec::new()), drop_ins)?;
    let mut files = vec![SourceFile::new(file.shown.clone(), file.text)];
    files.extend(sources.iter().map(|(shown, text)| SourceFile::new(shown.clone(), text)));
    let mut all: Vec<(usize, UnitSetting)> = Vec::new();
    for (index, source) in files.iter().enumerate() {
        all.extend(settings(source.text).into_iter().map(|setting| (index, setting)));
    }
    let values = |section: &str, key: &str| {
        let named = all.iter().filter(|(_, setting)| setting.section == section && setting.key == key);
        // An empty one takes back those before it.
        let all: Vec<&(usize, UnitSetting)> = named.collect();
        let from = all.iter().rposition(|(_, setting)| setting.value.is_empty()).map_or(0, |at| at + 1);
        all[from..].to_vec()
    };
    let name =
        UnitName::of(beside, values("Install", "DefaultInstance").last().map(|(_, it)| it.value.as_str()));
    let one = |section, key| values(section, key).last().copied();
    let mut named: Vec<&(usize, UnitSetting)> = Vec::new();
    named.extend(one("Image", "Image"));
    named.extend(one("Container", "Image"));
    if one("Volume", "Driver").is_some_and(|(_, driver)| driver.value == "image") {
        named.extend(one("Volume", "Image"));
    }
    for (index, setting) in named {
        image(&mut files[*index], beside, &name, &setting.value, &setting.span)?;
    }
    for (index, mount) in values("Container", "Mount") {
        let field =
            |key: &str| mount.value.split(',').find_map(|it| it.trim().strip_prefix(key)?.strip_prefix('='));
        if let (Some("image"), Some(source)) = (field("type"), field("source").or_else(|| field("src"))) {
            image(&mut files[*index], beside, &name, source, &mount.span)?;
        }
    }
    for (index, yaml) in values("Kube", "Yaml") {
        let target = name.filled(&yaml.value).filter(|path| !path.contains("://"));
        match (beside, target) {
            (Some(beside), Some(target)) => {
                let place = files[*index].place(yaml.span.clone());
                file.found.extend(referenced_file(beside, Path::new(&target), &place)?);
            }
            _ => {
                let message = format!("`{}` is not read from here", yaml.value.escape_debug());
                files[*index].unknown(message, yaml.span.clone());
            }
        }
    }
    if let Some((index, tag)) = one("Build", "ImageTag") {
        let message = format!("`{}` is built, not pulled", tag.value.escape_debug());
        files[*index].unknown(message, tag.span.clone());
    }
    files.into_iter().for_each(|source| file.found.extend(source.found));
    Ok(())
}

/// What `Image=` names: an image, or the unit that pulls or builds it.
fn image(
    file: &mut SourceFile<'_>,
    beside: Option<QuadletDir<'_>>,
    name: &UnitName,
    value: &str,
    span: &Range<usize>,
) -> Result<(), Problem> {
    let Some(filled) = name.filled(value) else {
        let message = format!("`{}` is not known before systemd fills it in", value.escape_debug());
        file.unknown(message, span.clone());
        return Ok(());
    };
    match (filled.rsplit_once('.').map(|(_, end)| end), beside) {
        (Some("build"), _) => {
            file.unknown(
                format!("the image of `{}` is built, not pulled", filled.escape_debug()),
                span.clone(),
            );
        }
        (Some("image"), Some(beside)) => {
            let place = file.place(span.clone());
            file.found.extend(referenced_file(beside, Path::new(&filled), &place)?);
        }
        (Some("image"), None) => {
            file.unknown(format!("the image is in `{}`", filled.escape_debug()), span.clone());
        }
        _ => file.image(&filled, span.clone())?,
    }
    Ok(())
}

/// What specifiers stand for that follow from the name of a unit (systemd.unit(5)).
struct UnitName {
    prefix: Option<String>,
    instance: Option<String>,
}

impl UnitName {
    fn of(beside: Option<QuadletDir<'_>>, default: Option<&str>) -> Self {
        let stem = beside.and_then(|beside| beside.path.file_stem()?.to_str());
        let (prefix, instance) = match stem.and_then(|stem| stem.split_once('@')) {
            Some((prefix, "")) => (Some(prefix), default),
            Some((prefix, instance)) => (Some(prefix), Some(instance)),
            None => (stem, stem.map(|_| "")),
        };
        Self { prefix: prefix.map(str::to_owned), instance: instance.map(str::to_owned) }
    }

    /// The text with what is known; `None` if something in it is not.
    fn filled(&self, text: &str) -> Option<String> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('%') {
            filled.push_str(before);
            let specifier = after.chars().next()?;
            filled.push_str(match specifier {
                '%' => "%",
                'p' => self.prefix.as_deref()?,
                'i' => self.instance.as_deref()?,
                _ => return None,
            });
            rest = &after[specifier.len_utf8()..];
        }
        filled.push_str(rest);
        Some(filled)
    }
}

/// The drop-ins of a quadlet with their texts, in the order in which they count: by their names, and
/// of several with one name that of the directory which is most its own.
fn drop_ins(beside: QuadletDir<'_>) -> Result<Vec<(PathBuf, String)>, Problem> {
    let (Some(dir), Some(name)) =
        (beside.path.parent(), beside.path.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(Vec::new());
    };
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    let mut dirs = vec![format!("{kind}.d")];
    dirs.extend(stem.match_indices('-').map(|(dash, _)| format!("{}.{kind}.d", &stem[..=dash])));
    if let Some((template, _)) = stem.split_once('@').filter(|(_, instance)| !instance.is_empty()) {
        dirs.push(format!("{template}@.{kind}.d"));
    }
    dirs.push(format!("{name}.d"));
    let mut files: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for extra in dirs {
        let extra = dir.join(extra);
        let shown = beside.root.show(&extra).display().to_string();
        let names = beside.root.list(&extra).map_err(Problem::cannot("read", shown))?;
        for name in names.unwrap_or_default() {
            if Path::new(&name).extension().is_some_and(|end| end == "conf") {
                files.insert(name.clone(), extra.join(name));
            }
        }
    }
    let mut texts = Vec::new();
    for path in files.into_values() {
        let shown = beside.root.show(&path);
        if let Some(text) = read_source(beside.root, &path)? {
            texts.push((shown, text));
        }
    }
    Ok(texts)
}
