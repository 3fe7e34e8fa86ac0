//! Memory and time are bounded, whatever is wrong with an input and however often.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests look at their own scratch directories")]

use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The address space that a run may use, in KiB; C16 took gigabytes.
const MEMORY: u32 = 400_000;

/// The processor time that a run may use, in seconds, in an unoptimized build: what else the machine does
/// does not count.
const TIME: u64 = 60;

#[test]
fn thousands_of_mistakes_take_no_more_than_their_text() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("etc/containers")).unwrap();
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let mut yaml = "packages:\n".to_owned();
    let mut ignition = "{\"ignition\": {\"version\": \"3.4.0\"}, \"storage\": {".to_owned();
    let mut conf =
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/x\"\ngraphroot = \"/var/x\"\n".to_owned();
    for number in 0..10_000 {
        writeln!(yaml, "- wrong{number}: x").unwrap();
        write!(ignition, "\"wrong{number}\": 1, ").unwrap();
        if number < 3000 {
            writeln!(conf, "wrong{number} = 1").unwrap();
        }
    }
    ignition += "\"last\": 1}}";
    fs::write(tree.join("etc/containers/storage.conf"), conf).unwrap();
    let (yaml, ignition) = (file("packages.yaml", &yaml), file("x.ign", &ignition));
    let root = tree.to_str().unwrap();
    for line in [
        vec!["pack", "rpm", yaml.as_str()],
        vec!["pack", "rpm", "--format", "json", yaml.as_str()],
        vec!["generate", "ignition", "--check", ignition.as_str()],
        vec!["generate", "ignition", "--format", "json", "--check", ignition.as_str()],
        vec!["--root", root, "check-config"],
        vec!["--root", root, "doctor"],
    ] {
        let said = bounded(&line, &[0, 1, 2]);
        assert!(said.len() < 4 << 20, "{line:?} says too much");
    }
}

/// Four times the text takes four times as long, and not sixteen.
#[test]
fn time_grows_as_the_text_does() {
    let dir = tempfile::tempdir().unwrap();
    let repeated = |start: &str, line: &dyn Fn(usize) -> String, end: &str, count: usize| {
        start.to_owned() + &(0..count).map(line).collect::<String>() + end
    };
    for (line, start, each, end) in [
        (
            ["pack", "rpm"].as_slice(),
            "packages:\n",
            &(|number| format!("- wrong{number}: x\n")) as &dyn Fn(usize) -> String,
            "",
        ),
        (
            &["generate", "blueprint", "--check"],
            "",
            &|number| format!("[[customizations.files]]\npath = \"/etc/f{number}\"\ndata = \"x\"\n"),
            "",
        ),
        (
            &["generate", "pinnedimageset", "--check"],
            "kind: PinnedImageSet\nspec:\n  pinnedImages:\n",
            &|number| format!("  - name: a.example/x@sha256:{number:064x}\n"),
            "",
        ),
        (
            &["embed-images", "--dry-run", "--from"],
            "kind: Pod\nspec:\n  containers:\n",
            &|number| format!("  - image: a.example/x:{number}\n"),
            "",
        ),
        (
            &["generate", "ignition", "--check"],
            "{\"storage\": {",
            &|number| format!("\"wrong{number}\": 1,"),
            "\"last\": 1}}",
        ),
        (
            &["generate", "butane", "--check"],
            "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n",
            &|number| format!("  - path: /etc/f{number}\n    contents: {{inline: x}}\n"),
            "",
        ),
    ] {
        let [small, large] = [2_000, 8_000].map(|count| {
            let file = dir.path().join("document");
            fs::write(&file, repeated(start, each, end, count)).unwrap();
            measured(&[line, &[file.to_str().unwrap()]].concat(), Stdio::null(), &[0, 1, 2]).1
        });
        assert!(large < small.max(Duration::from_millis(50)) * 10, "{line:?}: {small:?}, {large:?}");
    }
}

/// Runs the program within the memory and time that there are, and returns what it says.
#[track_caller]
fn bounded(line: &[&str], codes: &[i32]) -> String {
    measured(line, Stdio::null(), codes).0
}

