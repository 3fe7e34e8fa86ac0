//! A tar stream as a file: as it is, or as the file system image that a program makes
//! of it. The file appears under its name when it is complete and synced.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::problem::Problem;
use crate::sys::{Child, ChildFailure, DirectoryWriter, FileMetadata, NewFile, OutputTail, Root, Staging};
use crate::tar::{EntryContent, TarEntry, TarWriter};

/// What a store is packed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// A tar stream.
    Tar,
    /// A squashfs image.
    Squashfs,
    /// An erofs image.
    Erofs,
}

/// A file that is being written.
pub(super) struct ImageFile {
    // First, so that a program is gone before the directory it works in.
    to: To,
    dir: DirectoryWriter,
    name: Vec<u8>,
    /// Where the file is made: nobody else can put something in its way there.
    staging: Staging,
    shown: String,
    sync: bool,
}

enum To {
    File(NewFile),
    Program(&'static str, Child),
    Closed,
}

impl ImageFile {
    /// Begins. `time` is that of the newest file, in seconds since 1970; a file system
    /// image has it as the time when it was made.
    ///
    /// # Errors
    /// If there is no such program, or the file cannot be made.
    pub(super) fn begin(
        root: &Root,
        path: &Path,
        kind: ImageFormat,
        time: i64,
        sync: bool,
    ) -> Result<Self, Problem> {
        let shown = root.show(path).display().to_string();
        let at = root.resolve(path).map_err(Problem::cannot("write", &shown))?;
        match root.stat_link(&at).map_err(Problem::cannot("look at", &shown))? {
            Some(stat) if stat.kind != crate::sys::FileKind::File => {
                let message = format!("`{shown}` already exists, and is not a file");
                return Err(Problem::new("output-exists", message, "give another file, or remove it"));
            }
            _ => {}
        }
        let mut dir = root
            .directory_writer(at.parent())
            .map_err(Problem::cannot("write to the directory of", &shown))?;
        let name = at.name().as_encoded_bytes().to_vec();
        let staging = dir.staging().map_err(Problem::cannot("create a directory beside", &shown))?;
        let mut pack = Self { dir, name, staging, shown, to: To::Closed, sync };
        pack.to = pack.open(kind, time)?;
        Ok(pack)
    }

    fn open(&mut self, kind: ImageFormat, time: i64) -> Result<To, Problem> {
        let cannot = |error| Problem::io("create", &self.shown, &error);
        let beside = Path::new(".").join(OsStr::from_bytes(&self.name));
        let seconds = u32::try_from(time).unwrap_or(0).to_string();
        Ok(match kind {
            ImageFormat::Tar => To::File(self.staging.dir.create_file(&self.name).map_err(cannot)?),
            ImageFormat::Squashfs => {
                let needed = "squashfs-tools 4.5";
                let mut command = as_root("mksquashfs", "-version", needed)?;
                // sqfstar is this program with these words, but 4.5 of it takes no level. At 6 it
                // is several times as fast as at 15, the default, and 2% larger; blocks of
                // 256 KiB save more than that.
                command.arg("-").arg(&beside).args(["-tar", "-noappend", "-quiet", "-no-progress"]);
                command.args(["-exit-on-error", "-comp", "zstd", "-Xcompression-level", "6", "-b", "256K"]);
                // Not a quarter of all memory: it would take that and be no faster.
                command.args(["-mem", "128M"]);
                command.args(["-root-mode", "0755", "-root-uid", "0", "-root-gid", "0"]);
                // The root has the time of now, and 4.5 does not heed -root-time. But no
                // time in the image is later than this, and of all else none is.
                command.env("SOURCE_DATE_EPOCH", &seconds);
                command.current_dir(self.staging.dir.for_child());
                To::Program("mksquashfs", program("mksquashfs", needed, command)?)
            }
            ImageFormat::Erofs => {
                erofs_reads_tar()?;
                let mut command = Command::new("mkfs.erofs");
                command.env_remove("SOURCE_DATE_EPOCH");
                command.args(["--quiet", "--tar=f", "-zlz4hc", "-U00000000-0000-0000-0000-000000000000"]);
                command.arg(format!("-T{seconds}")).arg(&beside).current_dir(self.staging.dir.for_child());
                let mut child = program("mkfs.erofs", "erofs-utils 1.7", command)?;
                // Or the root belongs to whoever runs it, and everybody may write to it. That
                // it does not take this is told with what comes next.
                let _ = root_entry(child.stdin().expect("it is a pipe"), time);
                To::Program("mkfs.erofs", child)
            }
        })
    }

