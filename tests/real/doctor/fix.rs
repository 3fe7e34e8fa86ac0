//! `doctor --fix` on hosts that are broken: the engine works then, what was done can be undone, and
//! there is nothing left to do.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

use serde_json::Value;

use crate::explain::host_with_embedded_images;
use crate::judged::engine::Engine::{self, Crio, Podman4, Podman5, Podman6};
use crate::judged::engine::Who::{self, Root, User};
use crate::judged::host::{HOME, Host};
use crate::judged::{CONF, MAIN, STORE, main_with};
use crate::strace::{changes, recorded, tried};
use crate::support::{IMAGE, run, text};
use crate::tree::stamps;

fn host(engine: Engine) -> Host {
    let host = Host::with_podman(engine).with_users_own();
    host.write(CONF, MAIN);
    host
}

#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// The commands of the steps of `doctor --fix`, with how each ended.
#[track_caller]
fn steps(page: &Value) -> Vec<(String, String)> {
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    let fixes = page["fixes"].as_array().unwrap();
    fixes.iter().map(|step| (text(step, "id"), text(step, "state"))).collect()
}

fn ids(page: &Value) -> Vec<String> {
    let findings = page["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

/// Fixes the host, and holds what every fix has to: what is found has a hint that names the command, a
/// dry run shows the same steps and touches nothing, each is done, the finding is gone, and a second
/// run finds nothing to do. Returns the JSON of the fix.
#[track_caller]
fn fix(host: &Host, who: Who, options: &[&str], expected: &[(&str, &str)]) -> Value {
    let doctor = |more: &[&str]| host.storagectl(who, &[&["--format", "json", "doctor"], more].concat());
    let found = json(&doctor(&[]));
    for (finding, step) in expected {
        let all = found["fixes"].as_array().unwrap();
        let offered = all.iter().find(|it| it["id"] == *step).unwrap_or_else(|| panic!("{step}: {found:#}"));
        let command = format!("`{}`", offered["what"].as_str().unwrap());
        let findings = found["findings"].as_array().unwrap();
        let named = |it: &&Value| it["id"] == *finding && it["hint"].as_str().unwrap().contains(&command);
        assert!(
            findings.iter().any(|it| named(&it)),
            "{finding} has no hint that names {command}: {found:#}"
        );
    }
    let wanted = |state: &str| {
        expected.iter().map(|(_, step)| ((*step).to_owned(), state.to_owned())).collect::<Vec<_>>()
    };
    let before = times(host);
    let dry = json(&doctor(&[&["--fix", "--dry-run"], options].concat()));
    let first = &wanted("would")[0];
    assert!(steps(&dry).contains(first), "{dry:#}");
    assert_unchanged(&before, &times(host));
    let output = doctor(&[&["--fix"], options].concat());
    let fixed = json(&output);
    assert_eq!(steps(&fixed), wanted("done"), "{fixed:#}");
    let left = ids(&fixed);
    assert!(expected.iter().all(|(finding, _)| !left.contains(&(*finding).to_owned())), "{left:?}");
    assert!(output.status.success(), "{}", text(&output));
    let before = times(host);
    let again = host.storagectl(who, &[&["doctor", "--fix"], options].concat());
    assert!(again.status.success() && text(&again).contains("nothing to fix"), "{}", text(&again));
    assert_unchanged(&before, &times(host));
    fixed
}

/// The times of all that is on the host's disks, but those of access. Mount points are made each
/// time that it is entered.
fn times(host: &Host) -> Vec<Stamps> {
    let dirs = ["etc", "home", "root", "srv", "usr/lib", "var"].map(|dir| host.at(dir));
    dirs.iter().filter(|dir| dir.is_dir()).map(|dir| stamps(dir)).collect()
}

/// Gives the directories of the host a time of access that listing them would change. Returns them.
fn mark_directories(host: &Host) -> Vec<std::path::PathBuf> {
    let all = times(host).concat();
    let dirs: Vec<_> =
        all.into_iter().map(|(path, _)| path).filter(|path| path.is_dir() && !path.is_symlink()).collect();
    run(Command::new("touch").args(["-a", "-d", "@1"]).args(&dirs));
    dirs
}

/// Those that were listed since then.
fn accessed(dirs: &[std::path::PathBuf]) -> Vec<std::path::PathBuf> {
    dirs.iter().filter(|dir| fs_err::metadata(dir).unwrap().atime() != 1).cloned().collect()
}

type Stamps = Vec<(std::path::PathBuf, [i64; 6])>;

#[track_caller]
fn assert_unchanged(before: &[Stamps], after: &[Stamps]) {
    let changed: Vec<_> =
        after.iter().flatten().filter(|it| !before.iter().flatten().any(|other| other == *it)).collect();
    assert!(changed.is_empty() && before == after, "{changed:?}");
}

/// Undoes all steps, the last first.
#[track_caller]
fn undo(host: &Host, fixed: &Value) {
    let steps = fixed["fixes"].as_array().unwrap().iter().rev();
    for command in steps.flat_map(|step| step["undo"].as_array().unwrap()) {
        let output = host.script(command.as_str().unwrap());
        assert!(output.status.success(), "{command}: {}", text(&output));
    }
}

#[test]
fn a_missing_store_is_set_aside_and_undone() {
    for engine in Engine::PODMANS {
        let host = host(engine);
        let broken = main_with("\"/srv/gone\"");
        host.write(CONF, &broken);
        host.images(Root, engine).unwrap_err();
        let fixed = fix(&host, Root, &[], &[("store-missing", "set-aside")]);
        assert_eq!(host.images(Root, engine), Ok(Vec::new()));
        // What was missing is listed again when it is there.
        host.open_store("/srv/gone");
        fix(&host, Root, &[], &[("set-aside", "apply")]);
        assert_eq!(host.images(Root, engine), Ok(vec![format!("{IMAGE} true")]));
        undo(&host, &fixed);
        assert_eq!(host.read(CONF).unwrap(), broken);
    }
}

#[test]
fn a_file_in_the_place_of_a_store_is_set_aside() {
    let host = host(Podman6);
    host.write("/srv/file", "");
    host.write(CONF, &main_with("\"/srv/file\""));
    host.images(Root, Podman6).unwrap_err();
    fix(&host, Root, &[], &[("store-not-directory", "set-aside")]);
    assert_eq!(host.images(Root, Podman6), Ok(Vec::new()));
}

/// The engine of whose store it is cannot make them where the directory is somebody else's.
#[test]
fn lock_files_are_made_where_they_can_be() {
    let host = host(Podman6);
    host.open_store(STORE);
    let script = "rm /srv/app/overlay-images/images.lock; chown 1000:1000 /srv/app";
    assert!(host.script(script).status.success());
    host.write(CONF, &main_with("\"/srv/app\""));
    host.images(User, Podman6).unwrap_err();
    fix(&host, Root, &[], &[("lock-missing", "init-store")]);
    for who in [Root, User] {
        assert_eq!(host.images(who, Podman6), Ok(vec![format!("{IMAGE} true")]));
    }
}

#[test]
fn cri_o_starts_again_when_a_missing_store_is_set_aside() {
    let host = Host::with(&[("/usr/bin/crio", Crio)]);
    host.write(CONF, &main_with("\"/srv/gone\""));
    host.crio_serves().unwrap_err();
    fix(&host, Root, &[], &[("store-missing", "set-aside")]);
    assert_eq!(host.crio_serves(), Ok(()));
}

#[test]
fn a_configuration_that_has_one_right_form_is_given_it() {
    for (engine, text, finding) in [
        (Podman4, main_with("\"/srv/app\", {append=true}"), "append-in-main"),
        (Podman5, main_with("\"/srv/app\", {append=true}"), "append-in-main"),
        (Podman4, format!("\u{feff}{}", main_with("\"/srv/app\"")), "byte-order-mark"),
    ] {
        let host = host(engine);
        host.open_store(STORE);
        host.write(CONF, &text);
        host.images(Root, engine).unwrap_err();
        let fixed = fix(&host, Root, &[], &[(finding, "fix-config")]);
        assert_eq!(host.images(Root, engine), Ok(vec![format!("{IMAGE} true")]));
        undo(&host, &fixed);
        assert_eq!(host.read(CONF).unwrap(), text);
    }
}

#[test]
fn what_is_declared_is_listed() {
    for engine in Engine::PODMANS {
        let host = host(engine);
        host.open_store(STORE);
        host.write("/usr/lib/storagectl/stores.d/app.toml", "[[store]]\npath = \"/srv/app\"\n");
        let fixed = fix(&host, Root, &[], &[("not-applied", "apply")]);
        assert_eq!(host.images(Root, engine), Ok(vec![format!("{IMAGE} true")]));
        undo(&host, &fixed);
        assert_eq!(host.read(CONF).unwrap(), MAIN);
        assert_eq!(host.images(Root, engine), Ok(Vec::new()));
    }
}

#[test]
fn a_declared_store_that_is_gone_is_taken_off_the_list() {
    let host = host(Podman6);
    host.open_store(STORE);
    host.write("/usr/lib/storagectl/stores.d/app.toml", "[[store]]\npath = \"/srv/app\"\n");
    assert!(host.storagectl(Root, &["apply"]).status.success());
    fs_err::remove_dir_all(host.at(STORE)).unwrap();
    host.images(Root, Podman6).unwrap_err();
    fix(&host, Root, &[], &[("store-missing", "apply")]);
    assert_eq!(host.images(Root, Podman6), Ok(Vec::new()));
}

#[test]
fn embedded_images_are_copied_and_written_again_when_they_are_damaged() {
    let (host, reference) = host_with_embedded_images();
    let inspect = || host.engine_that_stays(Root, Podman6, &["image", "inspect", &reference]);
    assert!(!inspect().status.success());
    fix(&host, Root, &[], &[("images-not-copied", "copy-images")]);
    assert!(inspect().status.success());
    let records = host.read("/var/lib/containers/storage/overlay-images/images.json").unwrap();
    let records: Vec<Value> = serde_json::from_str(&records).unwrap();
    let is_it = |image: &&Value| image["names"].as_array().unwrap().iter().any(|name| *name == reference);
    let id = records.iter().find(is_it).unwrap()["id"].as_str().unwrap();
    host.write(&format!("/var/lib/containers/storage/overlay-images/{id}/manifest"), "{\"schema");
    assert!(!inspect().status.success());
    fix(&host, Root, &[], &[("big-data-malformed", "copy-images")]);
    assert!(inspect().status.success());
}

#[test]
fn embedded_images_go_where_the_unit_copies_them() {
    let (host, reference) = host_with_embedded_images();
    host.write(
        "/etc/systemd/system/storagectl-copy-images.service",
        "[Service]\nEnvironment=\"COPY_IMAGES=--store /var/lib/containers/bound-images\"\n",
    );
    let wants = host.at("/etc/systemd/system/multi-user.target.wants");
    fs_err::create_dir_all(&wants).unwrap();
    fs_err::os::unix::fs::symlink(
        "../storagectl-copy-images.service",
        wants.join("storagectl-copy-images.service"),
    )
    .unwrap();
    let fixed = fix(&host, Root, &[], &[("images-not-copied", "copy-images")]);
    assert_eq!(fixed["fixes"][0]["what"], "storagectl copy-images --store /var/lib/containers/bound-images");
    let inspected = host.engine_that_stays(Root, Podman6, &["image", "inspect", &reference]);
    assert!(inspected.status.success(), "{}", text(&inspected));
}

/// A host with a copied image that the list has no more, and its reference.
fn host_with_image_of_former_list() -> (Host, String) {
    let (host, reference) = host_with_embedded_images();
    assert!(host.script("/run/engine/storagectl -q copy-images").status.success());
    let list = host.read("/usr/lib/containers/storage/image-list.txt").unwrap();
    let rest: Vec<&str> = list.lines().filter(|line| !line.starts_with(&format!("{reference},"))).collect();
    host.write("/usr/lib/containers/storage/image-list.txt", &(rest.join("\n") + "\n"));
    (host, reference)
}

#[test]
fn images_of_a_former_list_go_if_it_is_asked_for() {
    let (host, reference) = host_with_image_of_former_list();
    let inspect = || host.engine_that_stays(Root, Podman6, &["image", "inspect", &reference]);
    let kept = host.storagectl(Root, &["doctor", "--fix"]);
    let said = text(&kept);
    assert!(
        kept.status.success() && said.contains("nothing to fix") && said.contains("`--remove`"),
        "{said}"
    );
    assert!(inspect().status.success());
    fix(&host, Root, &["--remove"], &[("images-not-pruned", "prune-images")]);
    assert!(!inspect().status.success());
}

/// Their names are gone then, and their layers are not yet.
#[test]
fn a_removal_that_was_cut_off_is_finished() {
    let (host, _) = host_with_image_of_former_list();
    let storage = "/var/lib/containers/storage";
    let layers = format!("{storage}/overlay-layers/layers.json");
    let before = host.read(&layers).unwrap();
    let left = format!("{storage}/overlay-layers/.layers.json.storagectl-new");
    let cut =
        host.script(&format!("mkdir {left}; /run/engine/storagectl copy-images --prune || rmdir {left}"));
    assert!(host.read(&format!("{storage}/.storagectl-removing.json")).is_some(), "{}", text(&cut));
    assert_eq!(host.read(&layers).as_ref(), Some(&before));
    fix(&host, Root, &["--remove"], &[("images-not-pruned", "prune-images")]);
    assert_ne!(host.read(&layers), Some(before));
    assert_eq!(host.read(&format!("{storage}/.storagectl-removing.json")), None);
}

/// A host whose own storage has an image on the store's, which was replaced by an empty one.
fn with_child_of_replaced_store(engine: Engine) -> Host {
    let host = host(engine);
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/app\""));
    assert!(host.script("/run/engine/storagectl -q apply --boot").status.success());
    for args in [
        &format!(
            "create --name c --network none --cgroups disabled --security-opt seccomp=unconfined --pull never {IMAGE} true"
        ),
        "commit -q c localhost/child:1",
        "rm c",
    ] {
        let output = host.engine_that_stays(Root, engine, &args.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{args}: {}", text(&output));
    }
    host
}

/// Whether an engine can mount the image with all of its layers.
fn works(host: &Host, engine: Engine) -> bool {
    host.engine_that_stays(Root, engine, &["image", "mount", "localhost/child:1"]).status.success()
}

#[test]
fn layers_are_kept_from_where_they_still_are() {
    for engine in [Podman4, Podman6] {
        let host = with_child_of_replaced_store(engine);
        // The store of the last boot is still there, and another one is listed.
        let replace = host.script("/run/engine/storagectl -q init-store /srv/new");
        assert!(replace.status.success(), "{}", text(&replace));
        host.write(CONF, &main_with("\"/srv/new\""));
        assert!(!works(&host, engine));
        fix(&host, Root, &[], &[("layers-gone", "keep-layers")]);
        assert!(works(&host, engine));
    }
}

#[test]
fn what_builds_on_layers_that_nobody_has_goes_if_it_is_asked_for() {
    for engine in [Podman4, Podman6] {
        let host = with_child_of_replaced_store(engine);
        let replace = host.script("rm -r /srv/app && /run/engine/storagectl -q init-store /srv/app");
        assert!(replace.status.success(), "{}", text(&replace));
        let kept = host.storagectl(Root, &["doctor", "--fix"]);
        assert_eq!(kept.status.code(), Some(1), "{}", text(&kept));
        assert!(text(&kept).contains("`--remove`"), "{}", text(&kept));
        let page = json(&host.storagectl(Root, &["--format", "json", "doctor", "--fix", "--remove"]));
        assert_eq!(steps(&page), [("clean-dependents".to_owned(), "done".to_owned())], "{page:#}");
        assert!(!ids(&page).contains(&"layers-gone".to_owned()), "{page:#}");
        let listed = host.engine_that_stays(Root, engine, &["images", "-q"]);
        assert!(listed.status.success() && listed.stdout.is_empty(), "{}", text(&listed));
    }
}

/// It is not lost, but away.
#[test]
fn nothing_is_removed_while_the_store_is_set_aside() {
    let host = with_child_of_replaced_store(Podman6);
    assert!(host.script("mv /srv/app /srv/away").status.success());
    let output = host.storagectl(Root, &["--format", "json", "doctor", "--fix", "--remove"]);
    let page = json(&output);
    assert_eq!(steps(&page), [("set-aside".to_owned(), "done".to_owned())], "{page:#}");
    assert!(host.script("mv /srv/away /srv/app").status.success());
    fix(&host, Root, &["--remove"], &[("set-aside", "apply")]);
    assert!(works(&host, Podman6));
}

#[test]
fn several_faults_are_cured_in_one_run_and_in_their_order() {
    let (host, reference) = host_with_embedded_images();
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/gone\", # gone\n"));
    host.write("/usr/lib/storagectl/stores.d/app.toml", "[[store]]\npath = \"/srv/app\"\n");
    fix(&host, Root, &[], &[("store-missing", "set-aside"), ("images-not-copied", "copy-images")]);
    for image in [reference.as_str(), IMAGE] {
        let inspected = host.engine_that_stays(Root, Podman6, &["image", "inspect", image]);
        assert!(inspected.status.success(), "{}", text(&inspected));
    }
}

