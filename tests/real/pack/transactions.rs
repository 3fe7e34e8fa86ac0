//! Unpacked stores in transactions of rpm, on a system with storagectl's own package.

use super::builder::{Builder, name};
use super::images::with_images;
use crate::hosts::engines::program;
use crate::rpm::machine::Machine;
use crate::rpm::packages::Hooks;
use crate::support::text;

/// A package of an unpacked store; each version has its own image and its own path.
fn package(version: u32) -> String {
    format!(
        "  - name: app
    version: {version}
    path: /usr/lib/app/{version}
    payload: store
    arch:
      - {{name: x86_64, images: [REGISTRY/app-{version}:1]}}
"
    )
}

#[test]
fn every_engine_lists_what_is_installed_through_every_transaction() {
    let builder = Builder::new();
    let mut files = Vec::new();
    for version in [3, 4] {
        builder.write(&format!("packages:\n{}", package(version)));
        files.extend(builder.built("rpm", &["x86_64"]));
    }
    let side = package(5).replace("app\n", "side\n").replace("lib/app", "lib/side");
    builder.write(&format!("packages:\n{side}"));
    files.extend(builder.built("rpm", &["x86_64"]));
    let names: Vec<String> = files.iter().map(|file| name(file)).collect();
    assert_eq!(names, ["app-3-1.x86_64.rpm", "app-4-1.x86_64.rpm", "side-5-1.x86_64.rpm"]);
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let machine = Machine::new(Hooks::Declaration);
    let address = &with_images().address;
    for (step, (arguments, images)) in [
        (vec!["-i", files[0]], &[3][..]),
        (vec!["-i", files[2]], &[3, 5]),
        // A new path, an old one, and the same again.
        (vec!["-U", files[1]], &[4, 5]),
        (vec!["-U", "--oldpackage", files[0]], &[3, 5]),
        (vec!["-U", "--replacepkgs", files[0]], &[3, 5]),
        (vec!["-e", "app"], &[5]),
        (vec!["-e", "side"], &[]),
    ]
    .into_iter()
    .enumerate()
    {
        let output = machine.rpm(&[&["--nosignature", "--nodeps"], arguments.as_slice()].concat());
        assert!(output.status.success(), "{step}: {}", text(&output));
        let expected: Vec<String> = images.iter().map(|number| format!("{address}/app-{number}:1")).collect();
        for podman in [program("podman-4"), program("podman-6")] {
            assert_eq!(machine.images_of(&podman), Ok(expected.clone()), "{step}: {}", podman.display());
        }
    }
    for left in ["/usr/lib/app", "/usr/lib/side", "/etc/containers/storage.conf"] {
        assert!(!machine.has(left), "{left}");
    }
}
