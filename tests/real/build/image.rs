//! Images made by hand: tar streams byte for byte, and OCI layouts around them.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An entry of a tar stream.
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) flag: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) size: u64,
    pub(crate) mtime: u64,
    pub(crate) target: Vec<u8>,
    pub(crate) device: (u32, u32),
}

pub(crate) fn entry(flag: u8, name: &str) -> Entry {
    let mode = if flag == b'5' { 0o755 } else { 0o644 };
    Entry {
        name: name.as_bytes().to_vec(),
        flag,
        mode,
        uid: 0,
        gid: 0,
        size: 0,
        mtime: 1_600_000_000,
        target: Vec::new(),
        device: (0, 0),
    }
}

/// A tar stream.
#[derive(Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn header(mut self, entry: &Entry) -> Self {
        let mut block = [0; 512];
        let name = &entry.name[..entry.name.len().min(100)];
        block[..name.len()].copy_from_slice(name);
        let mut number = |at: usize, digits: usize, number: u64| {
            if number < 1 << (3 * digits) {
                block[at..at + digits].copy_from_slice(format!("{number:0digits$o}").as_bytes());
            } else {
                // GNU's base 256.
                block[at..=at + digits - 8].fill(0);
                block[at + digits - 7..=at + digits].copy_from_slice(&number.to_be_bytes());
                block[at] = 0x80;
            }
        };
        number(100, 7, u64::from(entry.mode));
        number(108, 7, entry.uid);
        number(116, 7, entry.gid);
        number(124, 11, entry.size);
        number(136, 11, entry.mtime);
        number(329, 7, u64::from(entry.device.0));
        number(337, 7, u64::from(entry.device.1));
        block[156] = entry.flag;
        let target = &entry.target[..entry.target.len().min(100)];
        block[157..157 + target.len()].copy_from_slice(target);
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend_from_slice(&block);
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.header(&Entry { size: content.len() as u64, ..entry(b'0', name) }).bytes(content)
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.header(&entry(b'5', name))
    }

    pub(crate) fn link(self, flag: u8, name: &str, target: &str) -> Self {
        self.header(&Entry { target: target.as_bytes().to_vec(), ..entry(flag, name) })
    }

    /// PAX records for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        self.raw_pax(&bytes)
    }

    pub(crate) fn raw_pax(self, bytes: &[u8]) -> Self {
        self.header(&Entry { size: bytes.len() as u64, ..entry(b'x', "PaxHeaders/x") }).bytes(bytes)
    }

    /// A long name as GNU writes it, for the next entry.
    pub(crate) fn gnu_name(self, flag: u8, name: &[u8]) -> Self {
        let name = [name, b"\0"].concat();
        self.header(&Entry { size: name.len() as u64, ..entry(flag, "././@LongLink") }).bytes(&name)
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// A layer: its blob, its type, and the digest of its stream.
pub(crate) type Layer = (Vec<u8>, &'static str, String);

pub(crate) fn plain(tar: Vec<u8>) -> Layer {
    let diff_id = digest(&tar);
    (tar, TAR, diff_id)
}

pub(crate) fn gzipped(tar: &[u8]) -> Layer {
    (gzip(tar), GZIP, digest(tar))
}

pub(crate) fn zstandard(tar: &[u8]) -> Layer {
    (zstd::encode_all(tar, 1).unwrap(), ZSTD, digest(tar))
}

/// An OCI layout.
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    index: Vec<Value>,
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        fs_err::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs_err::write(dir.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
        Self { dir: dir.to_owned(), index: Vec::new() }
    }

    pub(crate) fn blob_file(&self, digest: &str) -> PathBuf {
        self.dir.join("blobs/sha256").join(&digest["sha256:".len()..])
    }

    pub(crate) fn blob(&self, bytes: &[u8], media_type: &str) -> Value {
        let digest = digest(bytes);
        fs_err::write(self.blob_file(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    pub(crate) fn config(layers: &[Layer], arch: &str) -> Value {
        let ids: Vec<&str> = layers.iter().map(|(_, _, diff_id)| diff_id.as_str()).collect();
        let history: Vec<Value> =
            ids.iter().map(|_| json!({"created": "2020-01-01T00:00:00Z", "created_by": "test"})).collect();
        json!({
            "created": "2021-02-03T04:05:06.789Z", "architecture": arch, "os": "linux",
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": ids}, "history": history,
        })
    }

    pub(crate) fn manifest(&self, config: &Value, layers: &[Layer]) -> Value {
        let config = self.blob(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
        let layers: Vec<Value> = layers.iter().map(|(blob, kind, _)| self.blob(blob, kind)).collect();
        json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        })
    }

    /// Adds a manifest under a name and writes the index.
    pub(crate) fn add(&mut self, name: &str, manifest: &Value) {
        let kind = manifest["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest.v1+json");
        let mut entry = self.blob(manifest.to_string().as_bytes(), kind);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        self.index.push(entry);
        let index = json!({"schemaVersion": 2, "manifests": self.index});
        fs_err::write(self.dir.join("index.json"), index.to_string()).unwrap();
    }

    pub(crate) fn image(&mut self, name: &str, arch: &str, layers: &[Layer]) {
        let manifest = self.manifest(&Self::config(layers, arch), layers);
        self.add(name, &manifest);
    }

    /// `oci:DIR:NAME`
    pub(crate) fn source(&self, name: &str) -> String {
        format!("oci:{}:{name}", self.dir.display())
    }
}

/// Everything that a layer can hold, in three layers that are compressed differently.
pub(crate) fn everything() -> Vec<Layer> {
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let long: String = std::iter::repeat_n("d".repeat(199), 19).collect::<Vec<_>>().join("/");
    let name255 = "n".repeat(255);
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut base = Tar::default()
        .header(&Entry { mode: 0o700, ..entry(b'5', "./") })
        .dir("bin/")
        .header(&Entry { mode: 0o4755, size: busybox.len() as u64, ..entry(b'0', "bin/sh") })
        .bytes(&busybox)
        .link(b'1', "bin/busybox", "bin/sh")
        .link(b'1', "./bin/ls", "/bin/busybox")
        .dir("./etc")
        .file("etc/gone", b"gone")
        .file("etc/kept", b"kept")
        .file("etc/becomes-a-directory", b"file")
        .dir("etc/becomes-a-file/")
        .file("etc/becomes-a-file/inner", b"inner")
        .dir("opaque/")
        .file("opaque/hidden", b"hidden")
        .link(b'2', "etc/dangling", "/no/where")
        .gnu_name(b'K', "t".repeat(300).as_bytes())
        .link(b'2', "etc/long-target", "")
        .dir("dev/")
        .header(&Entry { device: (1, 3), mode: 0o666, ..entry(b'3', "dev/null") })
        .header(&Entry { device: (7, 300), ..entry(b'4', "dev/block") })
        .header(&entry(b'6', "dev/fifo"))
        .header(&Entry { uid: 3_000_000, gid: 4_000_000, ..entry(b'0', "big-ids") })
        .pax(&[("uid", b"4294967294"), ("gid", b"5000000"), ("mtime", b"1500000000.123456789")])
        .file("pax-ids", b"x")
        .pax(&[("mtime", b"-12345.25")])
        .file("before-1970", b"")
        .pax(&[
            ("SCHILY.xattr.user.one", b"a\0b=c\n"),
            ("SCHILY.xattr.user.two", b""),
            ("SCHILY.xattr.security.selinux", b"system_u:object_r:etc_t:s0"),
        ])
        .file("attributes", b"x")
        .pax(&[("SCHILY.xattr.security.capability", &capability)])
        .file("capability", b"x")
        .pax(&[("SCHILY.xattr.user.dir", b"yes")])
        .header(&Entry { mode: 0o1777, ..entry(b'5', "tmp/") })
        .gnu_name(b'L', name255.as_bytes())
        .file("", b"name of 255 bytes")
        .header(&Entry { name: b"not-utf8-\xff".to_vec(), ..entry(b'0', "") });
    let mut above = String::new();
    for part in long.split('/') {
        above.push_str(part);
        above.push('/');
        base = base.pax(&[("path", above.as_bytes())]).dir("long");
    }
    let base = base.pax(&[("path", format!("{long}/file").as_bytes())]).file("short", b"path of 3,800 bytes");
    let second = Tar::default()
        .dir("etc/")
        .file("etc/.wh.gone", b"")
        .dir("etc/becomes-a-directory/")
        .file("etc/becomes-a-directory/.wh..wh..opq", b"")
        .file("etc/becomes-a-directory/inner", b"inner")
        .file("etc/becomes-a-file", b"file")
        .dir("opaque/")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"new")
        .file(".wh.removed", b"")
        .file("removed/.wh.inner", b"")
        .file(".wh.again", b"")
        .file("again", b"a whiteout gives way")
        .header(&Entry { mode: 0o640, uid: 7, ..entry(b'0', "one") })
        .link(b'1', "two", "one")
        .header(&Entry { mode: 0o600, uid: 8, ..entry(b'1', "three") }.to("two"));
    // Without an end mark, and with more than one.
    let third = Tar::default().dir("implied-no-more").file("implied/by/me", b"x").0;
    let empty = [0; 10240].to_vec();
    // What stands behind the end mark means nothing, be it a tar or what looks like a header.
    let other = Tar::default().file("behind-the-end-mark", b"x").finish();
    let two = [Tar::default().file("two-tars", b"x").finish(), other].concat();
    let junk = [Tar::default().file("junk", b"x").finish(), vec![b'0'; 1536]].concat();
    vec![
        gzipped(&base.finish()),
        zstandard(&second.finish()),
        plain(third),
        gzipped(&empty),
        gzipped(&empty),
        gzipped(&two),
        plain(junk),
    ]
}

impl Entry {
    fn to(self, target: &str) -> Self {
        Self { target: target.as_bytes().to_vec(), ..self }
    }
}
