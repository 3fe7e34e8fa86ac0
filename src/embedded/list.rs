//! The list of embedded images: which reference is in which directory.
//!
//! Scripts read it with `while IFS=, read -r reference directory`, and append to it with
//! `echo "$reference,$hex"`. Everything that such a loop takes is taken here, too.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::layout::EmbeddedLayout;
use crate::conf::Fault;
use crate::problem::{Problem, Severity};
use crate::references::list_fault;
use crate::sys::Root;

const MAKE_AGAIN: &str = "fix that line, or remove the file and run `storagectl embed-images` again";

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The reference, as a registry knows it.
    pub reference: String,
    /// The directory: a plain file name beside the list.
    pub directory: String,
    /// The line that it stands in, counted from 1; 0 for one that is not written yet.
    pub line: usize,
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageList {
    /// Whose scripts have written it, and would read it.
    pub layout: EmbeddedLayout,
    /// Each reference once, in the order of the file.
    pub entries: Vec<ListEntry>,
    /// What is odd and does no harm here, though it may to scripts.
    pub remarks: Vec<Problem>,
    /// Its comments, which begin it when it is written.
    pub(super) head: Vec<String>,
}

impl ImageList {
    /// A list without images.
    pub fn new(layout: EmbeddedLayout) -> Self {
        Self { layout, entries: Vec::new(), remarks: Vec::new(), head: layout.head(&[]) }
    }

    /// The list in the directory `dir`; an empty one if there is none.
    ///
    /// # Errors
    /// As [`ImageList::find_in`].
    pub fn read(root: &Root, dir: &Path) -> Result<Self, Problem> {
        Ok(Self::find_in(root, dir)?.unwrap_or_else(|| Self::new(EmbeddedLayout::at(dir))))
    }

