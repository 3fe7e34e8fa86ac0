//! Both ways, against the shell loop, and what engines run.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::machine::{COPY, Machine, Way, embedded, reference, with_state};
use crate::build::CRUN;
use crate::build::same::{assert_same_store, now};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::registry::images;
use crate::support::run;
use crate::tree::stamps;

#[test]
fn the_own_storage_holds_what_the_shell_loop_would_have_put_there() {
    let (ours, theirs) = (Machine::new(), Machine::new());
    let latest = now();
    let script = format!("export CONTAINERS_STORAGE_CONF=\"$CONF\"\n{COPY}\numount \"$GRAPH/overlay\" || :");
    in_private(
        &script,
        &[("DIR", embedded()), ("CONF", &theirs.at("storage.conf")), ("GRAPH", &theirs.at("graph"))],
    );
    let document = ours.copy(Way::Main, embedded());
    assert_eq!(with_state(&document, "copied"), images());
    assert_same_store(&ours.at("graph"), &theirs.at("graph"), latest);
    for (path, mode) in
        [(".", 0o700), ("overlay", 0o700), ("overlay-images", 0o700), ("overlay-layers/layers.json", 0o600)]
    {
        let of = |graph: &Path| std::fs::metadata(graph.join(path)).unwrap().mode() & 0o777;
        assert_eq!((of(&ours.at("graph")), of(&theirs.at("graph"))), (mode, mode), "{path}");
    }
    // What the loop has copied is found to be there, read once, and remembered.
    let document = theirs.copy(Way::Main, embedded());
    assert_eq!(with_state(&document, "present"), images());
    assert!(theirs.at("graph/.storagectl-images.json").exists());
    // And the loop takes what is there.
    let script = format!("export CONTAINERS_STORAGE_CONF=\"$CONF\"\n{COPY}\numount \"$GRAPH/overlay\" || :");
    in_private(
        &script,
        &[("DIR", embedded()), ("CONF", &ours.at("storage.conf")), ("GRAPH", &ours.at("graph"))],
    );
    ours.assert_sound(Way::Main);
    assert_eq!(with_state(&ours.copy(Way::Main, embedded()), "present"), images());
}

#[test]
fn every_engine_runs_an_image_from_each_way() {
    let script = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
        for image in $APP $DIGEST $LIST; do
            $ENGINE --runtime $CRUN run --rm --pull never --network none --cgroups=disabled --security-opt seccomp=unconfined \
                --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 $image /bin/sh -c 'read line </name; echo runs $line'
        done 2>&1
        $ENGINE images -q | sort -u | wc -l
        umount \"$GRAPH/overlay\" || :";
    let digest = images().into_iter().find(|image| image.contains("app-4@")).unwrap();
    let list = images().into_iter().find(|image| image.contains("multi@")).unwrap();
    for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
        for way in [Way::Main, Way::Store] {
            let machine = Machine::new();
            machine.copy(way, embedded());
            let said = in_private(
                script,
                &[
                    ("CONF", machine.at("storage.conf").as_path()),
                    ("GRAPH", &machine.at("graph")),
                    ("ENGINE", &engine.program()),
                    ("CRUN", Path::new(CRUN)),
                    ("APP", Path::new(&reference("app-0:1"))),
                    ("DIGEST", Path::new(&digest)),
                    ("LIST", Path::new(&list)),
                ],
            );
            let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
            let expected = format!("runs app-0\nruns app-4\nruns multi-{arch}\n21\n");
            assert_eq!(said, expected, "{} {way:?}", engine.name());
            // What an engine adds to its own storage changes nothing for the next boot.
            assert_eq!(with_state(&machine.copy(way, embedded()), "present"), images(), "{way:?}");
        }
    }
}

#[test]
fn a_second_boot_writes_nothing_and_starts_no_program() {
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        let mut command = machine.command(way, embedded(), &[]);
        let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert_eq!(said.lines().filter(|line| line.starts_with("copied `")).count(), images().len());
        let all =
            || (stamps(&machine.storage(way)), std::fs::metadata(machine.at("storage.conf")).unwrap().ino());
        let before = all();
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-e", "trace=execve,fsync,fdatasync,syncfs", "-o"])
            .arg(machine.at("calls"));
        let inner = machine.command(way, embedded(), &[]);
        run(&mut crate::support::under(strace, &inner));
        let calls = std::fs::read_to_string(machine.at("calls")).unwrap();
        assert_eq!(calls.lines().count(), 1, "{calls}");
        assert!(before == all(), "{way:?}");
    }
}

#[test]
fn storage_that_only_engines_can_write_is_left_to_skopeo() {
    let machine = Machine::new();
    machine.configure("vfs");
    let policy =
        "mkdir -p /run/r; \"$PROGRAM\" --config \"$CONF\" copy-images --source \"$DIR\" 2>&1 | tail -1
        \"$PROGRAM\" --config \"$CONF\" -v copy-images --source \"$DIR\" 2>&1";
    let source = machine.source();
    for image in images().iter().filter(|image| !image.contains("multi")) {
        super::machine::unlist(&source, image);
    }
    let said = in_private(
        policy,
        &[
            ("PROGRAM", Path::new(crate::support::STORAGECTL)),
            ("CONF", &machine.at("storage.conf")),
            ("DIR", &source),
        ],
    );
    let graph = machine.at("graph");
    let graph = graph.display();
    assert_eq!(
        said,
        format!("copied 2 images to `{graph}`; 0 already present\n2 images already in `{graph}`\n")
    );
    assert!(machine.at("graph/vfs-images/images.json").exists());
}

