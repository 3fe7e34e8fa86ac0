//! The example that paack came with, as it stands but for the registry.

use std::process::Command;

use super::builder::{Builder, name};
use super::machine::on_host;
use crate::support::{finish, run, text};

/// Two packages: images of two architectures, and manifests.
pub(crate) const EXAMPLE: &str = "# The containers of an application can be built with:
#  paack.py rpm packages.yaml fedora-35-aarch64
packages:
  - name: my-application-containers
    version: 1.0.0
    release: 2
    license: Apache License 2.0
    summary: Application specific containers
    description: |
        This package provides a read only storage for the deployed application containers.
    url: https://example.com/application
    path: /usr/lib/user-app/containers
    arch:
      - name: x86_64
        image_arch: amd64
        images:
          - REGISTRY/multi:1
      - name: aarch64
        image_arch: arm64
        images:
          - REGISTRY/multi:1

  - name: my-application-manifests
    version: 1.0.0
    release: 2
    license: Apache License 2.0
    summary: Application specific manifests
    description: |
        This package provides a manifests for the deployed application containers.
    manifestPath: /usr/lib/microshift/manifests
    arch:
      - name: x86_64
        manifests: ./manifests
      - name: aarch64
        manifests: ./manifests
";

/// What Fedora's configuration of rpmlint leaves out, too, and why.
const RPMLINT: &str = r#"Filters = [
    # Whoever publishes packages signs them and says who packed them.
    "no-signature", "no-packager-tag",
    # RPM needs none any more.
    "no-group-tag",
    # Images are for an architecture, in a way that rpmlint does not see.
    "no-binary",
    # The macro would put the directory of the build into the source package: rpm 4.19
    # keeps the spec there as it was expanded.
    "use-of-RPM_SOURCE_DIR",
]
"#;

fn query(file: &std::path::Path, format: &str) -> String {
    run(Command::new("rpm").args(["-qp", "--nosignature", "--queryformat", format]).arg(file))
}

#[test]
fn paacks_example_gives_packages_for_each_target_without_root() {
    let builder = Builder::new();
    builder.write(EXAMPLE);
    for (target, arch, dist, image) in [
        ("centos-stream-9-aarch64", "aarch64", ".el9", "arm64"),
        ("fedora-41-x86_64", "x86_64", ".fc41", "amd64"),
    ] {
        let built = builder.built("rpm", &[target]);
        let names: Vec<String> = built.iter().map(|file| name(file)).collect();
        let expected =
            ["containers", "manifests"].map(|what| format!("my-application-{what}-1.0.0-2{dist}.{arch}.rpm"));
        assert_eq!(names, expected);
        assert_eq!(
            query(&built[0], "%{ARCH} %{LICENSE} %{URL} %{BUILDHOST} %{BUILDTIME}"),
            format!("{arch} Apache License 2.0 https://example.com/application reproducible 1612325106")
        );
        // What older rpms verify: rpm 6 makes another format by itself, which has no such digest.
        assert_eq!(query(&built[0], "%{SIGMD5}").len(), 32);
        // Compressed once: the squashfs image is.
        assert_eq!(query(&built[0], "%{PAYLOADCOMPRESSOR}"), "(none)");
        let requires = run(Command::new("rpm").args(["-qp", "--requires"]).arg(&built[0]));
        assert!(requires.lines().any(|line| line.starts_with("storagectl >= ")), "{requires}");
        assert!(!run(Command::new("rpm").args(["-qp", "--scripts"]).arg(&built[0])).contains("script"));
        // It holds the image of its architecture.
        let unpacked = builder.path(&format!("unpacked-{arch}"));
        fs_err::create_dir(&unpacked).unwrap();
        run(Command::new("sh")
            .args(["-c", "cd \"$1\" && rpm2cpio \"$2\" | cpio -idm --quiet", "sh"])
            .arg(&unpacked)
            .arg(&built[0]));
        let squashfs = unpacked.join("usr/lib/user-app/containers/1.0.0-2.squashfs");
        let files = run(Command::new("unsquashfs").arg("-lls").arg(squashfs));
        assert!(files.contains(&format!("diff/multi-{image}")), "{files}");
        let manifests = run(Command::new("rpm").args(["-qlp"]).arg(&built[1]));
        assert!(manifests.contains("/usr/lib/microshift/manifests/sub/kustomization.yaml\n"), "{manifests}");
    }
    let sources = builder.built("srpm", &[]);
    let names: Vec<String> = sources.iter().map(|file| name(file)).collect();
    assert_eq!(
        names,
        ["my-application-containers-1.0.0-2.src.rpm", "my-application-manifests-1.0.0-2.src.rpm"]
    );
    assert_eq!(query(&sources[0], "%{SIGMD5}").len(), 32);
    let files = run(Command::new("rpm").args(["-qlp"]).arg(&sources[0]));
    for arch in ["x86_64", "aarch64"] {
        assert!(files.contains(&format!("my-application-containers-1.0.0-2.{arch}.tar\n")), "{files}");
    }
    // A source package alone is enough for a builder, such as Copr's.
    let rebuilt = builder.path("rebuilt");
    for arch in ["aarch64", "x86_64"] {
        run(Command::new("rpmbuild")
            .args(["--rebuild", "--nodeps", "--target", arch, "--define", "dist .el9", "--define"])
            .arg(format!("_topdir {}", rebuilt.display()))
            .arg(&sources[0]));
        let file = rebuilt.join(format!("RPMS/{arch}/my-application-containers-1.0.0-2.el9.{arch}.rpm"));
        let list = |file: &std::path::Path| {
            run(Command::new("rpm")
                .args(["-qp", "--queryformat", "[%{FILENAMES} %{FILEDIGESTS}\n]"])
                .arg(file))
        };
        assert!(list(&file).contains("/usr/lib/user-app/containers/1.0.0-2.squashfs "));
        if arch == "aarch64" {
            let ours = builder.path("out/my-application-containers-1.0.0-2.el9.aarch64.rpm");
            assert_eq!(list(&file), list(&ours));
        }
    }
    let config = builder.path("rpmlint.toml");
    fs_err::write(&config, RPMLINT).unwrap();
    // Not all in one run: it takes the specs of several source packages for those of one.
    for file in fs_err::read_dir(builder.path("out")).unwrap() {
        let file = file.unwrap().path();
        let output = finish(Command::new("rpmlint").arg("--config").arg(&config).arg(&file));
        assert!(text(&output).contains(" 0 errors"), "{}", text(&output));
    }
}

