//! One thing that is done to a store, and its text.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::names::Names;
use crate::support::{finish, run};

/// Names in it are those of [`Names`], so that it means the same in every copy of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Something happens to a record: to the member at `path`, or to all of it.
    Record { file: String, index: usize, path: String, what: Edit },
    /// Something happens to a file.
    File { path: String, what: Change },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    Remove,
    Set(Value),
    /// The member stands there again, with this value.
    Twice(Value),
    /// It has another key.
    Key(String),
    /// Its value and that of this record change places.
    Swap(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Gone,
    Empty,
    /// Its second half is missing.
    Cut,
    /// One bit is another, at this part of a thousand.
    Bit(usize),
    Text(String),
    Directory,
    Fifo,
    Socket,
    Device,
    /// A symlink to nothing.
    Dangling,
    /// A symlink to itself.
    Loop,
    /// A symlink to where it was moved to, outside the store.
    Elsewhere,
    Mode(u32),
    /// What stands at another path.
    Other(String),
    /// A whiteout.
    Whiteout,
    /// It has this attribute.
    Attribute(String, String),
}

type Members = Vec<(String, String)>;

/// Does all of them to the store at `store`.
pub(super) fn all(acts: &[Act], store: &Path, names: &Names) {
    let mut files: BTreeMap<&str, Vec<Option<Members>>> = BTreeMap::new();
    for act in acts {
        if let Act::Record { file, index, path, what } = act {
            let records = files.entry(file).or_insert_with(|| read(&store.join(file)));
            if *index < records.len() {
                what.apply(records, *index, path, names);
            }
        }
    }
    for (file, records) in files {
        fs_err::write(store.join(file), written(&records)).unwrap();
    }
    for act in acts {
        if let Act::File { path, what } = act {
            what.apply(store, &names.real(path), names);
        }
    }
}

fn read(file: &Path) -> Vec<Option<Members>> {
    let records: Vec<serde_json::Map<String, Value>> =
        serde_json::from_slice(&fs_err::read(file).unwrap()).unwrap();
    let members = |record: serde_json::Map<String, Value>| {
        Some(record.into_iter().map(|(key, value)| (key, value.to_string())).collect())
    };
    records.into_iter().map(members).collect()
}

fn written(records: &[Option<Members>]) -> String {
    let member = |(key, value): &(String, String)| format!("{}:{value}", Value::from(key.as_str()));
    let record = |record: &Option<Members>| match record {
        Some(members) => format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(",")),
        None => "null".to_owned(),
    };
    format!("[{}]", records.iter().map(record).collect::<Vec<_>>().join(","))
}

impl Edit {
    fn apply(&self, records: &mut Vec<Option<Members>>, index: usize, path: &str, names: &Names) {
        let text = |value: &Value| names.real(&value.to_string());
        if path == "*" {
            match self {
                Self::Remove => drop(records.remove(index)),
                Self::Set(_) => records[index] = None,
                Self::Twice(_) => records.push(records[index].clone()),
                Self::Key(_) => records[index] = Some(Vec::new()),
                Self::Swap(other) if *other < records.len() => records.swap(index, *other),
                Self::Swap(_) => {}
            }
            return;
        }
        let (key, inner) = path.split_once('/').map_or((path, None), |(key, inner)| (key, Some(inner)));
        if let Self::Swap(other) = self {
            let take = |records: &[Option<Members>], index: usize| {
                let members = records.get(index)?.as_ref()?;
                members.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
            };
            let both = (take(records, index), take(records, *other));
            if let (Some(one), Some(two)) = both {
                put(records[index].as_mut(), key, two);
                put(records[*other].as_mut(), key, one);
            }
            return;
        }
        let Some(members) = &mut records[index] else { return };
        let at = members.iter().position(|(other, _)| other == key);
        match (self, inner, at) {
            (Self::Remove, None, Some(at)) => drop(members.remove(at)),
            (Self::Set(value), None, _) => put(Some(members), key, text(value)),
            (Self::Twice(value), None, _) => members.push((key.to_owned(), text(value))),
            (Self::Key(other), None, Some(at)) => members[at].0 = other.clone(),
            (_, Some(inner), Some(at)) => {
                let mut value: Value = serde_json::from_str(&members[at].1).unwrap();
                let key = names.real(inner);
                let new = if let Self::Set(new) = self {
                    Some(serde_json::from_str(&text(new)).unwrap())
                } else {
                    None
                };
                match (&mut value, new) {
                    (Value::Array(list), new) => {
                        let at = inner.parse().unwrap_or(0);
                        if at < list.len() {
                            match new {
                                Some(new) => list[at] = new,
                                None => drop(list.remove(at)),
                            }
                        }
                    }
                    (Value::Object(map), Some(new)) => drop(map.insert(key, new)),
                    (Value::Object(map), None) => drop(map.remove(&key)),
                    _ => {}
                }
                members[at].1 = value.to_string();
            }
            _ => {}
        }
    }
}

