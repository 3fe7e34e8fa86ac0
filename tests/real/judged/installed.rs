//! What is said is about the engines that a host has.

use super::engine::Engine::{Crio, Podman4, Podman5, Podman6};
use super::engine::Who::{Root, User};
use super::host::Host;
use super::report::Report;
use super::{CONF, MAIN, STORE, list, nothing, served};
use crate::support::text;

#[test]
fn a_store_that_no_installed_engine_sees_is_told() {
    for engine in [Podman5, Crio] {
        let place = if engine == Crio { "/usr/bin/crio" } else { "/usr/bin/podman" };
        let host = Host::with(&[(place, engine)]);
        host.open_store(STORE);
        host.write(CONF, MAIN);
        let healthy = Report::check_config(&host);
        host.write("/etc/containers/storage.conf.d/10-app.conf", &list("\"/srv/app\""));
        assert_eq!(host.images(Root, Podman6), served());
        assert_eq!(host.images(Root, Podman5), nothing());
        let crio = text(&host.script("/run/engine/crio config 2>&1"));
        assert!(crio.contains("storage_driver") && !crio.contains(STORE), "{crio}");
        for command in ["check-config", "doctor"] {
            let report = Report::of(&host, Root, &[command]);
            assert!(report.mentions("10-app.conf") || report.mentions(STORE), "{command}: {}", report.json);
        }
        let report = Report::check_config(&host);
        assert!(report.ids().difference(&healthy.ids()).next().is_some(), "{}", report.json);
    }
}

#[test]
fn a_host_of_which_every_engine_works_has_no_errors() {
    let host = Host::with_podman(Podman6);
    host.store("/usr/lib/containers/storage");
    host.write(
        "/usr/share/containers/storage.conf",
        "# What Fedora 45 ships sets no directories.\n[storage]\ndriver = \"overlay\"\n",
    );
    let drop_in = "/usr/share/containers/storage.rootful.conf.d/00-vendor.conf";
    host.write(drop_in, &list("\"/usr/lib/containers/storage\""));
    assert_eq!(host.images(Root, Podman6), served());
    assert_eq!(host.images(User, Podman6), nothing());
    for who in [Root, User] {
        for command in ["check-config", "doctor"] {
            let report = Report::of(&host, who, &[command]);
            assert_eq!((report.status, report.errors()), (0, 0), "{who:?}, {command}: {}", report.json);
        }
    }
    // An engine that is not there can be asked about.
    assert!(host.images(Root, Podman4).is_err());
    let report = Report::of(&host, Root, &["check-config", "--engine", "podman4"]);
    assert!(report.status == 1 && report.stops(Podman4), "{}", report.json);
}

#[test]
fn the_file_that_is_named_is_the_one_that_is_shown() {
    let host = Host::with_podman(Podman6);
    host.write(CONF, MAIN);
    host.write("/srv/other.conf", &MAIN.replace("/var/lib/containers/storage", "/srv/own"));
    let seen = host.script("CONTAINERS_STORAGE_CONF=/srv/other.conf /usr/bin/podman info");
    assert!(text(&seen).contains("graphRoot: /srv/own"), "{}", text(&seen));
    let shown =
        Report::of(&host, Root, &["--config", "/srv/other.conf", "show-config", "--engine", "podman6"]);
    assert_eq!(shown.json["settings"]["graphroot"]["value"], "/srv/own", "{}", shown.json);
    let seen = host.script("CONTAINERS_STORAGE_CONF=/srv/none.conf /usr/bin/podman info || exit 0; exit 1");
    assert!(seen.status.success(), "{}", text(&seen));
    let missing = host.storagectl(Root, &["--config", "/srv/none.conf", "show-config"]);
    assert_ne!(missing.status.code(), Some(0), "{}", text(&missing));
}

#[test]
fn a_number_in_an_error_is_no_version() {
    for (engine, version) in [(Podman4, "4."), (Podman6, "6.")] {
        let host = Host::with_podman(engine);
        host.write(CONF, &format!("{MAIN}\n\n\n[storage\n"));
        assert!(host.images(Root, engine).is_err());
        let report = Report::of(&host, Root, &["doctor"]);
        let podman = &report.json["engines"][0];
        assert_eq!(podman["name"], "podman", "{}", report.json);
        let said = podman["version"].as_str().map(|said| said.trim_start_matches('v'));
        assert!(said.is_none_or(|said| said.starts_with(version)), "{engine:?}: {podman}");
    }
}
