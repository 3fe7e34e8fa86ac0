//! Quadlets, and what podman's own generator makes of them.

use super::*;

/// What the generator of a podman prints for the quadlets in a directory, and whether it is content.
fn generated(version: &str, files: &[(&str, &str)]) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs_err::write(dir.path().join(name), text).unwrap();
    }
    let mut command = Command::new(validator(version));
    let output = finish(command.arg("-dryrun").env("QUADLET_UNIT_DIRS", dir.path()));
    (output.status.success(), text(&output))
}

const CONTAINER: &str = "[Container]\nImage=app.image\nPull=never\n";

#[test]
fn a_container_starts_behind_the_check_of_its_image_without_a_network() {
    let image = "registry.example/team/app:1";
    let quadlet = generate("quadlet", &["--store", "/var/my images"], &["--image", image]);
    for version in ["quadlet-5", "quadlet-6"] {
        let (taken, units) = generated(version, &[("app.image", &quadlet), ("app.container", CONTAINER)]);
        assert!(taken, "{version}: {units}");
        let has = |line: &str| assert!(units.lines().any(|it| it == line), "{version}: {line}\n{units}");
        has(&format!("ExecStart=/usr/bin/podman image pull --policy never {image}"));
        has("RequiresMountsFor=\"/var/my images\"");
        has("Requires=app-image.service");
        has("After=app-image.service");
        let check = units.split("---app-image.service---").nth(1).unwrap();
        let check = check.split("\n---").next().unwrap();
        assert!(!check.contains("network-online"), "{version}: {check}");
    }
}

#[test]
fn without_its_image_unit_there_is_no_service_of_a_container() {
    for version in ["quadlet-5", "quadlet-6"] {
        let (taken, said) = generated(version, &[("app.container", CONTAINER)]);
        assert!(!taken && said.contains("app.image was not found"), "{version}: {said}");
    }
}
