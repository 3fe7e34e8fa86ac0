//! A small tree of files that an input describes.
//!
//! A line `== PATH` begins a file, `=z PATH` one that is compressed, and `=> PATH -> TARGET` is a
//! symlink. What stands below the line, without its last line break, is the content. In a
//! content `@N@` is the SHA-256 of the Nth file in hexadecimal digits, and `#N#` its size.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use storagectl::images::Digest;
use storagectl::sys::Root;

/// The most files of a tree.
const FILES: usize = 24;

/// A tree, which goes with this.
pub struct Tree {
    dir: tempfile::TempDir,
}

/// A file of a tree, before it is one.
struct Part<'a> {
    kind: u8,
    name: &'a [u8],
    content: &'a [u8],
}

impl Tree {
    /// The tree that `input` describes. `place` says where a file with this content goes.
    pub fn new(input: &[u8], place: impl Fn(&str, &[u8]) -> Vec<String>) -> Self {
        // In memory: nothing is synced there.
        let tree = Self { dir: tempfile::tempdir_in("/dev/shm").expect("there is memory") };
        let mut known: Vec<(String, usize)> = Vec::new();
        for part in parts(input).into_iter().take(FILES) {
            let name = String::from_utf8_lossy(part.name);
            if part.kind == b'>' {
                if let Some((name, target)) = name.split_once(" -> ") {
                    tree.link(name, target);
                }
                continue;
            }
            let mut content = filled_in(part.content, &known);
            if part.kind == b'z' {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(&content).expect("memory takes it");
                content = gzip.finish().expect("memory takes it");
            }
            known.push((Digest::of(&content).hex().to_owned(), content.len()));
            let name = String::from_utf8_lossy(&filled_in(name.as_bytes(), &known)).into_owned();
            for name in place(&name, &content) {
                tree.write(&name, &content);
            }
        }
        tree
    }

    /// Writes a file, unless something is in the way.
    pub fn write(&self, name: &str, content: &[u8]) {
        let Some(path) = self.path(name) else {
            return;
        };
        let _ = fs::create_dir_all(path.parent().expect("it is below the tree"));
        // Not through a symlink of the tree.
        if fs::symlink_metadata(&path).is_err() && self.is_inside(&path) {
            let _ = fs::write(path, content);
        }
    }

    fn link(&self, name: &str, target: &str) {
        let Some(path) = self.path(name) else {
            return;
        };
        let _ = fs::create_dir_all(path.parent().expect("it is below the tree"));
        if self.is_inside(&path) {
            let _ = symlink(target, path);
        }
    }

    /// Whether no directory on the way is a symlink.
    fn is_inside(&self, path: &Path) -> bool {
        let dir = path.parent().and_then(|dir| dir.canonicalize().ok());
        let top = self.dir.path().canonicalize().expect("it was just made");
        dir.is_some_and(|dir| dir.starts_with(top))
    }

    /// A path in the tree; none if it has parts that lead elsewhere, or none.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
        let is_part = |part: &&str| !matches!(*part, "." | "..") && part.len() < 200 && !part.contains('\0');
        let is_path = !parts.is_empty() && parts.len() < 16 && parts.iter().all(is_part);
        is_path.then(|| self.dir.path().join(parts.join("/")))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The tree for the program.
    pub fn root(&self) -> Root {
        Root::tree(self.dir.path()).expect("it was just made")
    }
}

fn parts(input: &[u8]) -> Vec<Part<'_>> {
    let mut parts: Vec<(Part<'_>, usize)> = Vec::new();
    let mut at = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        if let [b'=', kind @ (b'=' | b'z' | b'>'), b' ', name @ ..] = line {
            let name = name.strip_suffix(b"\n").unwrap_or(name);
            end(&mut parts, input, start);
            parts.push((Part { kind: *kind, name, content: &[] }, at));
        }
    }
    end(&mut parts, input, input.len());
    parts.into_iter().map(|(part, _)| part).collect()
}

/// The content of the last part ends here.
fn end<'a>(parts: &mut [(Part<'a>, usize)], input: &'a [u8], at: usize) {
    if let Some((part, start)) = parts.last_mut() {
        let content = &input[(*start).min(at)..at];
        part.content = content.strip_suffix(b"\n").unwrap_or(content);
    }
}

fn filled_in(content: &[u8], known: &[(String, usize)]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else {
        return content.to_vec();
    };
    let mut text = text.to_owned();
    for (number, (digest, size)) in known.iter().enumerate().rev() {
        text =
            text.replace(&format!("@{number}@"), digest).replace(&format!("#{number}#"), &size.to_string());
        if text.len() > 1 << 20 {
            break;
        }
    }
    text.into_bytes()
}
