//! What others bring, and where others can write.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Arrivals, only, skopeo, text_of, with_state};
use crate::copy::machine::{Way, directory, document, embedded, reference};
use crate::support::{finish, run, storagectl, text};

fn archive(arrivals: &Arrivals, name: &str) -> std::path::PathBuf {
    let file = arrivals.incoming(name);
    skopeo("app-0:1", &format!("oci-archive:{}:example.com/a:1", text_of(&file)));
    file
}

#[test]
fn symlinks_and_special_files_are_refused_and_never_followed() {
    let arrivals = Arrivals::new();
    let outside = arrivals.at("outside");
    skopeo("app-0:1", &format!("oci-archive:{}:example.com/a:1", text_of(&outside)));
    symlink(&outside, arrivals.incoming("link.tar")).unwrap();
    run(Command::new("mkfifo").arg(arrivals.incoming("fifo")));
    let _socket = std::os::unix::net::UnixListener::bind(arrivals.incoming("socket")).unwrap();
    // A blob, a document and a directory of an image are elsewhere.
    let from = directory(embedded(), &reference("app-1:1"));
    let layer = crate::tree::names(&from).into_iter().find(|name| name.len() == 64).unwrap();
    for (item, name) in [("one", layer.as_str()), ("two", "manifest.json")] {
        let dir = arrivals.incoming(item).join("registry.example.com/app:1");
        fs_err::create_dir_all(dir.parent().unwrap()).unwrap();
        run(Command::new("cp").arg("-a").arg(&from).arg(&dir));
        fs_err::rename(dir.join(name), arrivals.at(item)).unwrap();
        symlink(arrivals.at(item), dir.join(name)).unwrap();
    }
    fs_err::create_dir_all(arrivals.incoming("three/registry.example.com")).unwrap();
    symlink(&from, arrivals.incoming("three/registry.example.com/app:1")).unwrap();
    let answer = arrivals.ends(&["--settle", "0"], 2);
    let mut refused = with_state(&answer, "refused");
    refused.sort();
    assert_eq!(refused, ["fifo", "link.tar", "one", "socket", "three", "two"]);
    assert!(!arrivals.machine.storage(Way::Store).exists());
    assert!(outside.is_file(), "what a symlink leads to stays where it is");
    assert!(fs_err::symlink_metadata(arrivals.at("refused/link.tar")).unwrap().is_symlink());
}

#[test]
fn a_directory_to_which_others_can_write_is_refused() {
    let arrivals = Arrivals::new();
    archive(&arrivals, "app.tar");
    let incoming = arrivals.at("incoming");
    let set = |path: &Path, mode| fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let refused = || {
        let output = finish(&mut arrivals.command(&["--settle", "0"]));
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("can be changed by"), "{}", text(&output));
        assert_eq!(arrivals.places()[0], ["app.tar"]);
    };
    for mode in [0o777, 0o775, 0o1777] {
        set(&incoming, mode);
        chown(&incoming, Some(0), Some(100)).unwrap();
        refused();
    }
    set(&incoming, 0o755);
    chown(&incoming, Some(1000), Some(1000)).unwrap();
    refused();
    chown(&incoming, Some(0), Some(0)).unwrap();
    set(&arrivals.at(""), 0o777);
    refused();
    set(&arrivals.at(""), 0o755);
    assert_eq!(only(&arrivals.import())["state"], "imported");
}

/// Programs that synchronise keep owners. In a directory that only root may enter that is no harm.
#[test]
fn what_belongs_to_others_is_taken_where_only_root_comes_to_it() {
    for (mode, state) in [(0o755, "refused"), (0o700, "imported")] {
        let arrivals = Arrivals::new();
        chown(archive(&arrivals, "app.tar"), Some(1000), Some(1000)).unwrap();
        for dir in ["", "incoming"] {
            fs_err::set_permissions(arrivals.at(dir), PermissionsExt::from_mode(mode)).unwrap();
        }
        let status = if state == "refused" { 2 } else { 0 };
        assert_eq!(only(&arrivals.ends(&["--settle", "0"], status))["state"], state);
    }
}