/// The same, and what it computed, to a hundredth of a second: what else the machine does does not count.
#[track_caller]
fn measured(line: &[&str], input: Stdio, codes: &[i32]) -> (String, Duration) {
    let times = tempfile::NamedTempFile::new().unwrap();
    let script = format!("ulimit -v {MEMORY}; ulimit -t {TIME}; \"$@\"; code=$?; times >\"$0\"; exit $code");
    let output = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(times.path())
        .arg(env!("CARGO_BIN_EXE_storagectl"))
        .args(line)
        .stdin(input)
        .output()
        .unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said += &String::from_utf8_lossy(&output.stderr);
    let start: String = said.chars().take(2000).collect();
    let status = output.status;
    assert!(status.code().is_some_and(|code| codes.contains(&code)), "{line:?}: {status:?} {start}");
    // The second line is of its children, as in `0m0.640s 0m0.010s`.
    let times = fs::read_to_string(times).unwrap();
    let of_children = times.lines().nth(1).unwrap().split_whitespace().map(|time| {
        let (minutes, seconds) = time.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    });
    (said, Duration::from_secs_f64(of_children.sum()))
}

/// A pattern that begins everywhere, and short lines without number.
#[test]
fn what_engines_say_is_read_in_time_however_much_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut texts = vec!["open /".repeat(1 << 20), "toml: line 7 (last key ".repeat(1 << 18)];
    let begins =
        storagectl::explain::messages().flat_map(|message| message.says).map(|says| format!("{says}\n"));
    texts.push((0..500_000).map(|number| format!("{number}\n")).chain(begins).collect());
    for text in texts {
        let file = dir.path().join("said");
        fs::write(&file, text).unwrap();
        let file = fs::File::open(file).unwrap();
        measured(&["--root", dir.path().to_str().unwrap(), "explain"], file.into(), &[0, 1]);
    }
}

/// An id made of a number.
fn id(kind: u64, number: usize) -> String {
    format!("{kind:08x}{number:056x}")
}

/// A tree with the store /store listed, which has these records.
fn listed(images: &str, layers: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path();
    for part in ["etc/containers", "store/overlay-images", "store/overlay-layers", "store/overlay/l"] {
        fs::create_dir_all(tree.join(part)).unwrap();
    }
    fs::write(
        tree.join("etc/containers/storage.conf"),
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/x\"\ngraphroot = \"/var/x\"\n[storage.options]\nadditionalimagestores = [\"/store\"]\n",
    )
    .unwrap();
    for lock in ["overlay-images/images.lock", "overlay-layers/layers.lock"] {
        fs::write(tree.join("store").join(lock), "").unwrap();
    }
    fs::write(tree.join("store/overlay-images/images.json"), images).unwrap();
    fs::write(tree.join("store/overlay-layers/layers.json"), layers).unwrap();
    dir
}

/// As many images, each on `depth` layers of its own or on those of the first.
fn records(images: usize, depth: usize, is_shared: bool) -> (String, String) {
    let (mut of_images, mut of_layers) = ("[".to_owned(), "[".to_owned());
    for image in 0..images {
        let chain = if is_shared { 0 } else { image };
        for level in 0..if is_shared && image > 0 { 0 } else { depth } {
            let comma = if of_layers.len() > 1 { "," } else { "" };
            write!(of_layers, "{comma}{{\"id\":\"{}\"", id(chain as u64, level)).unwrap();
            if level > 0 {
                write!(of_layers, ",\"parent\":\"{}\"", id(chain as u64, level - 1)).unwrap();
            }
            let digest = id(0xd, level);
            write!(of_layers, ",\"diff-digest\":\"sha256:{digest}\",\"diff-size\":1024}}").unwrap();
        }
        let comma = if image > 0 { "," } else { "" };
        let (image_id, top) = (id(0xffff_ffff, image), id(chain as u64, depth - 1));
        write!(of_images, "{comma}{{\"id\":\"{image_id}\",\"names\":[\"example.com/app:{image}\"],").unwrap();
        write!(of_images, "\"layer\":\"{top}\",\"created\":\"2024-01-01T00:00:00Z\"}}").unwrap();
    }
    (of_images + "]", of_layers + "]")
}

/// C16: 13 seconds in `check-store` and 97 in `doctor`.
#[test]
fn hundreds_of_images_on_thousands_of_layers_are_told_in_a_moment() {
    let (images, layers) = records(800, 8000, true);
    let tree = listed(&images, &layers);
    let root = tree.path().to_str().unwrap();
    let said = bounded(&["--root", root, "check-store", "/store"], &[1]);
    assert!(said.contains("has more than 500 layers"), "{said}");
    assert!(said.contains("7000 more findings of this kind"), "{said}");
    bounded(&["--root", root, "doctor"], &[0, 1]);
}

