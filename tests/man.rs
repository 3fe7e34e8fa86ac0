//! The committed man pages say what the program does.
//!
//! `STORAGECTL_UPDATE=1 cargo test --test man` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

use std::collections::BTreeMap;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use serde_json::Value;
use storagectl::doctor::{CURES, FINDINGS, METRICS};
use storagectl::explain::SECTIONS;
use storagectl::lint::RULES;
use storagectl::problem::{IDS, Severity};
use storagectl::store::check;

#[test]
fn the_man_pages_are_those_of_this_program() {
    let pages = pages();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    if std::env::var_os("STORAGECTL_UPDATE").is_some() {
        fs_err::create_dir_all(&dir).unwrap();
        for (name, page) in &pages {
            fs_err::write(dir.join(name), page).unwrap();
        }
    }
    let mut committed: Vec<String> = fs_err::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    committed.sort();
    assert_eq!(committed, pages.keys().cloned().collect::<Vec<_>>(), "the set of pages");
    for (name, page) in &pages {
        let text = fs_err::read_to_string(dir.join(name)).unwrap();
        assert!(text == *page, "man/{name} is out of date: run `STORAGECTL_UPDATE=1 cargo test --test man`");
    }
}

/// File names and contents.
fn pages() -> BTreeMap<String, String> {
    let mut root = storagectl::cli::command().disable_help_flag(true).disable_help_subcommand(true);
    root.build();
    let mut pages = BTreeMap::new();
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        // clap holds names for ever.
        let name: &'static str = format!("storagectl-{}", command.get_name()).leak();
        let examples = storagectl::cli::examples(command.get_name());
        let synopsis = synopsis(command);
        let page = page(&command.clone().name(name).display_name(name), &synopsis, examples);
        pages.insert(format!("{name}.1"), page);
    }
    pages.insert("storagectl.1".to_owned(), page(&root, &synopsis(&root), storagectl::cli::EXAMPLES));
    pages
}

/// As the usage that the help shows, once with each name.
fn synopsis(command: &clap::Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap();
    let name = command.get_bin_name().unwrap_or("storagectl");
    let arguments = usage.strip_prefix(name).unwrap();
    let aliases = command.get_visible_aliases().map(|alias| format!("storagectl {alias}"));
    for (index, name) in [name.to_owned()].into_iter().chain(aliases).enumerate() {
        if index > 0 {
            roff.control("br", []);
        }
        let mut line = vec![bold(name)];
        for word in arguments.split_whitespace() {
            line.push(roman(" "));
            let (open, rest) = word.split_at(usize::from(word.starts_with('[')));
            let value = rest.trim_matches(|c| "<>[].".contains(c));
            let end = &rest.trim_start_matches('<')[value.len()..].replace('>', "");
            line.push(roman(open));
            line.push(if value.starts_with('-') { bold(value) } else { italic(value) });
            line.push(roman(end.as_str()));
        }
        roff.text(line);
    }
    roff
}

