//! Documents that are made of others: what is read of them is what Butane and Ignition make of them.

use std::path::Path;

use storagectl::provision::check::{ExpectedNode, check};
use storagectl::provision::data_url;
use storagectl::provision::read::{DocumentFormat, ParsedDocument};
use storagectl::provision::sources::{FollowedDocument, NoFilesBeside};
use storagectl::provision::{ExistingDocument, Preset};

use super::node::{applied, image};
use super::*;
use crate::dice::Dice;

const FILES: [&str; 5] = [
    "/etc/containers/storage.conf",
    "/etc/crio/crio.conf.d/50.conf",
    "/etc/a",
    "/etc/b",
    "/etc/tmpfiles.d/c.conf",
];
const OTHERS: [&str; 5] = ["/var/images", "/srv/more", "/etc/a", "/etc/b", "/etc/l"];
const UNITS: [&str; 2] = ["one.service", "two.service"];

/// Something that a file may hold.
fn text(dice: &mut Dice, path: &str) -> String {
    let stores =
        dice.one(&["\"/var/images\"", "\"/srv/more\", \"/var/images\"", "\"/usr/lib/app\", \"/srv/more\""]);
    match path {
        "/etc/containers/storage.conf" => format!(
            "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/c\"\ngraphroot = \"/var/lib/c\"\n\n\
             [storage.options]\nadditionalimagestores = [{stores}]\n"
        ),
        "/etc/crio/crio.conf.d/50.conf" => "[crio.runtime]\nlog_level = \"info\"\n".to_owned(),
        _ => format!(
            "{}\n",
            dice.one(&["d /var/images 0755 root root -", "x", "ä € [#]: \"'", "", "y y"])
                .repeat(dice.below(40))
        ),
    }
}

