//! Images of any form are read with their documents verified, or refused.

use std::path::{Path, PathBuf};

use storagectl::embedded::{Depth, EmbeddedLayout, ListEntry, contents, survey};
use storagectl::images::{Digest, FoundImage, Image, Platform, Source, read, read_all};
use storagectl::problem::Problem;
use storagectl::registry::check_authfile;
use storagectl::store::check::Progress;

use super::shown::assert_told;
use super::tree::Tree;

/// A tree in which each file has its own name, and that of a blob with its digest.
pub fn holds(input: &[u8]) {
    let tree = Tree::new(input, |name, content| {
        let digest = Digest::of(content);
        let blob = digest.hex();
        vec![name.to_owned(), format!("i/{blob}"), format!("i/blobs/sha256/{blob}")]
    });
    let root = tree.root();
    for source in
        ["dir:/i", "oci:/i", "oci:/i:latest", "oci-archive:/a", "docker-archive:/a", "docker-archive:/a:x"]
    {
        let source = Source::parse(source).expect("it is a source");
        for platform in [Platform::host(), Platform::asked("arm64", Some("v8"))] {
            assert_read(&read(&root, &source, &platform));
        }
    }
    // Told by what they are.
    for path in ["/i", "/a"] {
        match read_all(&root, Path::new(path), &[], &Platform::host()) {
            Ok(found) => found.iter().for_each(|FoundImage { image, .. }| assert_read(image)),
            Err(problem) => assert_told(&problem),
        }
    }
    embedded(&root);
    // What is in a file with credentials is nobody's business.
    if let Err(problem) = check_authfile(&tree.dir().join("i/auth.json")) {
        assert_told(&problem);
        assert!(!problem.message.contains("c2VjcmV0"), "{}", problem.message);
    }
}

fn assert_read(read: &Result<Image, Problem>) {
    match read {
        Ok(image) => {
            assert_eq!(Digest::of(&image.config), image.config_digest);
            assert!(image.layers.len() <= 500 && image.signatures.len() <= 128);
        }
        Err(problem) => assert_told(problem),
    }
}

fn embedded(root: &storagectl::sys::Root) {
    let reference = "registry.example/a:1";
    match contents(root, Path::new("/i"), reference) {
        Ok(contents) => assert!(contents.is_list || contents.instances.len() == 1),
        Err(problem) => assert_told(&problem),
    }
    let entry = ListEntry { directory: "i".to_owned(), ..EmbeddedLayout::default().entry(reference) };
    let progress = Progress::default();
    let found = survey(root, &PathBuf::from("/"), &[entry], None, Depth::Bytes, 1, &progress);
    for looked in found.images {
        looked.faults.iter().chain(&looked.not_looked).for_each(assert_told);
        assert!(looked.contents.is_some() || !looked.faults.is_empty() || !looked.not_looked.is_empty());
    }
}
