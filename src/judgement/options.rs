//! What the storage driver makes of its options.
//!
//! `parseOptions` in drivers/overlay, drivers/btrfs and drivers/zfs of the storage library,
//! `Init` in drivers/vfs and drivers/overlay. A driver stops on an option that it does not
//! know. In the legacy generation an option carries the name of the driver that is set; in
//! the modern one an option of `[storage.options]` is for any driver, one of a driver's
//! table for that one alone.

use std::path::Path;

use super::{Case, go, path_of};
use crate::conf::schema;
use crate::engine::{DriverOption, Effect, FileAt, Profile, Reason};
use crate::sys::FileKind;

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<Reason>) {
    if let Some(reason) = unknown_driver(case) {
        // It gets no option.
        return reasons.push(reason);
    }
    for option in &case.reading.options {
        if option.key.is_empty() {
            let message = format!("unable to parse key/value option: {}", option.value.value);
            let hint = "write it as `KEY=VALUE`";
            let reason = Reason::stops("engine-stops", message, hint);
            reasons.push(reason.at(option.value.origin.site().cloned()));
            continue;
        }
        match named(case, option) {
            Named::Other => {}
            Named::This(name) => reasons.extend(value(case, option, &name)),
            Named::Unknown => reasons.push(rejected(case, option)),
        }
    }
    if case.driver == "overlay" {
        reasons.extend(force_mask_alone(case));
        reasons.extend(mount_options(case));
        reasons.extend(composefs(case));
        reasons.extend(quota(case));
    }
}

/// An option as the driver in use finds it.
enum Named {
    /// It is for another driver.
    Other,
    /// Its name.
    This(String),
    /// The driver does not know it.
    Unknown,
}

fn named(case: &Case<'_>, option: &DriverOption) -> Named {
    let key = option.key.to_ascii_lowercase();
    let name = if case.profile().is_modern() {
        // `ParseDriverOption` in internal/driver/driver.go.
        match key.split_once('.') {
            None => key.as_str(),
            Some(("", name)) => name,
            Some((driver, name))
                if driver == case.driver || (driver, case.driver) == ("overlay2", "overlay") =>
            {
                name
            }
            Some((driver, _)) if driver == "overlay2" || schema::DRIVERS.contains(&driver) => {
                return Named::Other;
            }
            Some(_) => return Named::Unknown,
        }
    } else {
        match case.driver {
            "overlay" => {
                let trimmed = key.strip_prefix("overlay.").unwrap_or(&key);
                let trimmed = trimmed.strip_prefix("overlay2.").unwrap_or(trimmed);
                trimmed.strip_prefix('.').unwrap_or(trimmed)
            }
            "vfs" => match key.strip_prefix("vfs.").or_else(|| key.strip_prefix('.')) {
                Some(name) => name,
                None => return Named::Unknown,
            },
            driver => match key.strip_prefix(driver).and_then(|rest| rest.strip_prefix('.')) {
                Some(name) => name,
                None => return Named::Unknown,
            },
        }
    };
    let modern = case.profile().is_modern();
    let known: &[&str] = match case.driver {
        "overlay" => &[
            "override_kernel_check",
            "mountopt",
            "size",
            "inodes",
            "imagestore",
            "additionalimagestore",
            "additionallayerstore",
            "use_composefs",
            "mount_program",
            "skip_mount_home",
            "ignore_chown_errors",
            "force_mask",
            "sync",
        ],
        // `sync` is compared with a prefix that has been cut off by then.
        "vfs" => &["imagestore", "ignore_chown_errors"],
        "btrfs" if modern => &["min_space", "size"],
        "btrfs" => &["min_space"],
        "zfs" => &["fsname", "mountopt"],
        _ => &[],
    };
    let since = match name {
        "use_composefs" => 52,
        "sync" => schema::MODERN,
        _ => 0,
    };
    if known.contains(&name) && case.profile().library() >= since {
        Named::This(name.to_owned())
    } else {
        Named::Unknown
    }
}

fn unknown_driver(case: &Case<'_>) -> Option<Reason> {
    let set = case.reading.driver.as_ref()?;
    if schema::DRIVERS.contains(&case.driver) {
        return None;
    }
    let name = case.driver;
    let hint = match schema::nearest(name, schema::DRIVERS.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of `{}`", schema::DRIVERS.join("`, `")),
    };
    let message = format!("no engine has a storage driver `{name}`");
    Some(Reason::stops("unknown-driver", message, hint).at(set.origin.site().cloned()))
}

fn rejected(case: &Case<'_>, option: &DriverOption) -> Reason {
    let driver = case.driver;
    let message = format!("the storage driver `{driver}` does not take `{}`", option.set_by);
    let hint = format!("remove it, or use a driver that takes it; `{driver}` is set by `storage.driver`");
    let reason = Reason::stops("rejected-option", message, hint).at(option.value.origin.site().cloned());
    match option.name().as_str() {
        "imagestore" => reason.about(path_of(&option.value.value)),
        _ => reason,
    }
}

