//! With `--root`, nothing outside the tree is read or written, whatever the
//! tree's author planted.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::check::store::made_by_buildah;
use crate::interrupt::{CONF, write};
use crate::strace::{Call, own, trace_tampered};
use crate::support::{finish, run, storagectl, text, under};
use crate::tree::{names, stamps};

/// A tree, and beside it a directory `outside` that nothing may touch. It holds
/// what a run that escapes would find: configuration files and a store.
struct Trap {
    scratch: tempfile::TempDir,
}

const MAIN: &str = "etc/containers/storage.conf";

impl Trap {
    fn new() -> Self {
        let trap = Self { scratch: tempfile::tempdir().expect("a scratch directory can be made") };
        let outside = trap.outside();
        for file in ["storage.conf", "containers/storage.conf", MAIN, "usr/share/containers/storage.conf"] {
            write(&outside.join(file), &CONF.replace("/srv", "/srv/canary"));
        }
        write(&outside.join("store/overlay-images/images.lock"), "");
        write(&outside.join("store/overlay-layers/layers.lock"), "");
        for dir in ["etc/containers", "images", "srv", "usr/share/containers"] {
            std::fs::create_dir_all(trap.tree().join(dir)).expect("the scratch directory is writable");
        }
        trap
    }

    fn tree(&self) -> PathBuf {
        self.scratch.path().join("tree")
    }

    fn outside(&self) -> PathBuf {
        self.scratch.path().join("outside")
    }

    /// Puts a symlink into the tree, in place of an empty directory if there is one.
    fn plant(&self, link: &str, target: impl AsRef<Path>) {
        let link = self.tree().join(link);
        let _ = std::fs::remove_dir(&link);
        symlink(target, link).expect("the scratch directory is writable");
    }

    fn command(&self, args: &[&str]) -> Command {
        storagectl(&[&["--root", &self.tree().to_string_lossy()], args].concat())
    }

    /// Runs storagectl in all the ways in which it may resolve paths, and checks
    /// after each that it stayed inside. Returns the outcomes.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Vec<Output> {
        let before = stamps(&self.outside());
        let mut outputs = Vec::new();
        for injections in [&[][..], &["inject=openat2:error=ENOSYS"], &["inject=openat2:error=EPERM"]] {
            let (output, calls) = trace_tampered(injections, &self.command(args));
            self.assert_inside(&calls);
            assert_eq!(stamps(&self.outside()), before, "touched, {injections:?}");
            let said = text(&output);
            let no = args[0] == "check-store" && output.status.code() == Some(1);
            assert!(no || matches!(output.status.code(), Some(0 | 2)), "{said}");
            assert!(!said.contains("canary"), "it has read what is outside: {said}");
            outputs.push(output);
        }
        outputs
    }

    /// As [`Trap::run`] for every command that resolves paths.
    #[track_caller]
    fn run_all(&self) {
        self.run(&["list-stores"]);
        self.run(&["check-store", "--deep", "--jobs", "2", "/images", "/made/here"]);
        self.run(&["add-store", "--dry-run", "/images"]);
        self.run(&["add-store", "/images"]);
        self.run(&["add-store", "--init", "/made/here"]);
        self.run(&["init-store", "/made/there"]);
        self.run(&["remove-store", "--if-gone", "/images"]);
        self.run(&["remove-store", "/images", "/made/here"]);
    }

    /// Checks each call that names a path: it starts in a directory of the tree,
    /// and what it opens lies there too. Loading the program itself is before that.
    #[track_caller]
    fn assert_inside(&self, calls: &[Call]) {
        let tree = self.tree();
        // Loading the program is over; the first own call opens the tree.
        let (first, rest) = own(calls).split_first().expect("it opens the tree");
        assert!(first.line.contains(&format!("\"{}\"", tree.display())), "{}", first.line);
        for call in rest {
            let line = &call.line;
            // That is a descriptor, which was opened inside.
            if call.name == "fchmodat" && quoted(line).is_some_and(|it| it.starts_with("/proc/self/fd/")) {
                continue;
            }
            for descriptor in descriptors(line) {
                let inside = Path::new(descriptor).starts_with(&tree);
                let stream = ["/dev/", "pipe:", "socket:"].iter().any(|kind| descriptor.starts_with(kind));
                assert!(inside || stream, "{descriptor} is outside the tree: {line}");
            }
            if let Some(named) = quoted(line).filter(|_| names_a_path(call)) {
                assert!(!line.contains("AT_FDCWD") && !named.starts_with('/'), "not from the tree: {line}");
                let follows = !line.contains("NOFOLLOW") && !line.contains("RESOLVE_IN_ROOT");
                let by_kernel = ["openat", "newfstatat", "statx"].contains(&call.name.as_str());
                let empty = named.is_empty() || named == ".";
                assert!(empty || !(by_kernel && follows), "the kernel may follow a link out: {line}");
                assert!(named.split('/').all(|part| part != ".."), "{line}");
            }
        }
    }
}