fn unit(dice: &mut Dice) -> String {
    let path = dice.one(&["/var/images", "/srv/more"]);
    format!(
        "[Unit]\nBefore=crio.service\n\n[Service]\nType=oneshot\nExecStart=/usr/bin/mkdir -p {path}\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

/// Makes documents, and what lies beside them.
struct Maker<'a> {
    dice: &'a mut Dice,
    dir: &'a Path,
    /// How many files lie there.
    count: usize,
}

impl Maker<'_> {
    /// Puts a file beside the document.
    fn beside(&mut self, content: &[u8]) -> String {
        self.count += 1;
        let name = format!("{}{}", self.dice.one(&["", "sub/", "./sub/../"]), self.count);
        fs_err::create_dir_all(self.dir.join("sub")).unwrap();
        fs_err::write(self.dir.join(&name), content).unwrap();
        // Paths of the document are in the directory, also those that look absolute.
        if self.dice.chance(20) { format!("/{name}") } else { name }
    }

    /// A resource with this content.
    fn resource(&mut self, content: &str, is_butane: bool) -> Value {
        let mut resource = match self.dice.below(if is_butane { 4 } else { 1 }) {
            0 => {
                let url = data_url::encode(content.as_bytes(), self.dice.chance(60));
                serde_json::json!({"source": url.source, "compression": url.compression})
            }
            1 => serde_json::json!({"inline": content}),
            2 => serde_json::json!({"local": self.beside(content.as_bytes())}),
            _ => {
                // Somebody has compressed it already.
                let url = data_url::encode(&content.repeat(20).into_bytes(), true);
                let bytes = data_url::decode(&url.source).unwrap();
                serde_json::json!({"local": self.beside(&bytes), "compression": url.compression})
            }
        };
        if self.dice.chance(20) && resource.get("compression").is_none_or(|it| it == "") {
            let bytes = content.as_bytes();
            resource["verification"] = serde_json::json!({"hash": data_url::sha512(bytes)});
        }
        resource
    }

    /// Files, directories and links, each path once.
    fn storage(&mut self, is_butane: bool) -> Value {
        let mut storage = serde_json::json!({"files": [], "directories": [], "links": []});
        let mut used: Vec<&str> = Vec::new();
        let push =
            |storage: &mut Value, list: &str, item: Value| storage[list].as_array_mut().unwrap().push(item);
        for path in FILES {
            if !self.dice.chance(40) {
                continue;
            }
            used.push(path);
            let content = text(self.dice, path);
            let mut file = serde_json::json!({"path": path, "overwrite": true});
            file["contents"] = self.resource(&content, is_butane);
            if self.dice.chance(50) {
                file["mode"] = 0o600.into();
            }
            push(&mut storage, "files", file);
        }
        for path in OTHERS {
            if used.contains(&path) || !self.dice.chance(25) {
                continue;
            }
            match path == "/etc/l" || self.dice.chance(30) {
                true => {
                    let target = self.dice.one(&["/usr/lib/app", "/srv/x"]);
                    push(&mut storage, "links", serde_json::json!({"path": path, "target": target}));
                }
                false => push(&mut storage, "directories", serde_json::json!({"path": path, "mode": 0o755})),
            }
        }
        storage
    }

    fn units(&mut self, is_butane: bool, has_local: bool) -> Value {
        let mut units = Vec::new();
        for name in UNITS {
            if !self.dice.chance(40) {
                continue;
            }
            let mut item = serde_json::json!({"name": name});
            let content = unit(self.dice);
            match is_butane && has_local && self.dice.chance(50) {
                true => item["contents_local"] = self.beside(content.as_bytes()).into(),
                false => item["contents"] = content.into(),
            }
            if self.dice.chance(70) {
                item["enabled"] = self.dice.chance(80).into();
            }
            if self.dice.chance(40) {
                let text = "[Service]\nNice=1\n";
                let mut drop_in = serde_json::json!({"name": self.dice.one(&["1.conf", "2.conf"])});
                match is_butane && has_local && self.dice.chance(50) {
                    true => drop_in["contents_local"] = self.beside(text.as_bytes()).into(),
                    false => drop_in["contents"] = text.into(),
                }
                item["dropins"] = serde_json::json!([drop_in]);
            }
            units.push(item);
        }
        Value::Array(units)
    }

    /// An Ignition configuration, which may merge others.
    fn ignition(&mut self, depth: usize) -> String {
        let mut config = serde_json::json!({"ignition": {"version": "3.3.0"}});
        config["storage"] = self.storage(false);
        config["systemd"] = serde_json::json!({"units": self.units(false, false)});
        if depth < 3 && self.dice.chance(50) {
            config["ignition"]["config"] = self.others(false, depth + 1);
        }
        config.to_string()
    }

    /// What a configuration is merged with, or replaced by.
    fn others(&mut self, is_butane: bool, depth: usize) -> Value {
        let other = |maker: &mut Self| {
            let config = maker.ignition(depth);
            let mut resource = maker.resource(&config, is_butane);
            // Compressed more than once over would not be one configuration.
            if resource.get("local").is_some() && resource.get("compression").is_some() {
                resource = serde_json::json!({"local": maker.beside(config.as_bytes())});
            }
            resource
        };
        match self.dice.chance(15) {
            true => serde_json::json!({"replace": other(self)}),
            false => {
                let count = self.dice.below(3) + 1;
                serde_json::json!({"merge": (0..count).map(|_| other(self)).collect::<Vec<_>>()})
            }
        }
    }

    /// A directory beside the document.
    fn tree(&mut self) -> Value {
        self.count += 1;
        let name = format!("tree{}", self.count);
        let dir = self.dir.join(&name);
        fs_err::create_dir_all(dir.join("etc/empty")).unwrap();
        fs_err::create_dir_all(dir.join("etc/tmpfiles.d")).unwrap();
        fs_err::write(dir.join("etc/tmpfiles.d/tree.conf"), "d /srv/more 0755 root root -\n").unwrap();
        if self.dice.chance(50) {
            std::os::unix::fs::symlink("/etc/passwd", dir.join("etc/leads-out")).unwrap();
            let program = dir.join("etc/run");
            fs_err::write(&program, "#!/bin/sh\n").unwrap();
            run(Command::new("chmod").arg("0700").arg(&program));
        }
        match self.dice.chance(50) {
            true => serde_json::json!({"local": name}),
            false => serde_json::json!({"local": name, "path": format!("/opt/{}/", self.count)}),
        }
    }

    /// A Butane configuration of this version. JSON is YAML.
    fn butane(&mut self, version: &str) -> String {
        let has_local = version == "1.5.0";
        let mut config = serde_json::json!({"variant": "fcos", "version": version});
        config["storage"] = self.storage(true);
        config["systemd"] = serde_json::json!({"units": self.units(true, has_local)});
        if self.dice.chance(80) {
            config["ignition"] = serde_json::json!({"config": self.others(true, 0)});
        }
        if self.dice.chance(50) {
            config["storage"]["trees"] = serde_json::json!([self.tree()]);
        }
        config.to_string()
    }
}