/// What is wrong with the value of an option that the driver knows.
fn value(case: &Case<'_>, option: &DriverOption, name: &str) -> Vec<Reason> {
    let text = option.value.value.as_str();
    let stops = |id, message: String, hint: &str| {
        vec![Reason::stops(id, message, hint).at(option.value.origin.site().cloned())]
    };
    let wants = |ok: bool, wanted: &str| {
        if ok {
            return Vec::new();
        }
        let message = format!("`{}` must be {wanted}, but is `{text}`", option.set_by);
        stops("bad-value", message, "write such a value, or remove the setting: there is a default")
    };
    match name {
        // Library 1.43 drops this one error.
        "skip_mount_home" if case.profile() == Profile::Podman4 => Vec::new(),
        "skip_mount_home" | "ignore_chown_errors" | "use_composefs" => {
            wants(go::is_bool(text), "`\"true\"` or `\"false\"`")
        }
        "size" | "min_space" => wants(go::size(text, case.profile()).is_some(), "a size such as `10G`"),
        "inodes" => wants(go::unsigned(text).is_some(), "a whole number"),
        // `ParseSyncMode` in drivers/driver.go.
        "sync" => {
            let known = ["", "none", "filesystem"].contains(&text.trim().to_lowercase().as_str());
            wants(known, "`none` or `filesystem`")
        }
        "force_mask" if text.starts_with('-') && text.len() == 10 => stops(
            "force-mask-integer",
            format!("`{}` is an integer, which engines before podman 6 garble", option.set_by),
            &format!("write `force_mask = \"{}\"` in `[storage.options.overlay]` instead", octal(text)),
        ),
        "force_mask" => wants(
            ["shared", "private"].contains(&text) || go::is_octal(text),
            "`shared`, `private` or an octal number such as `0755`",
        ),
        "mount_program" => mount_program(case, option, text),
        "additionallayerstore" if !text.is_empty() => {
            text.split(',').filter_map(|entry| layer_store(case, option, entry)).collect()
        }
        _ => Vec::new(),
    }
}

/// The number behind `-rwxr-xr-x`.
fn octal(mode: &str) -> String {
    let bits = mode[1..].chars().fold(0_u32, |bits, letter| bits << 1 | u32::from(letter != '-'));
    format!("{bits:04o}")
}

fn mount_program(case: &Case<'_>, option: &DriverOption, path: &str) -> Vec<Reason> {
    if path.is_empty() || case.root().is_none() {
        return Vec::new();
    }
    match case.view.find(Path::new(path)) {
        FileAt::Thing(_) => Vec::new(),
        FileAt::Nothing | FileAt::Closed(_) => vec![
            Reason::stops(
                "mount-program-missing",
                format!("the mount program `{path}` does not exist"),
                "install it, or remove this setting: the kernel mounts overlays itself",
            )
            .at(option.value.origin.site().cloned()),
        ],
    }
}

/// An entry of `additionallayerstores`: a directory, and behind a colon how it is asked.
fn layer_store(case: &Case<'_>, option: &DriverOption, entry: &str) -> Option<Reason> {
    let stops = |what: String| {
        let hint = "give a directory that exists, and `:ref` after it at most; or remove this entry";
        let message = format!("the additional layer store `{entry}` {what}");
        let reason = Reason::stops("layer-store", message, hint);
        Some(reason.at(option.value.origin.site().cloned()))
    };
    let mut parts = entry.split(':');
    let path = path_of(parts.next().unwrap_or_default());
    if !path.starts_with('/') {
        return stops("is not an absolute path".to_owned());
    }
    if case.root().is_some() {
        match case.view.find(Path::new(&path)) {
            FileAt::Thing(stat) if stat.kind == FileKind::Directory => {}
            FileAt::Thing(_) => return stops("is not a directory".to_owned()),
            FileAt::Nothing => return stops("does not exist".to_owned()),
            FileAt::Closed(why) => return stops(format!("cannot be accessed ({why})")),
        }
    }
    let mut with_reference = false;
    for attribute in parts {
        match attribute {
            "ref" if with_reference => return stops("has `:ref` twice".to_owned()),
            "ref" => with_reference = true,
            other => return stops(format!("has the unknown attribute `:{other}`")),
        }
    }
    None
}

/// The last value of an option of the overlay driver, which is the one that counts.
fn last<'c>(case: &'c Case<'_>, name: &str) -> Option<&'c DriverOption> {
    let this = |option: &&DriverOption| matches!(named(case, option), Named::This(found) if found == name);
    case.reading.options.iter().rfind(this)
}

/// What an engine does that starts and then cannot mount a container.
const RUN: Effect = Effect::StopsUse("cannot run a container", "cannot run a container");

