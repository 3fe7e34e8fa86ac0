//! What a container finds, by the way on which its image came.

use std::path::Path;

use super::host::on_a_host;
use crate::build::image::{Entry, Layout, Tar, entry, gzipped};
use crate::check::engine::Engine;
use crate::support::{run, storagectl};

/// Everything that RPM or ostree may lose: owners without a name, a capability, attributes,
/// names of one file, whiteouts, and a directory that hides the one below.
fn image(dir: &Path) -> Layout {
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let program = |name: &str, mode: u32| Entry { mode, size: busybox.len() as u64, ..entry(b'0', name) };
    // cap_net_bind_service=ep, linux/capability.h.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let base = Tar::default()
        .dir("bin")
        .header(&program("bin/busybox", 0o755))
        .bytes(&busybox)
        .dir("data")
        .header(&Entry { uid: 1234, gid: 5678, mode: 0o640, ..entry(b'0', "data/owned") })
        .header(&Entry { uid: 5678, gid: 1234, mode: 0o640, ..entry(b'0', "data/owned-the-other-way") })
        .pax(&[("SCHILY.xattr.security.capability", &capability)])
        .header(&program("data/busybox-capable", 0o755))
        .bytes(&busybox)
        .header(&program("data/busybox-setuid", 0o4755))
        .bytes(&busybox)
        .pax(&[("SCHILY.xattr.user.note", b"of the file")])
        .file("data/attributes", b"x")
        .pax(&[("SCHILY.xattr.user.note", b"of the directory")])
        .dir("data/with-attributes")
        .file("data/first-name", b"one file")
        .link(b'1', "data/second-name", "data/first-name")
        .file("data/removed", b"removed")
        .dir("data/opaque")
        .file("data/opaque/hidden", b"hidden");
    let above = Tar::default()
        .dir("data")
        .file("data/.wh.removed", b"")
        .dir("data/opaque")
        .file("data/opaque/.wh..wh..opq", b"")
        .file("data/opaque/new", b"new");
    let mut layout = Layout::new(dir);
    layout.image("all", "amd64", &[gzipped(&base.finish()), gzipped(&above.finish())]);
    layout
}

/// What rpm before 4.20 says of a package with whiteouts.
const OLDER_RPM: &str =
    "error: unpacking of archive failed on file /var/lib/paack/overlay/LAYER/diff/data/removed: open failed
error: paack-1-1.x86_64: install failed
";

/// What a container finds in /data, and what its programs may do.
const FACTS: &str = r#"facts() {
  podman "$@" --name c --network none --cgroups=disabled --security-opt seccomp=unconfined \
    --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 localhost/all:1 /bin/busybox sleep 1000 >/dev/null
  podman $STORAGE exec c /bin/busybox sh -c '/bin/busybox find /data | /bin/busybox sort | while read -r path; do
      echo "$path $(/bin/busybox stat -c "%F %a %u:%g %h" "$path")"; done'
  merged=$(podman $STORAGE inspect --format '{{.GraphDriver.Data.MergedDir}}' c)
  (cd "$merged"; getfattr -R -h -d -m - data 2>/dev/null | grep . | grep -v overlay | sort)
  podman $STORAGE exec --user 4321 c /data/busybox-capable grep CapPrm /proc/self/status
  podman $STORAGE rm -f -t 0 c >/dev/null
}
"#;

