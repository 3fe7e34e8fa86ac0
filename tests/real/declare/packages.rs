//! The packages that declare their stores.

use crate::rpm::packages::Package;

/// A package without scriptlets. `files` are those beside its declaration.
const fn package(name: &'static str, version: u32, install: &'static str, files: &'static str) -> Package {
    Package { name, version, stores: "", head: "", install, files }
}

const APP: &str = "copy /opt/app/images\ndeclares /opt/app/images";
const APP_FILES: &str = "%dir /opt/app\n/opt/app/images\n/usr/lib/storagectl/stores.d/%{name}.toml";

const VENDOR_FILES: &str = "/usr/share/containers/storage.conf\n%ghost /etc/containers/storage.conf";

pub(crate) const DECLARING: [Package; 13] = [
    // An application that ships its images.
    package("app", 1, APP, APP_FILES),
    package("app", 2, APP, APP_FILES),
    // Its third version has them elsewhere.
    package(
        "app",
        3,
        "copy /opt/app/moved\ndeclares /opt/app/moved",
        "/opt/app\n/usr/lib/storagectl/stores.d/app.toml",
    ),
    // Its fourth has a mistake in the declaration.
    package("app", 4, "copy /opt/app/images\ndeclares /opt/app/images\nmistake", APP_FILES),
    // Another one, with the same store.
    package("twin", 1, APP, APP_FILES),
    // One with a mistake from the start.
    package(
        "faulty",
        1,
        "copy /opt/faulty\ndeclares /opt/faulty\nmistake",
        "/opt/faulty\n/usr/lib/storagectl/stores.d/faulty.toml",
    ),
    // One whose store an administrator uses, too.
    package("shared", 1, "declares /opt/shared", "/opt/shared\n/usr/lib/storagectl/stores.d/shared.toml"),
    // One whose directory is made when the system starts.
    package(
        "provided",
        1,
        "declares /var/images
rm -r %{buildroot}/var
mkdir -p %{buildroot}/usr/lib/tmpfiles.d
echo 'd /var/images 0755 root root -' > %{buildroot}/usr/lib/tmpfiles.d/provided.conf",
        "/usr/lib/tmpfiles.d/provided.conf\n/usr/lib/storagectl/stores.d/provided.toml",
    ),
    // systemd, as far as it makes such a directory on a system that runs
    // (src/rpm/triggers.systemd.sh.in).
    package(
        "tmpfiles",
        1,
        "mkdir -p %{buildroot}/usr/lib/tmpfiles.d",
        "%dir /usr/lib/tmpfiles.d
%transfiletriggerin -P 1000600 -- /usr/lib/tmpfiles.d/
mkdir /var/images",
    ),
    // The successor of a package with macros of the same name.
    package(
        "lockless",
        2,
        "copy /opt/lockless\ndeclares /opt/lockless",
        "/opt/lockless\n/usr/lib/storagectl/stores.d/lockless.toml",
    ),
    // The engines' configuration, as a vendor ships it: two versions, whose file in
    // /etc is whatever is there, and a drop-in that sets the list.
    package("vendor", 1, "vendor_file 'driver = \"overlay\"'", VENDOR_FILES),
    package("vendor", 2, "vendor_file 'driver = \"overlay\" # as before'", VENDOR_FILES),
    package(
        "hiding",
        1,
        "mkdir -p %{buildroot}/usr/share/containers/storage.conf.d
printf '[storage.options]\\nadditionalimagestores = [\"/opt/site\"]\\n' \
> %{buildroot}/usr/share/containers/storage.conf.d/50-vendor.conf",
        "/usr/share/containers/storage.conf.d/50-vendor.conf",
    ),
];

/// What their %install may call.
pub(crate) const FUNCTIONS: &str = r#"declares() { storagectl --root %{buildroot} init-store --declare %{name} "$@"; }
mistake() { sed -i s/path/pth/ %{buildroot}/usr/lib/storagectl/stores.d/%{name}.toml; }
vendor_file() {
  mkdir -p %{buildroot}/usr/share/containers %{buildroot}/etc/containers
  touch %{buildroot}/etc/containers/storage.conf
  cat > %{buildroot}/usr/share/containers/storage.conf <<END
[storage]
$1
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
END
}
"#;