fn put(members: Option<&mut Members>, key: &str, value: String) {
    let Some(members) = members else { return };
    match members.iter_mut().find(|(other, _)| other == key) {
        Some(member) => member.1 = value,
        None => members.push((key.to_owned(), value)),
    }
}

impl Change {
    fn apply(&self, store: &Path, path: &str, names: &Names) {
        let file = store.join(path);
        let there = file.symlink_metadata().ok();
        let remove = || match &there {
            Some(stat) if stat.is_dir() => std::fs::remove_dir_all(&file).unwrap(),
            Some(_) => std::fs::remove_file(&file).unwrap(),
            None => std::fs::create_dir_all(file.parent().unwrap()).unwrap_or_default(),
        };
        let bytes = || match &there {
            Some(stat) if stat.is_file() => std::fs::read(&file).ok(),
            _ => None,
        };
        match self {
            Self::Gone => remove(),
            Self::Empty | Self::Cut | Self::Bit(_) => {
                let Some(mut bytes) = bytes() else { return };
                match self {
                    Self::Empty => bytes.clear(),
                    Self::Cut => bytes.truncate(bytes.len() / 2),
                    Self::Bit(at) if !bytes.is_empty() => {
                        let at = (bytes.len() - 1) * at / 1000;
                        bytes[at] ^= 1 << (at % 8);
                    }
                    _ => {}
                }
                let stat = there.as_ref().expect("it was read");
                let mode = std::fs::Permissions::from_mode(stat.mode());
                std::fs::write(&file, bytes).unwrap();
                std::fs::set_permissions(&file, mode).unwrap();
            }
            Self::Text(text) => {
                remove();
                std::fs::write(&file, names.real(text)).unwrap_or_default();
            }
            Self::Directory => {
                remove();
                std::fs::create_dir(&file).unwrap_or_default();
            }
            Self::Fifo => {
                remove();
                run(Command::new("mkfifo").arg(&file));
            }
            Self::Socket => {
                remove();
                drop(UnixListener::bind(&file));
            }
            Self::Device => {
                remove();
                run(Command::new("mknod").arg(&file).args(["c", "1", "3"]));
            }
            Self::Whiteout => {
                remove();
                run(Command::new("mknod").arg(&file).args(["c", "0", "0"]));
            }
            Self::Dangling => {
                remove();
                symlink("/nonexistent/x", &file).unwrap_or_default();
            }
            Self::Loop => {
                remove();
                symlink(file.file_name().unwrap(), &file).unwrap_or_default();
            }
            Self::Elsewhere => {
                if there.is_none_or(|stat| stat.file_type().is_fifo()) {
                    return;
                }
                let free = |name: &PathBuf| name.symlink_metadata().is_err();
                let mut places = (0..).map(|place| store.with_file_name(format!("away{place}")));
                let away = places.find(free).expect("there are enough numbers");
                std::fs::rename(&file, &away).unwrap();
                symlink(&away, &file).unwrap();
            }
            Self::Mode(mode) => {
                if there.is_some_and(|stat| !stat.is_symlink()) {
                    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(*mode)).unwrap();
                }
            }
            Self::Attribute(name, value) => {
                // Users have none on what is neither a file nor a directory.
                finish(Command::new("setfattr").args(["-h", "-n", name, "-v", value]).arg(&file));
            }
            Self::Other(other) => {
                let other = store.join(names.real(other));
                if other.symlink_metadata().is_ok() && !other.starts_with(&file) && !file.starts_with(&other)
                {
                    remove();
                    run(Command::new("cp").arg("-a").arg(&other).arg(&file));
                }
            }
        }
    }
}

