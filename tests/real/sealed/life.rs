//! The life of a package where no systemd runs: its mounts are made by hand, as the units say.

use super::host::on_a_host;
use super::packages::LEFT;
use crate::check::engine::Engine;

#[test]
fn a_package_is_installed_upgraded_under_a_running_container_and_erased() {
    for engine in [Engine::Podman4, Engine::Podman6] {
        let scratch = tempfile::tempdir().unwrap();
        let said = on_a_host(
            engine,
            scratch.path(),
            &format!(
                "rpm -i /run/packages/triggers-1.rpm
                echo == install; rpm -i /run/packages/user-app-1.rpm; list; images
                echo == boot; prepare; mount_units; storagectl apply --boot 2>&1; list; images
                losetup -n -O AUTOCLEAR,RO \"$(awk '$5 ~ \"user-app\" {{print $(NF - 1)}}' /proc/self/mountinfo)\" | xargs
                start --rm localhost/app:1 cat /version; echo
                start -d --name it localhost/app:1 sleep 1000 >/dev/null
                echo == again; rpm -U --force /run/packages/user-app-1.rpm
                echo == upgrade; rpm -U /run/packages/user-app-2.rpm; list; images
                storagectl apply --boot 2>&1 || :
                echo == switch; mount_units; storagectl apply 2>&1; list; images | sort -u
                start --rm localhost/app:1 cat /version; echo
                podman exec it cat /version; echo
                podman stop -t 0 it >/dev/null; podman start it >/dev/null; podman exec it cat /version; echo
                echo == unused; podman rm -f it >/dev/null; settled; storagectl apply 2>&1; list; images
                ls /usr/lib/user-app/containers; settled
                echo == erase; rpm -e user-app; list; {LEFT}"
            ),
        );
        insta::allow_duplicates! { insta::assert_snapshot!(said, @r"
        == install
        `/usr/lib/user-app/containers/1-1.squashfs` will be mounted at `/run/storagectl/stores/user-app-1-1`, and listed, when the system starts
        listed: 
        mounted: 
        == boot
        added `/run/storagectl/stores/user-app-1-1` to `/etc/containers/storage.conf`
        listed: user-app-1-1 
        mounted: user-app-1-1 
        localhost/app:1 true
        1 1
        one
        == again
        == upgrade
        `/usr/lib/user-app/containers/2-1.squashfs` will be mounted at `/run/storagectl/stores/user-app-2-1`, and listed, when the system starts
        `/run/storagectl/stores/user-app-1-1` stays mounted: `/run/storagectl/stores/user-app-2-1` is not mounted yet
        `/usr/lib/user-app/containers/2-1.squashfs` will be mounted at `/run/storagectl/stores/user-app-2-1`, and listed, when the system starts
        `/run/storagectl/stores/user-app-1-1` stays mounted: `/run/storagectl/stores/user-app-2-1` is not mounted yet
        listed: user-app-1-1 
        mounted: user-app-1-1 
        localhost/app:1 true
        error: `/usr/lib/user-app/containers/2-1.squashfs` is not mounted at `/run/storagectl/stores/user-app-2-1`: its unit did not mount it

        hint: `systemctl start 'run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount'`, or see `systemctl status 'run-storagectl-stores-user\x2dapp\x2d2\x2d1.mount'` for why it fails
        added `/run/storagectl/stores/user-app-2-1` to `/etc/containers/storage.conf`
        `/run/storagectl/stores/user-app-1-1` stays mounted: `/run/storagectl/stores/user-app-2-1` is not mounted yet
        == switch
        removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
        kept 1 layer of former stores in `/var/lib/containers/storage`
        unmounted `/run/storagectl/stores/user-app-1-1`
        listed: user-app-2-1 
        mounted: user-app-2-1 
        <none>:<none> false
        localhost/app:1 true
        two
        one
        one
        == unused
        listed: user-app-2-1 
        mounted: user-app-2-1 
        <none>:<none> false
        localhost/app:1 true
        2-1.squashfs
        == erase
        removed `/run/storagectl/stores/user-app-2-1` from `/etc/containers/storage.conf`
        kept 1 layer of former stores in `/var/lib/containers/storage`
        unmounted `/run/storagectl/stores/user-app-2-1`
        listed: 
        mounted:
        "); }
    }
}

#[test]
fn packages_side_by_side_downgrades_other_directories_and_split_ones_are_each_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let said = on_a_host(
        Engine::Podman4,
        scratch.path(),
        "rpm -i /run/packages/triggers-1.rpm
        transaction() {
          echo \"== $*\"; rpm \"$@\" >/run/said; ! grep -v stores /run/said
          mount_units; storagectl --quiet apply; list; images
        }
        cd /run/packages
        # One by one: rpm 6.1.0 frees the names of two files before it opens them.
        rpm -i user-app-1.rpm >/run/said
        transaction -i twin-1.rpm
        transaction -U user-app-3.rpm
        transaction -U --oldpackage user-app-1.rpm
        transaction -U user-app-4.rpm
        same() { awk '$5 ~ \"other-cccc\" {print $1}' /proc/self/mountinfo; }
        kept=$(same)
        transaction -U user-app-5.rpm
        [ \"$(same)\" = \"$kept\" ] && echo the same mount as before
        transaction -e twin
        transaction -e user-app",
    );
    insta::assert_snapshot!(said, @"
    == -i twin-1.rpm
    listed: twin-twin-1-1 user-app-1-1 
    mounted: twin-twin-1-1 user-app-1-1 
    localhost/app:1 true
    localhost/other:1 true
    == -U user-app-3.rpm
    listed: twin-twin-1-1 user-app-3-1 
    mounted: twin-twin-1-1 user-app-3-1 
    localhost/app:1 true
    localhost/other:1 true
    == -U --oldpackage user-app-1.rpm
    listed: twin-twin-1-1 user-app-1-1 
    mounted: twin-twin-1-1 user-app-1-1 
    localhost/app:1 true
    localhost/other:1 true
    == -U user-app-4.rpm
    listed: twin-twin-1-1 user-app-app-aaaa user-app-other-cccc 
    mounted: twin-twin-1-1 user-app-app-aaaa user-app-other-cccc 
    localhost/app:1 true
    localhost/other:1 true
    localhost/other:1 true
    == -U user-app-5.rpm
    listed: twin-twin-1-1 user-app-app-bbbb user-app-other-cccc 
    mounted: twin-twin-1-1 user-app-other-cccc user-app-app-bbbb 
    localhost/app:1 true
    localhost/other:1 true
    localhost/other:1 true
    the same mount as before
    == -e twin
    listed: user-app-app-bbbb user-app-other-cccc 
    mounted: user-app-other-cccc user-app-app-bbbb 
    localhost/app:1 true
    localhost/other:1 true
    == -e user-app
    listed: 
    mounted:
    ");
}

#[test]
fn a_store_stays_while_something_may_need_it() {
    let scratch = tempfile::tempdir().unwrap();
    let said = on_a_host(
        Engine::Podman4,
        scratch.path(),
        "cd /run/packages; rpm -i triggers-1.rpm; rpm -i user-app-1.rpm >/dev/null
        prepare; mount_units; storagectl apply
        erase() { rpm -e user-app | sed 's/process [0-9]*/process N/'; list; }
        again() { storagectl apply 2>&1 | sed 's/process [0-9]*/process N/'; list; }
        install() { rpm -i user-app-1.rpm >/dev/null; mount_units; storagectl --quiet apply; }
        echo == an engine that was started with it
        mkdir /run/bin; cp /bin/sleep /run/bin/podman
        (exec /run/bin/podman 1000) & engine=$!
        sleep 0.2; erase; kill $engine; wait $engine || :; again; install
        echo == an engine that does not see it
        unshare -m sh -c 'umount /run/storagectl/stores/*; exec /run/bin/podman 1000' & engine=$!
        sleep 0.2; erase; kill $engine; wait $engine || :; install
        echo == an image with a name of its own
        podman tag localhost/app:1 localhost/mine:1; erase
        podman images --format '{{.Repository}}' | sort; podman rmi localhost/mine:1 >/dev/null; settled; again; install
        echo == a container of CRI-O
        mkdir -p /etc/crio; printf '[crio]\nroot = \"/var/lib/crio\"\n' >/etc/crio/crio.conf
        crio() { podman --root /var/lib/crio --runroot /run/crio-root --storage-opt overlay.imagestore=/run/storagectl/stores/user-app-1-1 \"$@\"; }
        crio create --name it --network none --security-opt seccomp=unconfined localhost/app:1 cat >/dev/null; erase
        podman --root /var/lib/crio --runroot /run/crio-root rm it >/dev/null; again; rm /etc/crio/crio.conf; install
        echo == a declaration that cannot be read
        mkdir -p /etc/storagectl/stores.d; echo x >/etc/storagectl/stores.d/x.toml
        erase; rm /etc/storagectl/stores.d/x.toml; again; install
        echo == an entry of an administrator
        sed -i 's/, *# storagectl: user-app//; s/ # storagectl: user-app//' /etc/containers/storage.conf
        erase; storagectl remove-store /run/storagectl/stores/user-app-1-1; again; install
        echo == a file that is open
        sleep 1000 </run/storagectl/stores/user-app-1-1/overlay-images/images.json & reader=$!
        erase; kill $reader; wait $reader || :; again",
    );
    insta::assert_snapshot!(said, @"
    == an engine that was started with it
    `/run/storagectl/stores/user-app-1-1` stays mounted: podman (process N) may have been started with it
    listed: user-app-1-1 
    mounted: user-app-1-1 
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    unmounted `/run/storagectl/stores/user-app-1-1`
    listed: 
    mounted: 
    == an engine that does not see it
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    unmounted `/run/storagectl/stores/user-app-1-1`
    listed: 
    mounted: 
    == an image with a name of its own
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    kept 2 layers of former stores in `/var/lib/containers/storage`
    unmounted `/run/storagectl/stores/user-app-1-1`
    listed: 
    mounted: 
    localhost/mine
    listed: 
    mounted: 
    == a container of CRI-O
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    kept 2 layers of former stores in `/var/lib/crio`
    unmounted `/run/storagectl/stores/user-app-1-1`
    listed: 
    mounted: 
    listed: 
    mounted: 
    == a declaration that cannot be read
    error: key with no value, expected `=`
     --> /etc/storagectl/stores.d/x.toml:1:2
      |
    1 | x
      |  ^

    hint: see storagectl-apply(1) for what a declaration holds; what this file had declared stays listed until then
    `/run/storagectl/stores/user-app-1-1` stays mounted: a declaration cannot be read
    listed: user-app-1-1 
    mounted: user-app-1-1 
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    unmounted `/run/storagectl/stores/user-app-1-1`
    listed: 
    mounted: 
    == an entry of an administrator
    listed: user-app-1-1 
    mounted: user-app-1-1 
    unmounted `/run/storagectl/stores/user-app-1-1`
    listed: 
    mounted: 
    == a file that is open
    error: `/run/storagectl/stores/user-app-1-1` cannot be unmounted: Device or resource busy

    hint: it is unmounted at the next boot, or by the next `storagectl apply` when nothing uses it
    removed `/run/storagectl/stores/user-app-1-1` from `/etc/containers/storage.conf`
    listed: 
    mounted: user-app-1-1 
    unmounted `/run/storagectl/stores/user-app-1-1`
    listed: 
    mounted:
    ");
}

/// The host starts, and so do its engines; all that looks at the host says what is wrong.
#[test]
fn a_store_that_is_not_mounted_is_empty_for_engines_and_an_error_for_us() {
    for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
        let scratch = tempfile::tempdir().unwrap();
        let said = on_a_host(
            engine,
            scratch.path(),
            "cd /run/packages; rpm -i user-app-1.rpm; prepare; mount_units; storagectl --quiet apply
            start -d --name it localhost/app:1 sleep 1000 >/dev/null
            umount /run/storagectl/stores/*
            echo == what runs has it mounted; podman exec it cat /version; echo; podman stop -t 0 it >/dev/null
            echo == boot; storagectl apply --boot 2>&1 && exit 1
            list; podman images --format '{{.Repository}}'
            echo == check-store; storagectl check-store 2>&1 && exit 1
            echo == list-stores; storagectl list-stores
            echo == doctor; storagectl doctor 2>&1 | sed '/effect:/,/hint:/ { /hint:/! d }' | grep -A 2 'not-mounted\\|sealed in'
            echo == clean-dependents; storagectl clean-dependents 2>&1 && exit 1
            echo == mounted; mount_units; storagectl apply --boot; storagectl check-store 2>&1 | tail -1
            podman start it >/dev/null; podman exec it cat /version",
        );
        insta::allow_duplicates! { insta::assert_snapshot!(said, @r"
        == what runs has it mounted
        one
        == boot
        warning: what depends on replaced stores was not searched for: what depends on old stores is unknown: the listed store `/run/storagectl/stores/user-app-1-1` is not available yet: `/usr/lib/user-app/containers/1-1.squashfs` is not mounted
        error: `/usr/lib/user-app/containers/1-1.squashfs` is not mounted at `/run/storagectl/stores/user-app-1-1`: its unit did not mount it

        hint: `systemctl start 'run-storagectl-stores-user\x2dapp\x2d1\x2d1.mount'`, or see `systemctl status 'run-storagectl-stores-user\x2dapp\x2d1\x2d1.mount'` for why it fails
        listed: user-app-1-1 
        mounted: 
        == check-store
        error[not-mounted]: the store is sealed in `/usr/lib/user-app/containers/1-1.squashfs`, which is not mounted
         --> /run/storagectl/stores/user-app-1-1

        effect: podman 4, podman 5, CRI-O and podman 6 see no image of this store, and report no error
        hint: `systemctl start 'run-storagectl-stores-user\x2dapp\x2d1\x2d1.mount'`, or see `systemctl status 'run-storagectl-stores-user\x2dapp\x2d1\x2d1.mount'` for why it is not

        1 store, 0 images, 1 error
        == list-stores
        STORE                                STATE        DRIVER   IMAGES  DECLARED BY  LISTED IN
        /run/storagectl/stores/user-app-1-1  not mounted  overlay  -       user-app     /etc/containers/storage.conf:8
        == doctor
          error    `/run/storagectl/stores/user-app-1-1`: the store is sealed in
                   `/usr/lib/user-app/containers/1-1.squashfs`, which is not mounted
                   hint: `storagectl apply` has systemd mount it
        == clean-dependents
        error: what depends on old stores is unknown: the listed store `/run/storagectl/stores/user-app-1-1` is not available yet: `/usr/lib/user-app/containers/1-1.squashfs` is not mounted

        hint: mount or repair it; `storagectl remove-store /run/storagectl/stores/user-app-1-1` removes it from the list for good
        == mounted
        1 store, 1 image, no problems
        one
        "); }
    }
}
