//! What is wrong with one image, with the list, or with the disk.

use std::path::Path;
use std::process::Command;

use super::machine::{Machine, Way, directory, embedded, reference, with_state};
use crate::check::healthy::in_private;
use crate::registry::images;
use crate::support::{finish, run, text};

/// Each with the problem that is told of the image.
const FAULTS: [(&str, &str); 5] = [
    ("truncate -s -10 $BLOB", "blob-digest"),
    ("printf x | dd of=$BLOB bs=1 seek=500 conv=notrunc", "blob-digest"),
    ("rm $BLOB", "blob-missing"),
    ("printf '{' > manifest.json", "image-invalid"),
    ("rm -r $PWD", "embedded-missing"),
];

#[test]
fn one_bad_image_is_told_and_does_not_stop_the_others() {
    let name = reference("app-5:1");
    for (index, (script, problem)) in FAULTS.into_iter().enumerate() {
        let way = if index % 2 == 0 { Way::Main } else { Way::Store };
        let machine = Machine::new();
        let source = machine.source();
        let dir = directory(&source, &name);
        // The topmost layer, which no other image has.
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.join("manifest.json")).unwrap()).unwrap();
        let blob = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).current_dir(&dir).env("BLOB", &blob["sha256:".len()..]);
        run(&mut shell);
        let document = machine.ends(way, &source, &[], 1);
        assert_eq!(with_state(&document, "failed"), [name.as_str()], "{script}");
        assert_eq!(with_state(&document, "copied").len(), images().len() - 1, "{script}");
        let line = document["images"].as_array().unwrap().iter().find(|line| line["state"] == "failed");
        assert_eq!(line.unwrap()["error"]["id"], problem, "{script}");
        machine.assert_sound(way);
        // Required, it is fatal, and the others are there all the same.
        let output = finish(&mut machine.command(way, &source, &["--required", &name]));
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(&format!("error: the required image `{name}` is missing")));
        let other = reference("app-6:1");
        machine.ends(way, &source, &["--required", &other], 1);
        // Mended, the next run completes it.
        std::fs::remove_dir_all(&source).unwrap();
        machine.source();
        assert_eq!(with_state(&machine.copy(way, &source), "copied"), [name.as_str()]);
    }
}

/// What is copied is for this machine, so there is nothing to choose.
#[test]
fn an_image_that_is_not_for_this_machine_is_told_with_what_helps() {
    let machine = Machine::new();
    let source = machine.source();
    let manifest = directory(&source, &reference("multi:1")).join("manifest.json");
    let others = fs_err::read_to_string(&manifest).unwrap();
    let others = others.replace("\"amd64\"", "\"mips\"").replace("\"arm64\"", "\"mips64\"");
    fs_err::write(&manifest, others).unwrap();
    let said = text(&finish(&mut machine.command(Way::Store, &source, &[])));
    assert!(said.contains("it has `linux/mips` and `linux/mips64`"), "{said}");
    assert!(
        said.contains("hint: embed it for this machine, too: `storagectl embed-images --arch "),
        "{said}"
    );
}

#[test]
fn an_image_of_another_digest_than_its_reference_is_refused() {
    let machine = Machine::new();
    let source = machine.source();
    let name = images().into_iter().find(|image| image.contains("app-3@")).unwrap();
    let (dir, other) = (directory(&source, &name), directory(&source, &reference("app-8:1")));
    run(Command::new("rm").arg("-r").arg(&dir));
    run(Command::new("cp").arg("-a").arg(other).arg(&dir));
    let document = machine.ends(Way::Store, &source, &[], 1);
    let line = document["images"].as_array().unwrap().iter().find(|line| line["state"] == "failed").unwrap();
    assert_eq!(
        (line["reference"].as_str(), line["error"]["id"].as_str()),
        (Some(&*name), Some("embedded-other"))
    );
}