fn page(command: &clap::Command, synopsis: &Roff, examples: &[(&str, &str)]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let whole = command.get_name() == "storagectl";
    let plain = command.clone().after_help("").after_long_help("");
    // They are explained once.
    let explained =
        plain.mut_args(|option| if option.is_hide_long_help_set() { option.hide(true) } else { option });
    let man = Man::new(explained)
        .title(command.get_name().to_uppercase())
        .section("1")
        .date("November 2026")
        .source(format!("storagectl {version}"))
        .manual("Container image stores");
    let mut out = Vec::new();
    man.render_title(&mut out).unwrap();
    man.render_name_section(&mut out).unwrap();
    synopsis.to_writer(&mut out).unwrap();
    man.render_description_section(&mut out).unwrap();
    if whole {
        commands(command).to_writer(&mut out).unwrap();
    }
    man.render_options_section(&mut out).unwrap();
    common_options(command.get_name(), whole).to_writer(&mut out).unwrap();
    exit_status().to_writer(&mut out).unwrap();
    self::examples(examples).to_writer(&mut out).unwrap();
    if command.get_name() == "storagectl-check-config" {
        rules(RULES.iter().map(|rule| (rule.id, rule.severity, rule.description)))
            .to_writer(&mut out)
            .unwrap();
    }
    if command.get_name() == "storagectl-check-store" {
        let rules = check::RULES.iter().map(|rule| (rule.id, rule.severity, rule.description));
        self::rules(rules).to_writer(&mut out).unwrap();
        scopes().to_writer(&mut out).unwrap();
        in_parts().to_writer(&mut out).unwrap();
    }
    if command.get_name() == "storagectl-doctor" {
        doctor().to_writer(&mut out).unwrap();
    }
    if command.get_name() == "storagectl-explain" {
        messages().to_writer(&mut out).unwrap();
    }
    if command.get_name() == "storagectl-copy-images" {
        copying().to_writer(&mut out).unwrap();
    }
    if command.get_name() == "storagectl-import-images" {
        importing().to_writer(&mut out).unwrap();
    }
    if EMBEDDED.contains(&command.get_name()) {
        layout().to_writer(&mut out).unwrap();
    }
    if command.get_name() == "storagectl-apply" {
        declarations().to_writer(&mut out).unwrap();
        sealed_stores().to_writer(&mut out).unwrap();
        boot().to_writer(&mut out).unwrap();
    }
    if command.get_name() == "storagectl-generate" {
        presets().to_writer(&mut out).unwrap();
        document_rules().to_writer(&mut out).unwrap();
    }
    if whole {
        problems().to_writer(&mut out).unwrap();
        files().to_writer(&mut out).unwrap();
        environment().to_writer(&mut out).unwrap();
    }
    if let Some(schema) = schema(command.get_name().trim_start_matches("storagectl-")) {
        json(&schema).to_writer(&mut out).unwrap();
    }
    see_also(command.get_name()).to_writer(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    // Each section defines the apostrophe anew; once is enough.
    let (head, rest) = text.split_at(text.find(".TH").unwrap());
    let prelude = |line: &&str| !line.starts_with(".ie \\n(.g") && !line.starts_with(".el .ds Aq");
    head.lines().chain(rest.lines().filter(prelude)).map(|line| format!("{}\n", line.trim_end())).collect()
}

fn entry(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []).text([bold(term)]).text([roman(meaning)]);
}

/// The commands in their groups.
fn commands(root: &clap::Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for (group, names) in storagectl::cli::groups() {
        roff.control("SS", [group]);
        for command in names.into_iter().map(|name| root.find_subcommand(name).unwrap()) {
            let about = format!("{}.", command.get_about().unwrap());
            roff.control("TP", []);
            roff.text([bold(format!("storagectl-{}", command.get_name())), roman("(1)")])
                .text([roman(about)]);
        }
    }
    roff
}

fn common_options(command: &str, whole: bool) -> Roff {
    let mut roff = Roff::new();
    if whole {
        roff.control("PP", []).text([roman(
            "All but --version may stand before a command or after it. A command takes those that mean something for it; its page names them.",
        )]);
        return roff;
    }
    let mut line = Vec::new();
    for (option, value) in storagectl::cli::common_options_of(command.trim_start_matches("storagectl-")) {
        line.push(roman(if line.is_empty() { "" } else { ", " }));
        line.push(bold(option));
        line.extend(value.into_iter().flat_map(|value| [roman(" "), italic(value)]));
    }
    line.push(roman(": see "));
    line.extend([bold("storagectl"), roman("(1).")]);
    roff.control("SH", ["COMMON OPTIONS"]).text(line);
    roff
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in storagectl::cli::EXIT_STATUS {
        let (first, rest) = meaning.split_at(1);
        entry(&mut roff, &status.to_string(), &format!("{}{rest}.", first.to_uppercase()));
    }
    roff
}

