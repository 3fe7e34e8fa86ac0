//! Ignition configurations, and the validators.

use super::*;

#[test]
fn every_ignition_configuration_is_accepted_without_a_warning() {
    for model in MODELS {
        for minor in 0..=6 {
            let spec = format!("3.{minor}.0");
            let config = generate("ignition", model, &["--spec", &spec]);
            let said = accepted(validator("ignition-validate"), &[], &config);
            assert_eq!(said, "", "{spec}: {config}");
            // Debian's is of the time of 3.3.
            if minor <= 3 {
                let said = accepted("ignition-validate".into(), &[], &config);
                assert_eq!(said, "", "{spec}: {config}");
            }
        }
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    for model in MODELS {
        assert_eq!(generate("ignition", model, &[]), generate("ignition", model, &[]));
    }
}

#[test]
fn what_is_found_wrong_in_ignition_is_what_ignition_refuses_or_stops_at() {
    // Documents of the corpus that the validator judges the same way: it knows less.
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/provision/wrong");
    let refused = [
        "octal-in-json",
        "mode-string",
        "mode-invalid",
        "path-invalid",
        "path-twice",
        "no-contents",
        "url-invalid",
        "compression-unknown",
        "hash-function",
        "spec-missing",
        "spec-unsupported",
        "syntax",
        "unit-name",
        "unit-without-install",
        "key-unknown",
    ];
    let mut seen = 0;
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let id = name.split('.').next().unwrap();
        // This very Ignition accepts its own experimental version; others do not.
        let own = name.contains("experimental");
        if !name.ends_with(".ign") || own || !refused.contains(&id) {
            continue;
        }
        seen += 1;
        let output = finish(Command::new(validator("ignition-validate")).arg(&path));
        let silent = output.status.success() && output.stdout.is_empty() && output.stderr.is_empty();
        assert!(!silent, "{name} is fine for Ignition");
    }
    assert!(seen >= refused.len(), "{seen}");
}
