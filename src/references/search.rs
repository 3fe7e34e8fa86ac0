//! Reading what was given: a text, a file, or a directory.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::file::{References, SourceFile};
use super::quadlet::{self, KINDS, QuadletDir};
use super::{structured, text, toml};
use crate::limits;
use crate::problem::{Place, Problem, Severity};
use crate::sys::{FileKind, Root};

const KNOWN: &str = "give a list with one reference a line, MicroShift's release JSON, quadlets, YAML of Kubernetes, compose or skopeo sync, a blueprint, or crio.conf";

/// How deep a directory is searched, and how many files may refer one to the next.
const DEEPEST: usize = 16;

/// The references in a text that has no place of its own, such as standard input.
///
/// # Errors
/// `document` if it is of no known kind, `reference-invalid` with its place, or `no-references`.
pub fn references_in(text: &str, shown: &Path) -> Result<References, Problem> {
    let found = read_text(shown, text, None)?.ok_or_else(|| unknown_kind(shown))?;
    some(found, shown)
}

/// The references in a file, or in all files below a directory whose names say that they may have
/// some. Any words may be a list, so of all lists in a directory those with a name of `lists` alone
/// are read.
///
/// # Errors
/// As [`references_in`], `missing`, or the system's answer. What is of no known kind is passed over
/// in a directory, and what cannot be parsed is a remark.
pub fn references_at(root: &Root, path: &Path, lists: &[&str]) -> Result<References, Problem> {
    let shown = root.show(path);
    let stat = root.stat(path).map_err(Problem::cannot("look at", shown.display()))?;
    let stat = stat.ok_or_else(|| {
        let message = format!("`{}` does not exist", shown.display());
        Problem::new(
            "missing",
            message,
            "give the file with the references, below `--root` if it is in a tree",
        )
    })?;
    if stat.kind != FileKind::Directory {
        let text = read_source(root, path)?.ok_or_else(|| {
            let message = format!("`{}` is not a text in UTF-8", shown.display());
            Problem::new("document", message, KNOWN)
        })?;
        let read = RefCell::new(HashSet::from([path.to_owned()]));
        let found = read_text(&shown, &text, Some(QuadletDir { root, path, read: &read, depth: DEEPEST }))?;
        return some(found.ok_or_else(|| unknown_kind(&shown))?, &shown);
    }
    let mut search = DirectorySearch {
        root,
        lists,
        dirs: HashSet::new(),
        read: RefCell::default(),
        found: References::default(),
    };
    search.directory(path, DEEPEST)?;
    some(search.found, &shown)
}

fn some(found: References, shown: &Path) -> Result<References, Problem> {
    if found.images.is_empty() && found.remarks.is_empty() {
        let message = format!("`{}` names no image", shown.display());
        return Err(Problem::new("no-references", message, KNOWN));
    }
    Ok(found)
}

fn unknown_kind(shown: &Path) -> Problem {
    let message = format!("`{}` is of no kind that names images", shown.display());
    Problem::new("document", message, KNOWN)
}

/// What a text names; `None` if it is of no known kind.
fn read_text(
    shown: &Path,
    text: &str,
    beside: Option<QuadletDir<'_>>,
) -> Result<Option<References>, Problem> {
    let mut file = SourceFile::new(shown.to_owned(), text.strip_prefix('\u{feff}').unwrap_or(text));
    let known = match Language::of(file.text) {
        Language::List => Some(text::read(&mut file)?),
        Language::Quadlet => Some(quadlet::read(&mut file, beside)?),
        Language::Toml => toml::read(&mut file)?,
        Language::Structured => structured::read(&mut file)?,
    };
    Ok(known.map(|()| file.found))
}

enum Language {
    List,
    Quadlet,
    Toml,
    Structured,
}

impl Language {
    fn of(text: &str) -> Self {
        let says = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
        let first = text.lines().map(str::trim).find(says).unwrap_or_default();
        let header = first.split('#').next().unwrap_or_default().trim_end();
        let is_header = header.starts_with('[') && header.ends_with(']') && !header.contains(['{', ',']);
        let key = first.split(['=', ':']).next().unwrap_or_default();
        match () {
            () if text::is_list(text) => Self::List,
            () if quadlet::is_quadlet(text) => Self::Quadlet,
            () if is_header || first[key.len()..].starts_with('=') => Self::Toml,
            () => Self::Structured,
        }
    }
}

