//! The same with the real systemd, which mounts at boot and when `apply` asks it to.

use super::packages::{LEFT, packages};
use crate::support::RPM_HERE;
use crate::unit::system::System;

/// Runs shell in a unit when the system has started; what it prints is kept.
fn script(system: &System, script: &str) {
    let prelude = r#"set -e; exec >/result/said 2>&1
# Newer rpms give each trigger mounts of its own: what is mounted in one is seen in the next alone, which
# then does what was left.
rpm() {
    status=0; rpm_here --dbpath /var/lib/rpmdb --nodeps "$@" >/run/rpm.said 2>&1 || status=$?
    grep -v ' stays mounted: ' /run/rpm.said | LC_ALL=C sort; return $status
}
start() { podman run --network none --cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"; }
list() { storagectl list-stores | sed -n 's,^\(/run[^ ]*  *[a-z ]*\)  overlay.*,\1,p'; podman images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | sort; }
settled() { while grep -qsx podman /proc/[0-9]*/comm; do sleep 0.1; done; }
units() { systemctl list-units --all --plain --no-legend --type mount 'run-storagectl-*' | sed 's/  */ /g' | cut -d ' ' -f 1,3; }
"#;
    system.write("etc/script", &format!("{prelude}{RPM_HERE}{script}"));
    system.unit(
        "script.service",
        "[Unit]\nAfter=basic.target\nBefore=test.target\n[Service]\nType=oneshot\nExecStart=sh /etc/script\n",
    );
}

#[test]
fn systemd_mounts_what_a_package_brings_at_once_and_at_each_boot() {
    let system = System::new();
    // The store that such a system starts with has an image of the same name.
    fs_err::remove_file(system.path("usr/lib/storagectl/stores.d/app.toml")).unwrap();
    fs_err::create_dir_all(system.path("upper")).unwrap();
    fs_err::create_dir_all(system.path("work")).unwrap();
    system.write("etc/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n");
    system.write(
        "etc/containers/storage.conf",
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n",
    );
    system.write(
        "etc/containers/storage.rootless.conf.d/own.conf",
        "[storage]\ngraphroot = \"\"\nrunroot = \"\"\n",
    );
    system.write("etc/tmpfiles.d/site.conf", "d /var/tmp 1777 root root -\n");
    fs_err::create_dir_all(system.path("var/packages")).unwrap();
    for package in ["triggers-1", "user-app-1", "user-app-2"] {
        let file = format!("{package}.rpm");
        fs_err::copy(packages().join(&file), system.path("var/packages").join(&file)).unwrap();
    }

    system.start("script.service");
    script(
        &system,
        "cd /var/packages; mkdir /var/lib/rpmdb; rpm -i triggers-1.rpm
        echo == install; rpm -i user-app-1.rpm; list; units
        start -d --name it localhost/app:1 sleep 1000 >/dev/null
        echo == upgrade; rpm -U user-app-2.rpm; list; units
        start --rm localhost/app:1 cat /version; echo; podman exec it cat /version; echo
        echo == unused; podman rm -f -t 0 it >/dev/null; settled; storagectl apply; list; units
        echo == cannot be mounted; echo x >/usr/lib/user-app/containers/2-1.squashfs; umount /run/storagectl/stores/*
        storagectl apply && exit 1; list; storagectl check-store --format json | grep -o not-mounted
        # As newer rpms run scriptlets: what systemd mounts is not seen there.
        echo == mended; rpm -U --force --notriggers user-app-2.rpm; unshare -m --propagation private storagectl apply; list; units
        echo == other version; settled; rpm -U --oldpackage user-app-1.rpm; list; units
        start -d --name it localhost/app:1 sleep 1000 >/dev/null
        rpm -U user-app-2.rpm; podman stop -t 0 it >/dev/null",
    );
    let booted = system.boot();
    let first = system.read("result/said");

    script(
        &system,
        &format!("list; units; start --rm localhost/app:1 cat /version; echo; podman ps -a --format '{{{{.Names}}}}' 2>/dev/null
        echo == unmounted; umount /run/storagectl/stores/*; list; storagectl apply; list
        podman rm -f it >/dev/null 2>&1; settled
        echo == erase; rpm -e user-app; list; units; {LEFT}
        echo == nothing applied it; rpm -i --notriggers /var/packages/user-app-1.rpm; storagectl doctor | grep -A 4 ' error ' || :; list
        storagectl apply; storagectl doctor | grep ' error ' || echo no errors"),
    );
    let again = system.boot();
    let said = format!("{first}\n==== the next boot\n{}", system.read("result/said"));
    insta::assert_snapshot!(said, @r#"
    == install
    added `/run/storagectl/stores/user-app-1-1` to `/etc/containers/storage.conf`
    mounted `/usr/lib/user-app/containers/1-1.squashfs` at `/run/storagectl/stores/user-app-1-1`
    /run/storagectl/stores/user-app-1-1  present
    localhost/app:1
    run-storagectl-stores-user\x2dapp\x2d1\x2d1.mount active
    == upgrade
    added `/run/storagectl/stores/user-app-2-1` to `/etc/containers/storage.conf`
    kept 1 layer of former stores in `/var/lib/containers/storage`
    mounted `/usr/lib/user-app/containers/2-1.squashfs` at `/run/storagectl/stores/user-app-2-1`
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    unmounted `/run/storagectl/stores/user-app-1-1`
    /run/storagectl/stores/user-app-2-1  present
    <none>:<none>
    localhost/app:1
    run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount active
    two
    one
    == unused
    /run/storagectl/stores/user-app-2-1  present
    <none>:<none>
    localhost/app:1
    run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount active
    == cannot be mounted
    error: `/usr/lib/user-app/containers/2-1.squashfs` is not mounted at `/run/storagectl/stores/user-app-2-1`: Job failed. See "journalctl -xe" for details.

    hint: `systemctl start 'run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount'`, or see `systemctl status 'run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount'` for why it fails
    /run/storagectl/stores/user-app-2-1  not mounted
    not-mounted
    == mended
    mounted `/usr/lib/user-app/containers/2-1.squashfs` at `/run/storagectl/stores/user-app-2-1`
    /run/storagectl/stores/user-app-2-1  present
    <none>:<none>
    localhost/app:1
    run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount active
    == other version
    added `/run/storagectl/stores/user-app-1-1` to `/etc/containers/storage.conf`
    mounted `/usr/lib/user-app/containers/1-1.squashfs` at `/run/storagectl/stores/user-app-1-1`
    removed `/run/storagectl/stores/user-app-2-1` from `/etc/containers/storage.conf`
    unmounted `/run/storagectl/stores/user-app-2-1`
    /run/storagectl/stores/user-app-1-1  present
    localhost/app:1
    localhost/app:1
    run-storagectl-stores-user\x2dapp\x2d1\x2d1.mount active
    added `/run/storagectl/stores/user-app-2-1` to `/etc/containers/storage.conf`
    mounted `/usr/lib/user-app/containers/2-1.squashfs` at `/run/storagectl/stores/user-app-2-1`
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    unmounted `/run/storagectl/stores/user-app-1-1`

    ==== the next boot
    /run/storagectl/stores/user-app-2-1  present
    <none>:<none>
    localhost/app:1
    run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount active
    two
    it
    == unmounted
    /run/storagectl/stores/user-app-2-1  not mounted
    mounted `/usr/lib/user-app/containers/2-1.squashfs` at `/run/storagectl/stores/user-app-2-1`
    /run/storagectl/stores/user-app-2-1  present
    <none>:<none>
    localhost/app:1
    == erase
    kept 1 layer of former stores in `/var/lib/containers/storage`
    removed `/run/storagectl/stores/user-app-2-1` from `/etc/containers/storage.conf`
    unmounted `/run/storagectl/stores/user-app-2-1`
    `/etc/containers/storage.conf` lists no image store
    <none>:<none>
    run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount inactive
    == nothing applied it
      error    `/usr/lib/user-app/containers/1-1.squashfs` is declared, and not
               mounted at `/run/storagectl/stores/user-app-1-1`
               hint: `storagectl apply` has systemd mount it
      warning  the configuration does not follow what is declared, or a file that it
               is a copy of
    `/etc/containers/storage.conf` lists no image store
    <none>:<none>
    mounted `/usr/lib/user-app/containers/1-1.squashfs` at `/run/storagectl/stores/user-app-1-1`
    added `/run/storagectl/stores/user-app-1-1` to `/etc/containers/storage.conf`
    no errors
    "#);
    for booted in [booted, again] {
        assert!(!booted.journal.contains("ordering cycle"), "{}", booted.journal);
        assert!(!booted.journal.contains("to mount over is not empty"), "{}", booted.journal);
        assert_eq!(booted.property("storagectl-apply.service", "Result"), "success", "{}", booted.journal);
    }
}