#[test]
fn a_container_finds_exactly_what_it_finds_after_a_pull() {
    let scratch = tempfile::tempdir().unwrap();
    let layout = image(&scratch.path().join("oci"));
    let mut build = storagectl(&["build-store", "-o"]);
    build.arg(scratch.path().join("all.squashfs")).arg(format!("localhost/all:1={}", layout.source("all")));
    run(&mut build);
    let paack = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/sealed/paack.py");
    fs_err::copy(paack, scratch.path().join("paack.py")).unwrap();
    for engine in [Engine::Podman4, Engine::Podman6] {
        let said = on_a_host(
            engine,
            scratch.path(),
            &format!(
                "{FACTS}
                cd /run/host
                pull() {{ podman --root $1 --runroot /run/r pull -q oci:oci:all >/dev/null
                  podman --root $1 --runroot /run/r tag $(podman --root $1 --runroot /run/r images -q) localhost/all:1
                  umount $1/overlay 2>/dev/null || :; }}
                pull /var/lib/pulled
                STORAGE='--root /var/lib/pulled --runroot /run/r'
                facts $STORAGE run -d >/run/pulled-facts; umount /var/lib/pulled/overlay 2>/dev/null || :
                cat /run/pulled-facts

                mkdir -p /run/storagectl/stores/all-1
                mount -o loop,ro,nosuid,nodev,context=system_u:object_r:container_ro_file_t:s0 all.squashfs /run/storagectl/stores/all-1
                STORAGE='--root /var/lib/s --runroot /run/s --storage-opt overlay.imagestore=/run/storagectl/stores/all-1'
                facts $STORAGE run -d >/run/sealed-facts
                echo == sealed; diff /run/pulled-facts /run/sealed-facts && echo the same

                pull /var/lib/paack
                touch /var/lib/paack/overlay-images/images.lock /var/lib/paack/overlay-layers/layers.lock
                build() {{ python3 /run/host/paack.py /var/lib/paack /run/paack.spec $2
                  rpmbuild -bb --quiet --define \"_topdir $1\" --define '_binary_payload w.ufdio' /run/paack.spec 2>/dev/null; }}
                build /var/lib/all; build /var/lib/some without-whiteouts
                rm -r /var/lib/paack
                echo == paack
                rpm -i /var/lib/all/RPMS/*/*.rpm | sed 's/[0-9a-f]\\{{64\\}}/LAYER/; s/;[0-9a-f]*:/:/; s/: cpio: open failed.*/: open failed/'
                rpm -e paack >/dev/null || :; rm -rf /var/lib/paack
                echo == without whiteouts
                rpm -i /var/lib/some/RPMS/*/*.rpm
                STORAGE='--root /var/lib/p --runroot /run/p --storage-opt overlay.imagestore=/var/lib/paack'
                facts $STORAGE run -d >/run/paack-facts
                diff /run/pulled-facts /run/paack-facts || :"
            ),
        );
        // From 4.20 on rpm makes whiteouts.
        let said = said.replace("== paack\n== without", &format!("== paack\n{OLDER_RPM}== without"));
        insta::allow_duplicates! { insta::assert_snapshot!(said, @r#"
        /data directory 755 0:0 1
        /data/attributes regular file 644 0:0 1
        /data/busybox-capable regular file 755 0:0 1
        /data/busybox-setuid regular file 4755 0:0 1
        /data/first-name regular file 644 0:0 2
        /data/opaque directory 755 0:0 2
        /data/opaque/new regular file 644 0:0 1
        /data/owned regular empty file 640 1234:5678 1
        /data/owned-the-other-way regular empty file 640 5678:1234 1
        /data/second-name regular file 644 0:0 2
        /data/with-attributes directory 755 0:0 2
        # file: data/attributes
        # file: data/busybox-capable
        # file: data/with-attributes
        security.capability=0sAQAAAgAEAAAAAAAAAAAAAAAAAAA=
        user.note="of the directory"
        user.note="of the file"
        CapPrm:	0000000000000400
        == sealed
        the same
        == paack
        error: unpacking of archive failed on file /var/lib/paack/overlay/LAYER/diff/data/removed: open failed
        error: paack-1-1.x86_64: install failed
        == without whiteouts
        6c6,7
        < /data/opaque directory 755 0:0 2
        ---
        > /data/opaque directory 755 0:0 1
        > /data/opaque/hidden regular file 644 0:0 1
        9a11
        > /data/removed regular file 644 0:0 1
        12d13
        < # file: data/attributes
        14d14
        < # file: data/with-attributes
        16,17d15
        < user.note="of the directory"
        < user.note="of the file"
        "#); }
    }
}

/// The kernel takes one page of mount options. podman 4 puts the path of each layer there,
/// so the longer the mount point, the fewer layers it can start; newer ones have other ways.
#[test]
fn a_container_of_an_image_with_many_layers_starts() {
    let scratch = tempfile::tempdir().unwrap();
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let program = Entry { mode: 0o755, size: busybox.len() as u64, ..entry(b'0', "busybox") };
    let mut layers = vec![gzipped(&Tar::default().header(&program).bytes(&busybox).finish())];
    for number in 1..120 {
        layers.push(gzipped(&Tar::default().file(&format!("{number}"), b"").finish()));
    }
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("40", "amd64", &layers[..40]);
    layout.image("120", "amd64", &layers);
    let mut build = storagectl(&["--quiet", "build-store", "-o"]);
    build.arg(scratch.path().join("many.squashfs"));
    run(build.args(["40", "120"].map(|name| format!("localhost/{name}:1={}", layout.source(name)))));
    for (engine, count) in [(Engine::Podman4, 40), (Engine::Podman5, 120), (Engine::Podman6, 120)] {
        let script = format!(
            "store=/run/storagectl/stores/user-app-10.20.30-40.el9
            mkdir -p $store; mount -o loop,ro /run/host/many.squashfs $store; storagectl --quiet add-store $store
            start --rm localhost/{count}:1 /busybox sh -c 'set -- /[0-9]*; echo $#'"
        );
        let said = on_a_host(engine, scratch.path(), &script);
        assert_eq!(said, format!("{}\n", count - 1), "{engine:?}");
    }
}
