//! A real CRI-O, and what it answers to a kubelet.

use std::path::PathBuf;
use std::process::Command;

use crate::support::run;

/// Shell that starts `$ENGINE`, a CRI-O, with the storage.conf `$CONF`, the own storage `$GRAPH`, and
/// `$ARTIFACT_STORES`. `$CRI /run/crio.sock` asks it; it writes `$LOG`.
pub(crate) const START: &str = "mkdir -p /etc/crio; mount -t tmpfs none /etc/crio; mkdir /run/cni /run/log
    export CONTAINERS_STORAGE_CONF=\"$CONF\"
    printf '%s\\n' '[crio]' \"root = \\\"$GRAPH\\\"\" 'runroot = \"/run/r\"' 'storage_driver = \"overlay\"' \\
        'log_dir = \"/run/log\"' 'version_file = \"/run/version\"' 'clean_shutdown_file = \"/run/clean\"' \\
        '[crio.api]' 'listen = \"/run/crio.sock\"' '[crio.runtime]' 'cgroup_manager = \"cgroupfs\"' \\
        'conmon_cgroup = \"pod\"' 'default_runtime = \"crun\"' 'pinns_path = \"/bin/true\"' \\
        'disable_hostport_mapping = true' \\
        \"additional_artifact_stores = [$ARTIFACT_STORES]\" '[crio.runtime.runtimes.crun]' \\
        \"runtime_path = \\\"$CRUN\\\"\" 'monitor_path = \"/usr/bin/conmon\"' '[crio.network]' \\
        'network_dir = \"/run/cni\"' 'plugin_dirs = [\"/run/cni\"]' >/etc/crio/crio.conf
    \"$ENGINE\" --config /etc/crio/crio.conf >\"$LOG\" 2>&1 & crio=$!
    tries=0; until \"$CRI\" /run/crio.sock version >/dev/null 2>&1 || [ $tries = 100 ]; do sleep 0.2; tries=$((tries + 1)); done
    [ $tries -lt 100 ] || { tail -n 5 \"$LOG\" >&2; exit 1; }
";

/// Shell that ends it.
pub(crate) const STOP: &str = "\n    kill $crio; wait $crio || :; umount \"$GRAPH/overlay\" 2>/dev/null || :";

/// A program that asks CRI-O what a kubelet asks.
pub(crate) fn client() -> PathBuf {
    let build = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/build.sh");
    PathBuf::from(run(Command::new(build).arg("cri")).trim()).join("cri")
}
