//! The packages that the tests install, built by the real rpmbuild.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::support::{STORAGECTL, copy_store, run};

/// What a package's scriptlets do about its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hooks {
    /// They are the macros of scriptlets/macros.storagectl.
    Storagectl,
    /// They are what such packages had before: sed, guarded by `$1`.
    Sed,
}

impl Hooks {
    const ALL: [Self; 2] = [Self::Storagectl, Self::Sed];

    fn name(self) -> &'static str {
        match self {
            Self::Storagectl => "storagectl",
            Self::Sed => "sed",
        }
    }

    /// Lines of a package's preamble.
    fn requires(self) -> &'static str {
        match self {
            Self::Storagectl => "%{?storagectl_requires}",
            Self::Sed => "Requires(post,postun): /bin/sh",
        }
    }

    /// The scriptlets of a package.
    fn scriptlets(self) -> String {
        match self {
            Self::Storagectl => "%post
%storagectl_post %{stores}
%preun
%storagectl_preun %{stores}
%postun
%{?meanwhile}
%storagectl_postun %{stores}
"
            .to_owned(),
            Self::Sed => format!("%post\n{SED_POST}%postun\n%{{?meanwhile}}\n{SED_POSTUN}"),
        }
    }
}

/// The usual %post, with the guard that keeps it from listing a store again on an
/// upgrade.
pub(super) const SED_POST: &str = r#"if [ "$1" -eq 1 ]; then
  sed -i '/^additionalimagestores =*/a "%{stores}",' /etc/containers/storage.conf
fi
"#;

/// The usual %postun.
pub(super) const SED_POSTUN: &str = r#"if [ "$1" -eq 0 ]; then
  sed -i '\:"%{stores}":d' /etc/containers/storage.conf
fi
"#;

/// One package to build.
struct Package {
    name: &'static str,
    version: u32,
    /// What the scriptlets name.
    stores: &'static str,
    /// More of the preamble.
    head: &'static str,
    /// The commands of %install.
    install: &'static str,
    /// The lines of %files.
    files: &'static str,
}

const APP: &str = "copy /opt/app/images";
const SHARED: &str = "%dir /opt/app\n/opt/app/images";

const PACKAGES: [Package; 13] = [
    // An application that ships its images.
    Package { name: "app", version: 1, stores: "/opt/app/images", head: "", install: APP, files: SHARED },
    Package { name: "app", version: 2, stores: "/opt/app/images", head: "", install: APP, files: SHARED },
    // Its third version has them elsewhere.
    Package {
        name: "app",
        version: 3,
        stores: "/opt/app/moved",
        head: "",
        install: "copy /opt/app/moved",
        files: "/opt/app",
    },
    // Another one, with the same store.
    Package { name: "twin", version: 1, stores: "/opt/app/images", head: "", install: APP, files: SHARED },
    // Its successor under another name.
    Package {
        name: "heir",
        version: 1,
        stores: "/opt/app/images",
        head: "Provides: app = 4\nObsoletes: app < 4",
        install: APP,
        files: SHARED,
    },
    // One with two stores.
    Package {
        name: "pair",
        version: 1,
        stores: "/opt/pair/one /opt//pair/two/",
        head: "",
        install: "copy /opt/pair/one\nstoragectl --root %{buildroot} init-store /opt/pair/two",
        files: "/opt/pair",
    },
    // One that the shell would take apart.
    Package {
        name: "blank",
        version: 1,
        stores: "'/opt/with blank'",
        head: "",
        install: "storagectl --root %{buildroot} init-store '/opt/with blank'",
        files: "\"/opt/with blank\"",
    },
    // One without the lock files: engines make them, and no package owns them.
    Package {
        name: "lockless",
        version: 1,
        stores: "/opt/lockless",
        head: "",
        install: "copy /opt/lockless\nfind %{buildroot} -name '*.lock' -delete",
        files: "/opt/lockless",
    },
    // An empty store that an administrator fills.
    Package {
        name: "place",
        version: 1,
        stores: "/opt/place",
        head: "",
        install: "storagectl --root %{buildroot} init-store /opt/place",
        files: "/opt/place",
    },
    // One that keeps the storage.conf that an engine would read while it is erased:
    // its files are gone, and its %postun has not begun.
    Package {
        name: "watched",
        version: 1,
        stores: "/opt/watched",
        head: "%define meanwhile cp /etc/containers/storage.conf /meanwhile.conf",
        install: "copy /opt/watched",
        files: "/opt/watched",
    },
    // Two whose store is below /var, where rpm-ostree lets no package write. For one
    // of them a tmpfiles.d line makes the directory when the system boots.
    Package {
        name: "unprovided",
        version: 1,
        stores: "/var/images",
        head: "",
        install: "mkdir -p %{buildroot}/usr/share/unprovided",
        files: "/usr/share/unprovided",
    },
    Package {
        name: "provided",
        version: 1,
        stores: "/var/images",
        head: "",
        install: "mkdir -p %{buildroot}/usr/lib/tmpfiles.d\n\
                  echo 'd /var/images 0755 root root -' > %{buildroot}/usr/lib/tmpfiles.d/provided.conf",
        files: "/usr/lib/tmpfiles.d/provided.conf",
    },
    // One whose store was forgotten in %files.
    Package {
        name: "forgotten",
        version: 1,
        stores: "/opt/forgotten",
        head: "",
        install: "mkdir -p %{buildroot}/usr/share/forgotten",
        files: "/usr/share/forgotten",
    },
];

