//! What the host's policy says of images that come from files.
//!
//! Where policy.json takes everything of a transport as it is, nothing needs to be asked. Where it does
//! not, skopeo judges, which knows all of its rules: it copies the image, or refuses to.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Failure;
use super::signed::{POLICIES, accepts, documents_in};
use crate::problem::Problem;
use crate::provision::document::Node;
use crate::sys::{Child, ChildFailure, OutputTail, Root};

/// Whether the policies of the system `root` take every image of this transport, such as `oci-archive`.
/// A host without a policy takes none, as with engines.
pub fn accepts_anything(root: &Root, transport: &str) -> bool {
    let read = |file: &PathBuf| -> io::Result<Option<bool>> {
        let Some((bytes, _)) = root.read(file)? else { return Ok(None) };
        Ok(Some(documents_in(&bytes)?.iter().all(|policy| {
            let scopes = policy.at(&["transports", transport]).map_or(&[][..], Node::pairs);
            let has_default = scopes.iter().any(|(scope, _)| scope.name.is_empty());
            let default = policy.get("default").filter(|_| !has_default);
            (has_default || default.is_some())
                && scopes.iter().map(|(_, rules)| rules).chain(default).all(accepts)
        })))
    };
    let found: io::Result<Vec<Option<bool>>> = policies(root).iter().map(read).collect();
    let found: Vec<bool> = found.unwrap_or_default().into_iter().flatten().collect();
    !found.is_empty() && found.into_iter().all(|accepts| accepts)
}

/// Where policies may be: a tree has no user.
fn policies(root: &Root) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").filter(|_| !root.is_tree()).map(PathBuf::from).unwrap_or_default();
    POLICIES.iter().map(|path| home.join(path)).filter(|path| path.is_absolute()).collect()
}

/// Copies the image `source`, such as `oci-archive:FILE:REF`, to the new `dir:` directory `to`, if the
/// policy of the system `root` lets it.
///
/// # Errors
/// `missing` if there is no policy, `signature-policy`, `skopeo-missing`, `disk-full`, `skopeo-failed`.
pub fn copy_if_accepted(root: &Root, source: &str, to: &Path) -> Result<(), Problem> {
    let is_there = |path: &PathBuf| root.stat(path).is_ok_and(|stat| stat.is_some());
    let Some(policy) = policies(root).into_iter().find(is_there) else {
        let message = "there is no policy for signatures, without which engines take no image";
        let hint = "install the package containers-common, or write /etc/containers/policy.json as containers-policy.json(5) says";
        return Err(Problem::new("missing", message, hint));
    };
    let mut command = Command::new("skopeo");
    // In its own search the user's file is the first.
    if root.is_tree() {
        command.arg("--policy").arg(root.show(&policy));
    }
    command.args(["copy", "--quiet", "--preserve-digests", source]);
    command.arg(format!("dir:{}", to.display())).stdin(Stdio::null()).stdout(Stdio::null());
    let failure = match Child::start(command, OutputTail::Stderr).and_then(Child::wait) {
        Ok(_) => return Ok(()),
        Err(failure) => failure,
    };
    let ChildFailure::Ended(_, said) = &failure else {
        let message = format!("skopeo, which the policy for signatures needs, cannot be run: {failure}");
        return Err(Problem::new("skopeo-missing", message, "install it, or see containers-policy.json(5)"));
    };
    Err(match Failure::of(source, said).problem.id {
        "signature-policy" => {
            let message = format!("the policy for signatures rejects `{source}`");
            let transport = source.split(':').next().unwrap_or_default();
            let hint = format!("see containers-policy.json(5) for a rule for the transport `{transport}`");
            Problem::new("signature-policy", message, hint)
        }
        "disk-full" => Problem::new(
            "disk-full",
            format!("`{source}` cannot be copied: {failure}"),
            "free some space and try again",
        ),
        _ => Problem::new(
            "skopeo-failed",
            format!("skopeo cannot copy `{source}`: {failure}"),
            "copy the image again, for example with `skopeo copy`",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_where_everything_of_a_transport_is_accepted() {
        const ANY: &str = r#"[{"type": "insecureAcceptAnything"}]"#;
        const NONE: &str = r#"[{"type": "reject"}]"#;
        for (policy, accepted) in [
            (format!(r#"{{"default": {ANY}}}"#), true),
            (format!(r#"{{"default": {NONE}}}"#), false),
            (format!(r#"{{"default": {NONE}, "transports": {{"oci": {{"": {ANY}}}}}}}"#), true),
            (format!(r#"{{"default": {NONE}, "transports": {{"oci": {{"/srv": {ANY}}}}}}}"#), false),
            (format!(r#"{{"default": {ANY}, "transports": {{"oci": {{"/srv": {NONE}}}}}}}"#), false),
            (format!(r#"{{"default": {ANY}, "transports": {{"oci": {{"": {NONE}}}}}}}"#), false),
            (format!(r#"{{"default": {ANY}, "transports": {{"docker": {{"": {NONE}}}}}}}"#), true),
            (r#"{"default": []}"#.to_owned(), false),
            ("{}".to_owned(), false),
            ("{".to_owned(), false),
        ] {
            let tree = tempfile::tempdir().unwrap();
            let root = Root::tree(tree.path()).unwrap();
            assert!(!accepts_anything(&root, "oci"), "there is no policy");
            fs_err::create_dir_all(tree.path().join("etc/containers")).unwrap();
            fs_err::write(tree.path().join("etc/containers/policy.json"), &policy).unwrap();
            assert_eq!(accepts_anything(&root, "oci"), accepted, "{policy}");
        }
    }
}