    /// The list in the directory `dir`, of whatever layout it is.
    ///
    /// # Errors
    /// `lists-several`, as [`ImageList::parse`], or if the file cannot be read.
    pub fn find_in(root: &Root, dir: &Path) -> Result<Option<Self>, Problem> {
        let mut lists = Self::all_in(root, dir)?;
        if lists.len() > 1 {
            let names: Vec<String> = EmbeddedLayout::LISTS.iter().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "`{}` has two lists of embedded images, {}",
                root.show(dir).display(),
                names.join(" and ")
            );
            let hint = "make them one with `storagectl embed-images --layout NAME`, or remove one";
            return Err(Problem::new("lists-several", message, hint));
        }
        Ok(lists.pop())
    }

    /// Every list in the directory `dir`.
    pub(super) fn all_in(root: &Root, dir: &Path) -> Result<Vec<Self>, Problem> {
        let mut lists = Vec::new();
        for name in EmbeddedLayout::LISTS {
            let file = dir.join(name);
            let shown = root.show(&file);
            let Some((bytes, _)) = root.read(&file).map_err(Problem::cannot("read", shown.display()))? else {
                continue;
            };
            let text = String::from_utf8(bytes).map_err(|_| {
                Problem::new("list-invalid", format!("`{}` is not UTF-8", shown.display()), MAKE_AGAIN)
            })?;
            lists.push(Self::parse(&text, &shown)?);
        }
        Ok(lists)
    }

    /// [`ImageList::find_in`] for those who need one.
    ///
    /// # Errors
    /// As [`ImageList::find_in`], and `list-missing` if there is none.
    pub fn must_read(root: &Root, dir: &Path) -> Result<Self, Problem> {
        Self::find_in(root, dir)?.ok_or_else(|| {
            let message = format!("`{}` has no list of embedded images", root.show(dir).display());
            let hint = "embed images with `storagectl embed-images`, or give their directory";
            Problem::new("list-missing", message, hint)
        })
    }

    /// Reads the text of a list; the name of `file` is that of the list, and what is told of it says
    /// all. Empty lines, lines that start with `#`, CRLF, a byte order mark and a missing last newline
    /// are taken, and of lines with the same reference the last counts, as it does with a script that
    /// copies one after the other.
    ///
    /// # Errors
    /// `list-invalid`, with the line: a comma in a reference, a field that is missing, or
    /// a directory that is no plain file name.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Problem> {
        let mut lines = Vec::new();
        let mut comments = Vec::new();
        let (mut has_crlf, mut has_blank) = (false, false);
        let mut start = 0;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let span = trimmed(text, start..start + line.len());
            has_crlf |= line.ends_with("\r\n");
            start += line.len();
            let content = &text[span.clone()];
            if content.starts_with('#') {
                comments.push(content.to_owned());
            } else if content.is_empty() {
                has_blank = true;
            } else {
                let entry = entry(text, span, index + 1).map_err(|(span, message)| {
                    let fault = Fault { id: "list-invalid", message, hint: MAKE_AGAIN.to_owned(), span };
                    Problem::at(fault, file.to_owned(), text)
                })?;
                lines.push(entry);
            }
        }
        let layout =
            EmbeddedLayout::of(&file.file_name().unwrap_or_default().to_string_lossy(), &lines, &comments);
        let mut list = Self { head: layout.head(&comments), ..Self::new(layout) };
        let mut places: HashMap<String, usize> = HashMap::new();
        for entry in lines {
            let (reference, shown) = (&entry.reference, format!("`{}`, line {}", file.display(), entry.line));
            if entry.directory != layout.directory(reference) {
                let message = format!("{shown}: the directory is not the one that `{reference}` should have");
                let hint = "it is used as it is; nothing needs to be done";
                list.remarks.push(Problem::new("list-directory", message, hint).with(Severity::Note));
            }
            match places.get(reference) {
                Some(&place) => {
                    let message = format!("{shown}: `{reference}` is in the list twice");
                    let hint = "`storagectl embed-images` writes the list again, with each image once";
                    list.remarks.push(Problem::new("list-twice", message, hint).with(Severity::Note));
                    list.entries[place] = entry;
                }
                None => {
                    places.insert(reference.clone(), list.entries.len());
                    list.entries.push(entry);
                }
            }
        }
        let mut odd = |id, what: &str| {
            let message = format!("`{}` {what}", file.display());
            let hint = "`storagectl embed-images` writes the list again, as scripts do";
            list.remarks.push(Problem::new(id, message, hint).with(Severity::Warning));
        };
        if has_crlf {
            odd("list-crlf", "has lines that end in CRLF, which scripts take as part of the name");
        }
        if has_blank || !comments.is_empty() && layout.head(&comments).is_empty() {
            odd("list-comment", "has comments or empty lines, which its scripts take for images");
        }
        if !text.is_empty() && !text.ends_with('\n') {
            odd("list-end", "does not end with a newline, so scripts leave its last line out");
        }
        Ok(list)
    }

    /// Its file in the directory `dir`.
    pub fn file(&self, dir: &Path) -> PathBuf {
        dir.join(self.layout.list())
    }

    /// The entry of `reference`.
    pub fn find(&self, reference: &str) -> Option<&ListEntry> {
        self.entries.iter().find(|entry| entry.reference == reference)
    }

    /// Its text, as its scripts write it.
    pub fn text(&self) -> String {
        let comments = self.head.iter().map(|comment| format!("{comment}\n"));
        let lines = self.entries.iter().map(|entry| format!("{},{}\n", entry.reference, entry.directory));
        comments.chain(lines).collect()
    }
}

/// The entry in a line, or what is wrong with it, and where.
fn entry(text: &str, span: Range<usize>, line: usize) -> Result<ListEntry, (Range<usize>, String)> {
    let content = &text[span.clone()];
    let Some(comma) = content.find(',') else {
        let message = format!("the line has no directory; it should be `{content},DIRECTORY`");
        return Err((span, message));
    };
    let reference_span = trimmed(text, span.start..span.start + comma);
    let directory_span = trimmed(text, span.start + comma + 1..span.end);
    let (reference, directory) = (&text[reference_span.clone()], &text[directory_span.clone()]);
    if let Err(why) = list_fault(reference) {
        return Err((reference_span, format!("the reference {why}")));
    }
    if let Some(comma) = directory.find(',') {
        let at = directory_span.start + comma;
        let message = "a second comma: the list cannot hold a reference that has one";
        return Err((at..at + 1, message.to_owned()));
    }
    if let Err(why) = directory_fault(directory) {
        return Err((directory_span, format!("the directory {why}")));
    }
    Ok(ListEntry { reference: reference.to_owned(), directory: directory.to_owned(), line })
}

/// A span without white space and a byte order mark at its ends.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let is_space = |letter: char| letter.is_whitespace() || letter == '\u{feff}';
    let content = &text[span.clone()];
    let start = span.start + (content.len() - content.trim_start_matches(is_space).len());
    start..start + content.trim_matches(is_space).len()
}