/// The spec of storagectl's own package, of which the tests' package has the %preun.
pub(super) const REAL_SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/storagectl.spec");

/// The macros under test.
pub(super) const MACROS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/macros.storagectl");

/// Everything that rpmbuild made, and a system tree to install it in.
#[derive(Debug)]
pub(super) struct Packages {
    dir: tempfile::TempDir,
}

impl Packages {
    /// The packages, built if no other test has them at this moment. They go with
    /// the last test that holds them.
    pub(super) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Packages>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Self::build());
            *shared = Arc::downgrade(&made);
            made
        })
    }

    /// The file of a package such as `app-1`; `sed/app-1` has other hooks.
    pub(super) fn file(&self, hooks: Hooks, package: &str) -> PathBuf {
        let dir = if package.contains('/') { "" } else { hooks.name() };
        self.dir.path().join(dir).join(format!("{package}.rpm"))
    }

    /// A tree with a shell and what storagectl needs, but without storagectl.
    pub(super) fn bare_tree(&self) -> PathBuf {
        self.dir.path().join("bare")
    }

    /// The same with storagectl installed.
    pub(super) fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn build() -> Self {
        let made = Self { dir: tempfile::tempdir().unwrap() };
        let dir = made.dir.path();
        strip_program(&dir.join("storagectl-program"));
        copy_store(&dir.join("store"));
        made.rpmbuild(Hooks::Storagectl, "storagectl-1", &storagectl_spec());
        made.rpmbuild(Hooks::Storagectl, "base-1", BASE_SPEC);
        for hooks in Hooks::ALL {
            for package in &PACKAGES {
                let name = format!("{}-{}", package.name, package.version);
                made.rpmbuild(hooks, &name, &package.spec(hooks));
            }
        }
        made.make_trees();
        made
    }

    fn rpmbuild(&self, hooks: Hooks, package: &str, spec: &str) {
        let dir = self.dir.path();
        let spec_file = dir.join(format!("{package}.spec"));
        fs_err::write(&spec_file, spec).unwrap();
        run(rpmbuild(&dir.join("top"))
            .arg("--define")
            .arg(format!("test_dir {}", dir.display()))
            .arg(&spec_file));
        let built = self.file(hooks, package);
        fs_err::create_dir_all(built.parent().unwrap()).unwrap();
        fs_err::rename(dir.join(format!("top/RPMS/{package}.rpm")), built).unwrap();
    }

    fn make_trees(&self) {
        let bare = self.bare_tree();
        for dir in
            ["bin", "etc/containers", "opt", "run", "tmp", "usr/bin", "usr/share/containers", "var/tmp"]
        {
            fs_err::create_dir_all(bare.join(dir)).unwrap();
        }
        fs_err::copy("/bin/busybox", bare.join("bin/sh")).unwrap();
        fs_err::os::unix::fs::symlink("sh", bare.join("bin/cp")).unwrap();
        let sed = Path::new("/bin/sed");
        fs_err::copy(sed, bare.join("bin/sed")).unwrap();
        copy_libraries(sed, &bare);
        copy_libraries(Path::new(STORAGECTL), &bare);
        let site = run(crate::support::storagectl(&["init-store", "/opt/site", "--root"]).arg(&bare));
        assert_eq!(site, "");
        rpm_install(&bare, &self.file(Hooks::Storagectl, "base-1"));
        run(Command::new("cp").arg("-a").arg(&bare).arg(self.tree()));
        rpm_install(&self.tree(), &self.file(Hooks::Storagectl, "storagectl-1"));
    }
}

