//! System calls that fail: the run ends with a clear error, or does without.

use std::path::Path;
use std::process::Output;

use super::{CONF, Scene, assert_refused, is_temporary, one_file, write};
use crate::strace::{Call, own, tamper, trace, tried};
use crate::support::text;
use crate::tree::Tree;

/// Calls that read or change files, whose failure is worth a look each.
const FILE_CALLS: [&str; 26] = [
    "open",
    "openat",
    "openat2",
    "newfstatat",
    "fstat",
    "statx",
    "fstatfs",
    "readlinkat",
    "unlinkat",
    "read",
    "write",
    "fsync",
    "renameat",
    "fchmod",
    "fchown",
    "flistxattr",
    "fgetxattr",
    "fsetxattr",
    "flock",
    "mkdirat",
    "renameat2",
    "syncfs",
    "getdents64",
    "linkat",
    "symlinkat",
    "utimensat",
];

fn file_scene() -> Scene {
    Scene::new(one_file, &["--config", "@DIR@/conf/storage.conf", "add-store", "@DIR@/store"])
}

fn tree_scene() -> Scene {
    let set_up = |dir: &Path| {
        write(&dir.join("usr/share/containers/storage.conf"), CONF);
        for store in ["srv", "images"] {
            std::fs::create_dir(dir.join(store)).expect("the scratch directory is writable");
        }
    };
    Scene::new(set_up, &["--root", "@DIR@", "add-store", "/images"])
}

#[test]
fn a_failing_call_on_one_file_never_leaves_half_a_change_or_an_untrue_message() {
    assert_honest_at_each_failure(&file_scene());
}

#[test]
fn a_failing_call_in_a_tree_never_leaves_half_a_change_or_an_untrue_message() {
    assert_honest_at_each_failure(&tree_scene());
}