/// A generated document, and the directory of its files.
fn document(number: u64, version: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    fs_err::create_dir(&files).unwrap();
    let mut dice = Dice::new(7, number);
    let text = Maker { dice: &mut dice, dir: &files, count: 0 }.butane(version);
    let file = dir.path().join("document.bu");
    fs_err::write(&file, text).unwrap();
    (dir, file)
}

/// What Butane makes of it; nothing if it refuses it.
fn translated(file: &Path) -> Option<String> {
    let files = file.with_file_name("files");
    let output = finish(Command::new(validator("butane")).arg("-d").arg(files).arg(file));
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_read_of_butane_with_its_files_is_what_its_ignition_gives() {
    let (mut merged, mut listed) = (0, 0);
    for number in 0..150 {
        let (dir, file) = document(number, "1.5.0");
        let made = translated(&file)
            .unwrap_or_else(|| panic!("{number}: {}", fs_err::read_to_string(&file).unwrap()));
        let ignition = dir.path().join("made.ign");
        fs_err::write(&ignition, &made).unwrap();
        let files = dir.path().join("files");
        let list = |file: &Path| -> Value {
            let mut command = storagectl(&["--format", "json", "generate", "--preset", "none", "--list"]);
            let said = run(command.arg(file).arg("--files-dir").arg(&files));
            let mut listed: Value = serde_json::from_str(&said).unwrap();
            listed.as_object_mut().unwrap().remove("kind");
            listed
        };
        let (mut ours, mut theirs) = (list(&file), list(&ignition));
        listed += usize::from(!ours["stores"].as_array().unwrap().is_empty());
        merged += usize::from(made.contains("\"merge\""));
        // A file that is merged has its name in Butane alone.
        for list in [&mut ours, &mut theirs] {
            for key in ["stores", "images", "units"] {
                for item in list[key].as_array_mut().unwrap() {
                    item["from"] = item["from"].is_null().into();
                }
            }
        }
        assert_eq!(ours, theirs, "{number}: {}\n{made}", fs_err::read_to_string(&file).unwrap());
        let mut diff = storagectl(&["generate", "--preset", "none", "--diff"]);
        let output = finish(diff.args([&file, &ignition]).arg("--files-dir").arg(&files));
        assert!(output.status.success(), "{number}: {}", crate::support::text(&output));
    }
    assert!(merged > 50 && listed > 50, "{merged} {listed}");
}

#[test]
fn configurations_are_merged_as_ignition_merges_them() {
    let (mut seen, mut refused) = (0, 0);
    for number in 1000..1060 {
        let (_dir, file) = document(number, "1.4.0");
        let made = translated(&file).unwrap();
        let tree = image(&[], &[]);
        let expected = ExpectedNode::of(Preset::named("none").unwrap());
        let findings = check(
            &ExistingDocument::parse(&made),
            DocumentFormat::Ignition,
            Path::new("made.ign"),
            &expected,
            &NoFilesBeside,
        );
        // The hash of one part may be that of another content.
        let is_wrong = findings.iter().any(|it| ["hash-wrong", "merged-invalid"].contains(&it.id));
        let (applies, said) = applied(tree.path(), &made);
        assert_eq!(applies, !is_wrong, "{number}: {findings:#?} {said}");
        if is_wrong {
            refused += 1;
            continue;
        }
        let config =
            FollowedDocument::of(&ParsedDocument::parse(&made).unwrap(), &NoFilesBeside).read.config.unwrap();
        let there = |path: &str| tree.path().join(path.trim_start_matches('/'));
        for (path, text) in config.texts() {
            assert_eq!(fs_err::read_to_string(there(&path)).unwrap(), text, "{number} {path}: {made}");
            seen += 1;
        }
        assert_eq!(config.texts().len(), config.files.len());
        for link in &config.links {
            let target = fs_err::read_link(there(&link.name)).unwrap();
            assert_eq!(target.to_str(), link.node.get("target").unwrap().raw(), "{number}");
        }
        for directory in &config.directories {
            assert!(there(&directory.name).is_dir(), "{number} {}", directory.name);
        }
        for path in FILES.iter().chain(&OTHERS) {
            let all = config.files.iter().chain(&config.links).chain(&config.directories);
            let is_said = all.clone().any(|entry| entry.name == *path);
            let is_image = *path == "/etc/containers/storage.conf";
            assert!(is_said || is_image || !there(path).exists(), "{number} {path}: {made}");
        }
        for unit in &config.units {
            let text = fs_err::read_to_string(there(&format!("/etc/systemd/system/{}", unit.name)));
            assert_eq!(text.ok().as_deref(), unit.node.get("contents").and_then(|it| it.raw()), "{number}");
        }
    }
    assert!(seen > 40 && refused > 5, "{seen} {refused}");
}

/// What `--list` and `--check` say of a document, within a minute and 1.6 GB of address space.
#[track_caller]
fn bounded(file: &Path, files: &Path) -> [String; 2] {
    [["--list"], ["--check"]].map(|args| {
        let mut command = Command::new("prlimit");
        command.args(["--as=1600000000", "timeout", "60"]).arg(env!("CARGO_BIN_EXE_storagectl"));
        command.args(["generate", "--preset", "none"]).args(args).arg(file).arg("-d").arg(files);
        let output = finish(&mut command);
        assert!(matches!(output.status.code(), Some(0..=2)), "{}", crate::support::text(&output));
        crate::support::text(&output)
    })
}

#[test]
fn what_is_hostile_beside_a_document_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    fs_err::create_dir_all(files.join("tree/deep")).unwrap();
    let local = |name: &str| {
        format!(
            "variant: fcos\nversion: 1.5.0\nignition:\n  config:\n    merge:\n    - local: {name}\nstorage:\n  \
             files:\n  - path: /etc/motd\n    contents:\n      local: {name}\nsystemd:\n  units:\n  \
             - name: a.service\n    contents_local: {name}\n"
        )
    };
    let tree = |name: &str| format!("variant: fcos\nversion: 1.5.0\nstorage:\n  trees:\n  - local: {name}\n");
    run(Command::new("mkfifo").arg(files.join("fifo")).arg(files.join("tree/deep/fifo")));
    run(Command::new("truncate").args(["-s", "10G"]).arg(files.join("large")));
    fs_err::create_dir(files.join("sparse")).unwrap();
    run(Command::new("truncate").args(["-s", "10G"]).arg(files.join("sparse/large")));
    for (name, target) in
        [("shadow", "/etc/shadow"), ("up", "../.."), ("loop", "loop"), ("device", "/dev/null")]
    {
        std::os::unix::fs::symlink(target, files.join(name)).unwrap();
    }
    let deep: String = "d/".repeat(1000);
    run(Command::new("mkdir").arg("-p").arg(files.join("nested").join(&deep)));
    fs_err::create_dir(files.join("many")).unwrap();
    run(Command::new("sh").args(["-c", "cd \"$0\" && seq 1 10001 | xargs touch"]).arg(files.join("many")));
    let document = dir.path().join("document.bu");
    let cases = [
        (local("fifo"), "not a regular file"),
        (local("large"), "larger than 64 MiB"),
        (local("shadow"), "leads out of the directory"),
        (local("../document.bu"), "leads out of the directory"),
        (local("up/passwd"), "leads out of the directory"),
        (local("loop"), "symbolic links"),
        (local("device"), "leads out of the directory"),
        (tree("tree"), "neither a file nor a link"),
        (tree("sparse"), "larger than 64 MiB"),
        (tree("up"), "leads out of the directory"),
        (tree("../files/../.."), "leads out of the directory"),
        (tree("nested"), "it goes too deep"),
        (tree("many"), "more than 10000 files"),
        (tree("fifo"), "it is not a directory"),
    ];
    for (text, why) in cases {
        fs_err::write(&document, &text).unwrap();
        for said in bounded(&document, &files) {
            assert!(said.contains("is refused") && said.contains(why), "{text}: {said}");
            assert!(!said.contains("root:"), "{said}");
        }
        // The same without a directory is read by nobody.
        let said = run(storagectl(&["-q", "generate", "--preset", "none", "--list"]).arg(&document));
        assert_eq!(said, "", "{text}");
    }
}

