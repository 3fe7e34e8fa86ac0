//! The label of layers, where the host has SELinux.

use std::io;
use std::path::Path;

use super::catalog::is_one_name;
use super::finding::{Finding, Report};
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::store::label::label_of;
use crate::sys::Root;

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

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut Report) -> io::Result<()> {
    if !has_selinux(set.root)? {
        return Ok(());
    }
    let store = &set.stores[home];
    let mut first = None;
    let mut count = 0;
    for layer in store.layers.iter().filter(|layer| is_one_name(layer.id())) {
        let path = store.content_dir(layer.id());
        let Some(label) = label_of(set.root, &path)? else {
            continue;
        };
        // A tree without labels gets them when it is installed.
        let label = String::from_utf8_lossy(&label).trim_end_matches('\0').to_owned();
        if label.is_empty() && set.root.is_tree() {
            continue;
        }
        let kind = label.split(':').nth(2).unwrap_or("unlabeled_t").to_owned();
        if CLOSED.contains(&kind.as_str()) {
            count += 1;
            first.get_or_insert((path, kind));
        }
    }
    if let Some((path, kind)) = first {
        let more = if count > 1 { format!(", and so do {} others", count - 1) } else { String::new() };
        let message = format!("a layer has the SELinux type `{kind}`{more}");
        let hint = format!(
            "run `semanage fcontext -a -t container_ro_file_t '{0}(/.*)?'` and `restorecon -R {0}`",
            store.path.display()
        );
        let finding = Finding::new("selinux-label", &store.path, message, hint).at(path);
        report.put(finding.silently(Engines::ALL, "start containers that may not read their own files"));
    }
    Ok(())
}
