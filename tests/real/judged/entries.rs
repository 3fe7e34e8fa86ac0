//! What engines make of the text of an entry.

use super::engine::Engine;
use super::engine::Engine::Podman4;
use super::engine::Who::Root;
use super::host::Host;
use super::report::Report;
use super::{CONF, STORE, main_with, served};
use crate::support::text;

/// The library trims what stands around the value of an option, as Unicode has it.
#[test]
fn blanks_around_an_entry_are_not_part_of_it() {
    for entry in ["\"/srv/app \"", "\" /srv/app\"", "\"\\t/srv/app\\t\"", "\"/srv/app\\u00a0\""] {
        let host = Host::without_engines().with_users_own();
        host.open_store(STORE);
        let conf = main_with(entry);
        host.write(CONF, &conf);
        for engine in [Podman4, Engine::Podman6] {
            assert_eq!(host.images(Root, engine), served(), "{entry}, {engine:?}");
        }
        let report = Report::check_config(&host);
        assert_eq!((report.status, report.errors()), (0, 0), "{entry}: {}", report.json);
        let output = host.storagectl(Root, &["apply", "--boot"]);
        assert!(output.status.success(), "{entry}: {}", text(&output));
        assert_eq!(host.read(CONF).as_deref(), Some(conf.as_str()), "{entry}");
    }
}

/// What is between commas is not trimmed, and an empty part is the directory `.`.
#[test]
fn an_entry_is_split_at_commas_and_its_parts_are_not_trimmed() {
    let entries = [
        ("\"/srv/app,/srv/other\"", true),
        ("\"\"", true),
        ("\" \"", true),
        ("\"/srv/app, /srv/other\"", false),
        ("\"/srv/app,\"", false),
        ("\"srv/app\"", false),
    ];
    let host = Host::without_engines().with_users_own();
    host.open_store(STORE);
    host.open_store("/srv/other");
    let texts = entries.map(|(entry, _)| main_with(entry));
    let reports = host.on_each(Root, &texts, "/run/engine/storagectl --format json check-config");
    for engine in Engine::PODMANS {
        let command = format!("/run/engine/{} images", engine.name());
        for (row, (status, said)) in host.on_each(Root, &texts, &command).iter().enumerate() {
            let (entry, starts) = entries[row];
            assert_eq!(*status == 0, starts, "{entry}, {engine:?}: {said}");
            let stops = Report::parse(&reports[row]).stops(engine);
            assert_eq!(stops, !starts, "{entry}, {engine:?}: {}", reports[row].1);
        }
    }
}
