//! What is still written is waited for, and never taken before it is whole.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Arrivals, only, skopeo, text_of};
use crate::copy::machine::{Way, directory, document, embedded, reference};
use crate::support::run;

/// An archive outside of the directory.
fn archive(arrivals: &Arrivals, transport: &str) -> Vec<u8> {
    let file = arrivals.at("archive");
    skopeo("app-0:1", &format!("{transport}:{}:example.com/a:1", text_of(&file)));
    fs_err::read(&file).unwrap()
}

#[test]
fn an_archive_that_grows_slowly_is_taken_when_it_is_whole() {
    for transport in ["oci-archive", "docker-archive"] {
        let arrivals = Arrivals::new();
        let bytes = archive(&arrivals, transport);
        let mut file = fs_err::File::create(arrivals.incoming("app.tar")).unwrap();
        let mut command = arrivals.command(&["--settle", "4", "--format", "json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        for piece in bytes.chunks(bytes.len() / 12 + 1) {
            file.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(500));
        }
        drop(file);
        let wrote = start.elapsed();
        let output = child.wait_with_output().unwrap();
        assert_eq!(only(&document(&output, 0))["state"], "imported", "{transport}");
        assert!(start.elapsed() < wrote + Duration::from_secs(10), "it was taken when it was whole");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("waiting for `app.tar`"), "{said}");
        arrivals.machine.assert_sound(Way::Store);
    }
}

/// A directory whose files come one by one, the document that names them in the middle.
#[test]
fn a_directory_that_is_filled_slowly_is_taken_when_all_of_it_is_there() {
    let arrivals = Arrivals::new();
    let from = directory(embedded(), &reference("app-0:1"));
    let to = arrivals.incoming("registry.example.com/team/app:1");
    fs_err::create_dir_all(&to).unwrap();
    let mut command = arrivals.command(&["--settle", "4", "--format", "json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for name in crate::tree::names(&from) {
        std::thread::sleep(Duration::from_millis(700));
        // As rsync does.
        let half = to.join(format!(".{name}.Ab12Cd"));
        fs_err::copy(from.join(&name), &half).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        fs_err::rename(half, to.join(name)).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(only(&document(&output, 0))["state"], "imported");
    assert_eq!(arrivals.names(), ["registry.example.com/team/app:1"]);
    arrivals.machine.assert_sound(Way::Store);
}

#[test]
fn a_name_that_says_half_written_is_left_alone_until_it_is_another() {
    let arrivals = Arrivals::new();
    let bytes = archive(&arrivals, "oci-archive");
    for name in [".app.tar.x1Y2z3", "app.tar.part", "app.tar.!sync", "~syncthing~app.tar.tmp"] {
        fs_err::write(arrivals.incoming(name), &bytes).unwrap();
    }
    let before = arrivals.places();
    assert_eq!(arrivals.import()["items"], serde_json::json!([]));
    assert_eq!(arrivals.places(), before);
    fs_err::rename(arrivals.incoming("app.tar.part"), arrivals.incoming("app.tar")).unwrap();
    assert_eq!(only(&arrivals.import())["state"], "imported");
    assert_eq!(arrivals.places()[0].len(), 3);
}

/// The program that fills it may have been stopped, and goes on later.
#[test]
fn a_directory_with_something_half_written_in_it_stays_where_it_is() {
    let arrivals = Arrivals::new();
    let from = directory(embedded(), &reference("app-0:1"));
    let to = arrivals.incoming("registry.example.com/app:1");
    fs_err::create_dir_all(&to).unwrap();
    run(std::process::Command::new("cp").arg("-aT").arg(from).arg(&to));
    let half = to.join(".manifest.json.Ab12Cd");
    fs_err::rename(to.join("manifest.json"), &half).unwrap();
    let document = arrivals.ends(&["--settle", "1"], 2);
    assert_eq!(only(&document)["state"], "left");
    assert_eq!(arrivals.places(), [vec!["registry.example.com".to_owned()], vec![], vec![]]);
    fs_err::rename(half, to.join("manifest.json")).unwrap();
    assert_eq!(only(&arrivals.import())["state"], "imported");
}

/// What is moved is what was read: one that comes meanwhile under the same name is another item.
#[test]
fn an_item_that_is_replaced_while_it_is_imported_is_imported_again() {
    let arrivals = Arrivals::new();
    let bytes = archive(&arrivals, "oci-archive");
    let other = arrivals.at("other");
    skopeo("app-1:1", &format!("oci-archive:{}:example.com/b:1", text_of(&other)));
    for round in 0..20 {
        fs_err::write(arrivals.incoming("app.tar"), &bytes).unwrap();
        fs_err::copy(&other, arrivals.at("next")).unwrap();
        let mut command = arrivals.command(&["--settle", "0", "--format", "json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(4 * round));
        fs_err::rename(arrivals.at("next"), arrivals.incoming("app.tar")).unwrap();
        document(&child.wait_with_output().unwrap(), 0);
        // It may have come when the run was at its end.
        if !arrivals.places()[0].is_empty() {
            arrivals.import();
        }
        assert!(arrivals.names().contains(&"example.com/b:1".to_owned()), "round {round}");
        let [incoming, imported, refused] = arrivals.places();
        assert!(incoming.is_empty() && refused.is_empty(), "round {round}: {incoming:?} {refused:?}");
        let moved: Vec<Vec<u8>> =
            imported.iter().map(|name| fs_err::read(arrivals.at("imported").join(name)).unwrap()).collect();
        assert!(moved.contains(&fs_err::read(&other).unwrap()), "round {round}: {imported:?}");
        for dir in ["imported", "bound"] {
            fs_err::remove_dir_all(arrivals.at(dir)).unwrap();
        }
    }
}
