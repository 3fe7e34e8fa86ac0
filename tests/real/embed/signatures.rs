//! Signatures that are attached to images in their registry, as cosign does it.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{results, told};
use crate::build::image::{Layout, Tar, digest, plain};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::registry::Registry;
use crate::support::{run, storagectl};

/// Attaches a signature of the image `name:1`, made with the key `key.pem` in `dir`, to it.
pub(super) fn sign(registry: &Registry, dir: &Path, name: &str) {
    let signed = registry.digest(&format!("{name}:1"));
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": registry.reference(name)},
            "image": {"docker-manifest-digest": signed},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string();
    let at = dir.join("signature");
    fs_err::create_dir_all(&at).unwrap();
    fs_err::write(dir.join("payload"), &payload).unwrap();
    let script = "cd \"$DIR\"; openssl ecparam -name prime256v1 -genkey -noout -out key.pem
        openssl ec -in key.pem -pubout -out key.pub 2>/dev/null
        openssl dgst -sha256 -sign key.pem payload | base64 -w 0";
    let signature = run(Command::new("sh").args(["-euc", script]).env("DIR", dir));
    let config = json!({
        "architecture": "", "os": "", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(payload.as_bytes())]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(config.as_bytes()), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": digest(payload.as_bytes()), "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature.trim()},
        }],
    });
    fs_err::write(at.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    fs_err::write(at.join("manifest.json"), manifest.to_string()).unwrap();
    for blob in [&config, &payload] {
        fs_err::write(at.join(&digest(blob.as_bytes())["sha256:".len()..]), blob).unwrap();
    }
    let tag = signed.replace(':', "-");
    registry.push(&format!("dir:{}", at.display()), &format!("{name}:{tag}.sig"), &["--preserve-digests"]);
}

/// A registry with an image that has a signature attached.
pub(super) fn signed(dir: &Path) -> (Registry, String) {
    let own = Registry::start(&[]);
    // Not compressed, so that engines can copy it as it is.
    let mut layout = Layout::new(&dir.join("layout"));
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    layout.image("app", arch, &[plain(Tar::default().file("name", b"app").finish())]);
    own.push(&layout.source("app"), "app:1", &["--preserve-digests"]);
    sign(&own, dir, "app");
    let reference = own.reference("app:1");
    (own, reference)
}

#[test]
fn attached_signatures_come_on_request_and_engines_take_them_from_the_copied_image() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let (own, reference) = signed(scratch.path());
    // The host says that none are wanted.
    let settings = own.home.join(".config/containers/registries.d");
    fs_err::create_dir_all(&settings).unwrap();
    let text = format!("docker:\n  {}:\n    use-sigstore-attachments: false\n", own.address);
    fs_err::write(settings.join("none.yaml"), text).unwrap();
    let embed = |more: &[&str]| {
        let mut command = storagectl(&["embed-images", "--into"]);
        command.arg(at("embedded")).args(more).arg(&reference);
        own.serve(&mut command);
        told(&mut command, 0)
    };
    let directory = at("embedded").join(&digest(format!("{reference}\n").as_bytes())["sha256:".len()..]);
    let signature = directory.join("signature-1");
    assert_eq!(results(&embed(&[])), ["fetched"]);
    assert!(!signature.exists());
    assert_eq!(results(&embed(&["--signatures"])), ["repaired"]);
    assert!(fs_err::read(&signature).unwrap().starts_with(b"\0sigstore-json\n"));
    for more in [&["--signatures"][..], &[]] {
        assert_eq!(results(&embed(more)), ["present"]);
    }
    let left = crate::tree::names(&at("embedded"));
    assert_eq!(left.len(), 2, "{left:?}");
    // What an engine copies from the store is signed by this key and no other.
    let conf = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/r\"\ngraphroot = \"{}\"\n",
        at("graph").display()
    );
    fs_err::write(at("storage.conf"), conf).unwrap();
    let mut copy = storagectl(&["--config"]);
    copy.arg(at("storage.conf")).args(["copy-images", "--source"]).arg(at("embedded"));
    run(copy.arg("--store").arg(at("store")));
    let other = at("other");
    fs_err::create_dir(&other).unwrap();
    sign(&own, &other, "app");
    for (key, expected) in [(at("key.pub"), "let in\n"), (other.join("key.pub"), "kept out\n")] {
        let policy = json!({
            "default": [{"type": "reject"}],
            "transports": {"dir": {"": [{
                "type": "sigstoreSigned", "keyPath": key,
                "signedIdentity": {"type": "exactRepository", "dockerRepository": own.reference("app")},
            }]}},
        });
        fs_err::write(at("policy.json"), policy.to_string()).unwrap();
        // Engines ask no policy of what is in their storage, and ask it wherever they copy that to.
        let script = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
            \"$ENGINE\" push -q \"$IMAGE\" dir:/run/out
            \"$ENGINE\" --root /run/other pull -q --signature-policy \"$POLICY\" dir:/run/out >/run/said 2>&1 &&
                echo let in || { grep -q 'cryptographic signature verification failed' /run/said && echo kept out || cat /run/said; }
            umount \"$GRAPH/overlay\" /run/other/overlay 2>/dev/null || :";
        for engine in [Engine::Podman5, Engine::Podman6] {
            let said = in_private(
                script,
                &[
                    ("CONF", &at("storage.conf")),
                    ("GRAPH", &at("graph")),
                    ("POLICY", &at("policy.json")),
                    ("ENGINE", &engine.program()),
                    ("IMAGE", Path::new(&reference)),
                ],
            );
            assert_eq!(said, expected, "{}: {}", engine.name(), key.display());
        }
    }
}