impl Package {
    fn spec(&self, hooks: Hooks) -> String {
        let Self { name, version, stores, head, install, files } = self;
        let (requires, scriptlets) = (hooks.requires(), hooks.scriptlets());
        format!(
            "%define stores {stores}
%define __os_install_post %{{nil}}
Name: {name}
Version: {version}
Release: 1
Summary: Package of a test
License: Apache-2.0
AutoReqProv: no
{requires}
{head}
%description
%{{summary}}.
%install
storagectl() {{ %{{test_dir}}/storagectl-program \"$@\"; }}
copy() {{ mkdir -p %{{buildroot}}/$1; cp -a %{{test_dir}}/store/overlay* %{{buildroot}}/$1; }}
{install}
rm -f $(find %{{buildroot}} -name backingFsBlockDev)
%files
{files}
{scriptlets}"
        )
    }
}

/// rpmbuild with the macros under test, as they would be if they were installed.
pub(super) fn rpmbuild(top: &Path) -> Command {
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--quiet", "--load", MACROS]);
    command.arg("--define").arg(format!("_topdir {}", top.display()));
    command.args([
        "--define",
        "_binary_payload w.ufdio",
        "--define",
        "_rpmfilename %%{NAME}-%%{VERSION}.rpm",
    ]);
    command
}

/// What everything in the tree depends on.
const BASE_SPEC: &str = "Name: base
Version: 1
Release: 1
Summary: What the tree of a test has
License: Apache-2.0
AutoReqProv: no
Provides: /bin/sh
%description
%{summary}.
%files
";

/// A package with the program that was built for this test.
fn storagectl_spec() -> String {
    let spec = fs_err::read_to_string(REAL_SPEC).unwrap();
    let preun = spec.split("\n%preun\n").nth(1).and_then(|rest| rest.split("\n%files\n").next()).unwrap();
    format!(
        "%define __os_install_post %{{nil}}
Name: storagectl
Version: 1
Release: 1
Summary: The program under test
License: Apache-2.0
AutoReqProv: no
%description
%{{summary}}.
%install
install -D -m 0755 %{{test_dir}}/storagectl-program %{{buildroot}}%{{_bindir}}/storagectl
mkdir -p %{{buildroot}}%{{_prefix}}/lib/sysimage/storagectl
%preun
{preun}
%files
%{{_bindir}}/storagectl
%dir %{{_prefix}}/lib/sysimage/storagectl
"
    )
}

/// Copies the program that was built for this test, without what only debuggers need.
pub(crate) fn strip_program(to: &Path) {
    run(Command::new("strip").arg("-o").arg(to).arg(STORAGECTL));
}

/// Copies the shared libraries of `program` into `tree`, where they are in the host.
fn copy_libraries(program: &Path, tree: &Path) {
    let listed = run(Command::new("ldd").arg(program));
    for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let copy = tree.join(library.trim_start_matches('/'));
        fs_err::create_dir_all(copy.parent().unwrap()).unwrap();
        fs_err::copy(library, copy).unwrap();
    }
}

/// rpm on a tree, with the database where image-based systems have it. Only
/// `--root` keeps it off the host.
pub(super) fn rpm(tree: &Path) -> Command {
    let mut command = Command::new("rpm");
    command.arg("--root").arg(tree).args(["--dbpath", "/usr/lib/sysimage/rpm"]);
    command
}

fn rpm_install(tree: &Path, package: &Path) {
    run(rpm(tree).arg("-i").arg(package));
}