#[test]
fn only_root_imports_and_one_process_at_a_time() {
    let arrivals = Arrivals::new();
    archive(&arrivals, "app.tar");
    fs_err::set_permissions(arrivals.at(""), PermissionsExt::from_mode(0o755)).unwrap();
    let mut user = Command::new("setpriv");
    user.args(["--reuid", "1000", "--regid", "1000", "--clear-groups", "--"]);
    let output = finish(&mut crate::support::under(user, &arrivals.command(&[])));
    assert!(text(&output).contains("only root can import images"), "{}", text(&output));
    // It waits for what is not whole.
    fs_err::write(arrivals.incoming("bad"), "").unwrap();
    let mut first = arrivals.command(&["--settle", "5"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("waiting for `bad`")), "it does not wait");
    let second = finish(&mut arrivals.command(&[]));
    assert_eq!(second.status.code(), Some(2), "{}", text(&second));
    assert!(text(&second).contains("another process imports the images"), "{}", text(&second));
    let last: Vec<String> = said.map(Result::unwrap).collect();
    assert_eq!(first.wait().unwrap().code(), Some(1), "{last:?}");
}

/// An archive that is compressed as a whole is decompressed beside other files of the system.
#[test]
fn a_bomb_ends_at_a_limit_and_stays_or_is_refused() {
    let arrivals = Arrivals::new();
    let mut gzip = flate2::write::GzEncoder::new(
        fs_err::File::create(arrivals.incoming("bomb.tar")).unwrap(),
        flate2::Compression::fast(),
    );
    let zeros = vec![1; 1 << 20];
    (0..64).for_each(|_| gzip.write_all(&zeros).unwrap());
    gzip.finish().unwrap();
    let script = "mount -t tmpfs -o size=32m none \"$ROOM\"; export TMPDIR=\"$ROOM\"; \"$@\"";
    fs_err::create_dir(arrivals.at("room")).unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", script, "sh"]).env("ROOM", arrivals.at("room"));
    let command = crate::support::under(unshare, &arrivals.command(&["--settle", "0", "--format", "json"]));
    let mut command = command;
    let answer = document(&finish(&mut command), 2);
    assert_eq!(only(&answer)["state"], "left", "{answer:#}");
    assert_eq!(only(&answer)["error"]["id"], "disk-full");
    fs_err::remove_file(arrivals.incoming("bomb.tar")).unwrap();
    // A layer that is larger than is allowed.
    skopeo("app-0:1", &format!("oci-archive:{}:example.com/a:1", text_of(&arrivals.incoming("large.tar"))));
    let answer = arrivals.ends(&["--settle", "0", "--max-layer-size", "0"], 2);
    assert_eq!(only(&answer)["error"]["id"], "layer-too-large", "{answer:#}");
    assert_eq!(only(&answer)["state"], "refused");
}

/// One layer of one image is another one of the same size.
#[test]
fn a_damaged_image_does_not_keep_the_others_of_its_item_out() {
    let arrivals = Arrivals::new();
    let item = arrivals.incoming("images");
    run(Command::new("cp").arg("-a").arg(embedded()).arg(&item));
    let all = crate::registry::images();
    let dir = directory(&item, &reference("app-7:1"));
    let manifest: Value = serde_json::from_slice(&fs_err::read(dir.join("manifest.json")).unwrap()).unwrap();
    let layer = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap();
    let layer = dir.join(&layer["sha256:".len()..]);
    let size = fs_err::metadata(&layer).unwrap().len();
    fs_err::write(&layer, vec![0; usize::try_from(size).unwrap()]).unwrap();
    let answer = arrivals.ends(&["--settle", "0"], 2);
    let item = only(&answer);
    assert_eq!((&item["state"], &item["error"]["id"]), (&"refused".into(), &"blob-digest".into()));
    let there = item["images"].as_array().unwrap().iter().filter(|image| image["is_there"] == true);
    assert_eq!(there.count(), all.len() - 1);
    let names = arrivals.names();
    assert_eq!(names.len(), all.len() - 1);
    assert!(!names.contains(&reference("app-7:1")));
    arrivals.machine.assert_sound(Way::Store);
}

