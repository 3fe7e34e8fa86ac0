//! A run that changes an embedded directory: its lock, and the directory in which it
//! makes what is new.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::OFlags;

use super::contents::EmbeddedImage;
use super::links::KnownBlobs;
use super::list::ImageList;
use crate::images::Digest;
use crate::problem::Problem;
use crate::registry::with_attachments;
use crate::sys::{self, DirectoryWriter, FileMetadata, Lock, LockError, NewFile, Root, Staging};

/// How long another run is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The run.
pub(super) struct EmbedRun {
    /// The embedded directory, in which no symlink is followed.
    pub(super) root: Root,
    /// The directory of the run in it.
    ///
    /// Its lock is the sign of a run that lives; children have it, too.
    pub(super) staging: Staging,
    pub(super) links: KnownBlobs,
    /// The directory that tells children where signatures are, if they shall not find it themselves.
    pub(super) registries_d: Option<PathBuf>,
    /// To which image each artifact refers that is fetched since it does, by its reference.
    pub(super) referrers: OnceLock<BTreeMap<String, Digest>>,
    sync: bool,
    /// One run at a time.
    _lock: Lock,
}

/// What children are given of a run, or of a rehearsal, which has nothing that is locked.
pub(super) fn lock_of(root: &Root, at: Option<&EmbedRun>) -> io::Result<OwnedFd> {
    match at {
        Some(at) => at.lock_for_children().try_clone_to_owned(),
        None => root.open(Path::new("/"), OFlags::PATH),
    }
}

impl EmbedRun {
    /// Makes the directory if it is missing, locks it, removes what killed runs left, and
    /// makes a directory for this one.
    pub(super) fn open(root: &Root, dir: &Path, sync: bool) -> Result<Self, Problem> {
        let shown = root.show(dir).display().to_string();
        root.create_dirs(dir, 0o755).map_err(Problem::cannot("create the directory", &shown))?;
        let opened = root.strict(dir).map_err(Problem::cannot("open", &shown))?;
        let root =
            opened.ok_or_else(|| Problem::cannot("open", &shown)(io::ErrorKind::NotADirectory.into()))?;
        let itself = root
            .open(Path::new("/"), OFlags::PATH | OFlags::DIRECTORY)
            .map_err(Problem::cannot("open", &shown))?;
        let lock = sys::lock(&root, &itself, PATIENCE).map_err(|error| match error {
            LockError::Busy => {
                let message = format!("another run keeps `{shown}` locked");
                Problem::new("busy", message, "wait until it is done and try again")
            }
            LockError::Io(error) => Problem::io("lock", &shown, &error),
        })?;
        let mut writer = root.directory_writer(Path::new("/")).map_err(Problem::cannot("open", &shown))?;
        // A child of a killed run may still live and have its own; the run after that finds it.
        let staging = writer.staging().map_err(Problem::cannot("create a directory in", &shown))?;
        Ok(Self {
            root,
            staging,
            links: KnownBlobs::default(),
            registries_d: None,
            referrers: OnceLock::new(),
            sync,
            _lock: lock,
        })
    }

    /// Has children fetch the signatures that are attached to images.
    pub(super) fn request_signatures(&mut self) -> Result<(), Problem> {
        let settings = with_attachments()?;
        let place = self.place("registries.d");
        let write = || -> io::Result<()> {
            let mut writer = self.directory_writer()?;
            writer.create_directory(place.as_bytes())?;
            self.write(&mut writer, &format!("{place}/storagectl.yaml"), &settings)
        };
        write().map_err(Problem::cannot("write to", self.shown_path()))?;
        self.registries_d = Some(self.path_for_programs(&place));
        Ok(())
    }