#[test]
fn configurations_in_configurations_have_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let document = dir.path().join("document.ign");
    let url = |text: &str| data_url::encode(text.as_bytes(), true);
    let merge = |urls: &[data_url::DataUrl]| {
        let all: Vec<Value> = urls
            .iter()
            .map(|url| serde_json::json!({"source": url.source, "compression": url.compression}))
            .collect();
        serde_json::json!({"ignition": {"version": "3.2.0", "config": {"merge": all}}}).to_string()
    };
    // Each level makes it larger by a part, so that a thousand of them are no document that is read.
    let mut nested = merge(&[]);
    for _ in 0..40 {
        nested = merge(&[url(&nested)]);
    }
    let packed = |size: &str| {
        let file = dir.path().join("packed");
        let pad = "printf '{\"ignition\": {\"version\": \"3.2.0\"}, \"x\": \"'; head -c \"$1\" /dev/zero | tr '\\0' x; \
                   printf '\"}'";
        run(Command::new("sh").args(["-c", &format!("({pad}) | gzip -n9 >\"$0\"")]).arg(&file).arg(size));
        let source = data_url::base64(&fs_err::read(&file).unwrap());
        data_url::DataUrl { source, compression: "gzip" }
    };
    let (bomb, huge) = (packed("15M"), packed("17M"));
    let cases = [
        (nested, "is nested too deeply"),
        (merge(&vec![bomb.clone(); 90]), "more than 64 MiB"),
        (merge(&[huge]), "larger than 16 MiB"),
        (merge(&vec![url(&merge(&[])); 101]), "is one of more than 100"),
        (merge(&[url("not JSON")]), "is not an Ignition configuration"),
    ];
    for (text, why) in cases {
        fs_err::write(&document, &text).unwrap();
        for said in bounded(&document, dir.path()) {
            assert!(said.contains(why), "{why}: {said}");
        }
    }
}

