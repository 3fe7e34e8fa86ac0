//! What the boot service does.

use std::path::Path;
use std::process::Command;

use storagectl::dependents::{BootOutcome, at_boot};
use storagectl::plan::{CommitMode, Host};
use storagectl::sys::Root;

use crate::support::{STORAGECTL, finish, run, text};
use crate::tree::tree;

fn boot(tree: &Path) -> anyhow::Result<Option<BootOutcome>> {
    at_boot(&Host::new(Root::tree(tree)?, None), CommitMode::Commit)
}

fn host() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/clean-dependents.in/tree");
    run(Command::new("cp").arg("-a").arg(made).arg(dir.path().join("tree")));
    dir
}

#[test]
fn only_a_changed_store_is_a_reason_to_look_for_dependents() {
    let dir = host();
    let root = dir.path().join("tree");
    let stores = root.join("usr/lib");
    assert_eq!(boot(&root).unwrap(), Some(BootOutcome::default()), "the first boot");
    let before = tree(&root);
    assert_eq!(boot(&root).unwrap(), None, "nothing changed");
    // The same content in other inodes, as an update of other things brings it.
    run(Command::new("cp").arg("-a").arg(stores.join("store")).arg(stores.join("copy")));
    fs_err::rename(stores.join("store"), stores.join("old")).unwrap();
    fs_err::rename(stores.join("copy"), stores.join("store")).unwrap();
    assert_eq!(boot(&root).unwrap(), None, "only the inodes changed");
    fs_err::remove_dir_all(stores.join("old")).unwrap();
    assert_eq!(tree(&root), before);

    fs_err::rename(stores.join("store"), stores.join("old")).unwrap();
    fs_err::rename(stores.join("store-2"), stores.join("store")).unwrap();
    let settled = boot(&root).unwrap().unwrap();
    assert_eq!(settled.cleaned.storages[0].containers[0].names, ["web"]);
    assert_eq!(boot(&root).unwrap(), None, "done");
}

#[test]
fn a_boot_without_the_store_removes_nothing_and_the_next_tries_again() {
    let dir = host();
    let root = dir.path().join("tree");
    let store = root.join("usr/lib/store");
    boot(&root).unwrap();
    let before = tree(&root);
    fs_err::rename(&store, store.with_extension("away")).unwrap();
    boot(&root).unwrap_err();
    boot(&root).unwrap_err();
    fs_err::rename(store.with_extension("away"), &store).unwrap();
    assert_eq!(tree(&root), before);
    assert_eq!(boot(&root).unwrap(), None, "it is as it was");
}

#[test]
fn a_dry_run_at_boot_notes_nothing() {
    let dir = host();
    let root = dir.path().join("tree");
    let before = tree(&root);
    let host = Host::new(Root::tree(&root).unwrap(), None);
    assert_eq!(at_boot(&host, CommitMode::DryRun).unwrap(), Some(BootOutcome::default()));
    assert_eq!(tree(&root), before);
}

/// What lies under a mount point is not the store.
#[test]
fn a_store_that_is_to_be_mounted_is_read_when_it_is() {
    let dir = host();
    let root = dir.path().join("tree");
    let lib = root.join("usr/lib");
    fs_err::rename(lib.join("store"), lib.join("old")).unwrap();
    fs_err::rename(lib.join("store-2"), lib.join("store")).unwrap();
    fs_err::write(root.join("etc/fstab"), "# what\twhere\n/dev/vdb\t/usr/lib\text4\tdefaults\t0 0\n")
        .unwrap();
    let before = tree(&root);
    let clean = format!("'{STORAGECTL}' --root '{}' clean-dependents", root.display());
    let refused = finish(Command::new("unshare").args(["-m", "sh", "-ec", &clean]));
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("nothing is mounted at `/usr/lib`"), "{}", text(&refused));
    assert!(tree(&root) == before);
    let mounted = format!("mount --bind '{0}' '{0}'\n{clean}", lib.display());
    let cleaned = finish(Command::new("unshare").args(["-m", "sh", "-ec", &mounted]));
    assert!(text(&cleaned).contains("removed container `web`"), "{}", text(&cleaned));
}
