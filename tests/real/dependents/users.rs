//! Containers of normal users after the store that they build on was replaced.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::machine::Machine;
use crate::interrupt::{self, write};
use crate::podman::path;
use crate::strace::{changes, own, tamper, trace, tried};
use crate::strangers::{Scene, small};
use crate::support::{STORAGECTL, finish, run, storagectl, text};
use crate::tree::{names, stamps};

/// The system on which the user is: its /etc/containers and /var/lib are the host's of the test, `u`
/// runs something as the user, and `r` storagectl as root.
const SYSTEM: &str = r#"set -e
mount --bind $DIR/host/var/lib /var/lib
mount --bind $DIR/host/etc/containers /etc/containers
for file in passwd group; do cp /etc/$file /run/$file; done
echo "user:x:4321:4321::$DIR/home:/bin/sh" >>/run/passwd
echo user:x:4321: >>/run/group
echo user:100000:65536 | tee /run/subuid >/run/subgid
for file in passwd group subuid subgid; do mount --bind /run/$file /etc/$file; done
chmod 1777 /dev/shm
mkdir -p /run/user/4321
chown 4321:4321 /run/user/4321
cp "$PODMAN" /run/podman
cp "$STORAGECTL" /run/storagectl
mount --bind "$PODMAN" /usr/bin/podman
for other in buildah skopeo crio; do
  ! [ -e /usr/bin/$other ] || mount --bind /dev/null /usr/bin/$other
done
u() {
  HOME=$DIR/home XDG_RUNTIME_DIR=/run/user/4321 setpriv --reuid 4321 --regid 4321 --clear-groups "$@"
}
p() {
  u unshare -Urm --map-users=100000,1,65535 --map-groups=100000,1,65535 env \
    _CONTAINERS_USERNS_CONFIGURED=done _CONTAINERS_ROOTLESS_UID=4321 _CONTAINERS_ROOTLESS_GID=4321 \
    /run/podman "$@"
}
r() { /run/storagectl "$@"; }
"#;

/// A host with a user who has a container and an image that build on a store of the system's.
struct System {
    machine: Machine,
    /// Whether the user's engines read the system's list.
    is_listed_for_users: bool,
}

impl System {
    fn new(podman: &str) -> Self {
        let system = Self { machine: Machine::of_images(podman), is_listed_for_users: podman == "podman-6" };
        let dir = system.dir();
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        for made in ["host/var/lib", "host/etc/containers", "home"] {
            fs_err::create_dir_all(dir.join(made)).unwrap();
        }
        chown(dir.join("home"), Some(4321), Some(4321)).unwrap();
        let policy = "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}";
        fs_err::write(dir.join("host/etc/containers/policy.json"), policy).unwrap();
        let own = if system.is_listed_for_users { "" } else { "u /run/storagectl add-store $DIR/store" };
        system.must(&format!(
            "r add-store $DIR/store
             {own}
             mkdir -p $DIR/home/context
             echo own >$DIR/home/context/own
             p images
             printf 'FROM localhost/base:1\nCOPY own /own\n' >$DIR/home/context/Containerfile
             p build -q -t localhost/child:1 $DIR/home/context
             for image in child base; do
               p create -q --name from$image $options localhost/$image:1
               p start -a from$image
             done"
        ));
        system
    }

    fn dir(&self) -> &Path {
        self.machine.dir()
    }

    fn kept(&self) -> PathBuf {
        self.dir().join("host/var/lib/containers/kept-layers")
    }

    fn boot(&self, script: &str) -> Output {
        self.machine.boot(&format!("STORAGECTL='{STORAGECTL}'\n{SYSTEM}{script}"))
    }

    /// All that a script says, which must succeed.
    #[track_caller]
    fn must(&self, script: &str) -> String {
        let output = self.boot(script);
        assert!(output.status.success(), "{script}\n{}", text(&output));
        text(&output)
    }