#[test]
fn a_node_whose_units_are_not_enabled_and_whose_stores_have_no_label_differs() {
    let tree = image(&[], &[]);
    let root = tree.path().to_str().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let model = ["--preset", "rhcos", "--store", "/var/images"];
    fs_err::write(file.path(), generate("ignition", &model, &[])).unwrap();
    // With directories that are made and units that are not enabled.
    let (applies, said) = applied(tree.path(), &fs_err::read_to_string(file.path()).unwrap());
    assert!(applies, "{said}");
    let diff = || {
        let mut command = storagectl(&["--root", root, "generate", "--preset", "rhcos", "--diff"]);
        crate::support::text(&finish(command.arg(file.path())))
    };
    // Ignition leaves it to presets, which systemd applies at the first boot.
    let said = diff();
    assert!(said.contains("~ unit storagectl-label.service: enabled (was: not enabled)"), "{said}");
    let wants = tree.path().join("etc/systemd/system/multi-user.target.wants");
    fs_err::create_dir_all(&wants).unwrap();
    for name in storagectl::provision::OWN_UNITS {
        let link = wants.join(name);
        std::os::unix::fs::symlink(format!("/etc/systemd/system/{name}"), link).unwrap();
    }
    assert!(!diff().contains("unit storagectl"), "{}", diff());
    let label = |label: &str| {
        let store = tree.path().join("var/images");
        run(Command::new("setfattr").args(["-n", "security.selinux", "-v", label]).arg(store));
    };
    label("system_u:object_r:var_t:s0");
    assert!(diff().contains("labelled (was: created by storage.directories with mode 0755)"), "{}", diff());
    label("system_u:object_r:container_var_lib_t:s0");
    assert!(diff().contains("gives nodes what"), "{}", diff());
}
