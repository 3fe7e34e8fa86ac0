//! How an image is named on the command line: `[NAME[,NAME…]=]TRANSPORT:PATH[:REF]`.

use std::path::PathBuf;

use super::Name;
use crate::problem::Problem;

/// How an image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A directory as `skopeo copy … dir:` writes it.
    Dir,
    /// An OCI layout.
    Oci,
    /// An OCI layout in a tar file.
    OciArchive,
    /// A tar file as `docker save` and `podman save` write it.
    DockerArchive,
}

impl Transport {
    /// What stands before the path, with its colon.
    pub fn prefix(self) -> &'static str {
        let found = TRANSPORTS.iter().find(|(_, transport)| *transport == self);
        found.expect("every transport has one").0
    }
}

const TRANSPORTS: [(&str, Transport); 4] = [
    ("dir:", Transport::Dir),
    ("oci:", Transport::Oci),
    ("oci-archive:", Transport::OciArchive),
    ("docker-archive:", Transport::DockerArchive),
];

/// An image on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As it was given, without the names, for messages.
    pub text: String,
    /// The names that it shall have, instead of those that are stored with it.
    pub names: Vec<Name>,
    /// How it is stored.
    pub transport: Transport,
    /// Where.
    pub path: PathBuf,
    /// Which of several images.
    pub reference: Option<String>,
}

impl Source {
    /// Reads an argument. In front of a transport stands `NAME=`, if anything: neither a
    /// name nor a transport has a `=`. A path ends at the first colon, as in skopeo.
    ///
    /// # Errors
    /// `image-source-invalid`, `image-name-invalid`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let transport_of = |text: &str| {
            TRANSPORTS
                .iter()
                .find_map(|(prefix, transport)| Some((*transport, text.strip_prefix(prefix)?.to_owned())))
        };
        let (names, source) = match (transport_of(text), text.split_once('=')) {
            (Some(_), _) | (None, None) => (Vec::new(), text),
            (None, Some((names, source))) => {
                (names.split(',').map(Name::parse).collect::<Result<_, _>>()?, source)
            }
        };
        let bad = |why: &str| {
            Problem::new(
                "image-source-invalid",
                format!("`{text}` does not say where an image is: {why}"),
                "give it as `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]` or `dir:DIR`, with `NAME=` before it to name the image",
            )
        };
        let (transport, rest) = transport_of(source).ok_or_else(|| bad("it has no known transport"))?;
        let (path, reference) = match rest.split_once(':') {
            Some((path, reference)) if transport != Transport::Dir => (path, Some(reference.to_owned())),
            _ => (rest.as_str(), None),
        };
        if path.is_empty() {
            return Err(bad("it has no path"));
        }
        if reference.as_deref() == Some("") {
            return Err(bad("nothing follows the last colon"));
        }
        Ok(Self { text: source.to_owned(), names, transport, path: PathBuf::from(path), reference })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_source_has_names_a_transport_a_path_and_a_reference() {
        let source = Source::parse("localhost/a:1,localhost/b=oci:/x=y:ref:2").unwrap();
        let names: Vec<&str> = source.names.iter().map(Name::as_str).collect();
        assert_eq!(names, ["localhost/a:1", "localhost/b:latest"]);
        assert_eq!((source.transport, source.path.as_path()), (Transport::Oci, Path::new("/x=y")));
        assert_eq!(source.reference.as_deref(), Some("ref:2"));
        assert_eq!(Source::parse("dir:/a:b=c").unwrap().path, Path::new("/a:b=c"));
        for bad in ["", "app", "docker://app", "oci:", "oci:/x:", "app=oci:/x", "localhost/a=/x"] {
            assert!(Source::parse(bad).is_err(), "{bad}");
        }
    }
}