fn examples(examples: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for (what, line) in examples {
        if !what.is_empty() {
            roff.control("PP", []).text([roman(format!("{what}:"))]);
        }
        roff.control("PP", []).control("RS", ["4"]).control("nf", []);
        roff.text([roman(*line)]).control("fi", []).control("RE", []);
    }
    roff
}

fn problems() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["PROBLEMS"]).text([roman(
        "Every refusal, error and warning has a stable name, which --format json gives as its id:",
    )]);
    for (id, meaning) in IDS {
        entry(&mut roff, id, &format!("{meaning}."));
    }
    roff
}

fn rules(rules: impl Iterator<Item = (&'static str, Severity, &'static str)>) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["RULES"]);
    for (id, severity, description) in rules {
        entry(&mut roff, id, &format!("{}: {description}.", severity.name()));
    }
    roff
}

fn declarations() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["DECLARATIONS"]).text([roman(
        "A declaration is a file NAME.toml in /usr/lib/storagectl/stores.d (packages), /run/storagectl/stores.d or /etc/storagectl/stores.d (administrator). Of files with the same name the one in /etc counts, then the one in /run; a symlink to /dev/null masks the others, and a file without stores declares nothing. Files are read in the order of their names. An unknown key or a wrong value is an error: the file is left out, and what it had declared before stays listed. A file holds one or more tables [[store]] with these keys:",
    )]);
    entry(&mut roff, "path", "The store, an absolute path. The only key that is needed.");
    entry(
        &mut roff,
        "position",
        "\"first\" or \"last\": before or behind all others. The first store that has an image serves it. Without a place, declared stores stand together, in the order of their declarations, behind what is listed already.",
    );
    entry(
        &mut roff,
        "before, after",
        "The path of a store before or behind which this one stands, if that is listed.",
    );
    entry(&mut roff, "comment", "A few words that stand beside the entry.");
    entry(
        &mut roff,
        "condition",
        "A table: path-exists is a path that has to exist, or with ! in front must not; architecture is a name, or a list of names, of processors (x86_64, arm64, ppc64le, s390x, …). The store is wanted only where all of it is so.",
    );
    entry(
        &mut roff,
        "sealed",
        "The squashfs file that holds the store. path is then its mount point, a name directly below /run/storagectl/stores, and a mount unit for it is what mounts the file.",
    );
    roff.control("PP", []).text([roman(
        "A store whose directory is missing is not listed, with a warning. Under --root, and while an image is built, it is, if a tmpfiles.d line or a mount unit there makes the directory at boot.",
    )]);
    roff
}

fn sealed_stores() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEALED STORES"]).text([roman(
        "On a running system, apply has systemd mount the file of a declared sealed store, and lists it. Elsewhere it is neither mounted nor listed, since /run is no part of an image: its unit mounts it when the system starts, before storagectl-apply.service. The mount point is an empty, valid store until then, and if the mount fails, so that engines start; check-store, list-stores and doctor say that it is not mounted, and apply exits with status 1.",
    )]);
    roff.control("PP", []).text([roman(
        "One that is not declared any more, since its package was updated or erased, stays mounted, and listed behind all others, while a container, an image or a layer in an own storage of this host's engines is built on it, while podman, buildah, skopeo or CRI-O runs that may have been started with it, and while another sealed store is not mounted. Otherwise apply takes it off the list, unmounts it and removes its mount point. After a boot it is gone.",
    )]);
    roff
}

fn boot() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["BOOT"]).text([roman(
        "storagectl-apply.service runs `storagectl apply --boot` after local file systems are mounted and tmpfiles.d lines are followed, and before CRI-O, podman's units, kubelet and microshift. A store below a remote mount, or one with nofail, may not be there by then: it is set aside, and storagectl-apply-late.service lists it when remote file systems are mounted, or else the next `storagectl apply`. In emergency mode neither runs: with a file system missing, stores are not known to be gone.",
    )]);
    roff
}

