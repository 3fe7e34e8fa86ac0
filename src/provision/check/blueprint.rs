//! Rules about blueprints: what the builders of images refuse, and what one of them does not read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::finding::ProvisionFindings;
use crate::provision::blueprint::{is_mode, list};
use crate::provision::document::Node;

const REFUSED: &str = "image-builder and bootc-image-builder refuse the blueprint";

/// The paths at which customizations are denied (`true`) or allowed, the longest that fits counts
/// (`CustomDirectoriesPolicies` and `CustomFilesPolicies` in osbuild/images' pkg/policies).
const DIRECTORIES: &[(&str, bool)] = &[
    ("/bin", true),
    ("/boot", true),
    ("/dev", true),
    ("/efi", true),
    ("/lib", true),
    ("/lib64", true),
    ("/lost+found", true),
    ("/proc", true),
    ("/run", true),
    ("/sbin", true),
    ("/sys", true),
    ("/sysroot", true),
    ("/tmp", true),
    ("/usr", true),
    ("/usr/local", false),
    ("/var/run", true),
    ("/var/tmp", true),
];
/// Of files alone.
const FILES: &[(&str, bool)] =
    &[("/etc/fstab", true), ("/etc/group", true), ("/etc/passwd", true), ("/etc/shadow", true)];
/// `OstreeCustomDirectoriesPolicies`, which bootc-image-builder has, too: all that is allowed.
const OSTREE_DIRECTORIES: &[&str] = &["/etc"];
/// `OstreeCustomFilesPolicies`.
const OSTREE_FILES: &[&str] = &["/etc", "/root", "/usr/local/bin", "/usr/local/sbin"];

/// The keys of each table (the structures of osbuild/blueprint's pkg/blueprint).
const TABLES: &[(&[&str], &[&str])] = &[
    (
        &[],
        &[
            "name",
            "description",
            "version",
            "packages",
            "modules",
            "enabled_modules",
            "groups",
            "containers",
            "customizations",
            "distro",
            "architecture",
        ],
    ),
    (
        &["customizations"],
        &[
            "hostname",
            "kernel",
            "sshkey",
            "user",
            "group",
            "timezone",
            "locale",
            "firewall",
            "services",
            "filesystem",
            "disk",
            "installation_device",
            "partitioning_mode",
            "fdo",
            "openscap",
            "ignition",
            "directories",
            "files",
            "repositories",
            "fips",
            "installer",
            "rpm",
            "rhsm",
            "cacerts",
            "containers-storage",
            "firstboot",
            "dnf",
            "iso",
            "sshd",
        ],
    ),
    (&["customizations", "services"], &["enabled", "disabled", "masked"]),
    (&["customizations", "containers-storage"], &["destination-path"]),
];
const CONTAINER: &[&str] = &["source", "name", "tls-verify", "local-storage"];
const FILE: &[&str] = &["path", "user", "group", "mode", "data", "uri"];
const DIRECTORY: &[&str] = &["path", "user", "group", "mode", "ensure_parents"];

pub(super) fn check(root: &Node, findings: &mut ProvisionFindings) {
    for (path, known) in TABLES {
        if let Some(table) = root.at(path) {
            keys(table, known, REFUSED, findings);
        }
    }
    let files = list(root, &["customizations", "files"]);
    let directories = list(root, &["customizations", "directories"]);
    let (all, ostree) = ([DIRECTORIES, FILES].concat(), OSTREE_FILES);
    files.iter().for_each(|it| node(it, "file", FILE, &all, ostree, findings));
    directories
        .iter()
        .for_each(|it| node(it, "directory", DIRECTORY, DIRECTORIES, OSTREE_DIRECTORIES, findings));
    parents(files, directories, findings);
    let containers = list(root, &["containers"]);
    for container in containers {
        keys(container, CONTAINER, REFUSED, findings);
        if container.get("source").and_then(Node::raw).is_none_or(str::is_empty) {
            let message = "a container has no `source`";
            let hint = "give the image's name: `source = \"registry.example/app:1\"`";
            findings.add("image-missing", container.span.clone(), message, REFUSED, hint);
        }
    }
    ignored(root, findings);
}