#[test]
fn directories_of_embed_images_are_copied_by_the_shell_loop() {
    let machine = Machine::new();
    let dir = machine.at("made");
    let list = images();
    let some: Vec<&String> =
        list.iter().filter(|image| image.contains("app-3") || image.contains("multi")).collect();
    let mut command = crate::support::storagectl(&["embed-images", "--into"]);
    run(crate::registry::registry().serve(command.arg(&dir).args(&some)));
    let script = format!("export CONTAINERS_STORAGE_CONF=\"$CONF\"\n{COPY}\numount \"$GRAPH/overlay\" || :");
    in_private(
        &script,
        &[("DIR", &dir), ("CONF", &machine.at("storage.conf")), ("GRAPH", &machine.at("graph"))],
    );
    let mut there = with_state(&machine.copy(Way::Main, &dir), "present");
    there.sort();
    let mut some: Vec<String> = some.into_iter().cloned().collect();
    some.sort();
    assert_eq!(there, some);
    assert_eq!(with_state(&machine.copy(Way::Store, &dir), "copied").len(), 4);
    machine.assert_sound(Way::Store);
}

#[test]
fn where_a_host_has_selinux_a_new_store_has_the_label_that_containers_may_read() {
    let tree = tempfile::tempdir().unwrap();
    for enforcing in [false, true] {
        let images = tree.path().join("images");
        if !images.exists() {
            run(Command::new("cp").arg("-a").arg(embedded()).arg(&images));
        }
        if enforcing {
            fs_err::create_dir_all(tree.path().join("etc/selinux")).unwrap();
            std::fs::write(tree.path().join("etc/selinux/config"), "SELINUX=enforcing\n").unwrap();
        }
        let store = format!("/var/lib/images-{enforcing}");
        let mut command = crate::support::storagectl(&["--quiet", "copy-images", "--source", "/images"]);
        run(command.args(["--store", &store, "--root"]).arg(tree.path()));
        for dir in ["overlay", "overlay/l", "overlay-images", "overlay-layers"] {
            let dir = tree.path().join(&store[1..]).join(dir);
            let mut getfattr = Command::new("getfattr");
            let output =
                getfattr.args(["--only-values", "-n", "security.selinux"]).arg(dir).output().unwrap();
            let label = String::from_utf8(output.stdout).unwrap();
            let expected = if enforcing { "system_u:object_r:container_ro_file_t:s0" } else { "" };
            assert_eq!(label.trim_end_matches('\0'), expected);
        }
    }
}

/// The layers of an image, compressed in another way, are another manifest for the same
/// configuration; engines know the image by either.
#[test]
fn an_image_that_is_embedded_with_two_manifests_is_known_by_both() {
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        let source = machine.source();
        for image in images().iter().filter(|image| !image.contains("app-16")) {
            super::machine::unlist(&source, image);
        }
        let first = super::machine::directory(&source, &reference("app-16:1"));
        let again = ["copy", "-q", "--dest-compress", "--dest-compress-format", "zstd"];
        run(Command::new("skopeo")
            .args(again)
            .arg(format!("dir:{}", first.display()))
            .arg(format!("dir:{}", source.join("other").display())));
        let other = source.join("other");
        let digests = [&first, &other]
            .map(|dir| crate::build::image::digest(&std::fs::read(dir.join("manifest.json")).unwrap()));
        assert_ne!(digests[0], digests[1]);
        let names = digests.clone().map(|digest| reference(&format!("app-16@{digest}")));
        let list =
            format!("{},{}\n{},other\n", names[0], first.file_name().unwrap().to_str().unwrap(), names[1]);
        std::fs::write(source.join("image-list.txt"), list).unwrap();
        assert_eq!(with_state(&machine.copy(way, &source), "copied"), names);
        assert_eq!(with_state(&machine.copy(way, &source), "present"), names);
        machine.assert_sound(way);
        let script = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
            for name in $ONE $OTHER; do $ENGINE inspect --format '{{.Id}}' $name; done | sort -u | wc -l
            umount \"$GRAPH/overlay\" || :";
        for engine in [Engine::Podman4, Engine::Podman6] {
            // Each its own: what podman keeps of one version the other cannot read.
            let said = in_private(
                script,
                &[
                    ("CONF", machine.at("storage.conf").as_path()),
                    ("GRAPH", &machine.at("graph")),
                    ("ENGINE", &engine.program()),
                    ("ONE", Path::new(&names[0])),
                    ("OTHER", Path::new(&names[1])),
                ],
            );
            assert_eq!(said, "1\n", "{engine:?} {way:?}");
            if engine == Engine::Podman4 {
                run(Command::new("rm").args(["-rf"]).arg(machine.at("graph/libpod")).arg(machine.at("run")));
            }
        }
    }
}
