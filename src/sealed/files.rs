//! What a package holds beside the squashfs files; pure.

use std::path::{Path, PathBuf};

use super::unit::{mount_unit, mount_unit_name};
use crate::conf::quoted;
use crate::declare::{SEALED_STORES, VENDOR, is_name};
use crate::problem::Problem;
use crate::store::{AWAITING, MARKER, store_path};

/// Directories that other packages have, so that no package of images owns them: the
/// system's, systemd's and storagectl's.
pub(crate) const OF_OTHERS: [&str; 23] = [
    "/",
    "/etc",
    "/opt",
    "/srv",
    "/usr",
    "/usr/lib",
    "/usr/lib/containers",
    "/usr/lib/storagectl",
    "/usr/lib/storagectl/stores.d",
    "/usr/lib/systemd",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system/basic.target.wants",
    "/usr/lib/systemd/system/multi-user.target.wants",
    "/usr/lib/tmpfiles.d",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/opt",
];

/// What makes something a file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShippedKind {
    /// A directory.
    Directory,
    /// A regular file with this text.
    File(String),
    /// A symlink with this target.
    Link(String),
}

/// Something that a package owns, as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippedFile {
    /// Its absolute path.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub what: ShippedKind,
}

/// A package of sealed stores.
#[derive(Debug, Clone, Copy)]
pub struct SealedPackage<'a> {
    /// The package's name: also that of the declaration.
    pub name: &'a str,
    /// The directory of the squashfs files.
    pub base: &'a str,
    /// What names each squashfs file, and tells it from those of other versions: for a
    /// single one version and release, such as `1.0-1`; for one of several something that
    /// stays while its content does, such as `web-3f2a9c81d0b2`.
    pub builds: &'a [String],
}

/// Where the squashfs file of a build is.
pub fn image_path(base: &str, build: &str) -> PathBuf {
    Path::new(base).join(format!("{build}.squashfs"))
}

/// Where it is mounted.
pub fn mount_point(name: &str, build: &str) -> PathBuf {
    Path::new(SEALED_STORES).join(format!("{name}-{build}"))
}

fn text(path: String, text: String) -> ShippedFile {
    ShippedFile { path: path.into(), mode: 0o644, what: ShippedKind::File(text) }
}

impl SealedPackage<'_> {
    /// Everything that the package must own beside the squashfs files themselves, which
    /// belong at [`image_path`] with mode 0644: sorted, directories before what is in them.
    ///
    /// # Errors
    /// A [`Problem`] `sealed-name` if the name or a build cannot be part of a path in
    /// storage.conf, or a build is given twice; those of [`store_path`] for the base.
    pub fn files(&self) -> Result<Vec<ShippedFile>, Problem> {
        let base = self.checked()?;
        let mut files: Vec<ShippedFile> = Path::new(&base)
            .ancestors()
            .filter(|dir| !OF_OTHERS.iter().any(|system| *dir == Path::new(system)))
            .map(|dir| ShippedFile { path: dir.to_owned(), mode: 0o755, what: ShippedKind::Directory })
            .collect();
        let mut declaration = String::new();
        let mut tmpfiles = String::from(
            "# Sealed image stores, empty until they are mounted. At boot only: what is mounted is\n\
             # read-only. storagectl-apply(1) does the same when the package is installed.\n",
        );
        for build in self.builds {
            let (image, at) = (image_path(&base, build), mount_point(self.name, build));
            let (image, at) = (image.to_string_lossy(), at.to_string_lossy());
            if !declaration.is_empty() {
                declaration.push('\n');
            }
            declaration += &format!("[[store]]\npath = {}\nsealed = {}\n", quoted(&at), quoted(&image));
            tmpfiles += &empty_store(&at, &image);
            let unit = mount_unit_name(&at);
            let link = format!("{UNITS}/basic.target.wants/{unit}").into();
            files.push(ShippedFile {
                path: link,
                mode: 0o777,
                what: ShippedKind::Link(format!("../{unit}")),
            });
            files.push(text(format!("{UNITS}/{unit}"), mount_unit(self.name, build, &image, &at)));
        }
        files.push(text(format!("{VENDOR}/{}.toml", self.name), declaration));
        files.push(text(format!("/usr/lib/tmpfiles.d/storagectl-{}.conf", self.name), tmpfiles));
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// The base, cleaned, if everything can be part of a path.
    fn checked(&self) -> Result<String, Problem> {
        let refused = |what: &str, hint: &str| {
            let message = format!("a sealed store cannot be named `{}`", what.escape_debug());
            Problem::new("sealed-name", message, hint)
        };
        let plain = "use letters, digits and `._@+-~^`";
        if !is_name(self.name) {
            return Err(refused(self.name, "use letters, digits and `._@+-`"));
        }
        for (index, build) in self.builds.iter().enumerate() {
            if build.is_empty() || !build.bytes().all(is_plain) {
                return Err(refused(build, plain));
            }
            if self.builds[..index].contains(build) {
                return Err(refused(build, "give each of its stores a name of its own"));
            }
        }
        let base = store_path(self.base.as_ref())?;
        match base.bytes().all(|byte| byte == b'/' || is_plain(byte)) {
            true => Ok(base),
            false => Err(refused(&base, plain)),
        }
    }
}

