//! podman 6 gives the files of /etc and /usr/share to every normal user, too: what is
//! written there for root must not stop them, hide their storage, or show a store twice.

use super::engine::Engine;
use super::engine::Engine::{Podman4, Podman6};
use super::engine::Who::{Root, User};
use super::host::{HOME, Host};
use super::{CONF, MAIN, STORE, list, main_with, nothing, served};
use crate::support::text;

/// Podman 6, and an engine beside it that wants the roots in the main file.
const BOTH: [(&str, Engine); 2] = [("/usr/bin/podman", Podman6), ("/usr/local/bin/podman", Podman4)];

/// The commands that may write the main file, as scripts. Each lists [`STORE`].
const WRITERS: [(&str, &str); 5] = [
    ("add-store", "$storagectl add-store --init /srv/app"),
    ("apply", "$storagectl init-store --declare app /srv/app; $storagectl apply"),
    ("apply --boot", "$storagectl init-store --declare app /srv/app; $storagectl apply --boot"),
    (
        "generate",
        "$storagectl generate kickstart --preset none --store /srv/app >/run/ks
        sed '/^%/d' /run/ks | sh -eu",
    ),
    (
        "check-config --fix",
        "$storagectl init-store /srv/app
        printf '[storage.options]\\nadditionalimagestores = [\"/srv/app\"]\\n' >/etc/containers/storage.conf
        $storagectl check-config --fix || :",
    ),
];

