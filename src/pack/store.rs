//! The payload `store`: a store as a directory.
//!
//! The store comes as the stream that `build-store` writes, so that nobody has to be root:
//! content goes into the tree, all else into the list.

use std::io::{self, BufReader};
use std::path::Path;

use super::capabilities;
use super::contents::{PackageTree, TreeEntry, TreeEntryKind, unwritten};
use super::recipe::Package;
use super::refused::RefusedFiles;
use crate::conf::quoted;
use crate::images::Source;
use crate::problem::Problem;
use crate::store::builder::{self, BuildOptions};
use crate::sys::Root;
use crate::tar::{Entries, EntryError, EntryKind, Header};

/// The attribute that holds a file's capabilities.
const CAPABILITY: &[u8] = b"security.capability";

/// The attribute of a directory that hides what is below it.
const OPAQUE: &[&[u8]] = &[b"trusted.overlay.opaque", b"user.overlay.opaque"];

/// Puts a store with the images of `sources` into `contents`, with its declaration.
///
/// # Errors
/// `pack-refused` for each image, what is wrong with an image, or the system's answer.
pub(super) fn fill(
    package: &Package,
    sources: &[Source],
    options: &BuildOptions,
    contents: &mut PackageTree,
) -> Result<(), Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let root = Root::system().map_err(Problem::cannot("open", "/")).map_err(one)?;
    let (reader, writer) =
        io::pipe().map_err(Problem::cannot("create a pipe for", &package.path)).map_err(one)?;
    let mut refused = RefusedFiles::default();
    let base = package.path.as_bytes();
    let time = contents.time();
    contents
        .add_parents(&[base, b"/"].concat())
        .and_then(|()| contents.add(base, TreeEntry::of_root(TreeEntryKind::Directory, 0o755, time)))
        .map_err(unwritten(contents))
        .map_err(one)?;
    let (built, taken) = std::thread::scope(|scope| {
        let builds = || builder::to_writer(&root, sources, writer, options);
        let builder = std::thread::Builder::new().spawn_scoped(scope, builds);
        let builder = builder.map_err(Problem::cannot("start a thread for", &package.path))?;
        let taken = take(reader, package, contents, &mut refused);
        Ok((builder.join().expect("building does not panic"), taken))
    })
    .map_err(one)?;
    // If one side fails, the other does so because of that.
    built.map_err(one)?;
    taken.map_err(one)?;
    let tree = Root::tree(contents.dir()).map_err(Problem::cannot("open", &package.path)).map_err(one)?;
    let problems = refused.problems(&tree, Path::new(&package.path), &package.name);
    if !problems.is_empty() {
        return Err(problems);
    }
    let declaration = format!("[[store]]\npath = {}\n", quoted(&package.path));
    let file = format!("{}/{}.toml", crate::declare::VENDOR, package.name);
    contents.add_text(&file, 0o644, declaration.as_bytes()).map_err(unwritten(contents)).map_err(one)?;
    let marker = format!("{}/{}", package.path, crate::store::MARKER);
    contents.add_text(&marker, 0o644, b"").map_err(unwritten(contents)).map_err(one)
}

/// Reads the stream of a store.
fn take(
    stream: io::PipeReader,
    package: &Package,
    contents: &mut PackageTree,
    refused: &mut RefusedFiles,
) -> Result<(), Problem> {
    let mut entries = Entries::new(BufReader::with_capacity(256 << 10, stream));
    let broken = |error: EntryError| match error {
        EntryError::Io(error) => Problem::io("read the store of", &package.name, &error),
        EntryError::NotTar(why) => {
            let message = format!("the store of `{}` was not written correctly: {}", package.name, why.0);
            Problem::new("internal", message, "please report it")
        }
    };
    let mut buffer = vec![0; 256 << 10];
    while let Some(header) = entries.next_entry().map_err(broken)? {
        let name = header.name.as_encoded_bytes();
        let name = name.strip_suffix(b"/").unwrap_or(name);
        let path = [package.path.as_bytes(), b"/", name].concat();
        let entry = entry(&header, name, package, refused);
        if entry.what == TreeEntryKind::File {
            let file = contents.begin_file(&path).map_err(unwritten(contents))?;
            loop {
                match entries.read(&mut buffer).map_err(broken)? {
                    0 => break,
                    count => file.write(&buffer[..count]).map_err(unwritten(contents))?,
                }
            }
            contents.end_file(&path, entry).map_err(unwritten(contents))?;
        } else {
            contents.add(&path, entry).map_err(unwritten(contents))?;
        }
    }
    // What is behind the end mark must go by, too, or the builder is stopped.
    io::copy(entries.rest(), &mut io::sink()).map_err(Problem::cannot("read the store of", &package.name))?;
    Ok(())
}

/// What an entry is, less what cannot be carried.
fn entry(header: &Header, name: &[u8], package: &Package, refused: &mut RefusedFiles) -> TreeEntry {
    let mut capabilities = None;
    for (attribute, value) in &header.attributes {
        let shown = String::from_utf8_lossy(attribute).escape_debug().to_string();
        if OPAQUE.contains(&attribute.as_slice()) {
            refused.add(name, format!("is an opaque directory (`{shown}`)"));
        } else if attribute != CAPABILITY {
            refused.add(name, format!("has the attribute `{shown}`"));
        } else if let Some(words) = capabilities::words(value) {
            capabilities = Some(words);
        } else {
            refused.add(name, "has capabilities of a kind that RPM does not know");
        }
    }
    let target = header.target.as_encoded_bytes();
    let what = match header.kind {
        EntryKind::File => TreeEntryKind::File,
        EntryKind::Directory => TreeEntryKind::Directory,
        EntryKind::Symlink => TreeEntryKind::Symlink(target.to_vec()),
        EntryKind::HardLink => TreeEntryKind::HardLink([package.path.as_bytes(), b"/", target].concat()),
        EntryKind::Fifo => TreeEntryKind::Fifo,
        EntryKind::Character => TreeEntryKind::Device('c', header.device.0, header.device.1),
        EntryKind::Block => TreeEntryKind::Device('b', header.device.0, header.device.1),
    };
    if package.ostree {
        match what {
            TreeEntryKind::Device('c', 0, 0) => refused.add(name, "is a whiteout, which ostree refuses"),
            TreeEntryKind::Device(..) => refused.add(name, "is a device, which ostree refuses"),
            TreeEntryKind::Fifo => refused.add(name, "is a FIFO, which ostree refuses"),
            _ => {}
        }
    }
    let id = |number: u64| u32::try_from(number).expect("the builder writes no others");
    TreeEntry {
        what,
        mode: header.mode,
        uid: id(header.uid),
        gid: id(header.gid),
        capabilities,
        mtime: (header.mtime, header.mtime_nanoseconds),
    }
}