/// What keeps a text from being the name of an image's directory.
fn directory_fault(directory: &str) -> Result<(), &'static str> {
    match directory {
        "" => Err("is missing"),
        _ if directory.contains('/') => Err("is a path; it must be a plain name beside the list"),
        _ if directory.starts_with('.') => Err("starts with a dot"),
        _ if directory.contains(char::is_control) => Err("has a control character in it"),
        _ if directory.len() > 255 => Err("is longer than 255 bytes"),
        _ if EmbeddedLayout::LISTS.contains(&directory) => Err("is the list itself"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<ImageList, Problem> {
        ImageList::parse(text, Path::new("image-list.txt"))
    }

    fn directory_name(reference: &str) -> String {
        EmbeddedLayout::MicroShift.directory(reference)
    }

    #[test]
    fn what_a_shell_loop_reads_is_read() {
        let (a, b) = (directory_name("example.com/a:1"), directory_name("example.com/b"));
        let text = format!("\u{feff}# ours\r\nexample.com/a:1,{a}\r\n\n  example.com/b , {b}");
        let list = parse(&text).unwrap();
        let found: Vec<(&str, &str, usize)> = list
            .entries
            .iter()
            .map(|entry| (entry.reference.as_str(), entry.directory.as_str(), entry.line))
            .collect();
        assert_eq!(found, [("example.com/a:1", a.as_str(), 2), ("example.com/b", b.as_str(), 4)]);
        let ids: Vec<&str> = list.remarks.iter().map(|remark| remark.id).collect();
        assert_eq!(ids, ["list-crlf", "list-comment", "list-end"]);
        assert_eq!(list.text(), format!("example.com/a:1,{a}\nexample.com/b,{b}\n"));
    }

    #[test]
    fn of_two_lines_the_last_counts_and_a_foreign_directory_is_followed() {
        let list = parse("example.com/a,old\nexample.com/b,b\nexample.com/a,new\n").unwrap();
        assert_eq!(list.find("example.com/a").unwrap().directory, "new");
        assert_eq!(list.entries.len(), 2);
        let ids: Vec<&str> = list.remarks.iter().map(|remark| remark.id).collect();
        assert_eq!(ids, ["list-directory", "list-directory", "list-directory", "list-twice"]);
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused_with_its_place() {
        for (text, position) in [
            ("example.com/a", (1, 1)),
            ("# x\nexample.com/a,", (2, 15)),
            (",abc", (1, 1)),
            ("example.com/a,b,abc", (1, 16)),
            ("example.com/a,..", (1, 15)),
            ("example.com/a, ../b", (1, 16)),
            ("example.com/a,/b", (1, 15)),
            ("example.com/a,b/c", (1, 15)),
            ("example.com/a b,c", (1, 1)),
            ("example.com/a,image-list.txt", (1, 15)),
            ("example.com/a,mapping.txt", (1, 15)),
            ("-x,c", (1, 1)),
        ] {
            let problem = parse(text).unwrap_err();
            assert_eq!(problem.id, "list-invalid", "{text}");
            assert_eq!(problem.place.unwrap().position(), Some(position), "{text}");
        }
    }

    /// How one line may look around what it says, and what may stand between lines.
    fn looks() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
        (
            prop::sample::select(vec!["", " ", "\t"]),
            prop::sample::select(vec!["\n", "\r\n", " \n"]),
            prop::sample::select(vec!["", "\n", "# a, b\n", "\r\n"]),
        )
    }

    fn layouts() -> impl Strategy<Value = EmbeddedLayout> {
        prop::sample::select(&EmbeddedLayout::ALL[..])
    }

    fn references() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-c]{1,2}\\.example/[a-z]{1,3}(:[0-9])?", 1..8)
    }

    proptest! {
        #[test]
        fn however_a_list_is_written_it_says_the_same(
            layout in layouts(), references in references(), looks in prop::collection::vec(looks(), 8),
            ends in any::<bool>()
        ) {
            let mut text = String::new();
            for (reference, (space, end, between)) in references.iter().zip(&looks) {
                text += &format!("{between}{space}{reference}{space},{space}{}{end}", layout.directory(reference));
            }
            let text = if ends { text.as_str() } else { text.trim_end() };
            let parse = |text: &str| ImageList::parse(text, Path::new(layout.list()));
            let list = parse(text).unwrap();
            prop_assert_eq!(list.layout, layout);
            let mut unique: Vec<&String> = Vec::new();
            for reference in &references {
                if !unique.contains(&reference) {
                    unique.push(reference);
                }
            }
            let found: Vec<&String> = list.entries.iter().map(|entry| &entry.reference).collect();
            prop_assert_eq!(&found, &unique);
            // What is written from it is plain, and says the same again.
            let again = parse(&list.text()).unwrap();
            prop_assert!(again.remarks.is_empty());
            prop_assert_eq!((again.layout, again.text()), (layout, list.text()));
        }

        #[test]
        fn no_text_leads_out_of_the_directory(
            layout in layouts(), text in "[a./,#\\-\r\n\t \u{feff}\u{0}]{0,60}"
        ) {
            let parse = |text: &str| ImageList::parse(text, Path::new(layout.list()));
            if let Ok(list) = parse(&text) {
                for entry in &list.entries {
                    let path = Path::new("/images").join(&entry.directory);
                    prop_assert_eq!(path.parent(), Some(Path::new("/images")));
                    prop_assert!(path.file_name().is_some());
                    prop_assert!(!entry.reference.contains([',', '\n']) && !entry.reference.is_empty());
                }
                prop_assert_eq!(parse(&list.text()).unwrap().text(), list.text());
            }
        }
    }

    #[test]
    fn a_role_keeps_its_comments_and_a_loop_gets_none() {
        let lines = format!("example.com/a,{}\n", directory_name("example.com/a"));
        let text = format!("# managed\n# system_role:podman\n{lines}");
        let of = |name: &str| {
            let list = ImageList::parse(&text, Path::new(name)).unwrap();
            let is_told = list.remarks.iter().any(|remark| remark.id == "list-comment");
            (list.text(), is_told)
        };
        assert_eq!(of("mapping.txt"), (text.clone(), false));
        assert_eq!(of("image-list.txt"), (lines, true));
        // The role would have begun with its mark.
        let role = format!("example.com/a,{}\n", EmbeddedLayout::SystemRole.directory("example.com/a"));
        let list = ImageList::parse(&role, Path::new("mapping.txt")).unwrap();
        assert_eq!(list.text(), format!("# system_role:podman\n{role}"));
    }

    /// What comes of a list in a shell loop.
    fn looped(text: &str, body: &str) -> String {
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(format!("while IFS=, read -r ref dir; do {body}; done"));
        shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = shell.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn what_a_shell_loop_misreads_is_told() {
        for (text, id, read) in [
            ("example.com/a,a\nexample.com/b,b\n", None, "example.com/a a|example.com/b b|"),
            ("example.com/a,a\nexample.com/b,b", Some("list-end"), "example.com/a a|"),
            ("# c\nexample.com/a,a\n", Some("list-comment"), "# c |example.com/a a|"),
            ("example.com/a,a\n\n", Some("list-comment"), "example.com/a a| |"),
            ("example.com/a,a\r\n", Some("list-crlf"), "example.com/a a\r|"),
        ] {
            let remarks = parse(text).unwrap().remarks;
            let warnings = remarks.iter().filter(|remark| remark.severity == Severity::Warning);
            assert_eq!(warnings.map(|remark| remark.id).collect::<Vec<_>>(), Vec::from_iter(id), "{text:?}");
            assert_eq!(looped(text, r#"printf '%s %s|' "$ref" "$dir""#), read);
        }
    }

    #[test]
    fn a_shell_loop_reads_what_is_written() {
        let references = ["example.com/a:1", "example.com/b@sha256:00", "a-b.example:5000/x/y_z"];
        for (layout, name) in [
            (EmbeddedLayout::MicroShift, "echo \"$ref\" | sha256sum | cut -d ' ' -f 1"),
            (EmbeddedLayout::ImageCache, "echo \"$ref\" | sha256sum | awk '{ print $1 }'"),
            (EmbeddedLayout::SystemRole, "printf %s \"$ref\" | sha256sum | cut -c 1-16"),
        ] {
            let list = ImageList {
                entries: references.map(|one| layout.entry(one)).to_vec(),
                ..ImageList::new(layout)
            };
            let body =
                format!("case $ref in '#'*) continue; esac; [ \"$dir\" = \"$({name})\" ] && echo \"$ref\"");
            assert_eq!(looped(&list.text(), &body).lines().collect::<Vec<_>>(), references);
        }
    }
}
