//! What is remembered in a store of what was copied to it.
//!
//! It stands in the store and not elsewhere, so that it goes when the store does: CRI-O
//! wipes its storage with all that is in it. Whatever it says is compared with what is
//! there; without it everything is looked at anew.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::Root;

/// Its file in a store.
const FILE: &str = ".storagectl-images.json";

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopyRecord {
    version: u32,
    /// What was copied, also from former lists.
    #[serde(default)]
    pub(super) images: Vec<CopiedImage>,
    /// What was imported, by its names. It is no part of any list, so no list takes it away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) imported: Vec<ImportedImage>,
    /// Layers that are sound, by id.
    #[serde(default)]
    pub(super) layers: BTreeMap<String, FileStamp>,
}

/// An image that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopiedImage {
    /// The name that it was given.
    pub(super) name: String,
    /// Its id.
    pub(super) id: String,
    /// Its layers, the lowest first.
    pub(super) layers: Vec<String>,
}

/// A name that an imported image was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImportedImage {
    /// The name, and the image.
    #[serde(flatten)]
    pub(super) image: CopiedImage,
    /// The id of the image that the list of embedded images had for this name then: while it has that
    /// one, the imported image keeps the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) over: Option<String>,
}

/// By what a layer is known to be the one that was looked at: inode and time of change of
/// its `link`, which is written once. Whoever makes the layer anew makes another file. Of a blob
/// of artifacts they are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileStamp {
    inode: u64,
    changed: (i64, i64),
}

impl FileStamp {
    /// That of a file with this inode and time of change.
    pub(super) fn new((inode, changed): (u64, (i64, i64))) -> Self {
        Self { inode, changed }
    }

    /// The mark of the layer `id` in the store at `store`; `None` if it has none.
    pub(super) fn of(root: &Root, store: &Path, driver: &str, id: &str) -> Option<Self> {
        let path = match driver {
            "vfs" => store.join("vfs/dir").join(id),
            driver => store.join(driver).join(id).join("link"),
        };
        let inode = root.stat(&path).ok()??.id.1;
        Some(Self { inode, changed: root.changed(&path).ok()?? })
    }
}

