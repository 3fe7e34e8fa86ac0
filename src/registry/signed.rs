//! Which images only `skopeo copy` brings whole.
//!
//! The image proxy sends blobs and nothing else: no signatures, and before its protocol 0.2.6
//! it asks no policy. So where an image can have signatures that skopeo would fetch, or a policy
//! has something to say about it, skopeo copies it as a whole.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::repository;
use crate::problem::{Problem, words};
use crate::provision::document::{Node, NodeKind, documents};
use crate::sys::Root;

/// Where skopeo reads policy.json: the first that exists (signature/policy_config.go of the
/// image library); the last is the user's, in the home directory.
pub(super) const POLICIES: [&str; 3] =
    ["/etc/containers/policy.json", "/usr/share/containers/policy.json", ".config/containers/policy.json"];

/// The directories whose files tell where signatures are (registries.d of the image library).
const REGISTRIES: [&str; 3] =
    ["/etc/containers/registries.d", "/usr/share/containers/registries.d", ".config/containers/registries.d"];

/// Where signatures are if no file tells it (docker/registries_d.go there).
const SIGNATURES: [&str; 2] = ["/var/lib/containers/sigstore", ".local/share/containers/sigstore"];

/// What the settings of signatures ask for.
#[derive(Debug)]
pub struct SignatureSettings {
    /// The scopes of images that skopeo has to copy as a whole.
    scopes: Vec<String>,
}

impl SignatureSettings {
    /// Reads the settings of this process. What cannot be read or understood is skopeo's to judge, for
    /// every image.
    pub fn read() -> Self {
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        // Without a home directory the user's are none.
        let at = |paths: &[&str]| -> Vec<PathBuf> {
            paths.iter().map(|path| home.join(path)).filter(|path| path.is_absolute()).collect()
        };
        Self::of(&at(&POLICIES), &at(&REGISTRIES), &at(&SIGNATURES))
    }

    fn of(policies: &[PathBuf], registries: &[PathBuf], signatures: &[PathBuf]) -> Self {
        let scopes = Root::system().and_then(|root| {
            let mut scopes = of_policies(&root, policies)?;
            scopes.extend(of_registries(&root, registries)?);
            for directory in signatures {
                let has_some = root.list(directory)?.is_some_and(|names| !names.is_empty());
                scopes.extend(has_some.then(String::new));
            }
            Ok(scopes)
        });
        Self { scopes: scopes.unwrap_or_else(|_| vec![String::new()]) }
    }

    /// Whether skopeo has to copy the image `reference` as a whole.
    pub fn concerns(&self, reference: &str) -> bool {
        self.scopes.iter().any(|scope| covers(scope, reference))
    }
}

/// The settings of this process's registries.d as one file of such, in which the signatures that are
/// attached to images are asked for, whichever images those are.
///
/// # Errors
/// `registries-d` if a file of it cannot be read or understood.
pub fn with_attachments() -> Result<Vec<u8>, Problem> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let [system, _, users] = REGISTRIES.map(|path| home.join(path));
    attachments_of(&[users, system]).map_err(|error| {
        let message = format!("cannot tell from registries.d where signatures are: {}", words(&error));
        Problem::new("registries-d", message, "make its files what containers-registries.d(5) says")
    })
}

/// [`with_attachments`] of the first of these directories that exists, the one that skopeo reads
/// (`registriesDirPath` in docker/registries_d.go of the image library).
fn attachments_of(directories: &[PathBuf]) -> io::Result<Vec<u8>> {
    const LOCATIONS: [&str; 4] = ["lookaside", "lookaside-staging", "sigstore", "sigstore-staging"];
    let namespace = |node: Option<&Node>| {
        let location = |key: &str| Some((key.to_owned(), Value::from(node?.get(key)?.text()?)));
        let asked = ("use-sigstore-attachments".to_owned(), Value::from(true));
        Value::Object(LOCATIONS.iter().filter_map(|key| location(key)).chain([asked]).collect())
    };
    let root = Root::system()?;
    let (mut default, mut docker) = (namespace(None), Map::new());
    for directory in directories {
        let Some(names) = root.list(directory)? else { continue };
        for name in names.iter().filter(|name| Path::new(name).extension().is_some_and(|it| it == "yaml")) {
            let Some((bytes, _)) = root.read(&directory.join(name))? else { continue };
            for document in documents_in(&bytes)? {
                if let Some(node) = document.get("default-docker") {
                    default = namespace(Some(node));
                }
                let scopes = document.get("docker").map_or(&[][..], Node::pairs).iter();
                docker.extend(scopes.map(|(scope, node)| (scope.name.clone(), namespace(Some(node)))));
            }
        }
        break;
    }
    // JSON is YAML.
    Ok(serde_json::to_vec(&json!({"default-docker": default, "docker": docker}))?)
}