#[test]
fn the_same_images_give_the_same_bytes_wherever_and_by_whom_they_are_packed() {
    let yaml = EXAMPLE.to_owned()
        + "
  - name: an-unpacked-store
    version: 1.0.0
    path: /usr/lib/unpacked/1.0.0
    payload: store
    arch:
      - {name: x86_64, images: [REGISTRY/pack-owned:1, REGISTRY/app-1:1]}
  - name: embedded-images
    version: 1.0.0
    payload: embedded
    arch:
      - {name: x86_64, images: [REGISTRY/pack-owned:1, REGISTRY/app-1:1]}
  - name: split-images
    version: 1.0.0
    split: true
    arch:
      - {name: x86_64, images: [REGISTRY/pack-owned:1, REGISTRY/app-1:1]}
";
    let [one, other] = [Builder::new(), Builder::new()];
    let mut files = Vec::new();
    for (builder, jobs) in [(&one, "1"), (&other, "2")] {
        builder.write(&yaml);
        files.push(
            ["rpm", "srpm"].map(|what| builder.built(what, &["fedora-41-x86_64", "--jobs", jobs])).concat(),
        );
    }
    assert_eq!(files[0].len(), 10);
    let read = |file: &std::path::PathBuf| fs_err::read(file).unwrap();
    for (ours, theirs) in files[0].iter().zip(&files[1]) {
        assert_eq!(name(ours), name(theirs));
        assert!(read(ours) == read(theirs), "{}", name(ours));
    }
    // root, too, and again from the cache.
    let as_root = one.path("as-root");
    let mut command = crate::support::storagectl(&["pack", "rpm", "packages.yaml", "fedora-41-x86_64"]);
    command.args(["--cache", "cache", "--tmp", "tmp", "--authfile", "auth.json", "--output", "as-root"]);
    run(command.current_dir(one.path("")).env("HOME", one.path("home/home")));
    for file in fs_err::read_dir(as_root).unwrap() {
        let file = file.unwrap().path();
        assert!(read(&file) == read(&one.path("out").join(name(&file))), "{}", name(&file));
    }
}

#[test]
fn manifests_are_installed_where_they_shall_and_go_again() {
    let builder = Builder::new();
    builder.write(EXAMPLE);
    builder.built("rpm", &["x86_64"]);
    let said = on_host(
        &builder.path("out"),
        "r -i /pk/my-application-manifests*.x86_64.rpm
        cat /usr/lib/microshift/manifests/link.yaml /usr/lib/microshift/manifests/app.yaml
        r -V my-application-manifests
        r -e my-application-manifests
        [ ! -e /usr/lib/microshift ] && echo gone",
    );
    assert_eq!(said, "resources: []\nkind: Pod\ngone\n");
}
