//! Images for packages, in the registry of this process.

use std::sync::OnceLock;

use crate::build::image::{Entry, Layer, Layout, Tar, entry, gzipped};
use crate::registry::{Registry, registry};

/// `cap_net_raw=ep` as the kernel stores it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The registry with two images more: `pack-owned:1`, which RPM can carry, and
/// `pack-opaque:1`, which it cannot.
pub(crate) fn with_images() -> &'static Registry {
    static PUSHED: OnceLock<()> = OnceLock::new();
    let registry = registry();
    PUSHED.get_or_init(|| {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut layout = Layout::new(&dir.path().join("layout"));
        layout.image("pack-owned", "amd64", &[base(), owned()]);
        let [below, above] = opaque();
        layout.image("pack-opaque", "amd64", &[base(), below, above]);
        for name in ["pack-owned", "pack-opaque"] {
            registry.push(&layout.source(name), &format!("{name}:1"), &["--preserve-digests"]);
        }
    });
    registry
}

/// Something that runs.
fn base() -> Layer {
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let program = Entry { mode: 0o755, size: busybox.len() as u64, ..entry(b'0', "bin/sh") };
    let tar = Tar::default().dir("bin/").header(&program).bytes(&busybox);
    let tar = tar.header(&Entry { mode: 0o755, ..entry(b'1', "bin/cat") }.leading_to("bin/sh"));
    gzipped(&tar.dir("proc/").dir("dev/").dir("sys/").dir("etc/").dir("run/").dir("tmp/").finish())
}

/// Owners, a capability, a hard link, names in which every second character means
/// something to rpmbuild.
fn owned() -> Layer {
    let tar = Tar::default()
        .header(&Entry { mode: 0o4750, uid: 1234, gid: 5678, size: 3, ..entry(b'0', "owned") })
        .bytes(b"own")
        .header(&Entry { mode: 0o4750, uid: 1234, gid: 5678, ..entry(b'1', "linked") }.leading_to("owned"))
        .header(&Entry { uid: 5678, gid: 1234, ..entry(b'5', "crossed/") })
        .header(&Entry { mode: 0, ..entry(b'0', "nobody-may") })
        .pax(&[("SCHILY.xattr.security.capability", &CAPABILITY)])
        .file("capable", b"x")
        .file("a b*?[c]{d,e}%{nil}%%\\\"'$(x)#~!", b"odd")
        .file("ü", b"umlaut")
        .link(b'2', "a link", "no where");
    gzipped(&tar.finish())
}

/// What only a sealed store carries.
fn opaque() -> [Layer; 2] {
    let below = Tar::default().dir("hidden/").file("hidden/file", b"x").file("gone", b"x");
    let above = Tar::default()
        .dir("hidden/")
        .file("hidden/.wh..wh..opq", b"")
        .file(".wh.gone", b"")
        .pax(&[("SCHILY.xattr.user.note", b"x")])
        .file("noted", b"x");
    [gzipped(&below.finish()), gzipped(&above.finish())]
}

impl Entry {
    fn leading_to(self, target: &str) -> Self {
        Self { target: target.as_bytes().to_vec(), ..self }
    }
}
