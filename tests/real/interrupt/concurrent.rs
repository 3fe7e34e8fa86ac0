//! Many runs at once: one writer at a time, and nobody's entry is lost.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::{CONF, Scene, one_file, write};
use crate::support::{finish, run, storagectl, text};
use crate::tree::names;

const WRITERS: usize = 64;

#[test]
fn sixty_four_writers_at_once_lose_no_entry() {
    let scratch = tempfile::tempdir().expect("a scratch directory can be made");
    let conf = scratch.path().join("conf/storage.conf");
    write(&conf, &CONF.replace("/srv", "/usr"));
    let stores: Vec<String> =
        (0..WRITERS).map(|number| format!("{}/store{number}", scratch.path().display())).collect();
    let mut writers: Vec<Child> = Vec::new();
    for store in &stores {
        std::fs::create_dir(store).expect("the scratch directory is writable");
    }
    for store in &stores {
        let mut command = storagectl(&["--config", &conf.to_string_lossy(), "add-store", store]);
        writers.push(command.stderr(Stdio::piped()).spawn().expect("the program is built"));
    }
    // Whoever reads meanwhile sees a whole file, with no fewer stores than before.
    let mut seen = 0;
    while writers.iter_mut().any(|writer| writer.try_wait().is_ok_and(|status| status.is_none())) {
        let listed = listed(&conf);
        assert!(listed.len() > seen || listed.len() == seen, "{seen} stores were listed, now {listed:?}");
        seen = listed.len();
    }
    for writer in writers {
        let output = writer.wait_with_output().expect("it was started");
        assert!(output.status.success(), "{}", text(&output));
    }
    let mut listed = listed(&conf);
    listed.sort();
    let mut wanted = [vec!["/usr".to_owned()], stores].concat();
    wanted.sort();
    assert_eq!(listed, wanted);
    assert_eq!(names(conf.parent().expect("a file has a parent")), ["storage.conf"]);
}

/// The stores in the file, which has to be whole TOML at any instant.
#[track_caller]
fn listed(conf: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(conf).expect("the file is there at any instant");
    let doc = text.parse::<toml_edit::Document<String>>().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let array = doc["storage"]["options"]["additionalimagestores"].as_array().expect("the array is there");
    array.iter().map(|item| item.as_str().expect("a path").to_owned()).collect()
}

/// Adding and removing at the same time ends in one of the two states, with the
/// others' entries untouched.
#[test]
fn writers_that_add_and_remove_leave_the_others_alone() {
    let scene = Scene::new(one_file, &["--config", "@DIR@/conf/storage.conf", "add-store", "@DIR@/store"]);
    let (before, after) = scene.before_and_after();
    scene.reset();
    let store = scene.dir().join("store");
    let conf = scene.dir().join("conf/storage.conf");
    let mut writers: Vec<Child> = Vec::new();
    for _ in 0..8 {
        let remove =
            storagectl(&["--config", &conf.to_string_lossy(), "remove-store", &store.to_string_lossy()]);
        for mut command in [scene.command(), remove] {
            writers.push(command.stderr(Stdio::piped()).spawn().expect("the program is built"));
        }
    }
    for writer in writers {
        let output = writer.wait_with_output().expect("it was started");
        assert!(output.status.success(), "{}", text(&output));
    }
    let found = scene.tree();
    assert!(found == before || found == after, "{found:?}");
}

#[test]
fn a_writer_waits_for_the_lock_and_then_goes_on() {
    let scene = Scene::new(one_file, &["--config", "@DIR@/conf/storage.conf", "add-store", "@DIR@/store"]);
    let (before, after) = scene.before_and_after();
    scene.reset();
    let dir = File::open(scene.dir().join("conf")).expect("the directory is there");
    flock(&dir, FlockOperation::LockExclusive).expect("nobody else has it");

    let mut writer = scene.command().stderr(Stdio::piped()).spawn().expect("the program is built");
    wait_for_a_waiter(&dir, &mut writer);
    assert_eq!(scene.tree(), before, "it waits before it does anything");

    flock(&dir, FlockOperation::Unlock).expect("we have it");
    let output = writer.wait_with_output().expect("it was started");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(scene.tree(), after);
}

/// Reading does not wait: a dry run and a list are possible at any time.
#[test]
fn readers_do_not_wait_for_the_lock() {
    let scene = Scene::new(
        one_file,
        &["--config", "@DIR@/conf/storage.conf", "--dry-run", "add-store", "@DIR@/store"],
    );
    let dir = File::open(scene.dir().join("conf")).expect("the directory is there");
    flock(&dir, FlockOperation::LockExclusive).expect("nobody else has it");
    let diff = run(&mut scene.command());
    assert!(diff.contains("+  \""), "{diff}");
    let conf = scene.dir().join("conf/storage.conf");
    let output = finish(&mut storagectl(&["--config", &conf.to_string_lossy(), "list-stores"]));
    assert!(output.status.success(), "{}", text(&output));
}

/// Returns when the kernel lists a process that waits for the lock of `dir`.
#[track_caller]
fn wait_for_a_waiter(dir: &File, writer: &mut Child) {
    let inode = format!(":{} ", dir.metadata().expect("it is open").ino());
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let locks = std::fs::read_to_string("/proc/locks").expect("Linux lists its locks");
        if locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&inode)) {
            return;
        }
        let status = writer.try_wait().expect("it was started");
        assert!(status.is_none(), "it did not wait: {status:?}");
        assert!(Instant::now() < deadline, "it neither waits nor ends:\n{locks}");
        std::thread::yield_now();
    }
}
