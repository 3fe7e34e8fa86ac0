//! Every kind of item, and what engines make of the images.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::{Arrivals, only, skopeo, text_of, with_state};
use crate::build::CRUN;
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::copy::machine::{Way, directory, embedded, reference};
use crate::registry::registry;
use crate::support::run;

#[test]
fn an_image_of_every_kind_is_imported_and_runs_under_its_name() {
    let arrivals = Arrivals::new();
    let at = |name: &str| text_of(&arrivals.incoming(name));
    let name = |kind: &str| format!("registry.example.com/{kind}:1");
    skopeo("app-0:1", &format!("oci-archive:{}:{}", at("oci"), name("oci-archive")));
    skopeo("app-1:1", &format!("docker-archive:{}:{}", at("docker.img"), name("docker-archive")));
    // A name says nothing: one that is compressed looks as if it were not.
    for (index, format) in ["gzip", "zstd"].into_iter().enumerate() {
        let file = at(&format!("{format}.tar"));
        let transport = if index == 0 { "docker-archive" } else { "oci-archive" };
        skopeo(&format!("app-{}:1", index + 2), &format!("{transport}:{file}:{}", name(format)));
        let plain = fs_err::read(&file).unwrap();
        let packed = match format {
            "gzip" => crate::build::image::gzip(&plain),
            _ => zstd::encode_all(plain.as_slice(), 3).unwrap(),
        };
        fs_err::File::create(&file).unwrap().write_all(&packed).unwrap();
    }
    skopeo("app-4:1", &format!("oci:{}:{}", at("layout"), name("oci")));
    let mut sync = Command::new("skopeo");
    sync.args(["sync", "--scoped", "--src", "docker", "--dest", "dir", "--src-tls-verify=false"]);
    run(registry().serve(sync.arg(reference("app-5:1")).arg(arrivals.at("incoming"))));
    run(Command::new("cp").arg("-a").arg(embedded()).arg(at("embedded")));
    let list = fs_err::read_to_string(embedded().join("image-list.txt")).unwrap();
    let list: String =
        list.lines().filter(|line| line.contains("multi")).map(|it| format!("{it}\n")).collect();
    fs_err::write(arrivals.incoming("embedded/image-list.txt"), list).unwrap();
    fs_err::create_dir_all(arrivals.incoming("release/1")).unwrap();
    skopeo("app-6:1", &format!("oci-archive:{}:{}", at("release/1/app.tar"), name("nested")));

    let would = arrivals.ends(&["--dry-run"], 0);
    let document = arrivals.import();
    let mut items = with_state(&document, "imported");
    items.sort();
    let registry = reference("").trim_end_matches('/').to_owned();
    let mut all: Vec<String> = ["docker.img", "embedded", "gzip.tar", "layout", "oci", "release", "zstd.tar"]
        .map(str::to_owned)
        .into();
    all.push(registry);
    all.sort();
    assert_eq!(items, all, "{document:#}");
    let mut planned = with_state(&would, "imported");
    planned.sort();
    assert_eq!(planned, all);
    assert_eq!(arrivals.places(), [Vec::new(), all, Vec::new()]);
    arrivals.machine.assert_sound(Way::Store);

    let multi = crate::registry::images().into_iter().filter(|name| name.contains("multi"));
    let mut names: Vec<String> =
        ["oci-archive", "docker-archive", "gzip", "zstd", "oci", "nested"].map(name).into();
    names.push(reference("app-5:1"));
    names.extend(multi);
    names.sort();
    let mut there = arrivals.names();
    there.sort();
    assert_eq!(there, names);

    let script = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
        for image in $NAMES; do
            $ENGINE --runtime $CRUN run --rm --pull never --network none --cgroups=disabled --security-opt seccomp=unconfined \
                --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 $image /bin/sh -c 'read line </name; echo $line'
        done 2>&1
        umount \"$GRAPH/overlay\" || :";
    for engine in [Engine::Podman4, Engine::Podman6] {
        let order = ["oci-archive", "docker-archive", "gzip", "zstd", "oci"].map(name).join(" ");
        let said = in_private(
            script,
            &[
                ("CONF", arrivals.at("storage.conf").as_path()),
                ("GRAPH", &arrivals.at("graph")),
                ("ENGINE", &engine.program()),
                ("CRUN", Path::new(CRUN)),
                ("NAMES", Path::new(&format!("{order} {} {}", reference("app-5:1"), name("nested")))),
            ],
        );
        assert_eq!(said, "app-0\napp-1\napp-2\napp-3\napp-4\napp-5\napp-6\n", "{engine:?}");
        run(Command::new("rm").args(["-rf"]).arg(arrivals.at("graph")).arg(arrivals.at("run")));
    }
    // The same once more is no news.
    run(Command::new("cp").arg("-a").arg(arrivals.at("imported/oci")).arg(at("again")));
    assert_eq!(only(&arrivals.import())["state"], "present");
}

