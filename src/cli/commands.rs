//! Every command, in the groups and the order in which the help shows them: what people type for
//! it, which of the common options mean something for it, and examples.

use clap::{Arg, Args, Command};

use super::Common;

/// What commands are for, as the help groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Stores,
    Problems,
    Making,
    Images,
    Fleets,
}

impl Group {
    pub(super) const ALL: [Self; 5] =
        [Self::Stores, Self::Problems, Self::Making, Self::Images, Self::Fleets];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Stores => "Stores on this host",
            Self::Problems => "Find and fix",
            Self::Making => "Make stores",
            Self::Images => "Images in OS images and stores",
            Self::Fleets => "Ship to fleets",
        }
    }
}

/// One command.
pub(super) struct CommandRow {
    pub(super) name: &'static str,
    /// What people type for it.
    pub(super) alias: Option<&'static str>,
    /// `None` for what is called by scripts.
    pub(super) group: Option<Group>,
    /// Describes its own arguments.
    pub(super) describe: fn(Command) -> Command,
    /// The common options that mean something for it, by their names; `--color` does for all, since
    /// errors have colours.
    pub(super) takes: &'static [&'static str],
    /// What `--dry-run` does there; without that it does not take it.
    pub(super) dry_run: Option<&'static str>,
    /// What each is for, and the line.
    pub(super) examples: &'static [(&'static str, &'static str)],
}

/// Behind the options of the command itself, and before `--help`.
const LAST: usize = 900;

const DIFF: Option<&str> = Some("Show the changes as a unified diff, and make none");

