//! What is to be packed: all that is wrong is told, and what is right can stand in a spec.

use std::path::Path;

use storagectl::pack::read;

use super::shown::assert_told;

/// A text.
pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let recipe = match read(text, Path::new("/nowhere/images.yaml")) {
        Ok(recipe) => recipe,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word: {text:?}");
            return problems.iter().for_each(assert_told);
        }
    };
    assert!(!recipe.packages.is_empty());
    for package in &recipe.packages {
        let words = [&package.name, &package.version, &package.release];
        let lines = [&package.license, &package.summary, &package.path, &package.manifest_path];
        for word in words {
            let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '%';
            assert!(!word.is_empty() && !word.contains(is_odd), "{word:?} of {text:?}");
        }
        for line in words.into_iter().chain(lines).chain(&package.requires).chain(&package.url) {
            assert!(!line.contains(char::is_control), "{line:?} of {text:?}");
        }
        assert!(package.path.starts_with('/') && package.manifest_path.starts_with('/'));
        assert!(!package.architectures.is_empty());
    }
}
