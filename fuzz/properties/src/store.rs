//! A store with any records and files is checked to its end, and says what is wrong.

use std::path::{Path, PathBuf};

use storagectl::dependents::clean_dependents;
use storagectl::plan::{CommitMode, Host};
use storagectl::problem::{Problem, Severity};
use storagectl::store::check::{CheckRequest, Progress, StoreReport, check};
use storagectl::store::{StoredImage, builder, count_images, driver_of, image_names, images, layers};

use super::layer::{NAME, image, options};
use super::shown::assert_told;
use super::tree::Tree;

/// A tree whose store is at /s, and whose engines keep theirs at /var/lib/containers/storage.
pub fn holds(input: &[u8]) {
    checked(input);
    added_to(input);
}

/// An image that takes the name of another one is added, or the store is refused as it is.
fn added_to(input: &[u8]) {
    let tree = Tree::new(input, |name, _| vec![name.to_owned()]);
    let layer = [0; 1024];
    let sources = [image(&tree, &layer)];
    let root = tree.root();
    let store = Path::new("/s");
    match builder::directory(&root, &sources, store, &options()) {
        Ok(_) => {
            let names = images(&root, store, "overlay").expect("engines can read it");
            let named = |image: &StoredImage| image.names.iter().flatten().any(|name| name == NAME);
            assert_eq!(names.iter().filter(|image| named(image)).count(), 1, "{names:?}");
            layers(&root, store, "overlay").expect("engines can read them");
        }
        Err(problem) => assert_told(&problem),
    }
}

fn checked(input: &[u8]) {
    let tree = Tree::new(input, |name, _| vec![name.to_owned()]);
    let root = tree.root();
    let store = Path::new("/s");
    let _ = driver_of(&root, store, "overlay");
    let count = count_images(&root, store, "overlay").ok();
    assert_eq!(images(&root, store, "overlay").ok().map(|images| images.len()), count);
    let readable = layers(&root, store, "overlay").is_ok();
    if let Err(problem) = image_names(&root, store) {
        assert_told(&problem);
    }
    for deep in [false, true] {
        let request = CheckRequest {
            deep,
            own: vec![PathBuf::from("/var/lib/containers/storage")],
            listed: vec![store.to_owned()],
            ..CheckRequest::quick(vec![store.to_owned()], "overlay")
        };
        let report = check(&root, &request, &Progress::default());
        told(&report);
        // What cannot be read is said.
        if (count.is_none() || !readable) && root.stat(store).is_ok_and(|stat| stat.is_some()) {
            let is_silent = report.count(Severity::Error) == 0 && report.not_looked.is_empty();
            assert!(!is_silent, "records that cannot be read, and no word: {:?}", report.findings);
        }
    }
    let host = Host::new(root, None);
    if let Err(error) = clean_dependents(&host, CommitMode::DryRun)
        && let Some(problem) = error.downcast_ref::<Problem>()
    {
        assert_told(problem);
    }
}

fn told(report: &StoreReport) {
    for finding in &report.findings {
        assert_told(finding);
    }
    report.not_looked.iter().for_each(assert_told);
}