/// Where packages have units.
const UNITS: &str = "/usr/lib/systemd/system";

/// Whether a character means nothing but itself in units, in tmpfiles.d(5) and in
/// storage.conf. RPM's versions have no others.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._@+-~^".contains(&byte)
}

/// The lines of tmpfiles.d(5) that make an empty store at `at`, where `image` is to be
/// mounted. The exclamation mark makes them lines for the boot alone.
fn empty_store(at: &str, image: &str) -> String {
    format!(
        "d! {at} 0755 root root -\n\
         d! {at}/overlay-images 0755 root root -\n\
         d! {at}/overlay-layers 0755 root root -\n\
         f! {at}/overlay-images/images.lock 0644 root root -\n\
         f! {at}/overlay-layers/layers.lock 0644 root root -\n\
         f! {at}/{MARKER} 0644 root root -\n\
         f! {at}/{AWAITING} 0644 root root - {image}\\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_holds_a_unit_a_mount_point_for_the_boot_and_a_declaration() {
        let package = SealedPackage {
            name: "user-app",
            base: "/usr/lib/user-app/containers/",
            builds: &["1.0-1".to_owned()],
        };
        let files = package.files().unwrap();
        let all: String = files
            .iter()
            .map(|file| match &file.what {
                ShippedKind::Directory => format!("== {:o} {}/\n", file.mode, file.path.display()),
                ShippedKind::Link(target) => format!("== {} -> {target}\n", file.path.display()),
                ShippedKind::File(text) => format!("== {:o} {}\n{text}", file.mode, file.path.display()),
            })
            .collect();
        insta::assert_snapshot!(all, @r#"
        == 644 /usr/lib/storagectl/stores.d/user-app.toml
        [[store]]
        path = "/run/storagectl/stores/user-app-1.0-1"
        sealed = "/usr/lib/user-app/containers/1.0-1.squashfs"
        == /usr/lib/systemd/system/basic.target.wants/run-storagectl-stores-user\x2dapp\x2d1.0\x2d1.mount -> ../run-storagectl-stores-user\x2dapp\x2d1.0\x2d1.mount
        == 644 /usr/lib/systemd/system/run-storagectl-stores-user\x2dapp\x2d1.0\x2d1.mount
        [Unit]
        Description=Container images of user-app, 1.0-1
        Documentation=man:storagectl-apply(1)
        DefaultDependencies=no
        # Until then the mount point is an empty store, which tmpfiles.d makes.
        After=systemd-tmpfiles-setup.service
        Before=storagectl-apply.service basic.target
        Before=crio-wipe.service crio.service kubelet.service microshift.service
        Before=podman.service podman.socket podman-restart.service podman-auto-update.service podman-clean-transient.service
        Conflicts=umount.target
        Before=umount.target

        [Mount]
        What=/usr/lib/user-app/containers/1.0-1.squashfs
        Where=/run/storagectl/stores/user-app-1.0-1
        Type=squashfs
        Options=loop,ro,nosuid,nodev,context=system_u:object_r:container_ro_file_t:s0
        # That the mount point is not empty is no news.
        LogLevelMax=warning
        == 644 /usr/lib/tmpfiles.d/storagectl-user-app.conf
        # Sealed image stores, empty until they are mounted. At boot only: what is mounted is
        # read-only. storagectl-apply(1) does the same when the package is installed.
        d! /run/storagectl/stores/user-app-1.0-1 0755 root root -
        d! /run/storagectl/stores/user-app-1.0-1/overlay-images 0755 root root -
        d! /run/storagectl/stores/user-app-1.0-1/overlay-layers 0755 root root -
        f! /run/storagectl/stores/user-app-1.0-1/overlay-images/images.lock 0644 root root -
        f! /run/storagectl/stores/user-app-1.0-1/overlay-layers/layers.lock 0644 root root -
        f! /run/storagectl/stores/user-app-1.0-1/.storagectl-store 0644 root root -
        f! /run/storagectl/stores/user-app-1.0-1/.storagectl-sealed 0644 root root - /usr/lib/user-app/containers/1.0-1.squashfs\n
        == 755 /usr/lib/user-app/
        == 755 /usr/lib/user-app/containers/
        "#);
    }

    #[test]
    fn names_that_would_mean_something_else_are_refused() {
        for (name, base, builds) in [
            ("a b", "/usr/lib/a", ["1"].as_slice()),
            ("a", "/usr/lib/a", &[""]),
            ("a", "/usr/lib/a", &["1%2"]),
            ("a", "/usr/lib/a", &["../1"]),
            ("a", "/usr/lib/a", &["1", "1"]),
            ("a", "/usr/lib/a b", &["1"]),
            ("a", "usr/lib/a", &["1"]),
        ] {
            let builds: Vec<String> = builds.iter().map(|&build| build.to_owned()).collect();
            assert!(
                SealedPackage { name, base, builds: &builds }.files().is_err(),
                "{name} {base} {builds:?}"
            );
        }
    }
}