/// What a table has and no builder knows.
fn keys(table: &Node, known: &[&str], effect: &str, findings: &mut ProvisionFindings) {
    for (key, _) in table.pairs() {
        // The decoder of TOML takes any case.
        if known.iter().any(|name| name.eq_ignore_ascii_case(&key.name)) {
            continue;
        }
        let near = known.iter().find(|name| strsim::damerau_levenshtein(name, &key.name) <= 2);
        let hint = match near {
            Some(name) => format!("`{name}` was probably meant"),
            None => "leave it out".to_owned(),
        };
        let message = format!("a blueprint has no key `{}` here", key.name);
        findings.add("key-unknown", key.span.clone(), message, effect, hint);
    }
}

/// A file or a directory.
fn node(
    node: &Node,
    what: &str,
    known: &[&str],
    policy: &[(&str, bool)],
    ostree: &[&str],
    findings: &mut ProvisionFindings,
) {
    // What is read by hand there leaves others where they are.
    keys(node, known, "the builders ignore it", findings);
    if let Some(mode) = node.get("mode")
        && !mode.text().is_some_and(|text| text.is_empty() || is_mode(text))
    {
        let shown = mode.raw().unwrap_or_default();
        let message =
            format!("`{shown}` is not a mode: it is a string of three octal digits, or of four with a 0");
        findings.add("mode-invalid", mode.span.clone(), message, REFUSED, "give one such as `\"0644\"`");
    }
    if let (Some(_), Some(uri)) = (node.get("data"), node.get("uri")) {
        let message = "a file has both `data` and `uri`";
        findings.add("contents-twice", uri.span.clone(), message, REFUSED, "leave out one of the two");
    }
    let Some(path) = node.get("path").filter(|path| path.raw().is_some_and(|it| it.starts_with('/'))) else {
        return;
    };
    let shown = path.raw().unwrap_or_default();
    let longest = policy.iter().filter(|(at, _)| Path::new(shown).starts_with(at));
    let is_denied = longest.max_by_key(|(at, _)| at.len()).is_some_and(|(_, denied)| *denied);
    if is_denied {
        let message = format!("the builders allow no {what} `{shown}`");
        findings.add("path-refused", path.span.clone(), message, REFUSED, "put it below /etc");
    } else if !ostree.iter().any(|at| Path::new(shown).starts_with(at)) {
        findings.add(
            "bootc-refuses",
            path.span.clone(),
            format!("bootc-image-builder, and image-builder for images of ostree, allow no {what} `{shown}`"),
            "they refuse the blueprint",
            format!("for those, have a unit or tmpfiles.d make it, or put it below {}", ostree[0]),
        );
    }
}

/// Files that others would have to be in.
fn parents(files: &[Node], directories: &[Node], findings: &mut ProvisionFindings) {
    let path = |node: &Node| PathBuf::from(node.get("path").and_then(Node::raw).unwrap_or_default());
    let paths: HashSet<PathBuf> = files.iter().map(path).filter(|it| !it.as_os_str().is_empty()).collect();
    for node in files.iter().chain(directories) {
        let own = path(node);
        if let Some(file) = own.ancestors().skip(1).find(|above| paths.contains(*above)) {
            let span = node.get("path").unwrap_or(node).span.clone();
            let message = format!("`{}` would be in `{}`, which is a file", own.display(), file.display());
            findings.add("path-refused", span, message, REFUSED, "move one of the two");
        }
    }
}

/// What bootc-image-builder does not read (`supported_options` of its image types in osbuild/images'
/// data/distrodefs/bootc-generic).
fn ignored(root: &Node, findings: &mut ProvisionFindings) {
    const UNREAD: &[(&[&str], &str)] = &[
        (&["containers"], "put the images into the bootc image: `storagectl generate containerfile`"),
        (&["customizations", "containers-storage"], "put the store into the bootc image"),
        (
            &["customizations", "services"],
            "enable units in the bootc image, or with a drop-in that wants them",
        ),
    ];
    for (path, hint) in UNREAD {
        // What no builder takes has been told.
        if findings.has(&["image-missing"]) {
            continue;
        }
        if let Some(node) = root.at(path).filter(|it| !it.items().is_empty() || !it.pairs().is_empty()) {
            let message = format!("bootc-image-builder does not read `{}`", path.join("."));
            findings.add("bootc-ignores", node.span.clone(), message, "hosts that it makes lack that", *hint);
        }
    }
}