    /// What children are given.
    pub(super) fn lock_for_children(&self) -> BorrowedFd<'_> {
        self.staging.lock.as_fd()
    }

    pub(super) fn directory_writer(&self) -> io::Result<DirectoryWriter> {
        self.root.directory_writer(Path::new("/"))
    }

    /// A name in the directory of the run.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.staging.name)
    }

    /// A path in the embedded directory.
    pub(super) fn path_in_tree(&self, name: &str) -> PathBuf {
        Path::new("/").join(name)
    }

    /// The same path for other programs.
    pub(super) fn path_for_programs(&self, name: &str) -> PathBuf {
        self.root.show(&self.path_in_tree(name))
    }

    pub(super) fn shown_path(&self) -> String {
        self.root.show(Path::new("/")).display().to_string()
    }

    /// Puts the complete image at `staged`, a name in the directory of the run, to its
    /// place `name`, with what is shared linked and everything synced.
    pub(super) fn publish(&self, staged: &str, name: &str, contents: &EmbeddedImage) -> Result<(), Problem> {
        let put = || -> io::Result<()> {
            let mut writer = self.directory_writer()?;
            self.links.link(self, &mut writer, &self.place(staged), contents, staged)?;
            self.publish_as_is(staged, name)?;
            self.links.add_image(self, name, contents)
        };
        put().map_err(Problem::cannot("write to", self.shown_path()))
    }

    /// Puts the directory at `staged` to its place `name`, synced.
    pub(super) fn publish_as_is(&self, staged: &str, name: &str) -> io::Result<()> {
        let path = self.place(staged);
        let mut writer = self.directory_writer()?;
        if self.sync {
            for file in self.root.list(&self.path_in_tree(&path))?.unwrap_or_default() {
                let file = [path.as_bytes(), b"/", file.as_encoded_bytes()].concat();
                writer.open_file(&file)?.sync()?;
            }
            writer.open_directory(path.as_bytes())?.sync()?;
        }
        if writer.has(name.as_bytes())? {
            let aside = self.place(&format!("{staged}.old"));
            writer.take_place(path.as_bytes(), name.as_bytes(), aside.as_bytes(), b"manifest.json")?;
            for old in [&path, &aside] {
                writer.remove(old.as_bytes())?;
            }
        } else {
            let mut to = self.directory_writer()?;
            writer.move_to(path.as_bytes(), &mut to, name.as_bytes())?;
        }
        self.synced(&writer)
    }

    fn synced(&self, writer: &DirectoryWriter) -> io::Result<()> {
        if self.sync { writer.sync() } else { Ok(()) }
    }

    /// A new file with everybody's mode, which is empty.
    pub(super) fn new_file(&self, writer: &mut DirectoryWriter, path: &str) -> io::Result<NewFile> {
        let file = writer.create_file(path.as_bytes())?;
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        file.open_to_all(&FileMetadata { mode: 0o644, uid, gid, mtime: (0, 0), attributes: &[] })?;
        Ok(file)
    }

    /// A new file with everybody's mode.
    pub(super) fn write(&self, writer: &mut DirectoryWriter, path: &str, content: &[u8]) -> io::Result<()> {
        let file = self.new_file(writer, path)?;
        file.write(content)?;
        if self.sync { file.sync() } else { Ok(()) }
    }

    /// Writes the list.
    pub(super) fn write_list(&self, list: &ImageList) -> Result<(), Problem> {
        let name = list.layout.list();
        let shown = self.root.show(&self.path_in_tree(name)).display().to_string();
        let write = || -> io::Result<()> {
            let mut writer = self.directory_writer()?;
            let new = self.place(name);
            self.write(&mut writer, &new, list.text().as_bytes())?;
            writer.move_over(new.as_bytes(), name.as_bytes())?;
            self.synced(&writer)
        };
        write().map_err(Problem::cannot("write", shown))
    }

    /// Renames the file `name`, where nothing stands at `to`.
    pub(super) fn rename(&self, name: &str, to: &str) -> io::Result<()> {
        let mut writer = self.directory_writer()?;
        writer.move_to(name.as_bytes(), &mut self.directory_writer()?, to.as_bytes())?;
        self.synced(&writer)
    }

    /// Removes the file `name`.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let mut writer = self.directory_writer()?;
        writer.remove(name.as_bytes())?;
        self.synced(&writer)
    }

    /// Removes the directory `name`, so that it is there whole or not at all.
    pub(super) fn discard(&self, name: &str) -> Result<(), Problem> {
        let remove = || -> io::Result<()> {
            let mut writer = self.directory_writer()?;
            let gone = self.place(&format!("{name}.gone"));
            let mut to = self.directory_writer()?;
            match writer.move_to(name.as_bytes(), &mut to, gone.as_bytes()) {
                Ok(_) => writer.remove(gone.as_bytes()),
                // A lower layer of overlayfs: its directories can only be removed.
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    writer.remove(format!("{name}/manifest.json").as_bytes())?;
                    writer.remove(name.as_bytes())
                }
                Err(error) => Err(error),
            }?;
            self.synced(&writer)
        };
        let shown = self.root.show(&self.path_in_tree(name)).display().to_string();
        remove().map_err(Problem::cannot("remove", shown))
    }
}