pub(super) const COMMANDS: [CommandRow; 25] = [
    CommandRow {
        name: "add-store",
        alias: Some("add"),
        group: Some(Group::Stores),
        describe: super::add_store::AddStore::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: DIFF,
        examples: &[
            (
                "Add a store that is part of the operating system",
                "storagectl add-store /usr/lib/containers/app",
            ),
            ("See what would change", "storagectl add-store --dry-run --first /var/images"),
            ("Create an empty store, and add it", "storagectl add-store --init /var/lib/containers/extra"),
            (
                "Add a store to a system that is being built",
                "storagectl --root /mnt/sysroot add-store /usr/lib/containers/app",
            ),
        ],
    },
    CommandRow {
        name: "remove-store",
        alias: Some("rm"),
        group: Some(Group::Stores),
        describe: super::remove_store::RemoveStore::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: DIFF,
        examples: &[
            ("Engines use a store no longer", "storagectl remove-store /usr/lib/containers/app"),
            (
                "Remove the entry only if the store is gone",
                "storagectl remove-store --if-gone /usr/lib/containers/app",
            ),
        ],
    },
    CommandRow {
        name: "list-stores",
        alias: Some("ls"),
        group: Some(Group::Stores),
        describe: super::list_stores::ListStores::augment_args,
        takes: &["root", "config", "format", "quiet"],
        dry_run: None,
        examples: &[
            ("See the stores of this host", "storagectl list-stores"),
            (
                "The same of an image, for a program",
                "storagectl --root /mnt/sysroot list-stores --format json",
            ),
        ],
    },
    CommandRow {
        name: "apply",
        alias: None,
        group: Some(Group::Stores),
        describe: super::apply::Apply::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: DIFF,
        examples: &[
            ("Follow the declarations, as packages and the boot do", "storagectl apply"),
            ("See what that would change", "storagectl apply --dry-run"),
        ],
    },
    CommandRow {
        name: "doctor",
        alias: None,
        group: Some(Group::Problems),
        describe: super::doctor::Doctor::augment_args,
        takes: &["root", "format", "quiet", "verbose"],
        dry_run: Some("With --fix, show each step and what it would change, and change nothing"),
        examples: &[
            ("See what is wrong with this host, and what helps", "storagectl doctor"),
            ("See what can be done about it at once; without -n, do it", "storagectl doctor --fix -n"),
            ("Let a health check fail on warnings, too", "storagectl doctor --strict --format json"),
            ("See what Prometheus is told", "storagectl doctor --format prometheus"),
        ],
    },
    CommandRow {
        name: "explain",
        alias: None,
        group: Some(Group::Problems),
        describe: super::explain::Explain::augment_args,
        takes: &["root", "format", "quiet"],
        dry_run: None,
        examples: &[
            (
                "What does that mean, and what helps?",
                "storagectl explain 'Error: 4f53cda18c2b: layer not known'",
            ),
            ("Explain what a program says", "podman images 2>&1 | storagectl explain"),
            ("See which messages are known", "storagectl explain --list"),
        ],
    },
    CommandRow {
        name: "check-config",
        alias: None,
        group: Some(Group::Problems),
        describe: super::check_config::CheckConfig::augment_args,
        takes: &["root", "config", "format", "quiet"],
        dry_run: Some("With --fix, show the fixes as a unified diff, and apply none"),
        examples: &[
            ("Check what all engines of this host read", "storagectl check-config"),
            ("See the fixes, then apply them", "storagectl check-config --fix --dry-run"),
            ("", "storagectl check-config --fix"),
            ("Check an image in its build", "storagectl --root /mnt/sysroot check-config --strict"),
        ],
    },
    CommandRow {
        name: "check-store",
        alias: None,
        group: Some(Group::Problems),
        describe: super::check_store::CheckStore::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: None,
        examples: &[
            ("Check all stores of this host", "storagectl check-store"),
            ("Check every byte of one", "storagectl check-store --deep /usr/lib/containers/app"),
            ("Check all a part at a time, going on each time", "storagectl check-store --deep --budget 10GB"),
            ("See what is checked", "storagectl check-store --list"),
        ],
    },
    CommandRow {
        name: "show-config",
        alias: None,
        group: Some(Group::Problems),
        describe: super::show_config::ShowConfig::augment_args,
        takes: &["root", "config", "format"],
        dry_run: None,
        examples: &[
            ("See what engines read, and where they differ", "storagectl show-config"),
            ("Where does podman 6 have each value from?", "storagectl show-config --engine podman6 --origin"),
        ],
    },
    CommandRow {
        name: "keep-layers",
        alias: None,
        group: Some(Group::Problems),
        describe: super::keep_layers::KeepLayers::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: Some("Say what would be kept, and copy nothing"),
        examples: &[
            ("Keep what containers need of a replaced store", "storagectl keep-layers"),
            ("The same before a store is removed", "storagectl keep-layers --leaving /usr/lib/app/images"),
            ("From a copy of the old store", "storagectl keep-layers --from /mnt/old/usr/lib/app/images"),
        ],
    },
    CommandRow {
        name: "clean-dependents",
        alias: None,
        group: Some(Group::Problems),
        describe: super::clean_dependents::CleanDependents::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: Some("List what would be removed, and remove nothing"),
        examples: &[
            ("See what is broken since a store was replaced", "storagectl clean-dependents --dry-run"),
            ("Remove it, with the engines stopped", "storagectl clean-dependents"),
        ],
    },
    CommandRow {
        name: "init-store",
        alias: None,
        group: Some(Group::Making),
        describe: super::init_store::InitStore::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: Some("Say what would be created and opened, and change nothing"),
        examples: &[
            ("Create an empty store", "storagectl init-store /var/lib/containers/extra"),
            (
                "Prepare and declare a store in a package's build",
                "storagectl --root buildroot init-store --declare app /usr/lib/app/images",
            ),
        ],
    },
    CommandRow {
        name: "build-store",
        alias: None,
        group: Some(Group::Making),
        describe: super::build_store::BuildStore::augment_args,
        takes: &["root", "format", "quiet", "verbose"],
        dry_run: Some("Read and count the images, and write nothing"),
        examples: &[
            ("Build a store from an OCI layout", "storagectl build-store -o store oci:images"),
            (
                "Build one squashfs file for another architecture",
                "storagectl build-store --arch arm64 -o app.squashfs localhost/app:1=oci:app",
            ),
            (
                "Build one from the embedded images that quadlets name",
                "storagectl build-store --embedded images --from units -o store",
            ),
            (
                "Add an image of `podman save` to a store that exists",
                "storagectl build-store -o /var/lib/containers/extra docker-archive:app.tar",
            ),
        ],
    },
    CommandRow {
        name: "seal-store",
        alias: None,
        group: Some(Group::Making),
        describe: super::seal_store::SealStore::augment_args,
        takes: &["root", "format", "quiet", "verbose"],
        dry_run: Some("Check the store, and write nothing"),
        examples: &[
            (
                "Pack a store into a squashfs file",
                "storagectl seal-store -o app.squashfs /usr/lib/containers/app",
            ),
            (
                "Only check whether it could be",
                "storagectl seal-store -n -o app.erofs /usr/lib/containers/app",
            ),
        ],
    },
    CommandRow {
        name: "embed-images",
        alias: None,
        group: Some(Group::Images),
        describe: super::embed_images::EmbedImages::augment_args,
        takes: &["root", "format", "quiet", "verbose"],
        dry_run: Some("Say which images would be fetched or removed, and change nothing"),
        examples: &[
            (
                "Embed an image with its SBOM and its signatures",
                "storagectl embed-images --signatures --referrers registry.example.com/app:1",
            ),
            (
                "Embed what quadlets run, in a Containerfile",
                "storagectl embed-images --from /usr/share/containers/systemd",
            ),
            (
                "Embed the images of a list, and remove all others",
                "storagectl embed-images --arch amd64 --prune --from images.txt",
            ),
            ("Fetch again what is missing or damaged", "storagectl embed-images"),
        ],
    },
    CommandRow {
        name: "verify-images",
        alias: None,
        group: Some(Group::Images),
        describe: super::verify_images::VerifyImages::augment_args,
        takes: &["root", "format", "quiet", "verbose"],
        dry_run: None,
        examples: &[
            ("Verify all embedded images", "storagectl verify-images"),
            (
                "Verify one, in an image that is mounted",
                "storagectl --root /mnt/sysroot verify-images registry.example.com/app:1",
            ),
            (
                "Verify that all that quadlets run is embedded, in a Containerfile",
                "storagectl verify-images --needed-by /usr/share/containers/systemd",
            ),
        ],
    },
    CommandRow {
        name: "list-images",
        alias: None,
        group: Some(Group::Images),
        describe: super::list_images::ListImages::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: None,
        examples: &[
            ("See what is embedded, and which stores have it", "storagectl list-images"),
            ("See the images of all stores, and who uses them", "storagectl list-images --store"),
            (
                "The same for a program, of another directory",
                "storagectl list-images --source /usr/share/images --format json",
            ),
        ],
    },
    CommandRow {
        name: "show-image",
        alias: None,
        group: Some(Group::Images),
        describe: super::show_image::ShowImage::augment_args,
        takes: &["root", "config", "format", "quiet"],
        dry_run: None,
        examples: &[
            ("See which store serves an image to whom", "storagectl show-image registry.example.com/app:1"),
            (
                "The same in an image that is built, for a program",
                "storagectl --root /mnt/sysroot show-image app:1 --format json",
            ),
        ],
    },
    CommandRow {
        name: "remove-images",
        alias: None,
        group: Some(Group::Images),
        describe: super::remove_images::RemoveImages::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: Some("Say what would be removed and how many bytes it has, and change nothing"),
        examples: &[
            (
                "See what would go, and how much that is",
                "storagectl remove-images -n /var/lib/containers/extra example.com/app:1",
            ),
            (
                "Remove an image with all of its names",
                "storagectl remove-images /var/lib/containers/extra 4d3f0a1b2c3d",
            ),
        ],
    },
    CommandRow {
        name: "copy-images",
        alias: None,
        group: Some(Group::Images),
        describe: super::copy_images::CopyImages::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: Some("Say which images would be copied or removed, and change nothing"),
        examples: &[
            (
                "Copy to a store that CRI-O does not wipe",
                "storagectl copy-images --store /var/lib/containers/bound-images",
            ),
            (
                "Fail unless one image is present, and remove former ones",
                "storagectl copy-images --required registry.example.com/app:1 --prune",
            ),
        ],
    },
    CommandRow {
        name: "import-images",
        alias: None,
        group: Some(Group::Images),
        describe: super::import_images::ImportImages::augment_args,
        takes: &["root", "config", "format", "quiet", "verbose"],
        dry_run: Some("Say what would be imported or refused, and change nothing"),
        examples: &[
            (
                "Import what lies on a disk, and leave the disk as it is",
                "storagectl import-images --keep --store /var/lib/containers/bound-images /mnt",
            ),
            ("See what would become of what has arrived", "storagectl import-images --dry-run"),
        ],
    },
    CommandRow {
        name: "pack",
        alias: None,
        group: Some(Group::Fleets),
        describe: super::pack::Pack::augment_args,
        takes: &["format", "quiet", "verbose"],
        dry_run: Some("List the packages that would be built, and fetch and build nothing"),
        examples: &[
            ("Build packages for this machine", "storagectl pack rpm packages.yaml"),
            (
                "Build them for another, into a directory",
                "storagectl pack rpm packages.yaml centos-stream-9-aarch64 -o packages",
            ),
            ("See the spec", "storagectl pack spec packages.yaml"),
            ("Have Copr build them", "storagectl pack copr packages.yaml owner/project"),
        ],
    },
    CommandRow {
        name: "generate",
        alias: None,
        group: Some(Group::Fleets),
        describe: super::generate::Generate::augment_args,
        takes: &["root", "config", "format", "quiet"],
        dry_run: Some("Write no file; with --from, show the changes as a unified diff"),
        examples: &[
            (
                "Add a store to the workers of an OpenShift cluster",
                "storagectl generate machineconfig --store /var/images -o stores.yaml",
            ),
            (
                "Put a store into a document that exists",
                "storagectl generate --from node.ign --store /var/apps -o node.ign",
            ),
            ("See what a document gives nodes", "storagectl generate --list node.ign"),
            ("Find what is wrong with a document", "storagectl generate --check node.bu"),
        ],
    },
    CommandRow {
        name: "completions",
        alias: None,
        group: None,
        describe: super::completions::Completions::augment_args,
        takes: &[],
        dry_run: None,
        examples: &[
            (
                "Complete commands and options in bash",
                "storagectl completions bash > /etc/bash_completion.d/storagectl",
            ),
            (
                "The same in fish, for this user",
                "storagectl completions fish > ~/.config/fish/completions/storagectl.fish",
            ),
        ],
    },
    CommandRow {
        name: "scriptlet",
        alias: None,
        group: None,
        describe: super::scriptlet::Scriptlet::augment_args,
        takes: &["root", "config", "quiet", "verbose"],
        dry_run: None,
        examples: &[],
    },
];