fn copying() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["BOOT"]).text([roman(
        "storagectl-copy-images.service runs this at boot if there is a list, before CRI-O, kubelet, microshift and podman's units, and not before local file systems are mounted, storagectl-apply.service has run, and crio-wipe.service has wiped what it wipes. It copies to /var/lib/containers/bound-images. A drop-in with another value of the variable COPY_IMAGES changes that; an empty one means the engines' own storage. If it fails, engines start all the same; a drop-in of theirs with Requires= changes that.",
    )]);
    roff.control("SH", ["WHAT IS LEFT ALONE"]).text([roman(
        "An image is there if the store has it under its name, with the manifest and all documents that are embedded, and with all layers, as storagectl-check-store(1) looks for them. A layer that another program has put there is read once, to its last byte, since engines do not sync what they unpack; that it was sound is remembered in the store, in .storagectl-images.json, as is what was copied. Layers that are copied here are synced before they are recorded. Damaged layers below a container that is mounted are told and left.",
    )]);
    roff.control("PP", []).text([roman(
        "With --prune, names that a former list had and this one has not are removed, if they were copied by this command, and then images without a name, and layers that nothing needs. What an administrator has pulled or tagged stays, and so do images that storagectl-import-images(1) has brought and that have their names, and what a container or an image elsewhere builds on. A name that was given to an imported image stays with it until the list has another image for it than it had then.",
    )]);
    roff.control("PP", []).text([roman(
        "An own storage whose layers are laid out in ways that only engines know (another driver than overlay, force_mask, mount_program, ignore_chown_errors, use_composefs, a normal user's) is written by skopeo, one image after the other.",
    )]);
    roff
}

fn importing() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["UNITS"]).text([roman(
        "storagectl-import-images.path starts storagectl-import-images.service when something is made in, or renamed to, /var/lib/storagectl/incoming, and at boot if something lies there; `systemctl enable --now storagectl-import-images.path` enables it. The service imports to /var/lib/containers/bound-images and removes what it has imported. A drop-in with another value of the variable IMPORT_IMAGES changes that. What does not fit is tried again when something else arrives, at the next boot, and by `systemctl start storagectl-import-images.service`.",
    )]);
    roff.control("SH", ["NAMES"]).text([roman(
        "Images of archives and OCI layouts have the names that are stored with them; those of docker archives are completed as docker means them, so that app:1 is docker.io/library/app:1. A dir: directory has the name that its path is, from the part on that is a registry, as skopeo sync --scoped makes it; an embedded image has the reference of the list. What has no complete name is refused. Of several items with one name that counts which was changed last.",
    )]);
    roff.control("SH", ["WHAT IS LEFT ALONE"]).text([roman(
        "Names that begin with a dot, or end with ~, .!sync, .crdownload, .download, .filepart, .part, .partial, .swp or .tmp, are those of what is still written; .reason.txt is that of what this command writes. Anything else is read, and taken if each of its images is whole, by its digests. A directory that is not whole, and in which something has such a name, stays.",
    )]);
    roff.control("SH", ["SECURITY"]).text([roman(
        "DIR, the directories above it, and where others may enter it all that is in it, have to belong to root and to be writable for root alone, unless the file system is mounted read-only. Symlinks and special files are refused. Where containers-policy.json(5) does not accept everything from the transport of an image (dir, oci, oci-archive, docker-archive), skopeo copies it first, and judges it.",
    )]);
    roff
}

fn scopes() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SCOPES"]);
    for (scope, meaning) in check::Scope::MEANINGS {
        entry(&mut roff, scope.name(), &format!("{meaning}."));
    }
    roff
}

/// The commands about images that are embedded, which lie in one layout.
const EMBEDDED: [&str; 5] = [
    "storagectl-copy-images",
    "storagectl-embed-images",
    "storagectl-list-images",
    "storagectl-pack",
    "storagectl-verify-images",
];