    /// Where the stream goes.
    pub(super) fn stream(&mut self) -> BufWriter<&mut dyn Write> {
        let stream: &mut dyn Write = match &mut self.to {
            To::File(file) => file,
            To::Program(_, child) => child.stdin().expect("it is a pipe"),
            To::Closed => unreachable!("the stream is written before it is closed"),
        };
        BufWriter::with_capacity(256 << 10, stream)
    }

    /// The problem that `error` is, which writing the stream gave.
    pub(super) fn problem(mut self, error: &io::Error) -> Problem {
        if let Err(problem) = self.close() {
            return problem;
        }
        Problem::io("write", &self.shown, error)
    }

    fn close(&mut self) -> Result<(), Problem> {
        let To::Program(name, child) = std::mem::replace(&mut self.to, To::Closed) else {
            return Ok(());
        };
        child.wait().map(drop).map_err(|failure| {
            if failure.found_disk_full() {
                let message = format!("there is no space left for `{}`", self.shown);
                return Problem::new("disk-full", message, "free some, or write the file somewhere else");
            }
            let message = format!("`{name}` failed to make `{}`: {failure}", self.shown);
            Problem::new("program-failed", message, "fix what it reports, such as free space, and try again")
        })
    }

    /// Ends: the file gets its name.
    ///
    /// # Errors
    /// If the program failed, or the file cannot be synced; there is no new file then.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        let file = match std::mem::replace(&mut self.to, To::Closed) {
            To::File(file) => Some(file),
            to => {
                self.to = to;
                None
            }
        };
        self.close()?;
        let cannot = |error| Problem::io("write", &self.shown, &error);
        let file = match file {
            Some(file) => file,
            None => self.staging.dir.open_file(&self.name).map_err(cannot)?,
        };
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        file.open_to_all(&FileMetadata { mode: 0o644, uid, gid, mtime: (0, 0), attributes: &[] })
            .map_err(cannot)?;
        if self.sync {
            file.sync().map_err(cannot)?;
        }
        self.staging.dir.move_over_in(&self.name, &mut self.dir, &self.name).map_err(cannot)?;
        if self.sync {
            self.dir.sync().map_err(cannot)?;
        }
        Ok(())
    }
}

/// The entry of a stream for the directory that everything is in.
fn root_entry(stream: &mut dyn Write, time: i64) -> io::Result<()> {
    let item = TarEntry { mode: 0o755, uid: 0, gid: 0, mtime: (time, 0), attributes: &[] };
    TarWriter::new(stream).write_header(b"./", &item, EntryContent::Directory)
}

fn missing(name: &str, needed: &str, why: &str) -> Problem {
    let message = format!("`{name}`, which creates the image, {why}");
    let hint = format!("install {needed} or newer, or write a `.tar` file");
    Problem::new("program-missing", message, hint)
}

/// A command for `name` in which it takes itself for root. mksquashfs 4.5 gives the topmost
/// directory to whoever runs it, whatever it is told; the image shall be the same whoever
/// makes it. Where nobody may have a user namespace, that is how it stays.
///
/// # Errors
/// `program-missing`
fn as_root(name: &'static str, harmless: &str, needed: &str) -> Result<Command, Problem> {
    let is_there = Command::new(name).arg(harmless).stdin(Stdio::null()).output();
    if is_there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Err(missing(name, needed, "is not installed"));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(Command::new(name));
    }
    let mut outer = Command::new("unshare");
    outer.arg("--map-root-user");
    let may = Command::new("unshare").args(["--map-root-user", "true"]).stdin(Stdio::null()).output();
    if may.is_ok_and(|output| output.status.success()) {
        outer.args(["--", name]);
        return Ok(outer);
    }
    Ok(Command::new(name))
}

fn program(name: &'static str, needed: &str, mut command: Command) -> Result<Child, Problem> {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    Child::start(command, OutputTail::Stderr).map_err(|failure| match failure {
        ChildFailure::NotInstalled => missing(name, needed, "is not installed"),
        failure => Problem::new("program-missing", format!("cannot run `{name}`: {failure}"), "fix that"),
    })
}

/// Debian 12's mkfs.erofs, 1.5, reads directories only.
fn erofs_reads_tar() -> Result<(), Problem> {
    let needed = "erofs-utils 1.7";
    let knows = |said: &[u8]| said.windows(5).any(|word| word == b"--tar");
    match Command::new("mkfs.erofs").arg("--help").output() {
        Ok(output) if [&output.stdout, &output.stderr].iter().any(|said| knows(said)) => Ok(()),
        Ok(_) => Err(missing("mkfs.erofs", needed, "is too old to read a tar stream")),
        Err(_) => Err(missing("mkfs.erofs", needed, "is not installed")),
    }
}
