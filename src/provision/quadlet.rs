//! Quadlets (podman-systemd.unit(5)): an `.image` that says whether a store has an image, and those that
//! documents put on nodes.

use std::path::Path;

use super::image_name::check_image;
use super::model::NodeModel;
use super::read::Config;
use super::units::mounts;
use crate::problem::Problem;

/// The directories of root's (`getRootDirs` in podman's pkg/systemd/quadlet).
const DIRECTORIES: [&str; 2] = ["/etc/containers/systemd/", "/usr/share/containers/systemd/"];

/// An `.image` for the only image of a model. podman's `pull` finds an image in every store that is
/// listed; its policy `never` (podman 5.6) asks no registry, so that the unit fails if no store has
/// the image. Without the default dependencies it does not wait for a network (podman 5.3).
///
/// # Errors
/// `kind-lacks` if there is not exactly one image, or `image-name-invalid`.
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    let [image] = &model.images[..] else {
        let count = model.images.len();
        let message = format!("a quadlet is about one image, and {count} are given");
        return Err(Problem::new(
            "kind-lacks",
            message,
            "give one with `--image`, and write a file for each",
        ));
    };
    check_image(image)?;
    let stores: Vec<&super::NodeStore> = model.stores.iter().collect();
    let name = file_name(image);
    Ok(format!(
        "{made_by}# For /etc/containers/systemd, as `{name}.image`. Containers with `Image={name}.image` start after it.\n\
         [Unit]\n\
         Description=Check that an additional image store has {image}\n\
         {mounts}\
         After={load}\n\
         \n\
         [Image]\n\
         Image={image}\n\
         # Fails if no store has it, and asks no registry; `missing` would ask one then. podman 5.6 or later.\n\
         Policy=never\n\
         \n\
         [Quadlet]\n\
         # Needs no network.\n\
         DefaultDependencies=false\n",
        mounts = mounts(&stores),
        load = super::units::LOAD,
    ))
}

/// What there is to know about such a file.
pub fn warnings() -> Vec<String> {
    vec!["this lists no stores: the hosts' storage.conf has to, such as from `generate drop-in`".to_owned()]
}

/// The last part of an image's name.
fn file_name(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split_once(':').map_or(name, |(name, _)| name)
}

/// A `.container` or `.image` in a document.
pub(super) struct Quadlet {
    /// The path.
    pub(super) path: String,
    /// What `Image=` says.
    pub(super) image: String,
    /// Whether it asks no registry.
    pub(super) never_pulls: bool,
    /// The store that it pulls into, which is not the engines' own.
    pub(super) store: Option<String>,
}

impl Quadlet {
    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Root's quadlets in a configuration that name images.
pub(super) fn all(config: &Config) -> Vec<Quadlet> {
    let quadlet = |(path, text): (String, String)| {
        let below = DIRECTORIES.iter().find_map(|dir| path.strip_prefix(dir))?;
        let kind = Path::new(&path).extension()?.to_str()?.to_owned();
        if below.starts_with("users/") || !matches!(kind.as_str(), "container" | "image") {
            return None;
        }
        let last = |key: &str| values(&text, key).last().unwrap_or_default().to_owned();
        let arguments: Vec<&str> = ["GlobalArgs", "PodmanArgs"]
            .into_iter()
            .flat_map(|key| values(&text, key))
            .flat_map(str::split_whitespace)
            .collect();
        let option = |name: &str| {
            let at = arguments.iter().position(|it| it.split('=').next() == Some(name))?;
            let value = arguments[at].split_once('=').map(|(_, value)| value);
            value.or_else(|| arguments.get(at + 1).copied()).map(str::to_owned)
        };
        let (key, flag) = if kind == "image" { ("Policy", "--policy") } else { ("Pull", "--pull") };
        let policy = option(flag).unwrap_or_else(|| last(key));
        Some(Quadlet {
            image: last("Image"),
            never_pulls: policy == "never",
            store: option("--root").filter(|_| kind == "image").map(|path| crate::conf::clean(&path)),
            path,
        })
    };
    config.texts().into_iter().filter_map(quadlet).collect()
}

/// The values of a setting.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| Some(line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_last_part_of_the_image() {
        assert_eq!(file_name("registry.example:5000/team/app:1"), "app");
        assert_eq!(file_name("registry.example/app@sha256:0a"), "app");
        assert_eq!(file_name("app"), "app");
    }
}
