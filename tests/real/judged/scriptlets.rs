//! A scriptlet may see another file system than the engines do.

use super::engine::Engine::Podman6;
use super::engine::Who::Root;
use super::host::Host;
use super::{CONF, served};
use crate::support::text;

/// Rpm's `unshare` plugin (rpm 4.20, which Debian 12 does not have) runs scriptlets in
/// a mount namespace with empty directories over these. The same is done here.
const AS_THE_PLUGIN: &str =
    "unshare -m sh -ec 'mount -t tmpfs none /tmp; mount -t tmpfs none /home; $0 \"$@\"'";

#[test]
fn a_store_that_is_hidden_from_a_scriptlet_stays_listed() {
    let host = Host::with_podman(Podman6);
    let store = "/home/app/images";
    host.open_store(store);
    let declaration = format!("[[store]]\npath = \"{store}\"\n");
    host.write("/usr/lib/storagectl/stores.d/app.toml", &declaration);
    let output = host.storagectl(Root, &["apply"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(host.images(Root, Podman6), served());
    let files = || [CONF, "/etc/containers/storage.conf.d/99-storagectl.conf"].map(|file| host.read(file));
    let before = files();

    let output = host.script(&format!("{AS_THE_PLUGIN} /run/engine/storagectl apply"));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(files(), before, "{}", text(&output));
    assert_eq!(host.images(Root, Podman6), served());
}