/// The schema of what a command writes, or of a problem for the program as a whole.
fn schema(command: &str) -> Option<Value> {
    let name = if command == "storagectl" { "problem" } else { command };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{name}.json"));
    Some(serde_json::from_str(&fs_err::read_to_string(path).ok()?).unwrap())
}

fn json(schema: &Value) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["JSON"]).text([roman(if schema.get("anyOf").is_some() {
        "With --format json one object is written; its schema is in share/storagectl/schemas. [] stands for an array of what is named before it. What is said to be a problem has the keys that storagectl(1) names."
    } else {
        "With --format json a command writes one object, or if it fails one with the problem as `error`, and what else is wrong as `more`. A problem has these keys:"
    })]);
    let mut told = Vec::new();
    keys(schema, "", &mut told);
    for (key, meaning) in told {
        entry(&mut roff, &key, &format!("{meaning}."));
    }
    roff
}

/// Every key of an object that is described, and of those in it.
fn keys(schema: &Value, name: &str, told: &mut Vec<(String, String)>) {
    for part in ["anyOf", "allOf"].iter().filter_map(|key| schema[*key].as_array()).flatten() {
        keys(part, name, told);
    }
    match schema["description"].as_str() {
        Some(meaning) if !name.is_empty() => told.push((name.to_owned(), meaning.to_owned())),
        None if schema["$ref"] == "problem.json" => told.push((name.to_owned(), "a problem".to_owned())),
        _ => {}
    }
    if schema["items"].is_object() {
        keys(&schema["items"], &format!("{name}[]"), told);
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if name.is_empty() { "" } else { "." };
        keys(value, &format!("{name}{dot}{key}"), told);
    }
}

fn layout() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["LAYOUT"]).text([roman(
        "The directory has a sub-directory for each reference, and in it what `skopeo copy --all --preserve-digests docker://REF dir:DIR` writes. A list has a line REF,NAME for each; lines with #, empty lines and CRLF are read, too. Of two lines with the same reference the last counts. Three layouts are in use, and the list tells which one it is:",
    )]);
    for (layout, meaning) in LAYOUTS {
        entry(&mut roff, layout, meaning);
    }
    roff.control("PP", []).text([roman(
        "What is added to a directory has the names of its layout, so that the scripts that made the directory go on with it. A name that another rule has given is used as it is. Without an option for it, the first of these directories in which there is a list is taken.",
    )]);
    roff.control("PP", []).text([roman(
        "storagectl.json in a sub-directory has the digest of the manifest that was fetched, and the platforms that were asked for, if not all were. It lets damage be found in the manifest of a tag, and tells a list of images that lacks some on purpose from one that has lost some. Other programs read past it. A directory without it, as scripts write it, is verified as far as digests lead: from the manifest down.",
    )]);
    roff
}

/// The layouts, by their directories.
const LAYOUTS: [(&str, &str); 3] = [
    (
        "/usr/lib/containers/storage (microshift)",
        "MicroShift's image builds. The list is image-list.txt; a sub-directory is named after the SHA-256 of the reference and one newline (echo REF | sha256sum).",
    ),
    (
        "/usr/lib/containers-image-cache (image-cache)",
        "The recipes for Fedora and RHEL. The list is mapping.txt; sub-directories have the same names as MicroShift's.",
    ),
    (
        "/var/lib/lsr_podman_image_cache (system-role)",
        "The podman system role for Ansible. The list is mapping.txt with a comment that names the role; a sub-directory is named after the first 16 digits of the SHA-256 of the reference alone (printf %s REF | sha256sum). The role's own service copies these images at the first boot and removes them.",
    ),
];