#[test]
fn a_bad_list_is_refused_whole_and_an_odd_one_is_read() {
    let machine = Machine::new();
    let source = machine.source();
    let file = source.join("image-list.txt");
    let list = std::fs::read_to_string(&file).unwrap();
    for bad in ["no-directory\n", "example.com/a:1,../../etc\n", "example.com/a,b,c\n"] {
        std::fs::write(&file, format!("{list}{bad}")).unwrap();
        let output = finish(&mut machine.command(Way::Store, &source, &[]));
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("image-list.txt:25:"), "{}", text(&output));
        assert!(!machine.at("bound").exists());
    }
    // CRLF, comments, blank lines, a line twice, and no last newline.
    let odd = format!("# ours\r\n\r\n{}{}", list.replace('\n', "\r\n"), list.trim_end());
    std::fs::write(&file, odd).unwrap();
    assert_eq!(with_state(&machine.copy(Way::Store, &source), "copied").len(), images().len());
    std::fs::remove_file(&file).unwrap();
    let output = finish(&mut machine.command(Way::Store, &source, &[]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("has no list of embedded images"), "{}", text(&output));
    let output = finish(&mut machine.command(Way::Store, embedded(), &["--required", "example.com/x:1"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("`example.com/x:1` is not in the list"), "{}", text(&output));
}

#[test]
fn a_store_inside_the_own_storage_is_refused() {
    let machine = Machine::new();
    let output = finish(machine.command(Way::Main, embedded(), &["--store"]).arg(machine.at("graph/bound")));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("is inside the engine's own storage"), "{}", text(&output));
    assert!(!machine.at("graph").exists());
}

/// From a disk on which nothing fits to one that takes all. What is scarce is told before anything
/// is copied, or met in the middle where a file system needs more than the images' own bytes.
#[test]
fn what_fits_is_copied_in_the_order_of_the_list_and_the_rest_is_told() {
    for way in ["--store=$PWD/disk/bound", ""] {
        let mut counts = Vec::new();
        for size in [1, 3, 4, 6, 8, 60] {
            let machine = Machine::new();
            let script = format!(
                "set +e; cd \"$HERE\"
                mkdir disk; mount -t tmpfs -o size={size}m none disk
                sed -i \"s|$HERE/graph|$HERE/disk/graph|\" storage.conf
                [ \"{way}\" ] && store=disk/bound || store=disk/graph
                \"$PROGRAM\" --config storage.conf copy-images --jobs 2 --source \"$DIR\" {way} 2>&1; echo status $?
                [ -e $store/overlay ] || exit 0
                \"$PROGRAM\" --config storage.conf check-store --deep \"$store\" >/dev/null && echo sound
                ls -A $store/overlay | grep -c storagectl
                mount -o remount,size=60m disk
                \"$PROGRAM\" --config storage.conf copy-images --source \"$DIR\" {way} 2>&1 | tail -1
                \"$PROGRAM\" --config storage.conf check-store --deep \"$store\" >/dev/null && echo sound"
            );
            let said = in_private(
                &script,
                &[
                    ("HERE", machine.at("storage.conf").parent().unwrap()),
                    ("PROGRAM", Path::new(crate::support::STORAGECTL)),
                    ("DIR", embedded()),
                ],
            );
            let (first, rest) = said.split_once("status ").unwrap();
            let copied = first.matches("copied `").count();
            let failed =
                first.lines().find_map(|line| line.split_once(" could not be copied")?.0.split(' ').next());
            let left_out: usize = failed.map_or(0, |count| count.parse().unwrap());
            let is_told = first.contains("there is no space for") || first.contains("No space left");
            assert_eq!(left_out > 0, is_told, "{size}: {said}");
            let status = match copied {
                0 => "2",
                _ if left_out > 0 => "1",
                _ => "0",
            };
            assert!(rest.starts_with(status), "{size}: {said}");
            assert_eq!(copied + left_out, images().len(), "{size}: each is told: {said}");
            if copied > 0 {
                assert_eq!(rest.matches("sound\n").count(), 2, "{size}: {said}");
                assert!(rest.contains("sound\n0\n"), "nothing half done is left: {size}: {said}");
            }
            counts.push(copied);
        }
        assert!(counts.is_sorted(), "more space takes more: {counts:?}");
        assert_eq!((counts[0], counts[5]), (0, images().len()), "{counts:?}");
        assert!(counts[1..5].iter().any(|count| (1..images().len()).contains(count)), "{counts:?}");
    }
}