/// Reads a record. One that cannot be read is none.
pub(super) fn read_record<T: DeserializeOwned>(host: &Host, file: &Path) -> Option<T> {
    let (bytes, _) = host.root.read_up_to(file, limits::RECORDS).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

/// Writes a record to `file` in the storage at `storage`, if it is not what stands there.
pub(super) fn write_record(
    host: &Host,
    storage: &Path,
    file: &Path,
    record: &impl Serialize,
) -> Result<(), Problem> {
    let mut bytes = serde_json::to_vec(record).expect("it is made of text and numbers");
    bytes.push(b'\n');
    let write = || {
        let inside = host.root.strict(storage)?.ok_or(io::ErrorKind::NotFound)?;
        let file = Path::new("/").join(file);
        match inside.read_up_to(&file, limits::RECORDS).ok().flatten() {
            Some((before, _)) if before == bytes => Ok(()),
            _ => inside.replace_file(&file, &bytes),
        }
    };
    write().map_err(host.cannot("write", &storage.join(file)))
}

impl CopyRecord {
    /// What is remembered in the store at `store`. What cannot be read is forgotten.
    pub(super) fn read(host: &Host, store: &Path) -> Self {
        let record: Option<Self> = read_record(host, &store.join(FILE));
        record.filter(|record| record.version == 1).unwrap_or(Self { version: 1, ..Self::default() })
    }

    /// Remembers this image as copied, in the place of one with the same name and id.
    pub(super) fn add(&mut self, copied: CopiedImage) {
        self.images.retain(|other| other.name != copied.name || other.id != copied.id);
        self.images.push(copied);
    }

    /// Remembers this image as imported. One that had the name before is then one of those that were
    /// copied from a former list.
    pub(super) fn import(&mut self, imported: ImportedImage) {
        self.end_imports(&imported.image.name, &imported.image.id);
        self.imported.retain(|other| other.image.name != imported.image.name);
        self.imported.push(imported);
    }

    /// Notes that the image `id` has this name, and what was imported under it has it no more.
    pub(super) fn end_imports(&mut self, name: &str, id: &str) {
        let is_over = |it: &ImportedImage| it.image.name == name && it.image.id != id;
        let over: Vec<_> = self.imported.extract_if(.., |it| is_over(it)).map(|it| it.image).collect();
        over.into_iter().for_each(|image| self.add(image));
    }

    /// Whether this image was imported under this name.
    pub(super) fn is_imported(&self, name: &str, id: &str) -> bool {
        self.imported.iter().any(|it| it.image.name == name && it.image.id == id)
    }

    /// It, with what others have written since it was read as `before`.
    fn merged(&self, before: &Self, now: Self) -> Self {
        fn merged<T: PartialEq + Clone>(ours: &[T], before: &[T], mut now: Vec<T>) -> Vec<T> {
            now.retain(|item| ours.contains(item) || !before.contains(item));
            let new: Vec<T> =
                ours.iter().filter(|item| !before.contains(item) && !now.contains(item)).cloned().collect();
            now.extend(new);
            now
        }
        let mut layers = now.layers;
        layers.retain(|id, _| self.layers.contains_key(id) || !before.layers.contains_key(id));
        let new = self.layers.iter().filter(|(id, stamp)| before.layers.get(*id) != Some(stamp));
        layers.extend(new.map(|(id, stamp)| (id.clone(), *stamp)));
        Self {
            version: self.version,
            images: merged(&self.images, &before.images, now.images),
            imported: merged(&self.imported, &before.imported, now.imported),
            layers,
        }
    }

    /// Writes what has changed since it was read as `before`, if that is not what stands there.
    pub(super) fn write(&self, host: &Host, store: &Path, before: &Self) -> Result<(), Problem> {
        let record = self.merged(before, Self::read(host, store));
        write_record(host, store, Path::new(FILE), &record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(name: &str, id: &str) -> CopiedImage {
        CopiedImage { name: name.to_owned(), id: id.to_owned(), layers: Vec::new() }
    }

    fn imported(name: &str, id: &str) -> ImportedImage {
        ImportedImage { image: copied(name, id), over: None }
    }

    #[test]
    fn what_others_have_written_meanwhile_stays() {
        let stamp = |inode| FileStamp { inode, changed: (0, 0) };
        let mut before = CopyRecord { version: 1, ..CopyRecord::default() };
        before.add(copied("a", "1"));
        before.add(copied("b", "1"));
        before.layers.extend([("x".to_owned(), stamp(1)), ("y".to_owned(), stamp(1))]);
        let (mut ours, mut theirs) = (before.clone(), before.clone());
        ours.images.retain(|image| image.name != "a");
        ours.add(copied("c", "2"));
        ours.layers.remove("x");
        ours.layers.insert("z".to_owned(), stamp(2));
        theirs.import(imported("d", "3"));
        theirs.layers.insert("y".to_owned(), stamp(3));
        let merged = ours.merged(&before, theirs);
        let names: Vec<&str> = merged.images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
        assert!(merged.is_imported("d", "3"));
        assert_eq!(merged.layers, [("y".to_owned(), stamp(3)), ("z".to_owned(), stamp(2))].into());
    }

    #[test]
    fn an_import_ends_when_its_name_is_another_s_and_is_one_of_a_former_list_then() {
        let mut record = CopyRecord { version: 1, ..CopyRecord::default() };
        record.import(imported("a", "1"));
        record.import(imported("a", "1"));
        record.end_imports("a", "1");
        assert_eq!((record.imported.len(), record.images.len()), (1, 0));
        record.import(imported("a", "2"));
        assert_eq!(record.images, [copied("a", "1")]);
        record.end_imports("a", "3");
        assert_eq!(record.images, [copied("a", "1"), copied("a", "2")]);
        assert!(record.imported.is_empty());
    }

    /// Versions that know no imports read it, and prune none of them.
    #[test]
    fn the_record_without_imports_is_as_it_was() {
        let text = r#"{"version":1,"images":[{"name":"a","id":"1","layers":[]}],"layers":{}}"#;
        let record: CopyRecord = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
    }
}