/// Lets calls fail in turn, and collects what is wrong then.
#[track_caller]
fn assert_honest_at_each_failure(scene: &Scene) {
    let (before, after) = scene.before_and_after();
    let calls = calls(scene);
    let mut wrong = Vec::new();
    for call in tried(calls.iter().filter(|call| is_looked_at(call)).collect(), 80) {
        scene.reset();
        let output = tamper(&[&call.inject("error=EIO")], &scene.command());
        if let Some(what) = dishonesty(&output, &scene.tree(), &before, &after) {
            wrong.push(format!("{what}: EIO from {}\n{}", call.line, text(&output)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words on standard error that nobody gets are nobody's loss, and no disk is behind a pipe.
pub(super) fn is_looked_at(call: &Call) -> bool {
    let is_file = !call.line.starts_with("write(2") && !call.line.contains("<pipe:");
    FILE_CALLS.contains(&call.name.as_str()) && is_file
}

/// What is said has to be true: success means the new state, "as it was" the old
/// one; the state is one of the two, and no temporary file is ever left.
fn dishonesty(output: &Output, found: &Tree, before: &Tree, after: &Tree) -> Option<&'static str> {
    // Directories may have been made before the file could not be.
    let files = |tree: &Tree| -> Tree {
        let files = tree.iter().filter(|(_, node)| node.content.is_some());
        files.map(|(path, node)| (path.clone(), node.clone())).collect()
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    let cause = ["nput/output error", "which cannot be looked at"].iter().any(|cause| stderr.contains(cause));
    let said = stderr.starts_with("error: ") && cause;
    match output.status.code() {
        _ if found.keys().any(|path| is_temporary(path)) => Some("a temporary file is left"),
        Some(0) => (found != after).then_some("success is said, and it is not so"),
        Some(2) if !said => Some("the cause is not said"),
        Some(2) if files(found) == files(before) => None,
        Some(2) if found != after => Some("neither the old state nor the new one"),
        Some(2) => stderr.contains("as it was").then_some("`as it was` is said, and it is not so"),
        _ => Some("neither success nor an error"),
    }
}

/// Which call fails, how, and what is said: on the first line and in the hint.
/// The rename is told by its own words, since the file is whole until then.
#[test]
fn failures_of_the_replacement_are_told_apart() {
    let full = ("No space left on device; it is as it was", "free some space");
    let quota = ("it is as it was", "free some space");
    let read_only = ("Read-only file system; it is as it was", "remount");
    let denied = ("Permission denied; it is as it was", "");
    let forbidden = ("Operation not permitted; it is as it was", "");
    let broken = ("nput/output error; it is as it was", "");
    let mounted = ("cannot be replaced: another file is mounted over it", "where it is mounted from");
    let scene = file_scene();
    let (before, _) = scene.before_and_after();
    for (name, part, error, (what, hint)) in [
        ("openat", "O_EXCL", "ENOSPC", full),
        ("openat", "O_EXCL", "EDQUOT", quota),
        ("openat", "O_EXCL", "EROFS", read_only),
        ("openat", "O_EXCL", "EACCES", denied),
        ("openat", "O_EXCL", "EPERM", forbidden),
        ("write", "[storage]", "ENOSPC", full),
        ("write", "[storage]", "EDQUOT", quota),
        ("write", "[storage]", "EIO", broken),
        ("fchmod", "", "EPERM", forbidden),
        ("flistxattr", "", "EIO", broken),
        ("fsync", "", "ENOSPC", full),
        ("fsync", "", "EIO", broken),
        ("renameat", "", "EBUSY", mounted),
        ("renameat", "", "EROFS", read_only),
        ("renameat", "", "EACCES", denied),
        ("renameat", "", "ENOSPC", full),
        ("renameat", "", "EIO", broken),
    ] {
        let call = find(&scene, name, part);
        scene.reset();
        let output = tamper(&[&call.inject(&format!("error={error}"))], &scene.command());
        assert_eq!(output.status.code(), Some(2), "{error} from {name}: {}", text(&output));
        assert_refused(&output, &["conf/storage.conf`", what], hint);
        assert_eq!(scene.tree(), before, "{error} from {name}");
    }
}

/// When the directory cannot be synced after the rename, the new file is there;
/// only a power cut could still bring back the old one.
#[test]
fn a_failing_sync_of_the_directory_is_told_as_what_it_is() {
    let scene = file_scene();
    let (_, after) = scene.before_and_after();
    let calls = calls(&scene);
    let last_sync = calls.iter().rfind(|call| call.name == "fsync").expect("it syncs");
    scene.reset();
    let output = tamper(&[&last_sync.inject("error=EIO")], &scene.command());
    assert_eq!(scene.tree(), after);
    assert_refused(&output, &["is changed, but its directory could not be synced", "nput/output error"], "");
    assert!(!text(&output).contains("as it was"), "{}", text(&output));
}

/// What keeps a file whole through a power cut is the order: new bytes reach the
/// disk before their name does, and the name before success is reported.
#[test]
fn bytes_are_synced_before_the_rename_and_the_directory_behind_it() {
    for scene in [file_scene(), tree_scene()] {
        let calls = calls(&scene);
        let steps: Vec<&str> = calls
            .iter()
            .filter_map(|call| match call.name.as_str() {
                "write" if call.line.contains(".storagectl-new>") => Some("write"),
                "fsync" if call.line.contains(".storagectl-new>") => Some("sync the file"),
                "renameat" => Some("rename"),
                "fsync" if call.line.contains("conf>") || call.line.contains("etc/containers>") => {
                    Some("sync the directory")
                }
                "write" if call.line.contains("added `") => Some("report"),
                _ => None,
            })
            .skip_while(|step| *step != "write")
            .collect();
        assert_eq!(steps, ["write", "sync the file", "rename", "sync the directory", "report"]);
    }
}

#[test]
fn an_interrupted_write_is_taken_up_again() {
    let scene = file_scene();
    let (_, after) = scene.before_and_after();
    let call = find(&scene, "write", "[storage]");
    scene.reset();
    let output = tamper(&[&call.inject("error=EINTR")], &scene.command());
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(scene.tree(), after);
}

/// File systems without locks, extended attributes or syncs of directories are
/// edited all the same.
#[test]
fn what_a_file_system_does_not_have_is_done_without() {
    let scene = file_scene();
    let (_, after) = scene.before_and_after();
    for injection in [
        "inject=flock:error=ENOLCK",
        "inject=flock:error=EOPNOTSUPP",
        "inject=flock:error=ENOSYS",
        "inject=flistxattr:error=EOPNOTSUPP",
        "inject=fsync:error=EINVAL",
    ] {
        scene.reset();
        let output = tamper(&[injection], &scene.command());
        assert!(output.status.success(), "{injection}: {}", text(&output));
        assert_eq!(scene.tree(), after, "{injection}");
    }
}

/// Old kernels do not know openat2, seccomp filters forbid it, and a tree that
/// is being renamed makes it ask to be called again.
#[test]
fn trees_are_edited_without_openat2() {
    let scene = tree_scene();
    let (_, after) = scene.before_and_after();
    let calls = calls(&scene);
    assert!(calls.iter().any(|call| call.name == "openat2"), "it is used where it is there");
    for error in ["ENOSYS", "EPERM", "EACCES", "EAGAIN"] {
        scene.reset();
        let output = tamper(&[&format!("inject=openat2:error={error}")], &scene.command());
        assert!(output.status.success(), "{error}: {}", text(&output));
        assert_eq!(scene.tree(), after, "{error}");
    }
}

/// The program's own calls in an undisturbed run.
pub(super) fn calls(scene: &Scene) -> Vec<Call> {
    scene.reset();
    own(&trace(&scene.command()).1).to_vec()
}

/// The first call of the program's own with this name whose line holds `part`.
#[track_caller]
fn find(scene: &Scene, name: &str, part: &str) -> Call {
    let calls = calls(scene);
    let found = calls.iter().find(|call| call.name == name && call.line.contains(part));
    found.unwrap_or_else(|| panic!("no {name} with `{part}`")).clone()
}
