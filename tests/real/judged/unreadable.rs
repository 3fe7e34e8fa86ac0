//! What a user may not read, that user's engine may not read either.

use super::STORE;
use super::engine::Engine::Podman6;
use super::engine::Who::User;
use super::host::Host;
use super::list;
use super::report::Report;
use crate::support::run;
use std::process::Command;

/// What is done to a store that everybody may read, with `cd` in it, and whether `podman
/// images` of the user works then.
const STATES: [(&str, bool); 16] = [
    ("true", true),
    ("chmod 0711 . overlay-images overlay-layers overlay overlay/l", true),
    ("rm overlay-images/images.json", true),
    ("chmod 0600 overlay-layers/*.tar-split.gz", true),
    ("chmod 0700 .", false),
    ("chmod 0744 .", false),
    ("chmod 0700 overlay-images", false),
    ("chmod 0600 overlay-images/images.lock", false),
    ("chmod 0600 overlay-images/images.json", false),
    ("chmod 0600 overlay-images/*/manifest", false),
    ("rm overlay-images/images.lock", false),
    ("chmod 0700 overlay-layers", false),
    ("chmod 0600 overlay-layers/layers.json", false),
    ("rm overlay-layers/layers.lock", false),
    ("rm -r overlay-layers", false),
    ("rm -r *", false),
];

#[test]
fn what_a_user_may_not_read_stops_the_users_engine_and_both_checks_say_so() {
    let host = Host::with_podman(Podman6);
    let mut texts = Vec::new();
    for (row, (state, _)) in STATES.iter().enumerate() {
        let store = format!("/srv/{row}");
        host.open_store(&store);
        run(Command::new("sh").args(["-ec", state]).current_dir(host.at(&store)));
        texts.push(list(&format!("\"{store}\"")));
    }
    let engine = "XDG_DATA_HOME=/home/u/.local/share/$row /run/engine/podman6 images";
    let engines = host.on_each(User, &texts, engine);
    for ((status, said), (state, works)) in engines.iter().zip(STATES) {
        assert_eq!(*status == 0, works, "{state}: {said}");
    }
    for command in ["check-config", "check-store"] {
        let reports = host.on_each(User, &texts, &format!("/run/engine/storagectl {command}"));
        let is_wrong = |((status, said), (_, works)): &(&(i32, String), (&str, bool))| {
            let is_told = said.contains("[store-unreadable]") && *status == 1;
            // What only this user may not list is not missing.
            is_told == *works || said.contains("[layer-missing]")
        };
        let wrong: Vec<_> = reports.iter().zip(STATES).filter(is_wrong).collect();
        assert!(wrong.is_empty(), "{command}: {wrong:#?}");
    }
}

#[test]
fn doctor_says_to_a_user_that_the_users_engine_stops() {
    let host = Host::with_podman(Podman6);
    host.store(STORE);
    host.write("/etc/containers/storage.conf.d/10.conf", &list("\"/srv/app\""));
    assert!(host.images(User, Podman6).is_err());
    for command in ["check-config", "doctor"] {
        let report = Report::of(&host, User, &[command]);
        assert_eq!(report.status, 1, "{command}: {}", report.json);
        assert!(report.stops(Podman6), "{command}: {}", report.json);
    }
}
