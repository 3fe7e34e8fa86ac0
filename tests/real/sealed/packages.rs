//! Packages of sealed stores.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use storagectl::sealed::{SealedPackage, ShippedKind, image_path};

use crate::build::image::{Entry, Layout, Tar, entry, gzipped};
use crate::rpm::packages::{REAL_SPEC, rpmbuild};
use crate::support::{run, storagectl};

/// Where the packages have their files.
pub(super) const BASE: &str = "/usr/lib/user-app/containers";

/// Everything that a package installs, below `tree`: the stores of `builds`, each made of
/// images as `build-store` takes them.
pub(super) fn install(tree: &Path, name: &str, base: &str, builds: &[(&str, Vec<String>)]) {
    let names: Vec<String> = builds.iter().map(|(build, _)| (*build).to_owned()).collect();
    let inside = |path: &Path| tree.join(path.strip_prefix("/").unwrap());
    for file in (SealedPackage { name, base, builds: &names }).files().unwrap() {
        let path = inside(&file.path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        match &file.what {
            ShippedKind::Directory => fs_err::create_dir_all(&path).unwrap(),
            ShippedKind::File(text) => fs_err::write(&path, text).unwrap(),
            ShippedKind::Link(target) => fs_err::os::unix::fs::symlink(target, &path).unwrap(),
        }
    }
    for (build, sources) in builds {
        let mut command = storagectl(&["--quiet", "build-store", "--no-sync", "-o"]);
        run(command.arg(inside(&image_path(base, build))).args(sources));
    }
}

/// Builds a package; its file is `dir/NAME-VERSION.rpm`.
fn package(dir: &Path, name: &str, version: &str, base: &str, builds: &[(&str, Vec<String>)]) {
    let tree = dir.join(format!("tree-{name}-{version}"));
    install(&tree, name, base, builds);
    let mut files = String::new();
    let names: Vec<String> = builds.iter().map(|(build, _)| (*build).to_owned()).collect();
    for file in (SealedPackage { name, base, builds: &names }).files().unwrap() {
        // How a backslash is written differs between versions of rpmbuild.
        let path = file.path.to_str().unwrap().replace('\\', "?");
        files += match file.what {
            ShippedKind::Directory => "%dir ",
            ShippedKind::File(_) | ShippedKind::Link(_) => "",
        };
        files += &format!("{path}\n");
    }
    for build in &names {
        files += &format!("{}\n", image_path(base, build).display());
    }
    let spec = format!(
        "%define _build_id_links none
%define __os_install_post %{{nil}}
Name: {name}
Version: {version}
Release: 1
Summary: Package of a test
License: Apache-2.0
BuildArch: noarch
AutoReqProv: no
%description
%{{summary}}.
%install
cp -a {}/. %{{buildroot}}
%files
%defattr(-,root,root)
{files}",
        tree.display()
    );
    rpm(dir, &format!("{name}-{version}"), &spec);
}

fn rpm(dir: &Path, package: &str, spec: &str) {
    let file = dir.join(format!("{package}.spec"));
    fs_err::write(&file, spec).unwrap();
    run(rpmbuild(&dir.join("top")).arg(&file));
    fs_err::rename(dir.join(format!("top/RPMS/{package}.rpm")), dir.join(format!("{package}.rpm"))).unwrap();
}

/// storagectl's file triggers, as its own package has them; the program is there anyway.
fn triggers(dir: &Path) {
    let spec = fs_err::read_to_string(REAL_SPEC).unwrap();
    let globals: Vec<&str> = spec.lines().filter(|line| line.starts_with("%global ")).collect();
    let from = spec.find("\n%transfiletriggerin").unwrap();
    let to = spec.find("\n%files\n").unwrap();
    let text = format!(
        "{}\nName: triggers\nVersion: 1\nRelease: 1\nSummary: Triggers\nLicense: Apache-2.0\nBuildArch: noarch
AutoReqProv: no\n%description\n%{{summary}}.\n{}\n%files\n",
        globals.join("\n"),
        &spec[from..to]
    );
    rpm(dir, "triggers-1", &text);
}

/// The image `localhost/app:1` in several versions that share their base, as sources of
/// `build-store`: its file /version says which it is.
pub(super) fn image(layout: &mut Layout, version: &str) -> Vec<String> {
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let program = Entry { mode: 0o755, size: busybox.len() as u64, ..entry(b'0', "bin/busybox") };
    let base = gzipped(&Tar::default().dir("bin").header(&program).bytes(&busybox).finish());
    let mut above = Tar::default().file("version", version.as_bytes());
    above = above.link(b'2', "bin/sh", "busybox").link(b'2', "bin/cat", "busybox");
    let above = gzipped(&above.link(b'2', "bin/sleep", "busybox").finish());
    layout.image(version, "amd64", &[base, above]);
    vec![format!("localhost/app:1={}", layout.source(version))]
}

/// A directory with packages: `user-app` in versions 1 and 2, in version 3 with another
/// base, in 4 and 5 split into two stores of which one is the same, `twin` beside it, and
/// storagectl's triggers.
pub(super) fn packages() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        // Kept for all tests of the process, in the target directory.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sealed-packages");
        if dir.symlink_metadata().is_ok() {
            fs_err::remove_dir_all(&dir).unwrap();
        }
        fs_err::create_dir_all(&dir).unwrap();
        let mut layout = Layout::new(&dir.join("oci"));
        let mut image = |version: &str| image(&mut layout, version);
        let [one, two] = ["one", "two"].map(&mut image);
        let other = [image("other")[0].replace("localhost/app", "localhost/other")].to_vec();
        package(&dir, "user-app", "1", BASE, &[("1-1", one.clone())]);
        package(&dir, "user-app", "2", BASE, &[("2-1", two.clone())]);
        package(&dir, "user-app", "3", "/usr/share/user-app", &[("3-1", one.clone())]);
        package(&dir, "user-app", "4", BASE, &[("app-aaaa", one), ("other-cccc", other.clone())]);
        package(&dir, "user-app", "5", BASE, &[("app-bbbb", two), ("other-cccc", other.clone())]);
        package(&dir, "twin", "1", BASE, &[("twin-1-1", other)]);
        triggers(&dir);
        dir
    })
}

/// Everything that the tests' packages may leave on a host.
pub(super) const LEFT: &str = "find /usr/lib/user-app /usr/share/user-app /run/storagectl/[!l]* /usr/lib/tmpfiles.d/storagectl-* \
    /usr/lib/storagectl/stores.d/user-app* /usr/lib/storagectl/stores.d/twin* /usr/lib/systemd/system/*storagectl*stores* \
    /usr/lib/systemd/system/*/*storagectl*stores* 2>/dev/null || :";