/// docker leaves the registry of an official image out, and means its own; podman load does not.
#[test]
fn several_images_of_one_docker_archive_have_the_names_that_docker_means() {
    let arrivals = Arrivals::new();
    let archive = arrivals.incoming("saved.tar");
    let make = "for n in 0 1; do
            skopeo copy -q \"dir:$(eval echo \\$DIR$n)\" containers-storage:[overlay@/run/store+/run/r]registry.example.com/app-$n:1
        done
        podman --root /run/store --runroot /run/r tag registry.example.com/app-0:1 docker.io/library/app:1 localhost/app:2
        podman --root /run/store --runroot /run/r save -q -m -o \"$TAR\" registry.example.com/app-0:1 app:1 registry.example.com/app-1:1
        umount /run/store/overlay || :";
    let dirs = [0, 1].map(|index| directory(embedded(), &reference(&format!("app-{index}:1"))));
    in_private(make, &[("DIR0", &dirs[0]), ("DIR1", &dirs[1]), ("TAR", &archive)]);
    // As docker writes it.
    let edit = "mkdir m && cd m && tar -xf \"$TAR\" && sed -i 's|docker.io/library/app:1|app:1|' manifest.json && tar -cf \"$TAR\" *";
    run(Command::new("sh").args(["-euc", edit]).env("TAR", &archive).current_dir(arrivals.at("")));
    let load = "podman --root /run/store --runroot /run/r load -q -i \"$TAR\" >/dev/null 2>&1
        podman --root /run/store --runroot /run/r images --format '{{.Repository}}:{{.Tag}}' | sort
        umount /run/store/overlay || :";
    let theirs = in_private(load, &[("TAR", &archive)]);
    assert_eq!(only(&arrivals.import())["state"], "imported");
    let mut names = arrivals.names();
    names.sort();
    assert_eq!(
        names,
        ["docker.io/library/app:1", "registry.example.com/app-0:1", "registry.example.com/app-1:1"]
    );
    assert_eq!(theirs.lines().next(), Some("localhost/app:1"), "{theirs}");
    arrivals.machine.assert_sound(Way::Store);
}