/// Whether the first string of a call is a path.
fn names_a_path(call: &Call) -> bool {
    let with_paths =
        ["open", "stat", "access", "readlink", "unlink", "rename", "mkdir", "chmod", "chown", "link"];
    with_paths.iter().any(|part| call.name.contains(part)) && !call.name.starts_with('f')
}

/// What strace shows behind descriptors: `3</some/path>`.
fn descriptors(line: &str) -> impl Iterator<Item = &str> {
    // Outside of strings, since a file may hold angle brackets.
    let (mut is_escaped, mut is_string) = (false, false);
    let bare = line.split(move |letter| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && is_string && !is_escaped;
        is_string ^= ends;
        ends
    });
    bare.step_by(2).flat_map(|part| {
        part.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(path, _)| path))
    })
}

/// The first string of a call.
fn quoted(line: &str) -> Option<&str> {
    line.split('"').nth(1)
}

/// What is resolved on the way to the configuration may all lead out.
#[test]
fn an_absolute_symlink_means_a_path_inside_the_tree() {
    for link in ["etc/containers", "usr/share/containers"] {
        let trap = Trap::new();
        trap.plant(link, trap.outside().join("containers"));
        trap.run_all();
    }
    let trap = Trap::new();
    std::fs::remove_dir(trap.tree().join("etc/containers")).expect("it is empty");
    trap.plant("etc", trap.outside().join("etc"));
    trap.run_all();
}

#[test]
fn a_symlinked_storage_conf_does_not_lead_out() {
    for target in ["storage.conf", "not-there.conf"] {
        for file in [MAIN, "usr/share/containers/storage.conf"] {
            let trap = Trap::new();
            trap.plant(file, trap.outside().join(target));
            trap.run_all();
            assert!(!trap.outside().join("not-there.conf").exists());
        }
    }
}

#[test]
fn dots_do_not_lead_out() {
    for up in ["../".repeat(4), "../".repeat(40), "./.././../".repeat(12), "/../../..//".to_owned()] {
        for (link, target) in [(MAIN, "storage.conf"), ("etc/containers", "containers"), ("images", "store")]
        {
            let trap = Trap::new();
            let outside = trap.outside();
            let inside = outside.strip_prefix("/").expect("it is absolute").join(target);
            trap.plant(link, Path::new(&up).join(inside));
            trap.run_all();
        }
    }
}

/// The right answer for a store that is only outside: it does not exist.
#[test]
fn a_store_behind_a_symlink_to_outside_does_not_exist() {
    let trap = Trap::new();
    trap.plant("images", trap.outside().join("store"));
    write(&trap.tree().join(MAIN), CONF);
    for output in trap.run(&["add-store", "/images"]) {
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("does not exist"), "{}", text(&output));
    }
    for output in trap.run(&["add-store", "/images/../../../outside/store"]) {
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
}

/// Everything in a store can be a link, and every name in its records a way out.
#[test]
fn a_store_of_links_is_checked_inside() {
    let trap = Trap::new();
    write(&trap.tree().join(MAIN), CONF);
    let store = trap.tree().join("images");
    std::fs::remove_dir(&store).expect("it is empty");
    run(Command::new("cp").arg("-a").arg(made_by_buildah("overlay")).arg(&store));
    let script = "set -e
        cd \"$1\"
        set -- \"$2\" overlay/*/diff/usr overlay-images/*/manifest overlay/l
        outside=$1; shift
        for place in \"$@\"; do rm -r \"$place\"; ln -s \"$outside\" \"$place\"; done
        layer=$(ls -d overlay/*/diff/mark | head -n 1); rm \"$layer\"; ln -s \"$outside/storage.conf\" \"$layer\"
        for link in overlay/*/link; do printf ../../../../outside/storage.conf >$link; break; done
        sed -i 's/\"big-data-names\":\\[/&\"..\\/..\\/..\\/outside\",/' overlay-images/images.json
        sed -i 's/\"parent\":\"[0-9a-f]*\"/\"parent\":\"..\\/..\\/outside\"/' overlay-layers/layers.json";
    run(Command::new("sh").args(["-c", script, "sh"]).arg(&store).arg(trap.outside()));
    for output in trap.run(&["check-store", "--deep", "--jobs", "2", "/images"]) {
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("file-type"), "{}", text(&output));
    }
    trap.run(&["init-store", "/images"]);
}