    /// What the user's podman prints.
    #[track_caller]
    fn podman(&self, args: &str) -> String {
        let output = self.boot(&format!("p {args}"));
        assert!(output.status.success(), "{args}\n{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The old store is gone but for a copy, and root keeps what the user needs of it.
    #[track_caller]
    fn keep(&self) -> String {
        self.must("r keep-layers --from $DIR/away")
    }
}

#[track_caller]
fn assert_kept(podman: &str) {
    let system = System::new(podman);
    system.machine.replace();
    assert!(!system.boot("p start -a frombase").status.success(), "the old store is gone");
    let before = stamps(&system.dir().join("home"));
    let said = system.must("r keep-layers --from $DIR/away --dry-run");
    assert!(said.contains("would have kept 1 layer"), "{said}");
    assert!(!system.kept().exists());
    let said = system.keep();
    for words in ["for `user`", "container `frombase`", "container `fromchild`", "image `localhost/child:1`"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(stamps(&system.dir().join("home")), before, "root writes nothing into home directories");
    let checked = system.must("r check-store --deep /var/lib/containers/kept-layers");
    assert!(checked.contains("1 image"), "{checked}");
    if !system.is_listed_for_users {
        let said = system.must("u /run/storagectl keep-layers");
        assert!(
            said.contains("listed `/var/lib/containers/kept-layers`, which has 1 needed layer"),
            "{said}"
        );
    }
    for (container, said) in [("frombase", "old\n"), ("fromchild", "old\n")] {
        assert_eq!(system.podman(&format!("start -a {container}")), said, "{container}");
    }
    for (image, said) in [("base", "new\n"), ("child", "old\n")] {
        let run = format!("run --rm --pull never $options localhost/{image}:1");
        assert_eq!(system.podman(&run), said, "{image}");
    }
    let again = system.must("r keep-layers; u /run/storagectl keep-layers");
    assert!(!again.contains("kept ") && !again.contains("listed "), "{again}");

    system.must("p rm --force frombase; r keep-layers");
    assert!(!names(&system.kept().join("overlay-layers")).is_empty(), "the image of the user's needs it");
    assert_eq!(system.podman("start -a fromchild"), "old\n");
    system.must("p rm --force fromchild; p rmi localhost/child:1; r keep-layers");
    let left = names(&system.kept().join("overlay")).into_iter().filter(|name| name.len() == 64);
    assert_eq!(left.count(), 0, "nobody needs it any more");
    assert_eq!(system.podman("run --rm --pull never $options localhost/base:1"), "new\n");
}

#[test]
fn a_users_podman_4_goes_on_with_what_an_old_store_has() {
    assert_kept("podman-4");
}

#[test]
fn a_users_podman_5_goes_on_with_what_an_old_store_has() {
    assert_kept("podman-5");
}

#[test]
fn a_users_podman_6_goes_on_with_what_an_old_store_has() {
    assert_kept("podman-6");
}

#[test]
fn the_unit_of_users_is_without_fault() {
    let dir = tempfile::tempdir().unwrap();
    let unit = "storagectl-keep-layers.service";
    let shipped = format!("{}/scriptlets/systemd/user/{unit}", env!("CARGO_MANIFEST_DIR"));
    let text = fs_err::read_to_string(shipped).unwrap().replace("/usr/bin/storagectl", STORAGECTL);
    fs_err::write(dir.path().join(unit), text).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "--man=no", "verify"]).arg(dir.path().join(unit));
    assert_eq!(run(verify.env("XDG_RUNTIME_DIR", dir.path())), "");
}

/// Makes `tree` one with a user, whose storage says that a container needs a layer, which it returns. No
/// store has it but the one at /old.
fn set_up(tree: &Path) -> String {
    let scene = Scene::new();
    run(&mut scene.build(&scene.layout(&small()), &tree.join("old")));
    let lost = names(&tree.join("old/overlay")).into_iter().find(|name| name.len() == 64).unwrap();
    let graph = tree.join("home/u/.local/share/containers/storage");
    let conf = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
        graphroot = \"/var/lib/containers/storage\"\n";
    write(&tree.join("etc/containers/storage.conf"), conf);
    write(&tree.join("etc/passwd"), "u:x:1000:1000::/home/u:/bin/sh\n");
    fs_err::create_dir_all(tree.join("var/lib")).unwrap();
    let records = |kind: &str, json: &str| write(&graph.join(format!("overlay-{kind}/{kind}.json")), json);
    let (container, top) = ("d".repeat(64), "c".repeat(64));
    records("layers", &format!("[{{\"id\":\"{top}\",\"parent\":\"{lost}\"}}]"));
    records("containers", &format!("[{{\"id\":\"{container}\",\"names\":[\"web\"],\"layer\":\"{top}\"}}]"));
    write(&graph.join(format!("overlay/{top}/lower")), "l/ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    run(Command::new("chown").args(["-R", "1000:1000"]).arg(tree.join("home/u")));
    lost
}

/// What root says and whether it keeps the layer, after `tamper` has done in the user's storage what
/// the user could have done.
#[track_caller]
fn keep_in_tree(tamper: impl Fn(&Path)) -> (String, bool) {
    let scene = Scene::new();
    let before = stamps(&scene.secret());
    let tree = scene.scratch.path().join("tree");
    fs_err::create_dir(&tree).unwrap();
    let lost = set_up(&tree);
    tamper(&tree);
    let keep = ["--root", path(&tree), "keep-layers", "--from", "/old"];
    let said = text(&finish(Command::new("timeout").arg("60").arg(STORAGECTL).args(keep)));
    assert_eq!(stamps(&scene.secret()), before);
    assert!(!said.contains("a secret"), "{said}");
    let kept = tree.join("var/lib/containers/kept-layers");
    let link = kept.join("overlay/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    assert!(link.symlink_metadata().is_err(), "a name that the user has chosen");
    (said, kept.join("overlay").join(lost).exists())
}

#[test]
fn keeping_for_users_that_was_killed_is_finished_by_the_next_run() {
    let scene = interrupt::Scene::new(
        |tree| drop(set_up(tree)),
        &["--root", "@DIR@", "keep-layers", "--from", "/old"],
    );
    let (_, calls) = trace(&scene.command());
    let done = |at: &str| {
        let tree = scene.dir();
        let conf = fs_err::read_to_string(tree.join("etc/containers/storage.conf")).unwrap();
        assert!(conf.contains("/var/lib/containers/kept-layers"), "{at}: {conf}");
        let store = tree.join("var/lib/containers/kept-layers");
        let left: Vec<String> = names(&store).into_iter().filter(|name| name.contains("-new-")).collect();
        assert!(left.is_empty(), "{at}: {left:?}");
        let checked = text(&finish(&mut storagectl(&["check-store", "--deep", "--strict", path(&store)])));
        assert!(checked.starts_with("exit status: 0"), "{at}: {checked}");
        assert!(store.join(".storagectl-users.json").exists(), "{at}");
    };
    let mut killed = 0;
    for call in tried(own(&calls).iter().filter(|call| changes(call)).collect(), 40) {
        scene.reset();
        // The other thread reads, and may get to a call first.
        killed +=
            usize::from(tamper(&[&call.inject("signal=KILL")], &scene.command()).status.signal() == Some(9));
        run(&mut scene.command());
        done(&call.line);
    }
    assert!(killed > 20, "{killed}");
}

#[test]
fn what_a_user_has_written_leads_root_nowhere() {
    let (said, is_kept) = keep_in_tree(|_| {});
    assert!(is_kept && said.contains("container `web`"), "{said}");
    let storage = |tree: &Path| tree.join("home/u/.local/share/containers/storage");
    let (said, is_kept) = keep_in_tree(|tree| {
        // What a store's records say of a layer is not enough: its id has to follow from its content.
        let layers = tree.join("old/overlay-layers/layers.json");
        let text = fs_err::read_to_string(&layers).unwrap();
        let key = "\"diff-digest\":\"sha256:";
        let at = text.find(key).unwrap() + key.len();
        fs_err::write(&layers, format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..])).unwrap();
    });
    assert!(!is_kept && said.contains("is lost"), "{said}");
    for closed in ["old", "old/overlay"] {
        let (said, is_kept) = keep_in_tree(|tree| {
            std::fs::set_permissions(tree.join(closed), std::fs::Permissions::from_mode(0o750)).unwrap();
        });
        assert!(!is_kept && said.contains("is lost"), "what was closed stays closed: {said}");
    }
    for place in ["", "overlay", "overlay-layers", "overlay-layers/layers.json"] {
        let (said, is_kept) = keep_in_tree(|tree| {
            let file = storage(tree).join(place);
            fs_err::rename(&file, tree.join("aside")).unwrap();
            symlink("/aside", file.components().as_path()).unwrap();
        });
        // A storage may be elsewhere; in it no symlink is followed.
        assert_eq!(is_kept, place.is_empty(), "{place}: {said}");
    }
    let (said, is_kept) = keep_in_tree(|tree| {
        run(Command::new("chown").arg("0:0").arg(storage(tree)));
    });
    assert!(!is_kept, "a storage of somebody else: {said}");
    let (said, is_kept) = keep_in_tree(|tree| {
        let file = storage(tree).join("overlay-layers/layers.json");
        fs_err::remove_file(&file).unwrap();
        run(Command::new("mkfifo").arg(file));
    });
    assert!(!is_kept, "{said}");
    let (said, is_kept) = keep_in_tree(|tree| {
        let file = fs_err::File::create(storage(tree).join("overlay-layers/layers.json")).unwrap();
        file.set_len(17 << 20).unwrap();
    });
    assert!(!is_kept && said.contains("larger than 16 MiB"), "{said}");
}
