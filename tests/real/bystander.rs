//! A running system on which an ordinary user holds every lock that such a user can.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::build::image::{Layout, Tar, gzipped};
use crate::interrupt::{CONF, write};
use crate::support::{STORAGECTL, finish, run, text};

/// How long a run may take that does not wait for anybody.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A system with a /run of its own, in a mount namespace that every command here joins.
pub(crate) struct System {
    scratch: tempfile::TempDir,
    /// Keeps the namespace.
    keeper: Child,
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl System {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory can be made");
        run(Command::new("chmod").arg("755").arg(scratch.path()));
        write(&scratch.path().join("conf/storage.conf"), &CONF.replace("/srv", "/usr"));
        let ready = scratch.path().join("ready");
        // Scriptlets keep records below /usr/lib.
        let script = format!(
            "mount -t tmpfs none /run
             mkdir /run/upper /run/work
             mount -t overlay -o lowerdir=/usr/lib,upperdir=/run/upper,workdir=/run/work none /usr/lib
             : >{}; exec sleep 600",
            ready.display()
        );
        let keeper = Command::new("unshare")
            .args(["-m", "sh", "-ec", &script])
            .stdin(Stdio::null())
            .spawn()
            .expect("util-linux is installed");
        wait_for(|| ready.exists());
        Self { scratch, keeper }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.scratch.path().join("conf")
    }

    /// `program` in the namespace.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id())).arg(program);
        command
    }

    pub(crate) fn storagectl(&self, args: &[&str]) -> Command {
        let mut command = self.command(STORAGECTL);
        // What builds a store reads no configuration.
        if args[0] != "build-store" {
            command.arg("--config").arg(self.dir().join("storage.conf"));
        }
        command.args(args);
        command
    }

    /// Has `dir` locked by the user `uid` for `seconds`, and waits until it is.
    pub(crate) fn hold(&self, dir: &Path, uid: u32, seconds: &str) -> Holder {
        let ready = tempfile::tempdir().expect("a scratch directory can be made");
        run(Command::new("chmod").arg("777").arg(ready.path()));
        let mark = ready.path().join("held");
        let script = format!(": >{}; exec sleep {seconds}", mark.display());
        let child = Command::new("setpriv")
            .arg(format!("--reuid={uid}"))
            .arg(format!("--regid={uid}"))
            .args(["--clear-groups", "flock", "--no-fork", "-x"])
            .arg(dir)
            .args(["sh", "-c", &script])
            .spawn()
            .expect("util-linux is installed");
        wait_for(|| mark.exists());
        Holder(child)
    }

    /// Has the lock file `file` locked by the user `uid`, as that user's engine does while it
    /// reads, and waits until it is.
    fn reads(&self, file: &Path, uid: u32) -> Holder {
        let program = "import fcntl, os, sys, time\nos.setgroups([])\nos.setgid(int(sys.argv[2]))\nos.setuid(int(sys.argv[2]))\nfile = open(sys.argv[1])\nfcntl.lockf(file, fcntl.LOCK_SH)\nprint('locked', flush=True)\ntime.sleep(600)";
        let mut child = Command::new("python3")
            .args(["-c", program])
            .arg(file)
            .arg(uid.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        std::io::BufReader::new(output).read_line(&mut line).expect("it can be read");
        assert_eq!(line, "locked\n");
        Holder(child)
    }

    pub(crate) fn store(&self, name: &str) -> String {
        let store = self.scratch.path().join(name);
        write(&store.join("overlay-images/images.lock"), "");
        write(&store.join("overlay-layers/layers.lock"), "");
        store.to_string_lossy().into_owned()
    }

    pub(crate) fn conf(&self) -> String {
        std::fs::read_to_string(self.dir().join("storage.conf")).expect("it is there")
    }
}