impl Act {
    /// What is the same for all acts of this kind.
    pub(super) fn kind(&self) -> String {
        let plain = |text: &str| {
            let parts: Vec<&str> =
                text.split('/').map(|part| if part.starts_with('<') { "<>" } else { part }).collect();
            parts.join("/")
        };
        match self {
            Self::Record { file, path, what, .. } => {
                let what = what.to_string();
                let (word, value) = what.split_once(' ').unwrap_or((&what, ""));
                let path: String =
                    path.chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }).collect();
                let value = if word == "swap" { "" } else { value };
                format!("{} {path} {word} {value}", file.rsplit('/').next().unwrap())
            }
            Self::File { path, what } => {
                let what = match what {
                    Change::Attribute(name, _) => name.clone(),
                    what => what.to_string(),
                };
                format!("{} {}", plain(path), what.split(' ').next().unwrap())
            }
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { file, index, path, what } => write!(f, "record {file} {index} {path} {what}"),
            Self::File { path, what } => write!(f, "file {path} {what}"),
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remove => write!(f, "remove"),
            Self::Set(value) => write!(f, "set {value}"),
            Self::Twice(value) => write!(f, "twice {value}"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Swap(other) => write!(f, "swap {other}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => write!(f, "gone"),
            Self::Empty => write!(f, "empty"),
            Self::Cut => write!(f, "cut"),
            Self::Bit(at) => write!(f, "bit {at}"),
            Self::Text(text) => write!(f, "text {}", Value::from(text.as_str())),
            Self::Directory => write!(f, "directory"),
            Self::Fifo => write!(f, "fifo"),
            Self::Socket => write!(f, "socket"),
            Self::Device => write!(f, "device"),
            Self::Dangling => write!(f, "dangling"),
            Self::Loop => write!(f, "loop"),
            Self::Elsewhere => write!(f, "elsewhere"),
            Self::Mode(mode) => write!(f, "mode {mode:o}"),
            Self::Other(other) => write!(f, "other {other}"),
            Self::Whiteout => write!(f, "whiteout"),
            Self::Attribute(name, value) => write!(f, "attribute {name} {value}"),
        }
    }
}

/// Reads what an act displays as.
pub(super) fn parse(line: &str) -> Act {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    if words[0] == "file" {
        let argument = words.get(3).copied().unwrap_or_default();
        let what = match words[2] {
            "gone" => Change::Gone,
            "empty" => Change::Empty,
            "cut" => Change::Cut,
            "bit" => Change::Bit(argument.parse().unwrap()),
            "text" => Change::Text(serde_json::from_str(argument).unwrap()),
            "directory" => Change::Directory,
            "fifo" => Change::Fifo,
            "socket" => Change::Socket,
            "device" => Change::Device,
            "dangling" => Change::Dangling,
            "loop" => Change::Loop,
            "elsewhere" => Change::Elsewhere,
            "mode" => Change::Mode(u32::from_str_radix(argument, 8).unwrap()),
            "other" => Change::Other(argument.to_owned()),
            "whiteout" => Change::Whiteout,
            "attribute" => {
                let (name, value) = argument.split_once(' ').unwrap();
                Change::Attribute(name.to_owned(), value.to_owned())
            }
            other => panic!("`{other}` is not known"),
        };
        return Act::File { path: words[1].to_owned(), what };
    }
    let (path, edit) = words[3].split_once(' ').unwrap();
    let (word, argument) = edit.split_once(' ').unwrap_or((edit, ""));
    let value = || serde_json::from_str(argument).unwrap();
    let what = match word {
        "remove" => Edit::Remove,
        "set" => Edit::Set(value()),
        "twice" => Edit::Twice(value()),
        "key" => Edit::Key(argument.to_owned()),
        "swap" => Edit::Swap(argument.parse().unwrap()),
        other => panic!("`{other}` is not known"),
    };
    Act::Record { file: words[1].to_owned(), index: words[2].parse().unwrap(), path: path.to_owned(), what }
}