/// Links from one place in the tree to another one are the normal case, and
/// have to lead there.
#[test]
fn symlinks_inside_the_tree_are_followed_inside() {
    let trap = Trap::new();
    std::fs::remove_dir(trap.tree().join("etc/containers")).expect("it is empty");
    write(&trap.tree().join("real/main.conf"), CONF);
    trap.plant("etc/containers", "/conf-of-containers");
    std::fs::create_dir(trap.tree().join("conf-of-containers")).expect("the scratch directory is writable");
    trap.plant("conf-of-containers/storage.conf", "/../../real/./main.conf");
    for output in trap.run(&["add-store", "/images"]) {
        assert!(output.status.success(), "{}", text(&output));
    }
    let edited = std::fs::read_to_string(trap.tree().join("real/main.conf")).expect("it is there");
    assert!(edited.contains("\"/images\""), "{edited}");
    assert_eq!(names(&trap.tree().join("real")), ["main.conf"]);
}

/// The file is replaced, so that what shares its inode does not change.
#[test]
fn a_hard_link_to_outside_is_not_written_through() {
    let trap = Trap::new();
    let outside = trap.outside().join("storage.conf");
    std::fs::hard_link(&outside, trap.tree().join(MAIN)).expect("both are on one file system");
    let before = std::fs::read(&outside).expect("it is there");
    let output = finish(&mut trap.command(&["add-store", "/images"]));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(std::fs::read(&outside).expect("it is there"), before);
}

/// The name of the temporary file is known, so anything may stand there.
#[test]
fn a_planted_temporary_file_does_not_lead_out() {
    let trap = Trap::new();
    write(&trap.tree().join(MAIN), CONF);
    trap.plant("etc/containers/.storage.conf.storagectl-new", trap.outside().join("storage.conf"));
    let outputs = trap.run(&["add-store", "/images"]);
    assert!(outputs.iter().all(|output| output.status.success()), "{}", text(&outputs[0]));
    assert_eq!(names(&trap.tree().join("etc/containers")), ["storage.conf", "storage.rootless.conf.d"]);
}

/// What is no regular file is neither waited for nor replaced.
#[test]
fn fifos_and_devices_are_refused_at_once() {
    for kind in [&["p"][..], &["c", "1", "5"]] {
        for file in [MAIN, "usr/share/containers/storage.conf"] {
            let trap = Trap::new();
            let made = finish(Command::new("mknod").arg(trap.tree().join(file)).args(kind));
            assert!(made.status.success(), "{}", text(&made));
            for output in trap.run(&["add-store", "/images"]) {
                assert_eq!(output.status.code(), Some(2), "{}", text(&output));
                assert!(text(&output).contains("not a regular file"), "{}", text(&output));
            }
        }
    }
}

/// /proc is mounted in many image builds, and its links lead anywhere.
#[test]
fn links_of_proc_do_not_lead_out() {
    let trap = Trap::new();
    let outside = trap.outside();
    let below = outside.strip_prefix("/").expect("it is absolute");
    std::fs::create_dir(trap.tree().join("proc")).expect("the scratch directory is writable");
    trap.plant("etc/containers", Path::new("/proc/self/root").join(below).join("containers"));
    trap.plant("images", Path::new("/proc/1/cwd").join(below).join("store"));
    let before = stamps(&outside);
    for args in [&["add-store", "/images"][..], &["add-store", "/srv"], &["list-stores"]] {
        let mut outer = Command::new("unshare");
        outer.args(["-m", "sh", "-c", "mount --bind /proc \"$0/proc\" && exec \"$@\""]).arg(trap.tree());
        let output = finish(&mut under(outer, &trap.command(args)));
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}", text(&output));
        assert!(!text(&output).contains("added `/images`"), "{}", text(&output));
        assert_eq!(stamps(&outside), before, "{args:?}: {}", text(&output));
    }
}

/// A chain of links without an end is an error, not a hang.
#[test]
fn circular_symlinks_are_refused() {
    let trap = Trap::new();
    trap.plant(MAIN, "/etc/containers/other.conf");
    trap.plant("etc/containers/other.conf", "storage.conf");
    for output in trap.run(&["add-store", "/images"]) {
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
}
