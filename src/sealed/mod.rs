//! Sealed stores: a store as one squashfs file that a package ships and systemd mounts.
//!
//! What RPM and ostree lose or refuse, numeric owners, attributes, device nodes, stays
//! inside the file. What lives on a host is:
//!
//! - the file, `BASE/BUILD.squashfs`;
//! - a mount point, `/run/storagectl/stores/NAME-BUILD`, which is itself a valid, empty,
//!   marked store before anything is mounted there;
//! - a mount unit with a static link, and the lines of tmpfiles.d(5) that make the mount
//!   point at each boot before that;
//! - a declaration that says both the mount point and the file.
//!
//! # Why the mount point is in /run
//!
//! No path of a package may lie under a mount. rpm refuses to install a package again
//! that owns files there (`needs 5 more inodes on the filesystem`, since a squashfs has
//! none free), and an upgrade or an erase warns for each file (`Read-only file system`,
//! `Device or resource busy`) and leaves all of it behind. In /usr nobody else could make
//! a mount point where an image is read-only. In /run systemd makes it everywhere, and
//! what is left of an old one is gone with the next boot.
//!
//! # Why the build is in the paths
//!
//! An upgrade brings another file, another mount point and another unit beside the old
//! ones. rpm deletes the old file; the loop device keeps it until it is not mounted any
//! more. So [`apply()`] can mount and list the new store at once, and keep the old one,
//! behind the new, while a container or an image of an own storage builds on it, or an
//! engine runs that was started with it. A reboot ends all of that: there is only the new
//! one then.

mod apply;
mod files;
mod unit;

pub use apply::{apply, keep_former, unmounted};
pub(crate) use files::OF_OTHERS;
pub use files::{SealedPackage, ShippedFile, ShippedKind, image_path, mount_point};
pub use unit::mount_unit_name;
