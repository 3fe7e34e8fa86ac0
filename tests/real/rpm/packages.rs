//! The packages that the tests install, built by the real rpmbuild.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::real_spec;
use crate::declare::packages::{DECLARING, FUNCTIONS};
use crate::support::{IMAGE, STORAGECTL, copy_program, copy_store, run};

/// What a package's scriptlets do about its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hooks {
    /// They are the macros of scriptlets/macros.storagectl.
    Storagectl,
    /// They are what such packages had before: sed, guarded by `$1`.
    Sed,
    /// There are none: the package ships a declaration.
    Declaration,
}

impl Hooks {
    fn name(self) -> &'static str {
        match self {
            Self::Storagectl => "storagectl",
            Self::Sed => "sed",
            Self::Declaration => "declaration",
        }
    }

    fn packages(self) -> &'static [Package] {
        match self {
            Self::Storagectl | Self::Sed => &PACKAGES,
            Self::Declaration => &DECLARING,
        }
    }

    /// Lines of a package's preamble.
    fn requires(self) -> &'static str {
        match self {
            Self::Storagectl | Self::Declaration => "%{?storagectl_requires}",
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
            Self::Declaration => String::new(),
        }
    }
}

/// The usual %post, with the guard that keeps it from listing a store again on an
/// upgrade.
pub(crate) const SED_POST: &str = r#"if [ "$1" -eq 1 ]; then
  sed -i '/^additionalimagestores =*/a "%{stores}",' /etc/containers/storage.conf
fi
"#;

/// The usual %postun.
pub(crate) const SED_POSTUN: &str = r#"if [ "$1" -eq 0 ]; then
  sed -i '\:"%{stores}":d' /etc/containers/storage.conf
fi
"#;

/// One package to build.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    /// What the scriptlets name, if there are any.
    pub(crate) stores: &'static str,
    /// More of the preamble.
    pub(crate) head: &'static str,
    /// The commands of %install.
    pub(crate) install: &'static str,
    /// The lines of %files.
    pub(crate) files: &'static str,
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

/// Where the packages are that a tree starts with.
const SYSTEM: &str = "system";

/// The spec of storagectl's own package, of which the tests' packages have everything
/// but what `make install` installs.
pub(crate) const REAL_SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/storagectl.spec");

/// The macros under test.
pub(crate) const MACROS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/macros.storagectl");

/// Everything that rpmbuild made, and a system tree to install it in.
#[derive(Debug)]
pub(crate) struct Packages {
    dir: tempfile::TempDir,
    built: Mutex<Vec<Hooks>>,
    real: OnceLock<PathBuf>,
}

impl Packages {
    /// The packages, built if no other test has them at this moment. They go with
    /// the last test that holds them.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Packages>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Self::build());
            *shared = Arc::downgrade(&made);
            made
        })
    }

    /// The file of a package such as `app-1`, `storagectl-1` or, with other hooks,
    /// `sed/app-1` and `macros/app-1`; `None` if that is no package's name.
    pub(crate) fn file(&self, hooks: Hooks, package: &str) -> Option<PathBuf> {
        let (hooks, package) = match package.split_once('/') {
            Some(("sed", package)) => (Hooks::Sed, package),
            Some(("macros", package)) => (Hooks::Storagectl, package),
            _ => (hooks, package),
        };
        let system = self.dir.path().join(SYSTEM).join(format!("{package}.rpm"));
        if system.try_exists().unwrap() {
            return Some(system);
        }
        if !hooks.packages().iter().any(|known| known.file_name() == package) {
            return None;
        }
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if !built.contains(&hooks) {
            for package in hooks.packages() {
                self.rpmbuild(hooks.name(), &package.file_name(), &package.spec(hooks));
            }
            built.push(hooks);
        }
        Some(self.dir.path().join(hooks.name()).join(format!("{package}.rpm")))
    }

    /// The directory of the packages that rpmbuild makes from scriptlets/storagectl.spec
    /// itself: `storagectl.rpm` and `storagectl-rpm-macros.rpm`.
    pub(crate) fn real(&self) -> &Path {
        self.real.get_or_init(|| real_spec::build(&self.dir.path().join("real")))
    }

    /// A tree with a shell and what storagectl needs, but without storagectl.
    pub(crate) fn bare_tree(&self) -> PathBuf {
        self.dir.path().join("bare")
    }

    /// The same with storagectl installed.
    pub(crate) fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn build() -> Self {
        let made =
            Self { dir: tempfile::tempdir().unwrap(), built: Mutex::default(), real: OnceLock::default() };
        let dir = made.dir.path();
        strip_program(&dir.join("storagectl-program"));
        copy_store(&dir.join("store"));
        // As a package has it that declares its store, whose files another package may share.
        run(crate::support::storagectl(&["init-store"]).arg(dir.join("store")));
        fs_err::remove_file(dir.join("store/.storagectl-store")).unwrap();
        for version in [1, 2] {
            made.rpmbuild(SYSTEM, &format!("storagectl-{version}"), &storagectl_spec(version));
        }
        made.rpmbuild(SYSTEM, "base-1", BASE_SPEC);
        made.make_trees();
        made
    }

    fn rpmbuild(&self, kind: &str, package: &str, spec: &str) {
        let dir = self.dir.path();
        let spec_file = dir.join(format!("{package}.spec"));
        fs_err::write(&spec_file, spec).unwrap();
        run(rpmbuild(&dir.join("top"))
            .arg("--define")
            .arg(format!("test_dir {}", dir.display()))
            .arg(&spec_file));
        let built = dir.join(kind).join(format!("{package}.rpm"));
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
        copy_program("/bin/busybox", bare.join("bin/sh"));
        for applet in ["cp", "mkdir"] {
            fs_err::os::unix::fs::symlink("sh", bare.join("bin").join(applet)).unwrap();
        }
        let sed = Path::new("/bin/sed");
        copy_program(sed, bare.join("bin/sed"));
        copy_libraries(sed, &bare);
        copy_libraries(Path::new(STORAGECTL), &bare);
        let site = run(crate::support::storagectl(&["init-store", "/opt/site", "--root"]).arg(&bare));
        assert_eq!(site, "");
        let system = self.dir.path().join(SYSTEM);
        rpm_install(&bare, &system.join("base-1.rpm"));
        run(Command::new("cp").arg("-a").arg(&bare).arg(self.tree()));
        rpm_install(&self.tree(), &system.join("storagectl-1.rpm"));
    }
}

