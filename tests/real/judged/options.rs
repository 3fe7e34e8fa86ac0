//! Values that the storage library or its driver does not take, or does.

use std::fmt::Write as _;

use super::engine::Engine::{self, Podman4, Podman5, Podman6};
use super::engine::Who::Root;
use super::host::Host;
use super::report::Report;
use super::{CONF, MAIN, STORE, list, nothing};
use crate::support::text;

const ALL: &[Engine] = &[Podman4, Podman5, Podman6];
const NONE: &[Engine] = &[];

/// A text behind the roots of a main file, and the podmans that stop on it.
type Row<'a> = (&'a str, &'a [Engine]);

/// Holds what check-config and show-config say of each text against the engines.
#[track_caller]
fn check(host: &Host, rows: &[Row<'_>]) {
    // Each has a storage of its own, which another driver or option would not take over.
    let texts: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(row, (text, _))| {
            let main = MAIN.replace("/var/lib/containers/storage", &format!("/var/lib/containers/{row}"));
            if text.contains("graphroot") { (*text).to_owned() } else { format!("{main}{text}") }
        })
        .collect();
    let each = |engine: Engine, command: &str| {
        let ran = host.on_each(Root, &texts, command);
        ran.into_iter().zip(rows).map(move |(ran, row)| (ran, row.0, row.1.contains(&engine)))
    };
    for engine in Engine::PODMANS {
        for (ran, text, stops) in each(engine, &format!("/run/engine/{} images", engine.name())) {
            assert_eq!(ran.0 != 0, stops, "{engine:?}: {text}: {}", ran.1);
        }
    }
    let mut wrong = String::new();
    for engine in Engine::PODMANS {
        let mut note = |what: &str, text: &str, said: bool, stops: bool, why: &str| {
            if said != stops {
                writeln!(wrong, "{engine:?}: {what}: {text}, stops: {stops}, said: {said}: {why}").unwrap();
            }
        };
        for (ran, text, stops) in each(engine, "/run/engine/storagectl --format json check-config") {
            let report = Report::parse(&ran);
            note("check-config", text, report.stops(engine), stops, &report.json.to_string());
        }
        let show_config = format!("/run/engine/storagectl show-config --engine {}", engine.name());
        for (ran, text, stops) in each(engine, &show_config) {
            note("show-config", text, ran.0 == 1, stops, &ran.1);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn an_additional_layer_store_is_looked_at_as_engines_do() {
    let host = Host::without_engines().with_users_own();
    fs_err::create_dir(host.at("/srv/layers")).unwrap();
    let entries = [
        ("/nowhere", ALL),
        ("/nowhere:ref", ALL),
        ("srv/layers", ALL),
        ("/etc/passwd", ALL),
        ("/srv/layers:other", ALL),
        ("/srv/layers:ref:ref", ALL),
        ("/srv/layers", NONE),
        ("/srv/layers:ref", NONE),
        (" /srv/layers ", NONE),
        ("", NONE),
    ];
    let texts =
        entries.map(|(entry, _)| format!("[storage.options]\nadditionallayerstores = [\"{entry}\"]\n"));
    let rows: Vec<Row<'_>> =
        texts.iter().zip(entries).map(|(text, (_, stops))| (text.as_str(), stops)).collect();
    check(&host, &rows);
    host.write(CONF, &format!("{MAIN}{}", texts[1]));
    assert_eq!(Report::of(&host, Root, &["doctor"]).status, 1);
}

#[test]
fn what_the_host_lacks_for_an_option_stops_the_engines_that_know_it() {
    check(
        &Host::without_engines().with_users_own(),
        &[
            // Neither tmpfs nor ext4 has project quotas as the driver wants them.
            ("[storage.options]\nsize = \"1G\"\n", ALL),
            ("[storage.options.overlay]\nsize = \"1G\"\n", ALL),
            ("[storage.options.overlay]\ninodes = \"1000\"\n", ALL),
            ("[storage.options.overlay]\nsize = \"0\"\n", NONE),
            ("[storage.options]\nremap-user = \"nobody\"\nremap-group = \"nobody\"\n", &[Podman4]),
            ("[storage.options]\nremap-user = \"u\"\nremap-group = \"u\"\n", NONE),
            ("[storage.options.overlay]\nuse_composefs = \"true\"\n", &[Podman5, Podman6]),
            ("[storage.options.overlay]\nmount_program = \"/nowhere\"\n", ALL),
            ("[storage.options.overlay]\nskip_mount_home = \"perhaps\"\n", &[Podman5, Podman6]),
            ("[storage.options.overlay]\nsync = \"perhaps\"\n", &[Podman6]),
        ],
    );
}

/// The kernel does not take it when a container's file system is mounted.
#[test]
fn an_option_with_which_no_container_runs_is_an_error() {
    let host = Host::without_engines().with_users_own();
    host.open_store(STORE);
    let options = [
        ("fsync=0", false),
        ("nodev,unknown", false),
        ("nodev,metacopy=on", true),
        ("volatile", true),
        ("fsync=0\"\nmount_program = \"/usr/bin/fuse-overlayfs", true),
    ];
    let texts = options.map(|(option, _)| {
        format!("{MAIN}{}[storage.options.overlay]\nmountopt = \"{option}\"\n", list("\"/srv/app\""))
    });
    for engine in [Podman4, Podman6] {
        let mount = format!(
            "podman=/run/engine/{}; $podman images || exit 2
            container=$($podman create --security-opt seccomp=unconfined localhost/app:1 /bin/true) || exit 2
            $podman mount $container",
            engine.name()
        );
        for ((status, said), (option, runs)) in host.on_each(Root, &texts, &mount).iter().zip(options) {
            assert_ne!(*status, 2, "{option}, {engine:?}: {said}");
            assert_eq!(*status == 0, runs, "{option}, {engine:?}: {said}");
        }
    }
    let reports = host.on_each(Root, &texts, "/run/engine/storagectl --format json check-config");
    for (report, (option, runs)) in reports.iter().zip(options) {
        let report = Report::parse(report);
        let expected = (i32::from(!runs), runs);
        assert_eq!((report.status, report.errors() == 0), expected, "{option}: {}", report.json);
    }
}

#[test]
fn a_table_is_no_text() {
    let texts = ["driver", "runroot", "graphroot"].map(|key| {
        let lines = MAIN.lines().map(|line| match line.starts_with(key) {
            true => format!("{key} = {{a = \"b\"}}\n"),
            false => format!("{line}\n"),
        });
        lines.collect::<String>()
    });
    check(&Host::without_engines().with_users_own(), &texts.each_ref().map(|text| (text.as_str(), ALL)));
}

#[test]
fn pull_options_may_be_anything_but_a_table_with_other_values_than_texts() {
    let values = [
        ("1", NONE),
        ("1.5", NONE),
        ("\"x\"", NONE),
        ("[]", NONE),
        ("true", NONE),
        ("{a = \"b\"}", NONE),
        ("{a = 1}", ALL),
    ];
    let texts = values.map(|(value, _)| format!("[storage.options]\npull_options = {value}\n"));
    let rows: Vec<Row<'_>> =
        texts.iter().zip(values).map(|(text, (_, stops))| (text.as_str(), stops)).collect();
    check(&Host::without_engines().with_users_own(), &rows);
}

/// The engines' parser takes a table that a dotted key has made.
#[test]
fn a_table_may_be_opened_after_a_dotted_key_has_made_it() {
    let host = Host::without_engines().with_users_own();
    host.open_store(STORE);
    let dotted = "storage.options.x = 1\n".to_owned();
    let stores = list("\"/srv/app\"");
    let keys: String = MAIN.lines().skip(1).map(|line| format!("storage.{line}\n")).collect();
    check(&host, &[(&format!("{dotted}{MAIN}{stores}"), NONE), (&format!("{keys}{dotted}{stores}"), NONE)]);
    let drop_in = "/etc/containers/storage.conf.d/10.conf";
    host.write(CONF, MAIN);
    host.write(drop_in, &format!("{dotted}{}", list("\"/srv/app\"")));
    assert_eq!(host.images(Root, Podman6), super::served());
    let report = Report::check_config(&host);
    assert!(!report.stops(Podman6), "{}", report.json);
    let listed = Report::of(&host, Root, &["list-stores"]);
    assert!(listed.mentions("\"/srv/app\""), "{}", listed.json);
}

#[test]
fn a_list_one_level_too_high_is_no_list() {
    let host = Host::with_podman(Podman6).with_users_own();
    for store in [STORE, "/srv/other"] {
        host.open_store(store);
    }
    for (real, stores) in [("", &[][..]), (&*list("\"/srv/other\""), &["/srv/other"])] {
        host.write(CONF, &format!("{MAIN}additionalimagestores = [\"/srv/app\"]\n{real}"));
        let images = if stores.is_empty() { nothing() } else { super::served() };
        assert_eq!(host.images(Root, Podman6), images);
        let shown = Report::of(&host, Root, &["show-config", "--engine", "podman6"]);
        assert_eq!(shown.stores(), stores, "{}", shown.json);
        let output = host.storagectl(Root, &["show-config", "--engine", "podman6"]);
        let lines = text(&output).lines().filter(|line| line.starts_with("additionalimagestores ")).count();
        assert!(lines <= 1, "{}", text(&output));
    }
}
