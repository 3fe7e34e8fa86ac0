//! The payload `sealed`, as far as the package goes; tests/real/sealed has its life.

use super::builder::Builder;
use super::machine::on_host;

#[test]
fn engines_run_what_a_normal_user_has_sealed_and_erasing_leaves_nothing() {
    let builder = Builder::new();
    builder.write(
        "packages:
  - name: whole
    version: 1.0
    path: /usr/lib/whole/images
    arch:
      - {name: x86_64, images: [REGISTRY/pack-opaque:1, REGISTRY/pack-owned:1]}
  - name: parts
    version: 1.0
    path: /usr/lib/parts/images
    split: true
    arch:
      - {name: x86_64, images: [REGISTRY/pack-opaque:1, REGISTRY/pack-owned:1]}
",
    );
    builder.built("rpm", &["x86_64"]);
    let said = on_host(
        &builder.path("out"),
        r#"
        r -i /pk/whole-1.0-1.x86_64.rpm /pk/parts-1.0-1.x86_64.rpm
        r -V --nodeps whole parts && echo verified
        systemd-tmpfiles --create --boot /usr/lib/tmpfiles.d/storagectl-whole.conf /usr/lib/tmpfiles.d/storagectl-parts.conf
        stores=
        for unit in /usr/lib/systemd/system/run-storagectl-*.mount; do
            [ "$(readlink "/usr/lib/systemd/system/basic.target.wants/${unit##*/}")" = "../${unit##*/}" ] && echo linked
            value() { sed -n "s/^$1=//p" "$unit"; }
            mount -t "$(value Type)" -o "$(value Options)" "$(value What)" "$(value Where)"
            stores="$stores$(value Where) "
        done
        storagectl check-store --deep $stores >/dev/null 2>&1 && echo sound
        stat -c '%u:%g %a' $stores
        whole=/run/storagectl/stores/whole-1.0-1
        for engine in /engines/podman-4 /engines/podman-5 /engines/podman-6; do
            p $engine $whole images --format '{{.Repository}} {{.ReadOnly}}' | sed 's|.*/||' | sort
            image() { p $engine $whole images -q --filter "reference=*/$1"; }
            start() {
                p $engine $whole run --rm --network none --cgroups=disabled --ulimit nofile=1024:1024 \
                    --ulimit nproc=1024:1024 --security-opt seccomp=unconfined "$@" 2>&1
            }
            start "$(image pack-owned)" /bin/sh -c 'cat /owned; echo " ran"'
            start "$(image pack-opaque)" /bin/sh -c 'echo /hidden/* /gone*'
        done
        # What cleans up after a container may have it for a moment.
        tries=0
        until umount $stores; do
            tries=$((tries + 1))
            [ $tries -lt 50 ]
            sleep 0.2
            stores=$(findmnt -rno TARGET | grep ^/run/storagectl/stores/)
        done
        r -e whole parts
        find /usr /etc -name '*whole*' -newer /rpmdb -o -path '*parts/images*' -o -name 'storagectl-parts*' -o -name '*storagectl*.mount'
        [ ! -e /usr/lib/whole ] && echo gone
        "#,
    );
    let lines: Vec<&str> = said.lines().collect();
    let engine = ["pack-opaque true", "pack-owned true", "own ran", "/hidden/* /gone*"];
    let expected = [
        &["verified", "linked", "linked", "linked", "sound", "0:0 755", "0:0 755", "0:0 755"][..],
        &engine,
        &engine,
        &engine,
        &["gone"],
    ]
    .concat();
    assert_eq!(lines, expected, "{said}");
}
