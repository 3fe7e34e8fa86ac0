//! CRI-O's own files: `[crio]` of crio.conf and its drop-ins, crio.conf(5).

use super::decode::parse;
use super::environment::Environment;
use super::modern::bytes_of;
use super::options::store_option;
use super::profile::Profile;
use super::reading::{Failure, FileKind, Origin, ReadFile, Reading, Value};
use super::view::View;
use crate::conf::{Fault, Leaf};
use crate::problem::words;

pub(super) fn read(view: &View<'_>, _: &Environment, reading: &mut Reading) -> Result<(), Failure> {
    let main = view.etc().join("crio/crio.conf");
    let mut files = vec![main.clone()];
    let mut any = false;
    let drop_ins = view.walk(&view.etc().join("crio/crio.conf.d"));
    files
        .extend(drop_ins.map_err(|error| Failure::new(format!("/etc/crio/crio.conf.d: {}", words(&error))))?);
    let driver = reading.driver.as_ref().map_or("", |driver| &driver.value);
    let mut options: Vec<(String, Value<String>)> = reading
        .stores
        .iter()
        .map(|store| (format!("{driver}.imagestore={}", store.value), store.clone()))
        .collect();
    for path in files {
        let Some(bytes) = bytes_of(view, &path)? else {
            if path == main {
                continue;
            }
            return Err(Failure::new(format!("open {}: no such file or directory", path.display())));
        };
        any = true;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        reading.files.push(ReadFile { path: path.clone(), kind: FileKind::Crio, text });
        let doc = parse(view.cache, &path, bytes, Profile::Crio)?;
        for leaf in doc.leaves() {
            let origin = Origin::File { file: path.clone(), line: doc.line(leaf.span.start) };
            let wrong = |what: &str| {
                let message = format!("`{}` must be {what}", leaf.name);
                let fault = Fault { id: "wrong-type", message, hint: String::new(), span: leaf.span.clone() };
                Failure::at(&path, Some(&doc), &fault)
            };
            let place = match leaf.name.as_str() {
                "crio.storage_option" => {
                    let Leaf::Array(items) = &leaf.value else {
                        return Err(wrong("an array of strings"));
                    };
                    for option in items {
                        let Leaf::String(option) = option else {
                            return Err(wrong("an array of strings"));
                        };
                        if let Some(store) = store_option(option)? {
                            let value = Value { value: store.to_owned(), origin: origin.clone() };
                            options.push((option.clone(), value));
                        }
                    }
                    continue;
                }
                "crio.storage_driver" => &mut reading.driver,
                "crio.root" => &mut reading.graphroot,
                "crio.runroot" => &mut reading.runroot,
                "crio.imagestore" => &mut reading.imagestore,
                name => {
                    if let Some(what) = wrong_type(name, &leaf.value) {
                        return Err(wrong(what));
                    }
                    reading.own.insert(leaf.name.clone(), Value { value: leaf.value, origin });
                    continue;
                }
            };
            match leaf.value {
                Leaf::String(text) if !text.is_empty() => *place = Some(Value { value: text, origin }),
                Leaf::String(_) => {}
                _ => return Err(wrong("a string")),
            }
        }
    }
    if !any {
        // Without a file of its own CRI-O takes the list as it is.
        return Ok(());
    }
    // Of options that are the same to the letter the last one stays.
    reading.stores = options
        .iter()
        .enumerate()
        .filter(|(index, (option, _))| options[index + 1..].iter().all(|(later, _)| later != option))
        .map(|(_, (_, store))| store.clone())
        .collect();
    Ok(())
}

/// What a key that storagectl looks at would have to be, if it is not.
fn wrong_type(name: &str, value: &Leaf) -> Option<&'static str> {
    match name {
        "crio.internal_wipe" | "crio.internal_repair" => {
            (!matches!(value, Leaf::Boolean(_))).then_some("a boolean")
        }
        "crio.clean_shutdown_file"
        | "crio.version_file"
        | "crio.version_file_persist"
        | "crio.api.listen"
        | "crio.image.pause_image" => (!matches!(value, Leaf::String(_))).then_some("a string"),
        "crio.image.pinned_images" => {
            let strings = |items: &Vec<Leaf>| items.iter().all(|item| matches!(item, Leaf::String(_)));
            (!matches!(value, Leaf::Array(items) if strings(items))).then_some("an array of strings")
        }
        _ => None,
    }
}
