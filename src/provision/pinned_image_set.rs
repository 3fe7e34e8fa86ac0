//! PinnedImageSets: images that OpenShift's nodes pull ahead and CRI-O keeps, with the rules of
//! their API (openshift/api: machineconfiguration/v1/types_pinnedimageset.go and the rules of
//! `ImageDigestFormat` in its CRD). The operator's node daemon pulls them into the engines' own
//! storage, writes `pinned_images` into crio.conf.d and has CRI-O reload it
//! (pkg/daemon/pinned_image_set.go of the operator).

use super::butane::Machine;
use super::document::{Node, Value, map, text, to_yaml};
use super::image_name::is_digest;
use crate::problem::Problem;

/// Where the list stands.
pub const IMAGES: [&str; 2] = ["spec", "pinnedImages"];

/// How many images the API takes.
pub const MOST: usize = 500;
/// How long a name may be.
const LONGEST: usize = 447;

/// What the API would say to the name of an image; `None` if it takes it.
pub fn refusal(image: &str) -> Option<&'static str> {
    let word = |text: &str, also: &[char]| {
        text.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || also.contains(&it))
    };
    let Some((name, _)) = image.split_once('@').filter(|(_, it)| is_digest(it)) else {
        return Some("must end with `@sha256:` and 64 hexadecimal digits");
    };
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let is_port =
        |port: &str| (2..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit());
    let (namespace, last) = path.split_once('/').unwrap_or(("", path));
    if image.len() > LONGEST {
        Some("must have at most 447 characters")
    } else if !host.contains('.') || !host.split('.').all(|part| !part.is_empty() && word(part, &[])) {
        Some("must start with a registry's host that has a dot in it")
    } else if !name.contains('/') || port.is_some_and(|port| !is_port(port)) {
        Some("must be `host[:port][/namespace]/name`")
    } else if last.contains('/') || namespace.len() > 61 {
        Some("may have one namespace before its last part, of 61 characters at most")
    } else if !word(namespace, &['_']) || !word(last, &['_', '.']) {
        Some("must have no tag, and only letters, digits, `-`, `_` and, in its last part, `.`")
    } else {
        None
    }
}

/// An object with these images.
///
/// # Errors
/// A [`Problem`] if the API would refuse it.
pub fn value(images: &[String], machine: &Machine) -> Result<Value, Problem> {
    if images.is_empty() {
        return Err(no_images());
    }
    if images.len() > MOST {
        return Err(Problem::new(
            "image-refused",
            format!("a PinnedImageSet accepts at most {MOST} images, not {}", images.len()),
            "write two objects, each with its `--name`",
        ));
    }
    for image in images {
        if let Some(why) = refusal(image) {
            let message = format!("OpenShift refuses to pin `{}`: its name {why}", image.escape_debug());
            return Err(Problem::new("image-refused", message, RIGHT));
        }
    }
    let images = images.iter().map(|image| map([("name", text(image))])).collect();
    Ok(map([
        ("apiVersion", text("machineconfiguration.openshift.io/v1")),
        ("kind", text("PinnedImageSet")),
        ("metadata", machine.metadata()),
        ("spec", map([("pinnedImages", Value::List(images))])),
    ]))
}

/// What helps if the API refuses a name.
pub const RIGHT: &str = "give it as `registry.example/team/app@sha256:…`; `skopeo inspect` shows the digest";

/// No image is asked for.
fn no_images() -> Problem {
    Problem::new(
        "no-images",
        "no image is given",
        "name images with their digests: `--image`, `--image-from`, or stores that have them, `--store`",
    )
}

/// The same as text.
///
/// # Errors
/// As [`value`].
pub fn write(images: &[String], machine: &Machine, made_by: &str) -> Result<String, Problem> {
    Ok(format!("{made_by}{}", to_yaml(&value(images, machine)?, 0)))
}

/// The images of an object.
pub fn images(root: &Node) -> Vec<String> {
    let items = root.at(&IMAGES).map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| item.get("name")?.raw()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_the_rules_of_the_api_take_them() {
        let digest = format!("@sha256:{}", "0a".repeat(32));
        let taken = |name: &str| refusal(&format!("{name}{digest}")).is_none();
        for name in [
            "registry.example/app",
            "registry.example:5000/team/app",
            "a.b-c.d/t_e-am/a.p_p-x",
            "r.e/Team/App",
            "r.e/",
            "r.e//app",
        ] {
            assert!(taken(name), "{name}");
        }
        for name in [
            "registry/app",
            "localhost:5000/app",
            "registry.example",
            "r.e:1/app",
            "r.e:123456/app",
            "r.e/a/b/c",
            "r.e/te.am/app",
            "r.e/app:1",
            "r..e/app",
            "r_r.e/app",
            "/app",
            "",
        ] {
            assert!(!taken(name), "{name}");
        }
        assert!(taken(&format!("r.e/{}/a", "n".repeat(61))) && !taken(&format!("r.e/{}/a", "n".repeat(62))));
        assert!(taken(&format!("r.e/{}", "n".repeat(447 - 4 - digest.len()))));
        assert!(!taken(&format!("r.e/{}", "n".repeat(448 - 4 - digest.len()))));
        for image in ["r.e/app", "r.e/app:1", "r.e/app@sha256:0a", "r.e/app@sha512:0a", "r.e/a@b@c"] {
            assert!(refusal(image).is_some(), "{image}");
        }
        assert!(refusal(&format!("r.e/app{}", digest.to_uppercase())).is_some());
        assert!(refusal(&format!("r.e/app{digest}{digest}")).is_some());
    }
}