#[test]
fn a_dry_run_lists_directories_without_a_trace() {
    let (host, _) = host_with_embedded_images();
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/gone\", \"/srv/app\""));
    assert!(host.script("/run/engine/storagectl -q copy-images").status.success());
    let dirs = mark_directories(&host);
    for options in [&["doctor"][..], &["doctor", "--fix", "--dry-run", "--remove"]] {
        host.storagectl(Root, options);
        assert_eq!(accessed(&dirs), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn a_user_fixes_what_is_theirs() {
    let host = host(Podman4);
    host.write_own(
        "storage.conf",
        "[storage]\ndriver = \"overlay\"\n[storage.options]\nadditionalimagestores = [\"/srv/gone\"]\n",
    );
    host.images(User, Podman4).unwrap_err();
    fix(&host, User, &[], &[("store-missing", "set-aside")]);
    assert_eq!(host.images(User, Podman4), Ok(Vec::new()));
    assert!(host.at(&format!("{HOME}/.local/state/storagectl/undo")).is_dir());
    // What is root's is named, and stays.
    let host = Host::with_podman(Podman6);
    host.write(CONF, &main_with("\"/srv/gone\""));
    let output = host.storagectl(User, &["doctor", "--fix"]);
    assert!(!output.status.success());
    assert_eq!(host.read(CONF).unwrap(), main_with("\"/srv/gone\""));
}

/// Whoever owns a store decides what is in it, and not what is elsewhere.
#[test]
fn a_store_of_a_user_leads_nowhere() {
    let host = host(Podman6);
    host.open_store("/srv/users");
    host.write("/root/secret/file", "secret");
    let script = "chmod 700 /root/secret
        rm -r /srv/users/overlay-images
        ln -s /root/secret /srv/users/overlay-images
        chown -hR 1000:1000 /srv/users";
    assert!(host.script(script).status.success());
    host.write(CONF, &main_with("\"/srv/users\", \"/srv/gone\""));
    let before = stamps(&host.at("/root"));
    let output = host.storagectl(Root, &["--format", "json", "doctor", "--fix", "--remove"]);
    assert!(
        steps(&json(&output)).contains(&("set-aside".to_owned(), "done".to_owned())),
        "{}",
        text(&output)
    );
    assert!(stamps(&host.at("/root")) == before);
}

#[test]
fn a_host_in_order_has_nothing_to_fix() {
    for engine in Engine::PODMANS {
        let host = host(engine);
        host.open_store(STORE);
        host.write(CONF, &main_with("\"/srv/app\""));
        for who in [Root, User] {
            let output = host.storagectl(who, &["doctor", "--fix", "--strict"]);
            assert!(text(&output).contains("nothing to fix"), "{}", text(&output));
        }
        let found = json(&host.storagectl(Root, &["--format", "json", "doctor"]));
        assert_eq!(found["findings"], Value::Array(Vec::new()), "{found:#}");
    }
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let (host, reference) = host_with_embedded_images();
    let list = host.read("/usr/lib/containers/storage/image-list.txt").unwrap();
    let first = list.lines().find(|line| line.starts_with(&format!("{reference},"))).unwrap();
    host.write("/usr/lib/containers/storage/image-list.txt", &format!("{first}\n"));
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/gone\", # gone\n"));
    host.write("/usr/lib/storagectl/stores.d/app.toml", "[[store]]\npath = \"/srv/app\"\n");
    let traced = host.script(
        "cp -a /etc/containers /conf; strace -qq -y -o /calls /run/engine/storagectl -q doctor --fix",
    );
    assert!(traced.status.success(), "{}", text(&traced));
    let wanted = host.read(CONF).unwrap();
    let calls = recorded(&host.read("/calls").unwrap());
    let points = calls.iter().filter(|call| changes(call)).map(|call| format!("{} {}", call.name, call.nth));
    let few = tried(points.collect(), 20);
    assert!(few.len() > 10, "{}", few.len());
    host.write("/points", &(few.join("\n") + "\n"));
    // Everything as it was; killed; what the engine says then, once in a while; finished; looked at.
    let script = "cp /etc/containers/storage.conf /wanted
        number=0 killed=0
        while read -r call nth; do
            rm -rf /etc/containers /var/lib/containers /var/lib/storagectl
            cp -a /conf /etc/containers
            strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$nth \
                /run/engine/storagectl -q doctor --fix >/said 2>&1 || killed=$((killed + 1))
            number=$((number + 1))
            if [ $((number % 5)) = 0 ]; then
                /run/engine/podman6 images >/said 2>&1 || grep -q /srv/gone /said || cat /said >>/wrong
            fi
            /run/engine/storagectl -q doctor --fix >/said 2>&1 || { echo \"$call $nth:\"; cat /said; } >>/wrong
            cmp /wanted /etc/containers/storage.conf >>/wrong 2>&1 || echo \"$call $nth: configuration\" >>/wrong
            /run/engine/storagectl -q check-store >>/wrong 2>&1 || echo \"$call $nth: store\" >>/wrong
            /run/engine/storagectl doctor --fix 2>&1 | grep -q '^nothing to fix' || echo \"$call $nth: again\" >>/wrong
        done </points
        echo $killed >/killed
        /run/engine/storagectl doctor --fix 2>&1 | grep -q '^nothing to fix' || echo again >>/wrong
        /run/engine/podman6 image inspect REFERENCE >/said 2>&1 || cat /said >>/wrong";
    let killed = host.script(&script.replace("REFERENCE", &reference));
    assert!(killed.status.success(), "{}", text(&killed));
    assert_eq!(host.read(CONF).unwrap(), wanted);
    // Threads that copy may get to a call in another order.
    let count: usize = host.read("/killed").unwrap().trim().parse().unwrap();
    assert!(count > few.len() / 2, "{count} of {}", few.len());
    let wrong = host.read("/wrong").unwrap_or_default();
    assert!(wrong.is_empty(), "{wrong}");
}
