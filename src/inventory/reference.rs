//! What a person means by the reference of an image in a store.

use std::collections::BTreeSet;

use super::lookup::digests;
use crate::images::{Name, is_reference};
use crate::problem::{Problem, quoted_series};
use crate::registry::{repository, without_tag};
use crate::store::StoredImage;

/// An image, as engines look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By name, with a tag or a digest; with both the digest counts.
    Name(String),
    /// By id.
    Id(String),
}

impl Reference {
    /// Reads `text`: a name, an id or its first digits. What is short, a name without a registry
    /// or a part of an id, is completed by what there is among `images`, if that is one thing.
    ///
    /// # Errors
    /// `image-name-invalid`, `image-missing`, `image-ambiguous`.
    pub fn among<'a>(
        text: &str,
        images: impl Iterator<Item = &'a StoredImage> + Clone,
    ) -> Result<Self, Problem> {
        let start = text.strip_prefix("sha256:").unwrap_or(text);
        if (1..=64).contains(&start.len())
            && start.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            let ids = images.clone().filter_map(|image| image.id.as_ref()).filter(|id| id.starts_with(start));
            let ids: BTreeSet<&String> = ids.collect();
            match (one(text, &ids)?, start.len()) {
                (Some(id), _) => return Ok(Self::Id(id)),
                (None, 64) => return Ok(Self::Id(start.to_owned())),
                (None, _) if start.len() != text.len() => return Err(missing(text)),
                (None, _) => {}
            }
        }
        match Name::parse(text) {
            Ok(name) => return Ok(Self::Name(without_tag(name.as_str()))),
            Err(problem) if !is_reference(text) => return Err(problem),
            Err(_) => {}
        }
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        let is_tagged = repository(name) != name;
        let end = match digest {
            Some(_) => format!("/{}", repository(name)),
            None if is_tagged => format!("/{name}"),
            None => format!("/{name}:latest"),
        };
        let mut names = BTreeSet::new();
        for image in images {
            let of_image = image.names.iter().flatten();
            match digest {
                Some(digest) if digests(image).any(|one| one == digest) => {
                    let repositories =
                        of_image.map(|name| repository(name)).filter(|name| name.ends_with(&end));
                    names.extend(repositories.map(|name| format!("{name}@{digest}")));
                }
                Some(_) => {}
                None => names.extend(of_image.filter(|name| name.ends_with(&end)).cloned()),
            }
        }
        one(text, &names.iter().collect())?.map(Self::Name).ok_or_else(|| missing(text))
    }

    /// It as engines take it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) | Self::Id(name) => name,
        }
    }

    /// The repository and the digest of a name by digest.
    pub(super) fn digested(&self) -> Option<(&str, &str)> {
        match self {
            Self::Name(name) => name.split_once('@'),
            Self::Id(_) => None,
        }
    }
}

fn one(text: &str, found: &BTreeSet<&String>) -> Result<Option<String>, Problem> {
    let several: Vec<&str> = found.iter().map(|one| one.as_str()).collect();
    match several[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.to_owned())),
        _ => {
            let message = format!("`{text}` may be {}", quoted_series(&several));
            Err(Problem::new("image-ambiguous", message, "give one of them in full"))
        }
    }
}

fn missing(text: &str) -> Problem {
    let hint = "`storagectl list-images --store` shows the images of all stores";
    Problem::new("image-missing", format!("no store has an image `{text}`"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, names: &[&str]) -> StoredImage {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let digest = format!("sha256:{}", id.repeat(64));
        StoredImage {
            id: Some(id.repeat(64)),
            names: Some(names),
            digest: Some(digest),
            ..StoredImage::default()
        }
    }

    #[test]
    fn what_is_short_is_completed_if_it_is_one_thing() {
        let images =
            [image("a", &["localhost/app:1", "example.com/team/app:2"]), image("b", &["localhost/app:2"])];
        let among = |text: &str| Reference::among(text, images.iter());
        let name = |name: &str| Ok(Reference::Name(name.to_owned()));
        assert_eq!(among("app:1"), name("localhost/app:1"));
        assert_eq!(among("team/app:2"), name("example.com/team/app:2"));
        assert_eq!(among("app:2").unwrap_err().id, "image-ambiguous");
        assert_eq!(among("pp:1").unwrap_err().id, "image-missing");
        assert_eq!(among("App:1").unwrap_err().id, "image-name-invalid");
        assert_eq!(among("aa"), Ok(Reference::Id("a".repeat(64))));
        assert_eq!(among(&format!("sha256:{}", "b".repeat(64))), Ok(Reference::Id("b".repeat(64))));
        assert_eq!(among("sha256:cc").unwrap_err().id, "image-missing");
        // In full it need not be there.
        assert_eq!(among("example.com/none"), name("example.com/none:latest"));
        let digest = format!("sha256:{}", "b".repeat(64));
        assert_eq!(among(&format!("app:7@{digest}")), name(&format!("localhost/app@{digest}")));
        let both = among(&format!("localhost/app:7@{digest}"));
        assert_eq!(both, name(&format!("localhost/app@{digest}")));
    }
}
