//! CRI-O wipes its own storage after a power cut, and not the store of embedded images.

use std::process::Command;

use super::machine::{embedded, reference};
use crate::doctor::node::Node;
use crate::registry::images;
use crate::support::run;

const STORE: &str = "/var/lib/containers/bound-images";
const ROOT: &str = "/var/lib/containers/storage";

#[test]
fn images_of_a_store_survive_what_crio_does_after_a_power_cut() {
    let node = Node::new("").with_wipe_unit();
    run(Command::new("cp").arg("-aT").arg(embedded()).arg(node.at("/var/lib/images")));
    let copy = |arguments: &str| {
        node.boot(&format!("storagectl copy-images --source /var/lib/images {arguments} >&2; start"));
    };
    copy(&format!("--store {STORE}"));
    let conf = std::fs::read_to_string(node.at("/etc/containers/storage.conf")).unwrap();
    assert!(conf.contains(STORE), "{conf}");
    // As systemd does: what wipes comes before what copies, and that before CRI-O.
    let wiped = node.boot("mkdir -p /run/crio; crio wipe >&2 || :");
    assert_eq!(wiped, "");
    let mut found = node.images_in_each(&[ROOT, STORE]);
    let (mut there, mut expected) = (found.remove(1), images());
    there.sort();
    expected.sort();
    assert_eq!(there, expected);
    assert_eq!(found.remove(0), Vec::<String>::new());
    // CRI-O starts with it, and nothing has to be copied.
    let said = node.boot(&format!(
        "start; kill -0 $crio && echo runs; storagectl copy-images --source /var/lib/images --store {STORE} --format json | grep -c '\"state\": \"present\"'"
    ));
    assert_eq!(said, format!("runs\n{}\n", images().len()));

    // What goes to its own storage is wiped, and the next boot copies it again.
    copy("");
    let name = reference("app-0:1");
    assert!(node.images_in(ROOT).contains(&name));
    node.boot("mkdir -p /run/crio; crio wipe >&2 || :");
    assert!(!node.images_in(ROOT).contains(&name));
    copy("");
    assert!(node.images_in(ROOT).contains(&name));
}