#[test]
fn what_has_no_name_or_is_no_image_is_refused_with_what_helps() {
    let arrivals = Arrivals::new();
    let at = |name: &str| text_of(&arrivals.incoming(name));
    skopeo("app-0:1", &format!("oci-archive:{}", at("nameless.tar")));
    skopeo("app-0:1", &format!("oci-archive:{}:latest", at("latest.tar")));
    skopeo("app-0:1", &format!("oci:{}", at("layout")));
    skopeo("app-0:1", &format!("dir:{}", at("app:1")));
    fs_err::write(arrivals.incoming("README.txt"), "Copy these to the node.\n").unwrap();
    fs_err::write(arrivals.incoming("empty"), "").unwrap();
    fs_err::create_dir(arrivals.incoming("nothing")).unwrap();
    fs_err::write(arrivals.incoming("app.tar.xz"), b"\xfd7zXZ\0 and so on").unwrap();
    let document = arrivals.ends(&["--settle", "0"], 2);
    for (name, id, hint) in [
        ("nameless.tar", "image-name-invalid", "oci-archive:FILE:registry.example.com/app:1"),
        ("latest.tar", "image-name-invalid", "oci-archive:FILE:registry.example.com/app:1"),
        ("layout", "image-name-invalid", "skopeo sync --scoped"),
        ("app:1", "image-name-invalid", "skopeo sync --scoped"),
        ("README.txt", "image-invalid", "copy"),
        ("empty", "image-invalid", "copy"),
        ("app.tar.xz", "image-invalid", "compressed with xz, not gzip or zstd"),
        ("nothing", "image-invalid", "copy"),
    ] {
        let item = document["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap();
        assert_eq!(item["error"]["id"], id, "{item:#}");
        let reason =
            fs_err::read_to_string(arrivals.at("refused").join(format!("{name}.reason.txt"))).unwrap();
        assert!(reason.contains(hint), "{name}: {reason}");
        assert!(reason.contains(item["error"]["message"].as_str().unwrap()), "{reason}");
    }
    assert!(!arrivals.machine.storage(Way::Store).exists());
    // Moved back with its reason, and refused once more beside another of its name.
    for file in ["empty", "empty.reason.txt"] {
        fs_err::copy(arrivals.at("refused").join(file), arrivals.incoming(file)).unwrap();
    }
    arrivals.ends(&["--settle", "0"], 2);
    let [incoming, _, refused] = arrivals.places();
    assert_eq!(incoming, ["empty.reason.txt"]);
    for name in ["empty", "empty.1", "empty.1.reason.txt", "empty.reason.txt"] {
        assert!(refused.contains(&name.to_owned()), "{refused:?}");
    }
}

#[test]
fn items_are_moved_removed_or_left_as_is_asked() {
    for (option, expected) in [
        (None, [vec![], vec!["app.tar", "release"]]),
        (Some("--remove"), [vec![], vec![]]),
        (Some("--keep"), [vec!["app.tar", "bad", "release"], vec![]]),
    ] {
        let arrivals = Arrivals::new();
        let at = |name: &str| text_of(&arrivals.incoming(name));
        fs_err::create_dir(arrivals.incoming("release")).unwrap();
        skopeo("app-0:1", &format!("oci-archive:{}:example.com/a:1", at("app.tar")));
        skopeo("app-1:1", &format!("oci-archive:{}:example.com/b:1", at("release/b.tar")));
        fs_err::write(arrivals.incoming("bad"), "nothing").unwrap();
        let args: Vec<&str> = ["--settle", "0"].into_iter().chain(option).collect();
        let document = arrivals.ends(&args, 1);
        assert_eq!(with_state(&document, "refused"), ["bad"]);
        let [incoming, imported, refused] = arrivals.places();
        assert_eq!([incoming, imported], expected, "{option:?}");
        assert_eq!(refused.is_empty(), option == Some("--keep"), "{option:?}");
        assert_eq!(arrivals.names(), ["example.com/a:1", "example.com/b:1"]);
        let conf = fs_err::read_to_string(arrivals.at("storage.conf")).unwrap();
        assert!(conf.contains(&text_of(&arrivals.machine.storage(Way::Store))), "{conf}");
    }
}

/// Without a store of its own; where only an engine knows the layout, skopeo copies.
#[test]
fn images_go_to_the_engines_own_storage_if_no_store_is_given() {
    for driver in ["overlay", "vfs"] {
        let arrivals = Arrivals::new();
        arrivals.machine.configure(driver);
        let file = text_of(&arrivals.incoming("app.tar"));
        skopeo("app-0:1", &format!("docker-archive:{file}:registry.example.com/a:1"));
        let script = "mkdir -p /run/r
            \"$PROGRAM\" --config \"$CONF\" import-images --settle 0 --source /none \"$DIR\" 2>&1
            CONTAINERS_STORAGE_CONF=\"$CONF\" podman images --format '{{.Repository}}'
            umount \"$GRAPH/overlay\" 2>/dev/null || :";
        let said = in_private(
            script,
            &[
                ("PROGRAM", Path::new(crate::support::STORAGECTL)),
                ("CONF", &arrivals.at("storage.conf")),
                ("DIR", &arrivals.at("incoming")),
                ("GRAPH", &arrivals.at("graph")),
            ],
        );
        let expected = "imported `app.tar`: `registry.example.com/a:1`\nregistry.example.com/a\n";
        assert_eq!(said, expected, "{driver}");
        assert_eq!(arrivals.places(), [vec![], vec!["app.tar".to_owned()], vec![]], "{driver}");
    }
}

/// Of two with one name that counts which has come last, whatever they are called.
#[test]
fn the_image_that_was_written_last_has_the_name() {
    let arrivals = Arrivals::new();
    for (index, (image, file)) in [("app-0:1", "9"), ("app-1:1", "10")].into_iter().enumerate() {
        let path = arrivals.incoming(file);
        skopeo(image, &format!("oci-archive:{}:example.com/a:1", text_of(&path)));
        run(Command::new("touch").arg("-d").arg(format!("2024-01-0{} 00:00", index + 1)).arg(path));
    }
    arrivals.import();
    let name = "cat \"$STORE\"/overlay/*/diff/name; echo";
    let records =
        fs_err::read_to_string(arrivals.machine.storage(Way::Store).join("overlay-images/images.json"));
    let records: serde_json::Value = serde_json::from_str(&records.unwrap()).unwrap();
    let named: Vec<_> = records.as_array().unwrap().iter().filter(|it| !it["names"].is_null()).collect();
    let named: Vec<_> = named.into_iter().filter(|it| it["names"][0] == "example.com/a:1").collect();
    assert_eq!(named.len(), 1, "{name}");
    let top = named[0]["layer"].as_str().unwrap();
    let file = arrivals.machine.storage(Way::Store).join("overlay").join(top).join("diff/name");
    assert_eq!(fs_err::read_to_string(file).unwrap(), "app-1");
}
