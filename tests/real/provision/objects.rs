//! OpenShift's objects: what is written, and what is found in others, against what an API server says that has
//! the definitions of their kinds.

use storagectl::provision::document::{Node, ProvisionDocument};

use super::*;
use crate::dice::Dice;

const KINDS: [(&str, &str); 3] = [
    ("containerruntimeconfig", "containerruntimeconfigs-TechPreviewNoUpgrade"),
    ("pinnedimageset", "pinnedimagesets"),
    ("machineconfig", "machineconfigs"),
];
const IMAGE: &str =
    "registry.example/app@sha256:2e863c44b718727c850746562e1d54afd13b2fa71b160f5cd9058fc436217b30";

/// What the API server refuses of each of these objects.
fn refused(kind: &str, objects: &[String]) -> Vec<String> {
    let (_, definition) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    let file = format!("openshift-api/0000_80_machine-config_01_{definition}.crd.yaml");
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..objects.len()).map(|index| dir.path().join(index.to_string())).collect();
    for (file, object) in files.iter().zip(objects) {
        fs_err::write(file, object).unwrap();
    }
    let output = finish(Command::new(validator("crd-validate")).arg(validator(&file)).args(&files));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    let of = |file: &PathBuf| {
        let start = format!("{}: ", file.display());
        said.lines().filter_map(|line| line.strip_prefix(&start)).collect::<Vec<_>>().join("\n")
    };
    files.iter().map(of).collect()
}

/// The errors that we find in an object.
fn found(kind: &str, object: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), object).unwrap();
    let output = finish(storagectl(&["--format", "json", "generate", kind, "--check"]).arg(file.path()));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let errors = found["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "error");
    errors.map(|it| format!("{}: {}", it["id"], it["message"])).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_api_takes_what_is_written() {
    let stores = ["--preset", "rhcos", "--store", "/var/images"];
    let runs: [(&str, &[&str]); 4] = [
        ("containerruntimeconfig", &[]),
        ("containerruntimeconfig", &["--layer-store", "/var/layers", "--artifact-store", "/var/artifacts"]),
        ("machineconfig", &["--image", IMAGE]),
        ("pinnedimageset", &["--image", IMAGE]),
    ];
    for (kind, more) in runs {
        let stores = if kind == "pinnedimageset" { &[][..] } else { &stores };
        let object = generate(kind, stores, more);
        assert_eq!(refused(kind, std::slice::from_ref(&object)), [""], "{object}");
    }
}

#[test]
fn the_apis_own_tests_end_as_it_says() {
    let (mut taken, mut refused) = (0, 0);
    let files = [
        ("containerruntimeconfig", "containerruntimeconfigs", "AdditionalStorageConfig"),
        ("pinnedimageset", "pinnedimagesets", "AAA_ungated"),
    ];
    for (kind, plural, file) in files {
        let file = format!("openshift-api/tests/{plural}.machineconfiguration.openshift.io/{file}.yaml");
        let tests = ProvisionDocument::parse(&fs_err::read_to_string(validator(&file)).unwrap()).unwrap();
        for test in tests.root.at(&["tests", "onCreate"]).unwrap().items() {
            let text = |key| test.get(key).and_then(Node::raw);
            let found = found(kind, text("initial").unwrap());
            let expected = text("expectedError");
            assert_eq!(expected.is_some(), !found.is_empty(), "{:?}: {expected:?}: {found}", text("name"));
            *(if expected.is_some() { &mut refused } else { &mut taken }) += 1;
        }
    }
    assert!(taken >= 5 && refused >= 20, "{taken} {refused}");
}

/// Objects that differ in their lists: an error is found in each that the API refuses, and none that is said to
/// be the API's in another.
fn compare(kind: &str, objects: &[String]) {
    let mut counts = [0, 0];
    for (object, refused) in objects.iter().zip(refused(kind, objects)) {
        let found = found(kind, object);
        let is_right =
            if refused.is_empty() { !found.contains("the API refuses") } else { !found.is_empty() };
        assert!(is_right, "{object}\nthe API: {refused}\nwe: {found}");
        counts[usize::from(refused.is_empty())] += 1;
    }
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
}

/// A few of these parts, one behind the other.
fn some(dice: &mut Dice, parts: &[&str]) -> String {
    (0..dice.below(3)).map(|_| dice.one(parts)).collect()
}

#[test]
fn the_lists_of_stores_that_the_api_refuses_are_found() {
    const PARTS: [&str; 13] = ["/b", "a", "/", "//", "/.", "/..", ".", "_", "-", " ", "@", "é", ":"];
    let path = |dice: &mut Dice| {
        let start = if dice.chance(95) { "/var/" } else { "" };
        let odd = if dice.chance(20) { some(dice, &PARTS) } else { String::new() };
        let long = if dice.chance(3) { "x".repeat(240 + dice.below(20)) } else { String::new() };
        format!("{start}{}{odd}{long}", dice.below(60))
    };
    let object = |number| {
        let mut dice = Dice::new(1, number);
        let mut object = "apiVersion: machineconfiguration.openshift.io/v1\nkind: ContainerRuntimeConfig\n\
            metadata:\n  name: stores\nspec:\n  machineConfigPoolSelector:\n    matchLabels:\n      \
            pools.operator.machineconfiguration.openshift.io/worker: \"\"\n  containerRuntimeConfig:\n"
            .to_owned();
        for list in ["additionalLayerStores", "additionalImageStores", "additionalArtifactStores"] {
            object += &format!("    {list}:\n");
            let most = if dice.chance(10) { 12 } else { 3 };
            for _ in 0..=dice.below(most) {
                object += &format!("    - path: {}\n", serde_json::to_string(&path(&mut dice)).unwrap());
            }
        }
        object
    };
    compare("containerruntimeconfig", &(0..80).map(object).collect::<Vec<_>>());
}

#[test]
fn the_names_of_images_that_the_api_refuses_are_found() {
    const NAMES: [&str; 9] = ["app", "/app", "a.b/app", "A/app", ":5000", ":1", "_", "__a", "..b"];
    let (_, digest) = IMAGE.split_once('@').unwrap();
    let name = |dice: &mut Dice| {
        let host =
            dice.one(&["registry.example", "registry.example:5000", "localhost", "a", "10.0.0.1", "[::1]:1"]);
        let odd = if dice.chance(40) { some(dice, &NAMES) } else { String::new() };
        let digest = match dice.below(12) {
            0 => String::new(),
            1 => format!("@{}", digest.to_uppercase()),
            2 => format!("@{}", &digest[..70]),
            3 => format!("@{digest}0"),
            4 => format!("@{}", digest.replace("sha256", "sha512")),
            5 => format!(":1@{digest}"),
            _ => format!("@{digest}"),
        };
        format!("{host}/{}{odd}{digest}", dice.one(&["app", "a/b", "a/b/c", "app-1_2"]))
    };
    let object = |number| {
        let mut dice = Dice::new(2, number);
        let mut object = "apiVersion: machineconfiguration.openshift.io/v1\nkind: PinnedImageSet\n\
            metadata:\n  name: images\n  labels:\n    machineconfiguration.openshift.io/role: worker\n\
            spec:\n  pinnedImages:\n"
            .to_owned();
        for _ in 0..=dice.below(2) {
            object += &format!("  - name: {}\n", serde_json::to_string(&name(&mut dice)).unwrap());
        }
        object
    };
    compare("pinnedimageset", &(0..120).map(object).collect::<Vec<_>>());
}
