//! The only place that touches the disk.
//!
//! Everything goes through a [`Root`]: the running system's, or a tree given
//! with `--root`. Inside a tree a path is resolved as the tree's own kernel
//! would resolve it (an absolute symlink means a path inside the tree), and
//! nothing outside is ever read or written. Directory descriptors are held for
//! as long as something is done in them, so that a directory that is renamed or
//! replaced meanwhile changes nothing.

mod attributes;
mod child;
mod composefs;
mod copy;
mod directory_writer;
mod engine_processes;
mod exchange;
mod file_part;
mod flock;
mod free_space;
mod lock;
mod mode;
mod mount_point;
mod mounting;
mod namespace;
mod passwd;
mod private_dir;
mod processor;
mod reboot;
mod record_lock;
mod removal;
mod rename;
mod replace;
mod root;
mod running;
mod selinux;
mod small_changes;
mod staging;
mod subtree;
mod threads;
mod walk;

pub use attributes::Attributes;
pub use child::{Child, ChildFailure, OutputTail};
pub use composefs::composefs;
pub use directory_writer::{DirectoryWriter, FileMetadata, NewFile, SpecialFile};
pub use engine_processes::{EngineProcess, engine_processes_at};
pub use file_part::FilePart;
pub use free_space::FreeSpace;
pub use lock::{Lock, LockError, lock};
pub use mount_point::{Mounts, is_mount_point};
pub use mounting::{is_mounted, mount_by_unit, unmount};
pub use namespace::is_hidden_here;
pub use passwd::{Account, accounts};
pub use private_dir::PrivateDir;
pub use processor::PROCESSOR;
pub use record_lock::RecordLock;
pub use rename::rename;
pub use replace::{NewContent, ReplaceError, Replaced, clean_up, is_temporary_of, replace, temporary};
pub use root::{FileKind, Root, Stat, absent, is_loop};
pub use running::{crio_runs, is_booted, listens, printed_version, restart_crio};
pub use selinux::{SelinuxAccess, is_forbidden_by_selinux};
pub use staging::{STAGING, Staging};
pub use subtree::{Directory, OpenFile, Special, Subtree, SubtreeNode};
pub use threads::on_threads;
pub use walk::{Resolved, TrailStep};