/// The scopes whose images a policy does not take as they are; all if there is no policy.
fn of_policies(root: &Root, files: &[PathBuf]) -> io::Result<Vec<String>> {
    let (mut scopes, mut is_there) = (Vec::new(), false);
    for file in files {
        let Some((bytes, _)) = root.read(file)? else { continue };
        is_there = true;
        for policy in documents_in(&bytes)? {
            let docker = policy.at(&["transports", "docker"]).map_or(&[][..], Node::pairs);
            let docker = docker.iter().map(|(scope, rules)| (scope.name.as_str(), rules));
            let all = policy.get("default").map(|rules| ("", rules)).into_iter().chain(docker);
            scopes.extend(all.filter(|(_, rules)| !accepts(rules)).map(|(scope, _)| scope.to_owned()));
        }
    }
    scopes.extend((!is_there).then(String::new));
    Ok(scopes)
}

/// Whether these rules of a policy take every image; engines refuse a policy without any.
pub(super) fn accepts(rules: &Node) -> bool {
    let kind = |rule: &Node| rule.get("type").and_then(Node::text) == Some("insecureAcceptAnything");
    !rules.items().is_empty() && rules.items().iter().all(kind)
}

/// The scopes for which files in these directories tell of signatures.
fn of_registries(root: &Root, directories: &[PathBuf]) -> io::Result<Vec<String>> {
    let mut scopes = Vec::new();
    for directory in directories {
        for name in root.list(directory)?.unwrap_or_default() {
            if Path::new(&name).extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let Some((bytes, _)) = root.read(&directory.join(&name))? else { continue };
            for document in documents_in(&bytes)? {
                let docker = document.get("docker").map_or(&[][..], Node::pairs);
                let docker = docker.iter().map(|(scope, namespace)| (scope.name.as_str(), namespace));
                let all = document.get("default-docker").map(|it| ("", it)).into_iter().chain(docker);
                let telling = all.filter(|(_, namespace)| mentions_signatures(namespace));
                scopes.extend(telling.map(|(scope, _)| scope.to_owned()));
            }
        }
    }
    Ok(scopes)
}

/// Whether signatures are read from somewhere, or as images beside the image. Where they are
/// only written to does not count.
fn mentions_signatures(namespace: &Node) -> bool {
    namespace.get("lookaside").is_some()
        || namespace.get("sigstore").is_some()
        || namespace.get("use-sigstore-attachments").is_some_and(|is| is.boolean() != Some(false))
}

/// The documents of a file; what is no map is none.
pub(super) fn documents_in(bytes: &[u8]) -> io::Result<Vec<Node>> {
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
        let policies = [at("policy.json"), at("none.json")];
        !SignatureSettings::of(&policies, &[at("registries.d")], &[at("none")]).concerns(reference)
    }

    #[test]
    fn attachments_are_asked_for_beside_what_registries_d_says() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs_err::create_dir_all(at("system")).unwrap();
        let of = |directories: &[PathBuf]| -> Value {
            serde_json::from_slice(&attachments_of(directories).unwrap()).unwrap()
        };
        let asked = json!({"use-sigstore-attachments": true});
        assert_eq!(of(&[at("none")]), json!({"default-docker": asked, "docker": {}}));
        let text = "default-docker:\n  lookaside: file:///a\n  use-sigstore-attachments: false\n";
        fs_err::write(at("system/default.yaml"), text).unwrap();
        let text = "docker:\n  registry.example.com/app:\n    sigstore: https://b\n  c.example.com: {use-sigstore-attachments: false}\n";
        fs_err::write(at("system/app.yaml"), text).unwrap();
        fs_err::write(at("system/app.yaml.save"), "docker: [").unwrap();
        let expected = json!({
            "default-docker": {"lookaside": "file:///a", "use-sigstore-attachments": true},
            "docker": {
                "registry.example.com/app": {"sigstore": "https://b", "use-sigstore-attachments": true},
                "c.example.com": asked,
            },
        });
        assert_eq!(of(&[at("none"), at("system")]), expected);
        // The user's takes the place of the system's.
        fs_err::create_dir(at("user")).unwrap();
        assert_eq!(of(&[at("user"), at("system")]), json!({"default-docker": asked, "docker": {}}));
        fs_err::write(at("user/bad.yaml"), "docker: [").unwrap();
        assert!(attachments_of(&[at("user"), at("system")]).is_err());
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
        assert!(SignatureSettings::of(&[], &[], &[]).concerns(reference), "skopeo wants a policy");
    }
}