/// A file's text; `None` if it is no text.
pub(super) fn read_source(root: &Root, path: &Path) -> Result<Option<String>, Problem> {
    let shown = root.show(path).display().to_string();
    let read = root.read_up_to(path, limits::GIVEN_DOCUMENT).map_err(Problem::cannot("read", shown))?;
    Ok(read.and_then(|(bytes, _)| String::from_utf8(bytes).ok()))
}

/// What the file `target` names, to which a quadlet refers at `place`.
pub(super) fn referenced_file(
    beside: QuadletDir<'_>,
    target: &Path,
    place: &Place,
) -> Result<References, Problem> {
    let root = beside.root;
    let path = beside.path.parent().unwrap_or(Path::new("/")).join(target);
    if !beside.read.borrow_mut().insert(path.clone()) {
        return Ok(References::default());
    }
    let text = match beside.depth {
        0 => None,
        _ => read_source(root, &path)?,
    };
    let found = match text {
        Some(text) => {
            let beside = QuadletDir { path: &path, depth: beside.depth.saturating_sub(1), ..beside };
            read_text(&root.show(&path), &text, Some(beside))?
        }
        None => None,
    };
    Ok(found.unwrap_or_else(|| {
        let message = format!("`{}` names no image, or does not exist", root.show(&path).display());
        let problem =
            Problem::found("reference-unknown", Severity::Warning, message, "give the file that does");
        let place = Some(Box::new(place.clone()));
        References { images: Vec::new(), remarks: vec![Problem { place, ..problem }] }
    }))
}

/// A search of a directory.
struct DirectorySearch<'a> {
    root: &'a Root,
    lists: &'a [&'a str],
    /// The directories that were searched: symlinks may lead to one again and again.
    dirs: HashSet<(u64, u64)>,
    read: RefCell<HashSet<PathBuf>>,
    found: References,
}

impl DirectorySearch<'_> {
    fn directory(&mut self, dir: &Path, depth: usize) -> Result<(), Problem> {
        let root = self.root;
        let shown = root.show(dir).display().to_string();
        let mut names = root.list(dir).map_err(Problem::cannot("read", &shown))?.unwrap_or_default();
        names.sort();
        for name in names {
            let path = dir.join(&name);
            let shown = root.show(&path).display().to_string();
            // A symlink that leads nowhere has no images.
            let Some(stat) = root.stat(&path).map_err(Problem::cannot("look at", &shown))? else {
                continue;
            };
            let name = name.to_string_lossy();
            match stat.kind {
                FileKind::Directory if depth > 0 && !is_of_drop_ins(&name) && self.dirs.insert(stat.id) => {
                    self.directory(&path, depth - 1)?;
                }
                FileKind::File if self.may_name_images(&name) => self.file(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Problem> {
        let Some(text) = read_source(self.root, path)? else {
            return Ok(());
        };
        let name = path.file_name().unwrap_or_default();
        if text::is_list(&text) && !self.lists.iter().any(|list| name == *list) {
            return Ok(());
        }
        let beside = QuadletDir { root: self.root, path, read: &self.read, depth: DEEPEST };
        match read_text(&self.root.show(path), &text, Some(beside)) {
            Ok(found) => self.found.extend(found.unwrap_or_default()),
            // Most files of that name are no TOML.
            Err(problem) if problem.id == "document" && path.extension().is_some_and(|end| end == "conf") => {
            }
            Err(problem) if problem.id == "document" => {
                self.found.remarks.push(Problem { severity: Severity::Warning, ..problem });
            }
            Err(problem) => return Err(problem),
        }
        Ok(())
    }

    /// Whether a file of this name is read.
    fn may_name_images(&self, name: &str) -> bool {
        const ENDS: [&str; 5] = ["yaml", "yml", "json", "toml", "conf"];
        let end = name.rsplit_once('.').map(|(_, end)| end).unwrap_or_default();
        self.lists.contains(&name) || ENDS.contains(&end) || KINDS.contains(&end)
    }
}

/// Whether a directory holds drop-ins of quadlets, which are read with these.
fn is_of_drop_ins(name: &str) -> bool {
    name.strip_suffix(".d")
        .is_some_and(|unit| KINDS.iter().any(|kind| unit == *kind || unit.ends_with(&format!(".{kind}"))))
}
