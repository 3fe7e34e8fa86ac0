//! The unit that mounts a sealed store; pure.

use crate::store::{IMAGE_LABEL, unit_name};

/// The name of the unit that mounts something at `at`, as systemd wants it.
pub fn mount_unit_name(at: &str) -> String {
    unit_name(at, "mount")
}

/// The unit that mounts `image` at `at`.
///
/// The file has no SELinux labels, so `context=` gives all of it the one of images that
/// containers may run from; where SELinux is off, mount(8) leaves that out. A mount that
/// fails does not keep a host from starting: nothing requires it.
pub(super) fn mount_unit(name: &str, build: &str, image: &str, at: &str) -> String {
    format!(
        "[Unit]\n\
         Description=Container images of {name}, {build}\n\
         Documentation=man:storagectl-apply(1)\n\
         DefaultDependencies=no\n\
         # Until then the mount point is an empty store, which tmpfiles.d makes.\n\
         After=systemd-tmpfiles-setup.service\n\
         Before=storagectl-apply.service basic.target\n\
         Before=crio-wipe.service crio.service kubelet.service microshift.service\n\
         Before=podman.service podman.socket podman-restart.service podman-auto-update.service podman-clean-transient.service\n\
         Conflicts=umount.target\n\
         Before=umount.target\n\
         \n\
         [Mount]\n\
         What={image}\n\
         Where={at}\n\
         Type=squashfs\n\
         Options=loop,ro,nosuid,nodev,context={IMAGE_LABEL}\n\
         # That the mount point is not empty is no news.\n\
         LogLevelMax=warning\n"
    )
}
