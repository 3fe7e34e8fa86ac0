//! Run as a normal user, all commands work on that user's own configuration.

use std::path::Path;
use std::process::Command;

use crate::support::{STORAGECTL, copy_program, finish, run, text};

/// A home and a store of user 4321, on a host whose /etc/containers is empty.
struct User {
    scratch: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        fs_err::create_dir_all(dir.join("home")).unwrap();
        copy_program(STORAGECTL, dir.join("storagectl"));
        run(Command::new("chmod").args(["0755"]).arg(dir).arg(dir.join("storagectl")));
        run(Command::new("chown").arg("4321:4321").arg(dir.join("home")));
        let user = Self { scratch };
        user.run(&["init-store", &user.path("home/images")]);
        user
    }

    fn path(&self, name: &str) -> String {
        self.scratch.path().join(name).display().to_string()
    }

    fn command(&self, system: &str, args: &[&str]) -> Command {
        let script = format!(
            "mount -t tmpfs -o mode=0755 none /etc/containers
            mkdir -p /etc/containers/storage.conf.d
            {system}
            exec setpriv --reuid 4321 --regid 4321 --clear-groups \"$@\""
        );
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-ec", &script, "sh"])
            .arg(self.scratch.path().join("storagectl"))
            .args(args);
        command.env("HOME", self.path("home")).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let output = finish(&mut self.command("", args));
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        text(&output)
    }

    fn conf(&self) -> Option<String> {
        fs_err::read_to_string(self.path("home/.config/containers/storage.conf")).ok()
    }
}

#[test]
fn a_normal_users_file_is_made_without_paths_of_the_system() {
    let user = User::new();
    let store = user.path("home/images");
    user.run(&["add-store", &store]);
    let conf = user.conf().unwrap();
    assert!(conf.contains("driver = \"overlay\"") && conf.contains(&store), "{conf}");
    assert!(!conf.contains("graphroot") && !conf.contains("runroot"), "{conf}");
    let listed = user.run(&["list-stores"]);
    assert!(listed.contains(&store) && !listed.contains("SEEN BY"), "{listed}");
    user.run(&["remove-store", &store]);
    assert_eq!(user.conf(), None);
}

#[test]
fn the_systems_drop_ins_count_for_a_normal_user_too() {
    let user = User::new();
    let store = user.path("home/images");
    // Engines of any generation may be there.
    let system = "! [ -e /usr/bin/podman ] || mount --bind /dev/null /usr/bin/podman; echo 'storage.options.additionalimagestores = []' > /etc/containers/storage.conf.d/00-system.conf";
    run(&mut user.command(system, &["add-store", &store]));
    let own = Path::new(&user.path("home/.config/containers/storage.conf.d")).join("99-storagectl.conf");
    assert!(fs_err::read_to_string(&own).unwrap().contains(&store));
    let shown = run(&mut user.command(system, &["show-config", "--engine", "modern"]));
    assert!(shown.contains(&store), "{shown}");
}

#[test]
fn a_normal_users_own_storage_is_not_listed() {
    let user = User::new();
    let storage = user.path("home/.local/share/containers/storage");
    user.run(&["init-store", &storage]);
    let output = finish(&mut user.command("", &["add-store", &storage]));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("is the engine's own storage"), "{}", text(&output));
    assert_eq!(user.conf(), None);
}

#[test]
fn a_normal_users_own_storage_is_cleaned_of_dependents() {
    let user = User::new();
    let store = user.path("home/images");
    user.run(&["add-store", &store]);
    let graph = user.path("home/.local/share/containers/storage");
    let (image, layer) = ("1".repeat(64), "2".repeat(64));
    let records = |kind: &str, json: &str| {
        let dir = Path::new(&graph).join(format!("overlay-{kind}"));
        fs_err::create_dir_all(&dir).unwrap();
        fs_err::write(dir.join(format!("{kind}.json")), json).unwrap();
    };
    records(
        "images",
        &format!("[{{\"id\":\"{image}\",\"names\":[\"localhost/old:1\"],\"layer\":\"{layer}\"}}]"),
    );
    records("layers", &format!("[{{\"id\":\"{layer}\",\"parent\":\"gone\"}}]"));
    fs_err::create_dir_all(Path::new(&graph).join("overlay").join(&layer)).unwrap();
    run(Command::new("chown").arg("-R").arg("4321:4321").arg(user.path("home")));
    let said = user.run(&["clean-dependents"]);
    assert!(said.contains("removed image `localhost/old:1`"), "{said}");
    let text = fs_err::read_to_string(Path::new(&graph).join("overlay-images/images.json")).unwrap();
    assert_eq!(text, "[]");
    assert!(
        Path::new(&graph).join("overlay").join(&layer).symlink_metadata().is_err(),
        "it is in the backup"
    );
}
