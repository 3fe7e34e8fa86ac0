//! The payload `store`.

use super::builder::Builder;
use super::machine::on_host;
use crate::support::text;

const YAML: &str = "packages:
  - name: first
    version: 1.0
    path: /usr/lib/first/1.0
    payload: store
    arch:
      - {name: x86_64, images: [REGISTRY/pack-owned:1, REGISTRY/app-1:1]}
  - name: second
    version: 1.0
    path: /usr/lib/second/1.0
    payload: store
    arch:
      - {name: x86_64, images: [REGISTRY/pack-owned:1]}
";

#[test]
fn owners_capabilities_links_and_names_arrive_and_engines_run_it() {
    let builder = Builder::new();
    builder.write(YAML);
    builder.built("rpm", &["x86_64"]);
    let said = on_host(
        &builder.path("out"),
        r#"
        r -i /pk/first-1.0-1.x86_64.rpm /pk/second-1.0-1.x86_64.rpm 2>&1
        getent passwd storagectl-u1234 storagectl-u5678 | cut -d: -f1,3
        getent group storagectl-g1234 storagectl-g5678 | cut -d: -f1,3
        for diff in /usr/lib/first/1.0/overlay/*/diff; do
            [ ! -e "$diff/owned" ] || break
        done
        cd "$diff"
        stat -c '%n %u:%g %a %h' owned linked crossed nobody-may ü a*
        getcap capable
        r -V --nodeps first second && echo verified
        storagectl check-store --deep /usr/lib/first/1.0 /usr/lib/second/1.0 2>&1 | grep -c '^error' || :
        for engine in /engines/podman-4 /engines/podman-5 /engines/podman-6; do
            p $engine /usr/lib/first/1.0 images --format '{{.Repository}} {{.ReadOnly}}' | sed 's|.*/||' | sort
            p $engine /usr/lib/first/1.0 run --rm --network none --cgroups=disabled --ulimit nofile=1024:1024 \
                --ulimit nproc=1024:1024 --security-opt seccomp=unconfined "$(p $engine /usr/lib/first/1.0 images -q --filter reference='*/pack-owned')" \
                /bin/sh -c 'cat /owned; echo " ran"' 2>&1
        done
        cd /
        r -e first
        [ ! -e /usr/lib/first ] && [ -e /usr/lib/second/1.0/overlay ] && echo one gone
        r -e second
        [ ! -e /usr/lib/second ] && echo both gone
        find /usr/lib/storagectl -type f
        "#,
    );
    let lines: Vec<&str> = said.lines().collect();
    let engine = ["app-1 true", "pack-owned true", "own ran"];
    let expected = [
        &[
            "storagectl-u1234:1234",
            "storagectl-u5678:5678",
            "storagectl-g1234:1234",
            "storagectl-g5678:5678",
            "owned 1234:5678 4750 2",
            "linked 1234:5678 4750 2",
            "crossed 5678:1234 755 2",
            "nobody-may 0:0 0 1",
            "ü 0:0 644 1",
            "a b*?[c]{d,e}%{nil}%%\\\"'$(x)#~! 0:0 644 1",
            "a link 0:0 777 1",
            "capable cap_net_raw=ep",
            "verified",
            "0",
        ][..],
        &engine,
        &engine,
        &engine,
        &["one gone", "both gone"],
    ]
    .concat();
    assert_eq!(lines, expected, "{said}");
}

#[test]
fn what_rpm_cannot_carry_is_refused_with_image_and_file() {
    let builder = Builder::new();
    let refused = |more: &str| {
        builder.write(&format!(
            "packages:
  - name: refused
    version: 1.0
    path: /usr/lib/refused/1.0
    payload: store
    {more}
    arch:
      - {{name: x86_64, images: [REGISTRY/app-1:1, REGISTRY/pack-opaque:1]}}
"
        ));
        let output = builder.pack("rpm", &["x86_64"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        builder.assert_clean();
        assert_eq!(crate::tree::names(&builder.path("out")), [""; 0]);
        text(&output)
    };
    let said = refused("");
    for part in [
        "/pack-opaque:1` in the unpacked store of `refused`: ",
        "`/hidden` is an opaque directory (`trusted.overlay.opaque`)",
        "`/noted` has the attribute `user.note`",
        "hint: use `payload: sealed`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("whiteout") && !said.contains("app-1:1` in"), "{said}");
    assert!(refused("ostree: true").contains("`/gone` is a whiteout, which ostree refuses"));
}

#[test]
fn an_upgrade_takes_a_store_away_unless_its_path_has_the_version() {
    let builder = Builder::new();
    builder.write(&YAML.replace("/usr/lib/first/1.0", "/usr/lib/first/images"));
    let said = text(&builder.pack("rpm", &["x86_64", "--dry-run"]));
    assert!(said.contains("warning: the store of `first` has no version in its path"), "{said}");
    assert!(!said.contains("the store of `second`"), "{said}");
}
