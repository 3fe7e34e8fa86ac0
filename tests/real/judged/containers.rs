//! CRI-O, which has a configuration of its own.

use super::engine::Engine::{Crio, Podman6};
use super::engine::Who::Root;
use super::host::Host;
use super::report::Report;
use super::{CONF, MAIN, STORE};

#[test]
fn a_store_that_only_crio_lists_is_looked_at() {
    let host = Host::with(&[("/usr/bin/crio", Crio), ("/usr/bin/podman", Podman6)]).with_users_own();
    host.open_store(STORE);
    host.write(CONF, MAIN);
    let option = |value: &str| format!("[crio]\nstorage_option = [\"{value}\"]\n");
    let drop_in = "/etc/crio/crio.conf.d/10-app.conf";

    host.write(drop_in, &option("overlay.imagestore=/srv/app"));
    assert_eq!(host.crio_serves(), Ok(()));
    let report = Report::check_config(&host);
    assert!(!report.stops(Crio), "{}", report.json);

    for value in ["overlay.imagestore=/srv/gone", "imagestore=/srv/gone", "overlay.imagestore=srv/app"] {
        host.write(drop_in, &option(value));
        assert!(host.crio_serves().is_err(), "{value}");
        for command in ["check-config", "doctor"] {
            let report = Report::of(&host, Root, &[command]);
            assert_eq!(report.status, 1, "{value}, {command}: {}", report.json);
            assert!(report.stops(Crio) && !report.stops(Podman6), "{value}, {command}: {}", report.json);
        }
    }
    host.write(drop_in, &option("overlay.imagestore=/srv/gone"));
    let report = Report::of(&host, Root, &["check-store"]);
    assert!(report.status == 1 && report.stops(Crio), "{}", report.json);
}