#[test]
fn a_file_that_is_written_for_all_engines_leaves_users_their_own_directories() {
    assert_eq!(Host::without_engines().images(User, Podman6), nothing());
    let mut wrong = Vec::new();
    for installed in [&[], BOTH.as_slice()] {
        for (name, script) in WRITERS {
            let host = Host::with(installed);
            let output = host.script(&format!("storagectl=/run/engine/storagectl; {script}"));
            assert!(output.status.success(), "{name}: {}", text(&output));
            if let Err(why) = host.images(User, Podman6) {
                wrong.push(format!("{name}, {installed:?}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the rule costs nobody.
#[test]
fn root_sees_a_store_with_every_engine_that_may_be_there() {
    for installed in [&[], BOTH.as_slice()] {
        let host = Host::with(installed);
        host.open_store(STORE);
        let output = host.storagectl(Root, &["add-store", STORE]);
        assert!(output.status.success(), "{}", text(&output));
        for engine in if installed.is_empty() { Engine::PODMANS.as_slice() } else { &[Podman4, Podman6] } {
            assert_eq!(host.images(Root, *engine), served(), "{engine:?}, {installed:?}");
        }
        assert_eq!(host.images(User, Podman6), served(), "{installed:?}");
    }
}

/// Giving users the default directories back must not take those away that a user has
/// chosen. A drop-in of the system is stronger than the user's own main file.
#[test]
fn a_storage_that_a_user_has_chosen_stays_that_users() {
    let host = Host::without_engines();
    let graphroot = format!("{HOME}/mine");
    host.write_own(
        "storage.conf",
        &format!("[storage]\ngraphroot = \"{graphroot}\"\nrunroot = \"/run/user/1000/mine\"\n"),
    );
    let seen = || {
        let output = host.engine(User, Podman6, &["info", "--format", "{{.Store.GraphRoot}}"]);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(seen(), graphroot);
    host.open_store(STORE);
    host.storagectl(Root, &["add-store", STORE]);
    assert_eq!(seen(), graphroot);
}

/// The files of Fedora 45, whose store is root's alone.
fn fedora() -> Host {
    let host = Host::with_podman(Podman6);
    host.store("/usr/lib/containers/storage");
    host.write(
        "/usr/share/containers/storage.rootful.conf.d/00-vendor.conf",
        &list("\"/usr/lib/containers/storage\""),
    );
    host
}

#[test]
fn a_list_for_root_alone_is_not_copied_to_where_users_read_it() {
    for (name, script) in [
        ("add-store --first", "add-store --first --init /srv/first"),
        ("add-store --last", "add-store --init /srv/first"),
        ("generate", "generate kickstart --preset fedora --store /srv/first"),
    ] {
        let host = fedora();
        assert_eq!(host.images(User, Podman6), nothing());
        let output = host.script(&format!(
            "/run/engine/storagectl {script} >/run/printed
            [ '{name}' != generate ] || sed '/^%/d' /run/printed | sh -eu"
        ));
        assert!(output.status.success(), "{name}: {}", text(&output));
        assert_eq!(host.images(User, Podman6), nothing(), "{name}");
        assert_eq!(host.images(Root, Podman6), served(), "{name}");
    }
}

#[test]
fn a_store_that_users_may_not_read_is_listed_for_root_alone_or_refused() {
    type Make = fn(&Host);
    let stores: [(&str, Make); 3] = [
        ("as root's podman makes it", |host| host.store(STORE)),
        ("with records of root's alone", |host| {
            host.open_store(STORE);
            let images = host.at("/srv/app/overlay-images/images.json");
            fs_err::set_permissions(images, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }),
        ("an empty directory", |host| fs_err::create_dir(host.at(STORE)).unwrap()),
    ];
    for (name, make) in stores {
        let host = Host::with_podman(Podman6);
        make(&host);
        let output = host.storagectl(Root, &["add-store", STORE]);
        assert_eq!(host.images(User, Podman6), nothing(), "{name}");
        // Root gets what was asked for, unless it was refused.
        if name != "an empty directory" {
            assert!(output.status.success(), "{name}: {}", text(&output));
            assert_eq!(host.images(Root, Podman6), served(), "{name}");
        }
    }
}

#[test]
fn users_see_a_store_once_though_root_needs_it_in_two_files() {
    let host = Host::with(&BOTH).with_users_own();
    host.open_store(STORE);
    // It hides the main file's list from root, and not from users.
    fs_err::create_dir(host.at("/srv/vendor")).unwrap();
    host.write("/usr/share/containers/storage.rootful.conf.d/00-vendor.conf", &list("\"/srv/vendor\""));
    host.write(CONF, MAIN);
    let output = host.storagectl(Root, &["add-store", STORE]);
    assert!(output.status.success(), "{}", text(&output));
    for (who, engine) in [(Root, Podman4), (Root, Podman6), (User, Podman6)] {
        assert_eq!(host.images(who, engine), served(), "{who:?}, {engine:?}");
    }
}

#[test]
fn a_users_own_list_does_not_outlive_what_it_repeats_of_the_systems() {
    let host = Host::with(&BOTH).with_users_own();
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/app\""));
    assert_eq!(host.images(User, Podman6), served());
    let own = format!("{HOME}/images");
    host.storagectl(User, &["add-store", "--init", &own]);
    assert_eq!(host.images(User, Podman6).map(|_| ()), Ok(()));
    let output = host.storagectl(Root, &["remove-store", STORE]);
    assert!(output.status.success(), "{}", text(&output));
    fs_err::remove_dir_all(host.at(STORE)).unwrap();
    assert_eq!(host.images(User, Podman6), nothing());
    assert_eq!(host.images(User, Podman4), nothing());
}

#[test]
fn what_a_user_declares_is_listed_for_that_users_engines_alone() {
    let host = Host::with(&BOTH).with_users_own();
    // Without a configuration podman 4 has vfs for users.
    host.write(CONF, MAIN);
    let own = format!("{HOME}/images");
    host.open_store(&own);
    host.own_by_user(&own);
    let run = |args: &[&str]| {
        let output = host.storagectl(User, args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        text(&output)
    };
    run(&["init-store", "--declare", "mine", &own]);
    assert!(host.read(&format!("{HOME}/.config/storagectl/stores.d/mine.toml")).is_some());
    let said = run(&["doctor", "--format", "json"]);
    assert!(said.contains("not-applied"), "{said}");
    run(&["apply"]);
    for engine in [Podman4, Podman6] {
        assert_eq!(host.images(User, engine), served(), "{engine:?}");
        assert_eq!(host.images(Root, engine), nothing(), "{engine:?}");
    }
    assert_eq!(run(&["apply", "--dry-run"]), "exit status: 0");
    fs_err::remove_file(host.at(&format!("{HOME}/.config/storagectl/stores.d/mine.toml"))).unwrap();
    run(&["apply"]);
    for engine in [Podman4, Podman6] {
        assert_eq!(host.images(User, engine), nothing(), "{engine:?}");
    }
    assert_eq!(host.read(&format!("{HOME}/.config/containers/storage.conf")), None);
}

#[test]
fn a_sealed_store_and_the_boot_are_not_a_users() {
    let host = Host::with(&BOTH);
    let declared = format!("{HOME}/.config/storagectl/stores.d/mine.toml");
    host.write(
        &declared,
        "[[store]]\npath = \"/run/storagectl/stores/mine\"\nsealed = \"/home/u/mine.squashfs\"\n",
    );
    let output = host.storagectl(User, &["apply"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("only root can mount it"), "{}", text(&output));
    let output = host.storagectl(User, &["apply", "--boot"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}
