//! Documents that are made of others: what is read of them is what Butane and Ignition make of them.

use std::path::Path;

use storagectl::provision::data_url;
use storagectl::provision::read::Read;
use storagectl::provision::sources::{Followed, NoneBeside};

use super::node::{apply, image};
use super::*;
use crate::dice::Dice;

const FILES: [&str; 5] =
    ["/etc/containers/storage.conf", "/etc/crio/crio.conf.d/50.conf", "/etc/a", "/etc/b", "/etc/tmpfiles.d/c.conf"];
const OTHERS: [&str; 5] = ["/var/images", "/srv/more", "/etc/a", "/etc/b", "/etc/l"];
const UNITS: [&str; 2] = ["one.service", "two.service"];

/// Something that a file may hold.
fn text(dice: &mut Dice, path: &str) -> String {
    let stores = dice.one(&["\"/var/images\"", "\"/srv/more\", \"/var/images\"", "\"/usr/lib/app\", \"/srv/more\""]);
    match path {
        "/etc/containers/storage.conf" => format!(
            "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/c\"\ngraphroot = \"/var/lib/c\"\n\n\
             [storage.options]\nadditionalimagestores = [{stores}]\n"
        ),
        "/etc/crio/crio.conf.d/50.conf" => "[crio.runtime]\nlog_level = \"info\"\n".to_owned(),
        _ => format!("{}\n", dice.one(&["d /var/images 0755 root root -", "x", "ä € [#]: \"'", "", "y y"]).repeat(dice.below(40))),
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
        } else {
            // What it is merged with may have one, which would be that of another content.
            resource["verification"] = serde_json::json!({"hash": null});
        }
        resource
    }

    /// Files, directories and links, each path once.
    fn storage(&mut self, is_butane: bool) -> Value {
        let mut storage = serde_json::json!({"files": [], "directories": [], "links": []});
        let mut used: Vec<&str> = Vec::new();
        let push = |storage: &mut Value, list: &str, item: Value| storage[list].as_array_mut().unwrap().push(item);
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
        let mut other = |maker: &mut Self| {
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
        let made = translated(&file).unwrap_or_else(|| panic!("{number}: {}", fs_err::read_to_string(&file).unwrap()));
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
    let mut applied = 0;
    for number in 1000..1040 {
        let (_dir, file) = document(number, "1.4.0");
        let made = translated(&file).unwrap();
        let tree = image(&[], &[]);
        apply(tree.path(), &made);
        let config = Followed::of(&Read::parse(&made).unwrap(), &NoneBeside).read.config.unwrap();
        let there = |path: &str| tree.path().join(path.trim_start_matches('/'));
        for (path, text) in config.texts() {
            assert_eq!(fs_err::read_to_string(there(&path)).unwrap(), text, "{number} {path}: {made}");
            applied += 1;
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
    assert!(applied > 40, "{applied}");
}