/// Both what is told and how long it takes.
#[test]
fn ten_times_the_images_take_ten_times_as_long() {
    let mut took = Vec::new();
    for count in [1000, 10_000] {
        let (images, layers) = records(count, 3, false);
        let tree = listed(&images, &layers);
        let root = tree.path().to_str().unwrap();
        let (said, time) = measured(&["--root", root, "check-store", "/store"], Stdio::null(), &[1]);
        took.push(time);
        assert!(said.len() < 4 << 20, "{} bytes are told of {count} images", said.len());
    }
    assert!(took[1] < took[0].max(Duration::from_millis(50)) * 25, "{took:?}");
}

/// A few bytes of text are many of memory.
#[test]
fn records_that_would_fill_memory_are_not_looked_at() {
    let nothing = format!("[{}{{}}]", "{},".repeat(4_000_000));
    let tree = listed(&nothing, "[]");
    let root = tree.path().to_str().unwrap();
    let line = ["--root", root, "check-store", "/store"];
    let output = Command::new(env!("CARGO_BIN_EXE_storagectl")).args(line).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("more than 512 MiB of memory"), "{said}");
}

/// A document of more values than a person writes is refused: one that is small may hold many.
#[test]
fn a_document_has_so_many_values() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("x.ign", format!(r#"{{"ignition": {{"version": "3.4.0"}}, "x": [{}1]}}"#, "1,".repeat(300_000))),
        ("x.bu", format!("x: [{}1]\n", "1,".repeat(300_000))),
        ("y.bu", format!("a: &a [{}1]\nb: [{}*a]\n", "1,".repeat(999), "*a,".repeat(999))),
    ] {
        let file = scratch.path().join(name);
        fs::write(&file, text).unwrap();
        let kind = if name.ends_with("ign") { "ignition" } else { "butane" };
        let said = bounded(&["generate", kind, "--check", file.to_str().unwrap()], &[1, 2]);
        assert!(said.contains("more than 200000 values"), "{name}: {said}");
    }
}

/// A normal user's own file, into which root's commands look, costs them nothing.
#[test]
fn a_users_own_file_costs_root_little() {
    let tree = listed("[]", "[]");
    let top = tree.path();
    fs::write(top.join("etc/passwd"), "u:x:1000:1000::/home/u:/bin/sh\n").unwrap();
    fs::create_dir_all(top.join("home/u/.config/containers")).unwrap();
    let conf = top.join("home/u/.config/containers/storage.conf");
    fs::write(&conf, format!("x = [{}]\n", "[],".repeat(600_000))).unwrap();
    // What is listed for root alone is a list of its own for users.
    let closed = top.join("closed");
    fs::rename(top.join("store"), &closed).unwrap();
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let config = top.join("etc/containers/storage.conf");
    let text = fs::read_to_string(&config).unwrap().replace("/store", "/usr");
    fs::create_dir_all(top.join("usr")).unwrap();
    fs::write(&config, text).unwrap();
    let said = bounded(&["--root", top.to_str().unwrap(), "add-store", "/closed"], &[0]);
    assert!(said.contains("left user 1000 what their own storage.conf says"), "{said}");
}

/// A file that is larger than any that a person writes is refused, by whoever reads it.
#[test]
fn a_document_has_an_end() {
    let tree = listed("[]", "[]");
    let root = tree.path().to_str().unwrap();
    let conf = tree.path().join("etc/containers/storage.conf");
    let file = fs::OpenOptions::new().append(true).open(&conf).unwrap();
    // Nothing but a hole.
    file.set_len((1 << 20) + 1).unwrap();
    let given = tree.path().join("given");
    fs::File::create(&given).unwrap().set_len((16 << 20) + 1).unwrap();
    let given = given.to_str().unwrap();
    for line in [
        vec!["--root", root, "add-store", "/store"],
        vec!["--root", root, "remove-store", "/store"],
        vec!["--root", root, "apply"],
        vec!["--root", root, "check-config"],
        vec!["--root", root, "list-stores"],
        vec!["--root", root, "show-config"],
        vec!["pack", "rpm", given],
        vec!["generate", "ignition", "--check", given],
        vec!["generate", "butane", "--from", given, "--store", "/srv"],
    ] {
        let said = bounded(&line, &[1, 2]);
        let limit = if line.contains(&given) { 16 } else { 1 };
        assert!(said.contains(&format!("larger than {limit} MiB")), "{line:?}: {said}");
    }
}
