//! Killed at each call that changes something, a run leaves each item in one place and a sound store, and
//! the next run does the rest.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::{skopeo, text_of};
use crate::check::store::checked;
use crate::interrupt::{Scene, write};
use crate::strace::{Call, changes, own, tamper, trace, tried};
use crate::support::{finish, text};
use crate::tree::names;

const CONF: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n";

/// The calls at which a run is killed: those that change something, and some of the many by which layers
/// are unpacked where nobody sees it.
fn points(calls: &[Call]) -> Vec<&Call> {
    let is_seen = |call: &Call| call.name.starts_with("rename") || !call.line.contains(".storagectl-new-");
    let calls = calls.iter().filter(|call| changes(call)).enumerate();
    calls.filter(|(index, call)| is_seen(call) || index.is_multiple_of(60)).map(|(_, call)| call).collect()
}

fn scene(more: &[&str]) -> Scene {
    let set_up = |dir: &Path| {
        write(&dir.join("storage.conf"), CONF);
        let at = |name: &str| text_of(&dir.join("incoming").join(name));
        fs_err::create_dir_all(at("release")).unwrap();
        skopeo("app-0:1", &format!("oci-archive:{}:example.com/a:1", at("app.tar")));
        skopeo("app-1:1", &format!("docker-archive:{}:example.com/b:1", at("release/b.tar")));
        write(&dir.join("incoming/bad"), "nothing\n");
    };
    let args =
        ["--config", "@DIR@/storage.conf", "import-images", "@DIR@/incoming", "--store", "@DIR@/bound"];
    let rest = ["--source", "@DIR@/none", "--settle", "0", "--jobs", "1", "--progress", "none"];
    Scene::within(crate::support::scratch_in_memory(), set_up, &[&args[..], &rest[..], more].concat())
}

/// In how many of the three directories an item is.
fn places(dir: &Path, item: &str) -> usize {
    ["incoming", "imported", "refused"].iter().filter(|place| dir.join(place).join(item).exists()).count()
}

#[test]
fn each_item_is_in_one_place_and_the_next_run_does_the_rest() {
    for removes in [false, true] {
        let scene = scene(if removes { &["--remove"] } else { &[] });
        let dir = scene.dir();
        let (_, calls) = trace(&scene.command());
        let calls = points(own(&calls));
        assert!(calls.len() > 60, "{}", calls.len());
        let mut killed = 0;
        for call in tried(calls, 10) {
            scene.reset();
            let output = tamper(&[&call.inject("signal=KILL")], &scene.command());
            killed += usize::from(output.status.signal() == Some(9));
            for (item, may_be_gone) in [("app.tar", removes), ("release", removes), ("bad", false)] {
                let count = places(&dir, item);
                assert!(count == 1 || (count == 0 && may_be_gone), "{item}: {count} at {}", call.line);
            }
            let store = dir.join("bound");
            // An image that is gone from where it came is in the store.
            let there = store.join("overlay-images/images.json");
            let there = fs_err::read_to_string(there).unwrap_or_default();
            for (item, name) in [("app.tar", "example.com/a:1"), ("release", "example.com/b:1")] {
                assert!(dir.join("incoming").join(item).exists() || there.contains(name), "{}", call.line);
            }
            if store.join("overlay-layers/layers.json").exists() {
                let answer = checked(&[store.to_str().unwrap(), "--deep"]);
                let errors =
                    answer["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "error");
                assert_eq!(errors.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new(), "{}", call.line);
            }
            let output = finish(&mut scene.command());
            // Nothing, or the bad item alone, may be left to do.
            assert!(output.status.code().is_some(), "{}: {}", call.line, text(&output));
            assert!(!text(&output).contains("error:"), "{}: {}", call.line, text(&output));
            assert_eq!(names(&dir.join("incoming")), Vec::<String>::new(), "{}", call.line);
            let imported = names(&dir.join("imported"));
            let expected: &[&str] = if removes { &[] } else { &["app.tar", "release"] };
            assert_eq!(imported, expected, "{}", call.line);
            let refused = names(&dir.join("refused"));
            assert!(refused.contains(&"bad".to_owned()), "{}: {refused:?}", call.line);
            let record = fs_err::read_to_string(store.join(".storagectl-images.json")).unwrap();
            for name in ["example.com/a:1", "example.com/b:1"] {
                assert_eq!(record.matches(&format!("\"{name}\"")).count(), 1, "{}: {record}", call.line);
            }
            let conf = fs_err::read_to_string(dir.join("storage.conf")).unwrap();
            assert_eq!(conf.matches("/bound\"").count(), 1, "{}: {conf}", call.line);
        }
        assert!(killed > 5, "{killed} were killed");
    }
}