fn doctor() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FORECAST"]);
    for (answer, meaning) in FORECAST {
        entry(&mut roff, answer, meaning);
    }
    roff.control("PP", []).text([roman(
        "A forecast is about a power cut at this moment. On a running host it follows from the files that CRI-O leaves on the disk, as `crio wipe` is going to find them. With --root CRI-O is taken to have been started and to run. That an image would be wiped is no error of the host and does not change the exit status.",
    )]);
    roff.control("PP", []).text([roman(
        "Nobody can ask the kernel whether a file has reached the disk, and engines do not sync the layers that they write, unless `sync = \"filesystem\"` is set and all of them know it. So an image is called at risk until the kernel has had time to write it: `vm.dirty_expire_centisecs` and `vm.dirty_writeback_centisecs` together, and 25 seconds for the journal; one minute with the kernel's defaults. A sync that somebody did meanwhile is not noticed. In a tree, and where nothing can be written, this is not asked.",
    )]);
    roff.control("SH", ["FIXES"]).text([roman(
        "With --fix what has one right answer is done, by these steps, in this order. Each is what a command does that the hint of the finding names, under its locks, with what it leaves. After each step the host is looked at again, and nothing is done twice. Where a step that changes the configuration fails, those behind it are left out.",
    )]);
    for row in CURES {
        let removes = if row.removes { "With --remove. " } else { "" };
        let why = format!("{removes}For {}: {}.", row.findings.join(", "), row.why);
        entry(&mut roff, row.id, &why);
    }
    roff.control("PP", []).text([roman(
        "Before a file of the configuration changes, it is copied below /var/lib/storagectl/undo (for a normal user ~/.local/state/storagectl/undo), and the command that gives it back is told. A normal user's doctor changes only what is theirs.",
    )]);
    roff.control("SH", ["FINDINGS"])
        .text([roman("Beside the errors of storagectl-check-config(1) and storagectl-check-store(1):")]);
    for (id, severity, meaning) in FINDINGS {
        entry(&mut roff, id, &format!("{}: {meaning}.", severity.name()));
    }
    roff.control("SH", ["METRICS"]).text([roman(
        "What --format prometheus writes; all are gauges. storagectl-metrics.timer, which `systemctl enable --now` enables, has it written to /var/lib/prometheus/node-exporter/storagectl.prom every 15 minutes. A drop-in of storagectl-metrics.service with another value of the variable METRICS_FILE changes that. The file is replaced as a whole. If the host cannot be looked at, doctor_success is 0 and nothing more is told.",
    )]);
    for (name, meaning) in METRICS {
        entry(&mut roff, &format!("storagectl_{name}"), meaning);
    }
    roff
}

/// What a check with a budget does.
fn in_parts() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["CHECKS IN PARTS"]).text([roman(
        "With --budget a round reads each layer, and each blob of an artifact, once, over as many runs as that takes; the next run begins anew. First comes what was damaged, as far as half of the budget takes it, then what is new or was replaced, then what was read longest ago. What was found stays a finding of each run until its layer was read again. Each run reads one layer at least. Two runs at once read nothing twice: the second ends with status 2.",
    )]);
    roff.control("PP", []).text([roman(
        "storagectl-check.timer does it each day at idle priority; `systemctl enable --now storagectl-check.timer` enables it. A drop-in of storagectl-check.service with another value of the variable CHECK_STORE changes how much a run reads, or which stores. The service fails while there is an error.",
    )]);
    roff
}

/// What engines say, what it means, and what helps.
fn messages() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["MESSAGES"]).text([roman(
        "The messages that are known, in lower case and without quotes, which versions of engines set differently. A name in braces is whatever stands there. Engines wrap errors from the outside, so the last one of a line counts.",
    )]);
    for (title, messages) in SECTIONS {
        roff.control("SS", [*title]);
        for message in *messages {
            roff.control("TP", []).text([bold(message.id)]);
            for (index, says) in message.says.iter().enumerate() {
                if index > 0 {
                    roff.control("br", []);
                }
                roff.text([italic(*says)]);
            }
            roff.control("br", []).text([roman(message.meaning)]);
            roff.control("br", []).text([roman(format!("Cure: {}.", message.cure))]);
        }
    }
    roff
}