/// podman 4's driver refuses it (`Init` in drivers/overlay/overlay.go of library 1.43); later
/// ones refuse to mount a container with it.
fn force_mask_alone(case: &Case<'_>) -> Option<Reason> {
    let mask = last(case, "force_mask")?;
    if has_mount_program(case) {
        return None;
    }
    let message = "`force_mask` is set and `mount_program` is not";
    let hint = "set `mount_program` to fuse-overlayfs, which shows containers the real modes, or remove it";
    let reason = Reason::stops("force-mask-alone", message, hint).at(mask.value.origin.site().cloned());
    Some(if case.profile() == Profile::Podman4 { reason } else { reason.with(RUN) })
}

fn has_mount_program(case: &Case<'_>) -> bool {
    last(case, "mount_program").is_some_and(|program| !program.value.value.is_empty())
}

/// Words of a mount that the library takes for flags (`flags` in pkg/mount/flags_linux.go)
/// and options of overlayfs.
const MOUNT_WORDS: [&str; 45] = [
    "",
    "async",
    "atime",
    "bind",
    "defaults",
    "default_permissions",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "index",
    "mand",
    "metacopy",
    "nfs_export",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "nomand",
    "nooverride_creds",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "override_creds",
    "private",
    "rbind",
    "redirect_dir",
    "relatime",
    "remount",
    "rprivate",
    "rshared",
    "rslave",
    "runbindable",
    "rw",
    "shared",
    "slave",
    "strictatime",
    "suid",
    "sync",
    "unbindable",
    "userxattr",
    "uuid",
    "verity",
    "volatile",
    "xino",
];

/// The kernel refuses words that it does not know when a container is mounted, and those of
/// another program are that program's to know. With some, a test mount at start fails.
fn mount_options(case: &Case<'_>) -> Vec<Reason> {
    let Some(option) = last(case, "mountopt").filter(|_| !has_mount_program(case)) else {
        return Vec::new();
    };
    let reason = |word: &str| {
        let key = word.split_once('=').map_or(word, |(key, _)| key);
        let at_start = ["ro", "lowerdir", "upperdir", "workdir"].contains(&key);
        if MOUNT_WORDS.contains(&key) {
            return None;
        }
        let message = format!("overlay has no mount option `{word}`, which `{}` sets", option.set_by);
        let hint = "remove it, or set the `mount_program` that knows it";
        let reason = Reason::stops("mount-option", message, hint).at(option.value.origin.site().cloned());
        Some(if at_start { reason } else { reason.with(RUN) })
    };
    option.value.value.split(',').filter_map(reason).collect()
}

/// Where programs are looked for.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// `Init` in drivers/overlay/overlay.go: root's engines need a helper, those of others do
/// not support it.
fn composefs(case: &Case<'_>) -> Option<Reason> {
    let option = last(case, "use_composefs").filter(|option| go::is_true(&option.value.value))?;
    let stops = |message: &str, hint: &str| {
        Some(Reason::stops("composefs", message, hint).at(option.value.origin.site().cloned()))
    };
    if case.view.is_limited() {
        return stops(
            "`use_composefs` is set, which the engines of normal users do not support",
            "set it in /etc/containers/storage.rootful.conf.d, for root alone",
        );
    }
    let root = case.root()?;
    let has =
        |name: &str| PATH.iter().any(|dir| matches!(root.stat(&Path::new(dir).join(name)), Ok(Some(_))));
    // Where no engine is yet, its helper may come with it.
    let comes = || root.is_tree() && !["podman", "crio", "buildah", "skopeo"].into_iter().any(has);
    if has("mkcomposefs") || comes() {
        return None;
    }
    stops(
        "`use_composefs` is set, and there is no `mkcomposefs`",
        "install composefs, or remove this setting",
    )
}

/// The file system type of XFS, statfs(2).
const XFS: i64 = 0x5846_5342;

/// `Init` in drivers/overlay/overlay.go: limits need XFS. Whether it has project quotas
/// cannot be told from outside. In a tree it is another file system that counts.
fn quota(case: &Case<'_>) -> Option<Reason> {
    let size = |option: &&DriverOption| {
        go::size(&option.value.value, case.profile()).is_some_and(|size| size >= 1.0)
    };
    let inodes = |option: &&DriverOption| go::unsigned(&option.value.value).is_some_and(|inodes| inodes > 0);
    let option = last(case, "size").filter(size).or_else(|| last(case, "inodes").filter(inodes))?;
    let root = case.root().filter(|root| !root.is_tree())?;
    let graphroot = case.reading.graphroot.as_ref()?;
    if root.file_system(Path::new(&graphroot.value))? == XFS {
        return None;
    }
    let message = format!(
        "`{}` is set, and the file system of `{}` is not XFS, which alone can limit containers",
        option.set_by, graphroot.value
    );
    let hint = "remove it, or put the storage on XFS that is mounted with `pquota`";
    Some(Reason::stops("quota", message, hint).at(option.value.origin.site().cloned()))
}
