//! Which images only `skopeo copy` brings whole.
//!
//! The image proxy sends blobs and nothing else: no signatures, and before its protocol 0.2.6
//! it asks no policy. So where an image can have signatures that skopeo would fetch, or a policy
//! has something to say about it, skopeo copies it as a whole.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::repository;
use crate::provision::document::{Node, NodeKind, documents};
use crate::sys::Root;

/// Where skopeo reads policy.json: the first that exists (signature/policy_config.go of the
/// image library); the last is the user's, in the home directory.
const POLICIES: [&str; 3] =
    ["/etc/containers/policy.json", "/usr/share/containers/policy.json", ".config/containers/policy.json"];

/// The directories whose files tell where signatures are (registries.d of the image library).
const REGISTRIES: [&str; 3] =
    ["/etc/containers/registries.d", "/usr/share/containers/registries.d", ".config/containers/registries.d"];

/// Where signatures are if no file tells it (docker/registries_d.go there).
const SIGNATURES: [&str; 2] = ["/var/lib/containers/sigstore", ".local/share/containers/sigstore"];

/// Whether the image `reference` has to be copied by skopeo as a whole. What cannot be read or
/// understood is skopeo's to judge, so it has to.
pub fn must_be_copied_whole(reference: &str) -> bool {
    let Ok(root) = Root::system() else { return true };
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let at = |path: &&str| home.join(path);
    let policies: Vec<PathBuf> = POLICIES.iter().map(at).collect();
    let registries: Vec<PathBuf> = REGISTRIES.iter().map(at).collect();
    let signatures: Vec<PathBuf> = SIGNATURES.iter().map(at).collect();
    let is_plain = has_plain_policy(&root, &policies, reference).unwrap_or(false)
        && has_no_signatures(&root, &registries, &signatures, reference).unwrap_or(false);
    !is_plain
}

/// Whether every policy that there is takes the image as it is, and there is one.
fn has_plain_policy(root: &Root, files: &[PathBuf], reference: &str) -> io::Result<bool> {
    let mut is_there = false;
    for file in files.iter().filter(|file| file.is_absolute()) {
        let Some((bytes, _)) = root.read(file)? else { continue };
        is_there = true;
        for policy in read(&bytes)? {
            let scopes = policy.at(&["transports", "docker"]).map_or(&[][..], Node::pairs);
            let matching = scopes.iter().filter(|(scope, _)| covers(&scope.name, reference));
            let all = policy.get("default").into_iter().chain(matching.map(|(_, node)| node));
            let types = all.flat_map(Node::items).map(|rule| rule.get("type").and_then(Node::text));
            if !types.into_iter().all(|kind| kind == Some("insecureAcceptAnything")) {
                return Ok(false);
            }
        }
    }
    Ok(is_there)
}

/// Whether nothing tells of signatures of the image.
fn has_no_signatures(
    root: &Root,
    directories: &[PathBuf],
    signatures: &[PathBuf],
    reference: &str,
) -> io::Result<bool> {
    for directory in signatures.iter().filter(|directory| directory.is_absolute()) {
        if root.list(directory)?.is_some_and(|names| !names.is_empty()) {
            return Ok(false);
        }
    }
    for directory in directories.iter().filter(|directory| directory.is_absolute()) {
        for name in root.list(directory)?.unwrap_or_default() {
            if Path::new(&name).extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let Some((bytes, _)) = root.read(&directory.join(&name))? else { continue };
            for document in read(&bytes)? {
                let scopes = document.get("docker").map_or(&[][..], Node::pairs);
                let matching = scopes.iter().filter(|(scope, _)| covers(&scope.name, reference));
                let all = document.get("default-docker").into_iter().chain(matching.map(|(_, node)| node));
                if all.into_iter().any(tells_of_signatures) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// Whether signatures are read from somewhere, or as images beside the image. Where they are
/// only written to does not count.
fn tells_of_signatures(namespace: &Node) -> bool {
    namespace.get("lookaside").is_some()
        || namespace.get("sigstore").is_some()
        || namespace.get("use-sigstore-attachments").is_some_and(|is| is.boolean() != Some(false))
}

fn read(bytes: &[u8]) -> io::Result<Vec<Node>> {
    let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
    let nodes = documents(text).map_err(|error| io::Error::other(error.message))?;
    let is_map = |node: &Node| matches!(node.kind, NodeKind::Map { .. }) || node.is_null();
    if nodes.iter().all(is_map) { Ok(nodes) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Whether a scope may concern an image: it is empty, a host with all below it (`*.example.com`),
/// or the beginning of the reference (docker/policyconfiguration/naming.go there). One too many
/// costs time alone.
fn covers(scope: &str, reference: &str) -> bool {
    match scope.strip_prefix('*') {
        Some(domain) => {
            let host = reference.split(['/', ':']).next().unwrap_or_default();
            host.ends_with(domain) || repository(reference).starts_with(scope)
        }
        None => reference.starts_with(scope),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;

    fn is_plain(policy: &str, registries: &str, reference: &str) -> bool {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs_err::create_dir(at("registries.d")).unwrap();
        fs_err::write(at("registries.d/a.yaml"), registries).unwrap();
        fs_err::write(at("registries.d/a.yaml.save"), "default-docker: {lookaside: 'file:///x'}").unwrap();
        fs_err::write(at("policy.json"), policy).unwrap();
        let root = Root::system().unwrap();
        has_plain_policy(&root, &[at("policy.json"), at("none.json")], reference).unwrap_or(false)
            && has_no_signatures(&root, &[at("registries.d")], &[at("none")], reference).unwrap_or(false)
    }

    #[test]
    fn signatures_and_policies_leave_an_image_to_skopeo() {
        let reference = "registry.example.com/team/app:1";
        let staging = "default-docker:\n  lookaside-staging: file:///var/lib/containers/sigstore\n";
        for (policy, registries, expected) in [
            (PLAIN, "", true),
            (PLAIN, staging, true),
            (PLAIN, "default-docker: {lookaside: 'https://a'}", false),
            (PLAIN, "docker: {registry.example.com: {sigstore: 'https://a'}}", false),
            (PLAIN, "docker: {registry.example.com/team/app: {lookaside: 'https://a'}}", false),
            (PLAIN, "docker: {'*.example.com': {use-sigstore-attachments: true}}", false),
            (PLAIN, "docker: {'*.example.org': {use-sigstore-attachments: true}}", true),
            (PLAIN, "docker: {registry.example.com: {use-sigstore-attachments: false}}", true),
            (PLAIN, "docker: {other.example.com: {lookaside: 'https://a'}}", true),
            (PLAIN, "docker: [", false),
            (r#"{"default": [{"type": "reject"}]}"#, "", false),
            (
                r#"{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {"registry.example.com/team": [{"type": "signedBy"}]}}}"#,
                "",
                false,
            ),
            (
                r#"{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {"a.example": [{"type": "signedBy"}]}}}"#,
                "",
                true,
            ),
            ("{", "", false),
        ] {
            assert_eq!(is_plain(policy, registries, reference), expected, "{policy} {registries}");
        }
        assert!(
            !has_plain_policy(&Root::system().unwrap(), &[], reference).unwrap(),
            "skopeo wants a policy"
        );
    }
}
