//! Credentials: they reach the registry and nothing else.

use std::process::Command;

use base64::Engine;

use super::{assert_clean, told};
use crate::registry::{Registry, registry};
use crate::support::{finish, run, storagectl, text};

/// The password of `user`, as htpasswd -B writes it.
const HTPASSWD: &str = "user:$2b$05$GBWGPldSvSNIdfM9X4uI3.wEwPFyIS5RcRyFzWJgM7CAOd.2djZyS\n";
const PASSWORD: &str = "password-of-the-test";

#[test]
fn a_pull_secret_opens_a_registry_and_is_shown_nowhere() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("htpasswd");
    fs_err::write(&file, HTPASSWD).unwrap();
    let locked = Registry::start(&[
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "test"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", &file.to_string_lossy()),
    ]);
    let from = format!("docker://{}", registry().reference("app-0:1"));
    let creds = format!("--dest-creds=user:{PASSWORD}");
    locked.push(&from, "app:1", &[&creds, "--src-tls-verify=false"]);
    let dir = scratch.path().join("images");
    let embed = |more: &[&str]| {
        let mut command = storagectl(&["embed-images", "-v", "--into", &dir.to_string_lossy()]);
        command.args(more).arg(locked.reference("app:1"));
        locked.serve(&mut command);
        command
    };
    let refused = told(&mut embed(&[]), 2);
    assert_eq!(refused["images"][0]["problem"]["id"], "registry-denied");

    let secret = scratch.path().join("secret.json");
    let wrong = scratch.path().join("wrong.json");
    for (path, password) in [(&secret, PASSWORD), (&wrong, "another-password")] {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("user:{password}"));
        let auths = serde_json::json!({"auths": {&locked.address: {"auth": auth}}});
        fs_err::write(path, auths.to_string()).unwrap();
    }
    let output = finish(&mut embed(&["--authfile", &wrong.to_string_lossy()]));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(!text(&output).contains("another-password"), "{}", text(&output));

    let output = finish(&mut embed(&["--authfile", &secret.to_string_lossy()]));
    assert!(output.status.success(), "{}", text(&output));
    assert_clean(&dir, 1);
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("user:{PASSWORD}"));
    for hidden in [PASSWORD, &auth] {
        assert!(!text(&output).contains(hidden), "{}", text(&output));
        let found = finish(Command::new("grep").args(["-r", hidden]).arg(&dir));
        assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    }

    // The variable that engines know.
    run(Command::new("rm").arg("-r").arg(&dir));
    let output = finish(embed(&[]).env("REGISTRY_AUTH_FILE", &secret));
    assert!(output.status.success(), "{}", text(&output));
    let output = finish(embed(&[]).env("REGISTRY_AUTH_FILE", scratch.path().join("gone.json")));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("does not exist"), "{}", text(&output));
}