impl Package {
    fn file_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    fn spec(&self, hooks: Hooks) -> String {
        let Self { name, version, stores, head, install, files } = self;
        let (requires, scriptlets) = (hooks.requires(), hooks.scriptlets());
        let stores = if stores.is_empty() { String::new() } else { format!("%define stores {stores}") };
        format!(
            "{stores}
%define _build_id_links none
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
copy() {{
  mkdir -p %{{buildroot}}/$1
  cp -a %{{test_dir}}/store/overlay* %{{buildroot}}/$1
  sed -i \"s,{IMAGE},localhost$1:1,\" %{{buildroot}}/$1/overlay-images/images.json
}}
{FUNCTIONS}
{install}
rm -f $(find %{{buildroot}} -name backingFsBlockDev)
%files
{files}
{scriptlets}"
        )
    }
}

/// rpmbuild with the macros under test, as they would be if they were installed.
pub(crate) fn rpmbuild(top: &Path) -> Command {
    let mut command = Command::new("rpmbuild");
    // rpm 4.20 forgets what it was told to load when it reads a spec again for a `BuildArch`.
    let home = top.join("home");
    fs_err::create_dir_all(&home).unwrap();
    fs_err::copy(MACROS, home.join(".rpmmacros")).unwrap();
    command.args(["-bb", "--quiet"]).env("HOME", home);
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

/// A package with the program that was built for this test, and with the macros,
/// scriptlets, triggers and directories of the real one.
fn storagectl_spec(version: u32) -> String {
    let spec = fs_err::read_to_string(REAL_SPEC).unwrap();
    let lines = |start: &str| -> String {
        let found: Vec<&str> = spec.lines().filter(|line| line.starts_with(start)).collect();
        assert!(!found.is_empty(), "the spec has no line that starts with {start}");
        found.join("\n")
    };
    let (globals, directories, owned) = (lines("%global "), lines("install -d "), lines("%dir "));
    let scriptlets =
        spec.split("\n%preun\n").nth(1).and_then(|rest| rest.split("\n%files\n").next()).unwrap();
    format!(
        "{globals}
%define __os_install_post %{{nil}}
Name: storagectl
Version: {version}
Release: 1
Summary: The program under test
License: Apache-2.0
AutoReqProv: no
%description
%{{summary}}.
%install
install -D -m 0755 %{{test_dir}}/storagectl-program %{{buildroot}}%{{_bindir}}/storagectl
{directories}
%preun
{scriptlets}
%files
%{{_bindir}}/storagectl
{owned}
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
pub(crate) fn rpm(tree: &Path) -> Command {
    let mut command = Command::new("rpm");
    command.arg("--root").arg(tree).args(["--dbpath", "/usr/lib/sysimage/rpm"]);
    command
}

fn rpm_install(tree: &Path, package: &Path) {
    run(rpm(tree).arg("-i").arg(package));
}
