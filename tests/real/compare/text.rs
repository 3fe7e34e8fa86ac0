//! A host as a text, to be read and written by people.
//!
//! ```text
//! # What it is about.
//! variable STORAGE_DRIVER=vfs
//! unset HOME
//! directory /x 0700
//! link /y -> /a
//! file /etc/containers/storage.conf
//! | [storage]
//! ! driver = "\xff"
//! run add-store --first -- /a
//! ```
//!
//! A line behind `|` has a newline, one behind `!` is written as in Go and ends where it ends.

use std::fmt::Write as _;

use super::command;
use super::host::{Content, Host, Node};

/// Writes a host.
pub(super) fn write(host: &Host) -> String {
    let mut text = String::new();
    for (name, value) in &host.variables {
        match value {
            Some(value) => writeln!(text, "variable {name}={value}").unwrap(),
            None => writeln!(text, "unset {name}").unwrap(),
        }
    }
    for node in &host.nodes {
        let mode = node.mode.map(|mode| format!(" {mode:04o}")).unwrap_or_default();
        match &node.content {
            Content::Directory => writeln!(text, "directory {}{mode}", node.path).unwrap(),
            Content::Link(target) => writeln!(text, "link {} -> {target}", node.path).unwrap(),
            Content::File(bytes) => {
                writeln!(text, "file {}{mode}", node.path).unwrap();
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    match line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok()) {
                        Some(line) if is_plain(line) => writeln!(text, "| {line}").unwrap(),
                        _ => writeln!(text, "! {}", escaped(line)).unwrap(),
                    }
                }
            }
        }
    }
    for command in &host.commands {
        writeln!(text, "run {command}").unwrap();
    }
    text
}

fn is_plain(line: &str) -> bool {
    !line.chars().any(|letter| letter.is_control() || letter == '\u{feff}') && line.trim_end() == line
}

fn escaped(bytes: &[u8]) -> String {
    // Quotes need no backslash here.
    bytes.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => match rest.next().expect("something stands behind a backslash") {
                b'n' => bytes.push(b'\n'),
                b'r' => bytes.push(b'\r'),
                b't' => bytes.push(b'\t'),
                b'x' => {
                    let digits = [rest.next(), rest.next()].map(|digit| digit.expect("two digits"));
                    let digits = std::str::from_utf8(&digits).expect("two digits");
                    bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                }
                other => bytes.push(other),
            },
            byte => bytes.push(byte),
        }
    }
    bytes
}

/// Reads a host.
pub(super) fn read(text: &str) -> Host {
    let mut host = Host::default();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut node = |content| {
            let (path, mode) = match rest.rsplit_once(' ') {
                Some((path, mode)) if mode.len() == 4 && mode.bytes().all(|byte| byte.is_ascii_digit()) => {
                    (path, Some(u32::from_str_radix(mode, 8).expect("a mode is octal")))
                }
                _ => (rest, None),
            };
            host.nodes.push(Node { path: path.to_owned(), content, mode });
        };
        match word {
            "directory" => node(Content::Directory),
            "file" => node(Content::File(Vec::new())),
            "link" => {
                let (path, target) = rest.split_once(" -> ").expect("a link leads somewhere");
                let (path, content) = (path.to_owned(), Content::Link(target.to_owned()));
                host.nodes.push(Node { path, content, mode: None });
            }
            "variable" => {
                let (name, value) = rest.split_once('=').expect("a variable has a value");
                host.variables.insert(name.to_owned(), Some(value.to_owned()));
            }
            "unset" => {
                host.variables.insert(rest.to_owned(), None);
            }
            "run" => host.commands.push(command::parse(rest)),
            "|" | "!" => {
                let Some(Node { content: Content::File(bytes), .. }) = host.nodes.last_mut() else {
                    panic!("`{line}` belongs to no file");
                };
                match word {
                    "|" => bytes.extend([rest.as_bytes(), b"\n"].concat()),
                    _ => bytes.extend(unescaped(rest)),
                }
            }
            _ => panic!("`{line}` is not known"),
        }
    }
    host
}

#[test]
fn a_host_is_read_as_it_was_written() {
    let mut host = Host::default();
    host.file("/a b", "x\n\n  y\r\n\u{feff}\t\\n \"q\"\n");
    host.file("/c", b"\xff'".as_slice());
    host.nodes[1].mode = Some(0o600);
    host.nodes.push(Node { path: "/l".to_owned(), content: Content::Link("/a b".to_owned()), mode: None });
    host.variables.insert("A".to_owned(), Some("b=c".to_owned()));
    host.variables.insert("B".to_owned(), None);
    let mut dice = crate::dice::Dice::new(1, 1);
    host.commands.extend((0..50).map(|_| command::any(&mut dice)));
    assert_eq!(read(&write(&host)), host, "{}", write(&host));
}