pub(crate) struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A user may hold the lock of every directory that the user may read.
#[test]
fn a_user_who_holds_a_lock_stops_no_writer() {
    let system = System::new();
    let _holder = system.hold(&system.dir(), 1000, "600");
    let (store, other) = (system.store("store"), system.store("other"));
    let start = Instant::now();
    run(&mut system.storagectl(&["add-store", &store, &other]));
    run(&mut system.storagectl(&["remove-store", &other]));
    let _inner = system.hold(Path::new(&store), 1000, "600");
    run(&mut system.storagectl(&["init-store", &store]));
    // What `%preun` and `%postun` of an erased package do.
    run(&mut system.storagectl(&["scriptlet", "preun", "0", &store]));
    assert!(!system.conf().contains(&store), "{}", system.conf());
    run(&mut system.storagectl(&["scriptlet", "postun", "0", &store]));
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

/// A boot waits for `copy-images`, and that for the lock of its store.
#[test]
fn a_user_who_reads_a_store_for_ever_keeps_nobody_from_adding_to_it() {
    let system = System::new();
    let mut layout = Layout::new(&system.scratch.path().join("layout"));
    for name in ["one", "other"] {
        let tar = Tar::default().dir("d").file("d/f", name.as_bytes());
        layout.image(&format!("localhost/{name}:1"), "amd64", &[gzipped(&tar.finish())]);
    }
    let store = system.scratch.path().join("store").to_string_lossy().into_owned();
    let build = |name: &str| {
        let source = layout.source(&format!("localhost/{name}:1"));
        system.storagectl(&["build-store", "--arch", "amd64", "-o", &store, &source])
    };
    run(&mut build("one"));
    // Open to users.
    run(&mut system.storagectl(&["init-store", &store]));
    let _holder = system.reads(&Path::new(&store).join("overlay-layers/layers.lock"), 1000);
    let _other = system.reads(&Path::new(&store).join("overlay-images/images.lock"), 1000);
    let start = Instant::now();
    let mut both =
        ["one", "other"].map(|name| build(name).stderr(Stdio::null()).spawn().expect("it is built"));
    for child in &mut both {
        assert!(child.wait().expect("it was started").success());
    }
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
    let checked = finish(&mut system.storagectl(&["check-store", "--deep", &store]));
    assert!(checked.status.success() && text(&checked).contains("2 images"), "{}", text(&checked));
}

#[test]
fn writers_exclude_each_other_beside_a_user_who_holds_the_lock() {
    let system = System::new();
    let _holder = system.hold(&system.dir(), 1000, "600");
    let stores: Vec<String> = (0..24).map(|number| system.store(&format!("store{number}"))).collect();
    let writers: Vec<Child> = stores
        .iter()
        .map(|store| {
            let mut command = system.storagectl(&["add-store", store]);
            command.stderr(Stdio::piped()).spawn().expect("the program is built")
        })
        .collect();
    for writer in writers {
        let output = writer.wait_with_output().expect("it was started");
        assert!(output.status.success(), "{}", text(&output));
    }
    let conf = system.conf();
    for store in &stores {
        assert!(conf.contains(&format!("\"{store}\"")), "{store} is lost: {conf}");
    }
}

/// A version of the program that knows only the directory's lock, and runs as root.
#[test]
fn a_former_version_is_waited_for() {
    let system = System::new();
    let store = system.store("store");
    let start = Instant::now();
    let _holder = system.hold(&system.dir(), 0, "2");
    run(&mut system.storagectl(&["add-store", &store]));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    // And it is excluded in turn: the lock is held while something is done.
    let script = format!("flock --no-fork -n -x {} true", system.dir().display());
    run(Command::new("sh").args(["-c", &script]));
}

#[test]
fn the_lock_is_roots_alone() {
    let system = System::new();
    run(&mut system.storagectl(&["add-store", &system.store("store")]));
    let modes = run(system.command("stat").args(["-c", "%a %u", "/run/storagectl/locks"]));
    assert_eq!(modes.trim(), "700 0");
    let files =
        run(system.command("find").args(["/run/storagectl/locks", "-type", "f", "-printf", "%m %U\n"]));
    assert_eq!(files.trim(), "600 0");
}

#[test]
fn an_erase_that_cannot_take_its_store_off_the_list_says_what_follows() {
    let system = System::new();
    let store = system.store("store");
    run(&mut system.storagectl(&["add-store", &store]));
    let output = system
        .command("unshare")
        .args([
            "-m",
            "sh",
            "-c",
            &format!(
                "mount --bind {0} {0} && mount -o remount,ro,bind {0} && exec \"$@\"",
                system.dir().display()
            ),
            "sh",
        ])
        .arg(STORAGECTL)
        .args([
            "--config",
            &system.dir().join("storage.conf").to_string_lossy(),
            "scriptlet",
            "preun",
            "0",
            &store,
        ])
        .output()
        .expect("it can be started");
    let said = text(&output);
    assert!(output.status.success(), "no transaction fails: {said}");
    assert!(said.contains("every engine stops") && said.contains("remove-store"), "{said}");
    // RPM removes the files all the same; %postun mends it.
    std::fs::remove_dir_all(&store).expect("it is there");
    run(&mut system.storagectl(&["scriptlet", "postun", "0", &store]));
    assert!(!system.conf().contains(&store), "{}", system.conf());
}