impl CommandRow {
    pub(super) fn named(name: &str) -> &'static Self {
        COMMANDS.iter().find(|row| row.name == name).expect("every command has a row, as a test holds")
    }

    /// Whether this is what people type for it.
    pub(super) fn is_called(&self, word: &std::ffi::OsStr) -> bool {
        word == self.name || self.alias.is_some_and(|alias| word == alias)
    }

    /// Whether people do not call it.
    pub(super) fn is_for_scripts(&self) -> bool {
        self.name == "scriptlet"
    }

    /// Whether a common option means something for it.
    pub(super) fn takes(&self, option: &str) -> bool {
        match option {
            "color" => true,
            "dry_run" => self.dry_run.is_some(),
            option => self.takes.contains(&option),
        }
    }

    /// Gives a command its alias and the common options that it takes, which its help names in one
    /// line. With `refused` it has the others, too, hidden, so that they can be refused with a
    /// reason.
    pub(super) fn equip(&self, command: Command, refused: bool) -> Command {
        let command = command.visible_aliases(self.alias);
        let options = common_options().filter(|option| refused || self.takes(option.get_id().as_str()));
        command.args(options.map(|option| match (option.get_id().as_str(), self.dry_run) {
            ("dry_run", Some(what)) => option.help(what).help_heading(None::<&str>).display_order(LAST),
            (id, _) if self.takes(id) => option.hide_short_help(true).hide_long_help(true),
            _ => option.hide(true),
        }))
    }
}

/// The options that may stand before a command as well as after it.
pub(super) fn common_options() -> impl Iterator<Item = Arg> {
    let common = Common::augment_args(Command::new("common"));
    common.get_arguments().cloned().collect::<Vec<_>>().into_iter()
}
