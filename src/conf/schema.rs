//! Every key of storage.conf that an engine knows or has known.
//!
//! The rows are the structs that the engines decode the file into: `TomlConfig`
//! (types/options.go) and `OptionsConfig` with its driver tables
//! (pkg/config/config.go) of the storage library, and the keys that
//! pkg/chunked/storage_linux.go takes from `pull_options`. They were compared in
//! library 1.43 (podman 4.3), 1.62 (podman 5.8) and 1.65 (podman 6); when a key
//! came or went in between is from the library's history.
//!
//! Versions are the minor number of the storage library: 43 is 1.43.

use super::key_case::{folded, is_same};

/// The type of value that a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A string.
    String,
    /// A TOML boolean.
    Boolean,
    /// A boolean in quotes: `"true"`. A bare one is a type error.
    StringBoolean,
    /// A whole number that fits into 32 bits, without a sign.
    Integer,
    /// An array of strings.
    Strings,
}

impl ValueType {
    /// What a value of this kind is called.
    pub fn describe(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Boolean => "a boolean",
            Self::StringBoolean => "a boolean in quotes",
            Self::Integer => "an integer",
            Self::Strings => "an array of strings",
        }
    }
}

/// What has become of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It is read.
    Current,
    /// It is read, and will go: since which version, and what replaces it.
    Deprecated(u16, &'static str),
    /// It is not read from this version on, and what replaces it.
    Removed(u16, &'static str),
    /// It is decoded and then nothing is done with it; where it has an effect.
    Ignored(&'static str),
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaKey {
    /// The dotted name of its table.
    pub table: &'static str,
    /// Its name in there.
    pub name: &'static str,
    /// What it takes.
    pub kind: ValueType,
    /// The first version that knows it; 0 for those that were always there.
    pub since: u16,
    /// What has become of it.
    pub state: KeyState,
}

impl SchemaKey {
    /// The dotted name.
    pub fn dotted(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    /// Whether the library of this version decodes it.
    pub fn is_known_to(&self, version: u16) -> bool {
        let gone = matches!(self.state, KeyState::Removed(from, _) if version >= from);
        version >= self.since && !gone
    }
}

const fn row(table: &'static str, name: &'static str, kind: ValueType) -> SchemaKey {
    SchemaKey { table, name, kind, since: 0, state: KeyState::Current }
}

const fn since(version: u16, known: SchemaKey) -> SchemaKey {
    SchemaKey { since: version, ..known }
}

const fn but(state: KeyState, known: SchemaKey) -> SchemaKey {
    SchemaKey { state, ..known }
}

/// The version that first had drop-ins.
pub const MODERN: u16 = 63;

const STORAGE: &str = "storage";
const OPTIONS: &str = "storage.options";
const OVERLAY: &str = "storage.options.overlay";
const VFS: &str = "storage.options.vfs";
const BTRFS: &str = "storage.options.btrfs";
const ZFS: &str = "storage.options.zfs";
const PULL: &str = "storage.options.pull_options";
const AUFS: &str = "storage.options.aufs";
const THINPOOL: &str = "storage.options.thinpool";

const NO_USER_NAMESPACE: KeyState =
    KeyState::Removed(55, "podman takes mappings for each container: `--userns`, `--uidmap`, `--gidmap`");
const NO_AUFS: KeyState = KeyState::Removed(61, "there is no aufs driver any more; use `overlay`");
const NO_DEVICE_MAPPER: KeyState =
    KeyState::Removed(54, "there is no devicemapper driver any more; use `overlay`");

use ValueType::{Boolean, Integer, String as Text, StringBoolean, Strings};

/// All keys, table by table.
pub const KEYS: &[SchemaKey] = &[
    row(STORAGE, "driver", Text),
    since(45, row(STORAGE, "driver_priority", Strings)),
    row(STORAGE, "runroot", Text),
    row(STORAGE, "graphroot", Text),
    since(47, row(STORAGE, "imagestore", Text)),
    but(
        KeyState::Deprecated(
            MODERN,
            "set `graphroot` in a drop-in below /etc/containers/storage.rootless.conf.d",
        ),
        since(16, row(STORAGE, "rootless_storage_path", Text)),
    ),
    since(45, row(STORAGE, "transient_store", Boolean)),
    row(OPTIONS, "additionalimagestores", Strings),
    but(
        KeyState::Ignored("`imagestore` has an effect in `[storage]` only"),
        since(47, row(OPTIONS, "imagestore", Text)),
    ),
    since(29, row(OPTIONS, "additionallayerstores", Strings)),
    row(OPTIONS, "size", Text),
    row(OPTIONS, "ignore_chown_errors", StringBoolean),
    but(
        KeyState::Ignored("`use_composefs` has an effect in `[storage.options.overlay]` only"),
        since(52, row(OPTIONS, "use_composefs", StringBoolean)),
    ),
    since(28, row(OPTIONS, "force_mask", Integer)),
    since(17, row(OPTIONS, "root-auto-userns-user", Text)),
    since(17, row(OPTIONS, "auto-userns-min-size", Integer)),
    since(17, row(OPTIONS, "auto-userns-max-size", Integer)),
    row(OPTIONS, "skip_mount_home", StringBoolean),
    row(OPTIONS, "mount_program", Text),
    row(OPTIONS, "mountopt", Text),
    since(31, row(OPTIONS, "disable-volatile", Boolean)),
    but(NO_USER_NAMESPACE, row(OPTIONS, "remap-uids", Text)),
    but(NO_USER_NAMESPACE, row(OPTIONS, "remap-gids", Text)),
    but(NO_USER_NAMESPACE, row(OPTIONS, "remap-user", Text)),
    but(NO_USER_NAMESPACE, row(OPTIONS, "remap-group", Text)),
    but(
        KeyState::Removed(14, "use `ostree_repos` in `[storage.options.pull_options]`"),
        row(OPTIONS, "ostree_repo", Text),
    ),
    but(
        KeyState::Removed(8, "every kernel that engines run on has overlay; remove it"),
        row(OPTIONS, "override_kernel_check", StringBoolean),
    ),
    row(OVERLAY, "ignore_chown_errors", StringBoolean),
    row(OVERLAY, "mountopt", Text),
    row(OVERLAY, "mount_program", Text),
    row(OVERLAY, "size", Text),
    since(36, row(OVERLAY, "inodes", Text)),
    row(OVERLAY, "skip_mount_home", StringBoolean),
    since(52, row(OVERLAY, "use_composefs", StringBoolean)),
    since(28, row(OVERLAY, "force_mask", Text)),
    since(MODERN, row(OVERLAY, "sync", Text)),
    row(VFS, "ignore_chown_errors", StringBoolean),
    since(MODERN, row(VFS, "sync", Text)),
    row(BTRFS, "min_space", Text),
    row(BTRFS, "size", Text),
    row(ZFS, "fsname", Text),
    row(ZFS, "mountopt", Text),
    row(ZFS, "size", Text),
    since(31, row(PULL, "enable_partial_images", StringBoolean)),
    since(31, row(PULL, "use_hard_links", StringBoolean)),
    since(31, row(PULL, "ostree_repos", Text)),
    since(48, row(PULL, "convert_images", StringBoolean)),
    since(57, row(PULL, "insecure_allow_unpredictable_image_contents", StringBoolean)),
    but(NO_AUFS, row(AUFS, "mountopt", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "autoextend_percent", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "autoextend_threshold", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "basesize", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "blocksize", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "directlvm_device", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "directlvm_device_force", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "fs", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "log_level", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "metadatasize", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "min_free_space", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "mkfsarg", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "mountopt", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "size", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "use_deferred_deletion", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "use_deferred_removal", Text)),
    but(NO_DEVICE_MAPPER, row(THINPOOL, "xfs_nospace_max_retries", Text)),
];

/// The storage drivers of current engines. `overlay2` is an old name of the first.
pub const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];

/// The key `name` of `table`. Case does not count, as for the engines' decoder,
/// but for `pull_options`, which is a map and no struct to it.
pub fn known(table: &str, name: &str) -> Option<&'static SchemaKey> {
    // Nearly all are, and every engine asks for every value.
    let is_plain = table.is_ascii() && name.is_ascii();
    let same = |key: &str, given: &str| key.eq_ignore_ascii_case(given) || !is_plain && is_same(key, given);
    KEYS.iter().find(|key| {
        let is_name = if key.table == PULL { key.name == name } else { same(key.name, name) };
        is_name && same(key.table, table)
    })
}

/// Whether `name` is a table that holds keys, or one that holds such tables.
pub fn is_table(name: &str) -> bool {
    let name = folded(name);
    KEYS.iter().any(|key| {
        key.table == name || key.table.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Whether `name` is such a table to the library of this version.
pub fn is_table_of(name: &str, version: u16) -> bool {
    let name = name.to_ascii_lowercase();
    let below = |table: &str| {
        table == name || table.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))
    };
    // The field of this one outlived its keys.
    (name == THINPOOL && version < MODERN)
        || KEYS.iter().any(|key| below(key.table) && key.is_known_to(version))
}

/// Whether engines decode this table as a map of strings, in which every key is welcome.
pub fn is_map(name: &str) -> bool {
    is_same(name, PULL)
}

/// Tables that have a key of this name.
pub fn tables_with(name: &str) -> Vec<&'static str> {
    KEYS.iter()
        .filter(|key| {
            is_same(key.name, name) && !matches!(key.state, KeyState::Removed(..) | KeyState::Ignored(_))
        })
        .map(|key| key.table)
        .collect()
}

/// The name among `names` that was probably meant: the nearest one, if it is near.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Somebody who mistakes `-` for `_` knows the key well enough.
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
    let given = plain(name);
    names
        .map(|other| (strsim::damerau_levenshtein(&given, &plain(other)), other))
        .filter(|(distance, other)| *distance <= other.len().min(given.len()).div_ceil(5).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// The key or table of `table` that was probably meant by `name`, which it does not have.
pub fn nearest_in(table: &str, name: &str) -> Option<&'static str> {
    let below = KEYS.iter().filter_map(|key| {
        if is_same(key.table, table) {
            return Some(key.name).filter(|_| !matches!(key.state, KeyState::Removed(..)));
        }
        let rest = match table {
            "" => key.table,
            _ => key.table.strip_prefix(folded(table).as_str())?.strip_prefix('.')?,
        };
        rest.split('.').next()
    });
    nearest(name, below)
}

/// The first podman with this version of the storage library (its go.mod).
pub fn podman_with(version: u16) -> &'static str {
    match version {
        0..=43 => "4.3",
        44..=45 => "4.4",
        46 => "4.5",
        47..=48 => "4.6",
        49..=50 => "4.7",
        51 => "4.8",
        52..=53 => "5.0",
        54 => "5.1",
        55 => "5.2",
        56 => "5.3",
        57 => "5.4",
        58 => "5.5",
        59 => "5.6",
        60..=61 => "5.7",
        62 => "5.8",
        _ => "6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_whatever_their_case_but_in_a_map() {
        assert!(known("Storage.Options", "AdditionalImageStores").is_some());
        assert!(known("storage.options.pull_options", "use_hard_links").is_some());
        assert!(known("storage.options.pull_options", "Use_Hard_Links").is_none());
    }

    #[test]
    fn no_key_stands_in_the_table_twice() {
        let mut names: Vec<String> = KEYS.iter().map(SchemaKey::dotted).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_misspelt_key_is_near_to_one_key_and_an_invented_one_to_none() {
        for (table, given, meant) in [
            ("storage.options", "additionalimagestore", Some("additionalimagestores")),
            ("storage.options", "additional_image_stores", Some("additionalimagestores")),
            ("storage.options", "addtionalimagstores", Some("additionalimagestores")),
            ("storage", "run_root", Some("runroot")),
            ("storage", "dirver", Some("driver")),
            ("storage", "opions", Some("options")),
            ("storage.options", "overlays", Some("overlay")),
            ("", "storag", Some("storage")),
            ("storage.options", "enable_foo", None),
            ("storage", "name", None),
            ("", "engine", None),
        ] {
            assert_eq!(nearest_in(table, given), meant, "{table}.{given}");
        }
    }

    #[test]
    fn a_key_is_known_from_its_first_to_its_last_version() {
        let store = known("storage", "imagestore").unwrap();
        assert!(!store.is_known_to(43) && store.is_known_to(47) && store.is_known_to(63));
        let remap = known("storage.options", "remap-uids").unwrap();
        assert!(remap.is_known_to(43) && !remap.is_known_to(55));
    }

    #[test]
    fn tables_are_those_with_keys_and_those_above() {
        assert!(is_table("storage") && is_table("Storage.Options") && is_table("storage.options.vfs"));
        assert!(!is_table("storage.options.overlay.size") && !is_table("stor"));
    }
}