/// What becomes of an image.
const FORECAST: [(&str, &str); 4] = [
    ("survives", "It is there when the host is up again."),
    (
        "would be wiped",
        "CRI-O removes it when the host boots, or when CRI-O itself starts, or its file system is in memory.",
    ),
    (
        "at risk",
        "It is damaged, or was written so recently that it may not have reached the disk, or CRI-O does not start now and is going to wipe its storage once it does.",
    ),
    (
        "unknown",
        "The records of its store cannot be read, or CRI-O's units give it arguments that decide and that are not looked at.",
    ),
];

fn files() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    entry(
        &mut roff,
        "/etc/containers/storage.conf",
        "The file that is edited. A symlink stays one, unless it leads into the vendor's files.",
    );
    entry(
        &mut roff,
        "/etc/containers/storage.conf.d/99-storagectl.conf",
        "The drop-in that is written where another drop-in would hide the main file from engines that read drop-ins, and that goes when it is not needed any more. Its name is another one if it has to be read later.",
    );
    entry(
        &mut roff,
        "~/.config/containers/storage.conf",
        "A normal user's own file, in $XDG_CONFIG_HOME if that is set.",
    );
    entry(
        &mut roff,
        "/usr/lib/storagectl/stores.d, /run/storagectl/stores.d, /etc/storagectl/stores.d",
        "Declarations of stores, see storagectl-apply(1).",
    );
    entry(
        &mut roff,
        "/run/storagectl/locks",
        "A lock file for each directory in which root writes on a running system, so that no user's lock is waited for. In a tree, and where /run is not in memory, the directory itself is locked.",
    );
    entry(
        &mut roff,
        "/usr/share/containers/storage.conf",
        "The vendor's file, never edited. If the other does not exist, it is made from a copy of this one, and goes again with the last added store.",
    );
    entry(
        &mut roff,
        "/var/lib/storagectl/stores.json",
        "What the listed stores held at the last boot. When that has changed, the boot service does what clean-dependents does.",
    );
    entry(
        &mut roff,
        "/var/lib/storagectl/deep-check/verified.json",
        "What check-store --deep --budget has read, and found. A normal user's is below $XDG_STATE_HOME, or ~/.local/state.",
    );
    entry(
        &mut roff,
        "/var/lib/containers/storage/storagectl-backup/",
        "What clean-dependents has removed, a directory for each run, in the storage that it was removed from. Nothing needs it.",
    );
    entry(
        &mut roff,
        "/usr/lib/sysimage/storagectl/",
        "What RPM scriptlets have listed, until the packages or storagectl are erased.",
    );
    entry(
        &mut roff,
        "/usr/lib/containers/storage/image-list.txt, /usr/lib/containers-image-cache/mapping.txt",
        "The list of images that are embedded in the operating system, see storagectl-embed-images(1).",
    );
    entry(
        &mut roff,
        "STORE/.storagectl-store",
        "Says that a directory is meant to be a store even while it is empty. Made by init-store.",
    );
    roff
}

fn environment() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    entry(
        &mut roff,
        "REGISTRY_AUTH_FILE",
        "The file with credentials for registries, if --authfile is not given.",
    );
    entry(&mut roff, "NO_COLOR", "If it is set and not empty, no colour is used unless --color asks for it.");
    entry(&mut roff, "SYSTEMD_OFFLINE", "If it is 1, no service is restarted.");
    roff
}

fn see_also(name: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    if name != "storagectl" {
        words.extend([bold("storagectl"), roman("(1), ")]);
    }
    words.extend([bold("containers-storage.conf"), roman("(5), ")]);
    words.extend([italic("crio"), roman("(8)")]);
    roff.text(words);
    roff
}

fn presets() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["PRESETS"]);
    for preset in storagectl::provision::PRESETS {
        entry(&mut roff, preset.name, &format!("{}.", preset.description));
    }
    roff
}

fn document_rules() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["RULES"]).text([roman("What --check looks for:")]);
    for rule in storagectl::provision::check::RULES {
        entry(&mut roff, rule.id, &format!("{}: {}.", rule.severity.name(), rule.description));
    }
    roff
}