/// What does not fit is not refused: it may fit later.
#[test]
fn what_does_not_fit_stays_and_the_rest_is_taken() {
    let arrivals = Arrivals::new();
    archive(&arrivals, "app.tar");
    let store = arrivals.machine.storage(Way::Store);
    fs_err::create_dir(&store).unwrap();
    let script =
        "mount -t tmpfs -o mode=755,size=\"$SIZE\" none \"$STORE\"; \"$@\"; ls \"$STORE/overlay\" >&2";
    let under = |size: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", script, "sh"]).env("STORE", &store).env("SIZE", size);
        let mut command =
            crate::support::under(unshare, &arrivals.command(&["--settle", "0", "--format", "json"]));
        let output = finish(&mut command);
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    };
    let answer = under("400k");
    assert_eq!(only(&answer)["state"], "left", "{answer:#}");
    assert_eq!(only(&answer)["error"]["id"], "disk-full");
    assert_eq!(arrivals.places()[0], ["app.tar"]);
    assert_eq!(only(&under("64m"))["state"], "imported");
}

/// The policy of a tree, so that that of this machine stays as it is.
#[test]
fn the_policy_for_signatures_is_not_bypassed() {
    const ANY: &str = r#"[{"type": "insecureAcceptAnything"}]"#;
    const NONE: &str = r#"[{"type": "reject"}]"#;
    let arrivals = Arrivals::new();
    let tree = arrivals.at("tree");
    fs_err::create_dir_all(tree.join("etc/containers")).unwrap();
    fs_err::create_dir_all(tree.join("incoming")).unwrap();
    fs_err::copy(arrivals.at("storage.conf"), tree.join("etc/containers/storage.conf")).unwrap();
    let file = tree.join("incoming/app.tar");
    let import = || {
        let mut command = storagectl(&["--root"]);
        command.arg(&tree).args(["import-images", "/incoming", "--store", "/var/images", "--settle", "0"]);
        let output = finish(command.args(["--format", "json"]));
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        let item = only(&answer).clone();
        let _ = std::fs::remove_dir_all(tree.join("var/images"));
        (item["state"].as_str().unwrap().to_owned(), item["error"]["id"].as_str().map(str::to_owned))
    };
    let path = tree.join("incoming").canonicalize().unwrap();
    for (policy, state, id) in [
        (None, "left", Some("missing")),
        (Some(format!(r#"{{"default": {ANY}}}"#)), "imported", None),
        (Some(format!(r#"{{"default": {NONE}}}"#)), "refused", Some("signature-policy")),
        (
            Some(format!(r#"{{"default": {NONE}, "transports": {{"oci-archive": {{"": {ANY}}}}}}}"#)),
            "imported",
            None,
        ),
        // skopeo knows which scope counts.
        (
            Some(format!(
                r#"{{"default": {NONE}, "transports": {{"oci-archive": {{"{}": {ANY}}}}}}}"#,
                path.display()
            )),
            "imported",
            None,
        ),
        (
            Some(format!(
                r#"{{"default": {ANY}, "transports": {{"oci-archive": {{"{}": {NONE}}}}}}}"#,
                path.display()
            )),
            "refused",
            Some("signature-policy"),
        ),
    ] {
        skopeo("app-0:1", &format!("oci-archive:{}:example.com/a:1", text_of(&file)));
        let policy_json = tree.join("etc/containers/policy.json");
        if let Some(policy) = &policy {
            fs_err::write(policy_json, policy).unwrap();
        }
        assert_eq!(import(), (state.to_owned(), id.map(str::to_owned)), "{policy:?}");
        let _ = std::fs::remove_file(&file);
    }
}
