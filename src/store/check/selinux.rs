//! The label of layers, where the host has SELinux.

use std::io;
use std::path::Path;

use super::catalog::{Catalog, is_one_name};
use super::finding::{StoreFinding, StoreReport};
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::store::label::label_of;
use crate::sys::{Root, SelinuxAccess, is_forbidden_by_selinux};

/// Types that a container's process may not read. `container_ro_file_t` and
/// `container_share_t` are what container-selinux gives stores; others it knows
/// are not judged. `container_var_lib_t` is what restorecon gives /var/lib/containers, but for
/// the engines' own layers there.
const CLOSED: [&str; 12] = [
    "admin_home_t",
    "container_var_lib_t",
    "data_home_t",
    "default_t",
    "file_t",
    "root_t",
    "tmp_t",
    "unlabeled_t",
    "user_home_t",
    "user_tmp_t",
    "var_lib_t",
    "var_t",
];

/// Whether the host has SELinux: the kernel's file system, or in a tree its
/// configuration.
pub(in crate::store) fn has_selinux(root: &Root) -> io::Result<bool> {
    if !root.is_tree() {
        return Ok(root.stat(Path::new("/sys/fs/selinux/enforce"))?.is_some());
    }
    let Some((bytes, _)) = root.read(Path::new("/etc/selinux/config"))? else {
        return Ok(false);
    };
    let text = String::from_utf8_lossy(&bytes);
    let value = text.lines().filter_map(|line| line.trim().strip_prefix("SELINUX=")).next_back();
    Ok(value.is_some_and(|value| matches!(value.trim(), "enforcing" | "permissive")))
}

/// Engines that systemd starts, as the reference policy (podman.te, crio.te) and container-selinux
/// confine them. What an administrator starts is confined by neither.
const ENGINES: [(&str, &str); 3] = [
    ("podman", "system_u:system_r:podman_t:s0"),
    ("CRI-O", "system_u:system_r:crio_t:s0"),
    ("an engine", "system_u:system_r:container_runtime_t:s0"),
];

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    if !has_selinux(set.root)? {
        return Ok(());
    }
    let store = &set.stores[home];
    if let Some(finding) = unreadable_layers(set, store)?.or(unlockable(set, store)?) {
        report.add(finding);
    }
    Ok(())
}

/// Layers that containers may not read.
fn unreadable_layers(set: &StoreSet<'_>, store: &Catalog) -> io::Result<Option<StoreFinding>> {
    let mut first = None;
    let mut count = 0;
    for layer in store.layers.iter().filter(|layer| is_one_name(layer.id())) {
        let path = store.content_dir(layer.id());
        let Some(label) = label_of(set.root, &path)? else {
            continue;
        };
        // A tree without labels gets them when it is installed.
        let label = text_of(&label);
        if label.is_empty() && set.root.is_tree() {
            continue;
        }
        let kind = type_of(&label).to_owned();
        if CLOSED.contains(&kind.as_str()) {
            count += 1;
            first.get_or_insert((path, kind));
        }
    }
    Ok(first.map(|(path, kind)| {
        let more = if count > 1 { format!(", and so do {} others", count - 1) } else { String::new() };
        labelled(store, format!("a layer has the SELinux type `{kind}`{more}"))
            .at(path)
            .silently(Engines::ALL, "start containers that may not read their own files")
    }))
}

/// Lock files that the policy of this host keeps from engines. They try again without end, and
/// the boot waits for them. What engines make in a directory has its type.
fn unlockable(set: &StoreSet<'_>, store: &Catalog) -> io::Result<Option<StoreFinding>> {
    for dir in [store.layers_dir(), store.images_dir()] {
        let Some(label) = label_of(set.root, &dir)? else {
            continue;
        };
        let label = text_of(&label);
        let forbidden = |source| {
            let access = SelinuxAccess { source, target: &label, class: "file", permission: "lock" };
            is_forbidden_by_selinux(set.root, access)
        };
        if let Some((engine, _)) = ENGINES.iter().find(|(_, context)| forbidden(context)) {
            let message = format!(
                "SELinux keeps {engine}, when systemd starts it, from locking files of the type `{}`",
                type_of(&label)
            );
            let finding = labelled(store, message).at(dir);
            return Ok(Some(finding.silently(Engines::ALL, "hang when systemd starts them")));
        }
    }
    Ok(None)
}

fn labelled(store: &Catalog, message: String) -> StoreFinding {
    let hint = format!(
        "run `semanage fcontext -a -t container_ro_file_t '{0}(/.*)?'` and `restorecon -R {0}`",
        store.path.display()
    );
    StoreFinding::new("selinux-label", &store.path, message, hint)
}

fn text_of(label: &[u8]) -> String {
    String::from_utf8_lossy(label).trim_end_matches('\0').to_owned()
}

/// The type in a label: the third part, which the policy goes by.
fn type_of(label: &str) -> &str {
    label.split(':').nth(2).unwrap_or("unlabeled_t")
}
