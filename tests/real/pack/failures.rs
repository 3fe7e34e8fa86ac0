//! What can go wrong, and what is left then: nothing.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use super::builder::Builder;
use super::example::EXAMPLE;
use crate::support::{finish, run, text, under};

const ONE: &str = "packages:
  - name: one
    version: 1.0
    arch:
      - {name: x86_64, images: [REGISTRY/app-1:1]}
";

/// Packs in vain. Returns what was said.
#[track_caller]
fn fails(builder: &Builder, what: &str, args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = builder.command(what, args).envs(variables.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    builder.assert_clean();
    text(&output)
}

/// A directory with nothing but these programs.
fn only(builder: &Builder, programs: &[&str]) -> String {
    let dir = builder.path("bin");
    let _ = fs_err::remove_dir_all(&dir);
    fs_err::create_dir(&dir).unwrap();
    for program in programs {
        std::os::unix::fs::symlink(format!("/usr/bin/{program}"), dir.join(program)).unwrap();
    }
    dir.display().to_string()
}

#[test]
fn images_that_are_not_there_are_all_told_at_once() {
    let builder = Builder::new();
    builder.write(&ONE.replace("REGISTRY/app-1:1", "REGISTRY/none:1, REGISTRY/app-1:9"));
    let said = fails(&builder, "rpm", &["x86_64"], &[]);
    assert!(said.contains("/none:1`") && said.contains("/app-1:9`"), "{said}");
    builder.write(&ONE.replace("x86_64", "s390x").replace("app-1", "multi"));
    let said = fails(&builder, "rpm", &["s390x"], &[]);
    assert!(said.contains("/multi:1`") && said.contains("s390x"), "{said}");
    builder.write(ONE);
    let said = fails(&builder, "rpm", &["aarch64"], &[]);
    assert!(said.contains("no package has the architecture `aarch64`"), "{said}");
}

#[test]
fn what_it_takes_is_known_before_and_a_package_that_cannot_fit_is_not_begun() {
    let builder = Builder::new();
    let yaml = ONE.replace("    arch:", "    payload: embedded\n    path: /usr/lib/one\n    arch:");
    builder.write(&yaml.replace("REGISTRY/app-1:1", "REGISTRY/app-1:1, REGISTRY/app-2:1"));
    let planned = || {
        let output = builder.pack("rpm", &["x86_64", "--dry-run", "--format", "json"]);
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let sum = |told: &Value, key: &str| -> u64 {
        let images = told["packages"][0]["images"].as_array().unwrap();
        images.iter().map(|image| image[key].as_u64().unwrap()).sum()
    };
    let before = planned();
    assert_eq!(crate::tree::names(&builder.path("cache")), [""; 0]);
    let download = before["download"].as_u64().unwrap();
    assert!(download > 0 && sum(&before, "download") == download);

    let script = "mount -t tmpfs -o mode=0777,size=$1k none \"$0\" || exit 99; dir=$0; shift
        \"$@\"; code=$?; ls -A \"$dir\"; exit $code";
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", script]).arg(builder.path("tmp")).arg((download / 2048).to_string());
    outer.current_dir(builder.path(""));
    let refused = finish(&mut under(outer, &builder.command("rpm", &["x86_64"])));
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("does not have enough space"), "{}", text(&refused));
    assert!(text(&refused).contains("another directory with `--tmp`"), "{}", text(&refused));
    assert!(refused.stdout.is_empty(), "{}", text(&refused));

    // The blobs of the cache are what was told.
    let after = planned();
    assert_eq!(after["download"], 0);
    let digests = |told: &Value| {
        let images = told["packages"][0]["images"].as_array().unwrap();
        images.iter().map(|image| image["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((digests(&after), sum(&after, "bytes")), (digests(&before), sum(&before, "bytes")));
    builder.built("rpm", &["x86_64"]);
}

#[test]
fn a_program_that_is_missing_is_named_with_its_package() {
    let builder = Builder::new();
    builder.write(ONE);
    // setpriv is looked for in the same directory.
    for (programs, message) in [
        (
            &["setpriv", "skopeo", "unshare", "true", "mksquashfs", "unsquashfs"][..],
            "install the package `rpm-build`",
        ),
        (&["setpriv", "skopeo", "unshare", "true"], "install squashfs-tools"),
    ] {
        let path = only(&builder, programs);
        let said = fails(&builder, "rpm", &["x86_64"], &[("PATH", &path)]);
        assert!(said.contains(message), "{said}");
    }
    let said = fails(
        &builder,
        "rpm",
        &["fedora-41-x86_64", "--mock"],
        &[(
            "PATH",
            &only(
                &builder,
                &["setpriv", "skopeo", "unshare", "true", "mksquashfs", "unsquashfs", "rpmbuild"],
            ),
        )],
    );
    assert!(said.contains("install the package `mock`") || said.contains("failed to build"), "{said}");
}

#[test]
fn no_space_is_said_and_nothing_is_left() {
    let builder = Builder::new();
    builder.write(ONE);
    builder.built("rpm", &["x86_64"]);
    let small = builder.path("small");
    fs_err::create_dir(&small).unwrap();
    let script =
        "mount -t tmpfs -o size=700k,mode=0777 none \"$1\"; shift; \"$@\"; code=$?; ls -A \"$0\"; exit $code";
    let script = script.replace("$0", small.to_str().unwrap());
    let mut outer = std::process::Command::new("unshare");
    outer.args(["-m", "sh", "-c", &script, "sh"]).arg(&small);
    let command = builder.command_in("small", "rpm", &["x86_64"]);
    let output = crate::support::under(outer, &command).current_dir(builder.path("")).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no space left"), "{said}");
    assert!(!said.lines().any(|line| line.starts_with(".storagectl-new-")), "{said}");
}

#[test]
fn a_directory_that_rpmbuild_would_take_for_several_is_refused() {
    let builder = Builder::new();
    builder.write(ONE);
    fs_err::create_dir(builder.path("a b")).unwrap();
    let output = builder.command_in("a b", "rpm", &["x86_64"]).output().unwrap();
    assert!(text(&output).contains("rpmbuild cannot work in `"), "{}", text(&output));
}

#[test]
fn what_a_killed_run_has_left_goes_with_the_next() {
    let builder = Builder::new();
    builder.write(ONE);
    let mut child = builder.command("rpm", &["x86_64"]).spawn().unwrap();
    let tmp = builder.path("tmp");
    while crate::tree::names(&tmp).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ends before it has begun");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(crate::tree::names(&tmp).len(), 1);
    builder.built("rpm", &["x86_64"]);
    // Another run's is not touched, nor what was to be kept.
    let output = builder.pack("rpm", &["x86_64", "--keep"]);
    assert!(output.status.success(), "{}", text(&output));
    let kept = crate::tree::names(&tmp);
    assert!(kept.len() == 1 && kept[0].starts_with("storagectl-kept-"), "{kept:?}");
    assert!(builder.pack("rpm", &["x86_64"]).status.success());
    assert_eq!(crate::tree::names(&tmp), kept);
}

#[test]
fn a_source_package_is_handed_to_copr() {
    let builder = Builder::new();
    builder.write(EXAMPLE);
    let bin = builder.path("fake");
    fs_err::create_dir(&bin).unwrap();
    let copr = bin.join("copr-cli");
    fs_err::write(&copr, "#!/bin/sh\necho \"$@\"\nexit ${COPR_FAILS:-0}\n").unwrap();
    fs_err::set_permissions(&copr, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = builder.command("copr", &["owner/project", "--nowait"]).env("PATH", &path).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let out = builder.path("out");
    let expected = format!(
        "build --nowait owner/project {0}/my-application-containers-1.0.0-2.src.rpm {0}/my-application-manifests-1.0.0-2.src.rpm",
        out.display()
    );
    assert!(text(&output).lines().any(|line| line == expected), "{}", text(&output));
    let said = fails(&builder, "copr", &["owner/project"], &[("PATH", &path), ("COPR_FAILS", "3")]);
    assert!(said.contains("`copr-cli` failed to submit `owner/project`:\n  build owner/project"), "{said}");
    assert!(
        fails(&builder, "copr", &["project"], &[("PATH", &path)]).contains("`project` is not a Copr project")
    );
}

#[test]
fn an_image_with_a_wrong_byte_is_fetched_again_or_refused_whatever_the_payload() {
    for payload in ["sealed", "embedded", "store"] {
        let builder = Builder::new();
        builder.write(&ONE.replace("    arch:", &format!("    payload: {payload}\n    arch:")));
        let built = builder.built("rpm", &["x86_64"]);
        let good = fs_err::read(&built[0]).unwrap();
        // In the largest blob, and so in a layer.
        let largest = "cd \"$CACHE\"; set -- $(find . -type f -printf '%s %p\\n' | sort -n | tail -1)
            printf '%s' '!' | dd of=\"$2\" bs=1 seek=$(($1 / 2)) conv=notrunc status=none";
        let spoil = || {
            let mut shell = Command::new("sh");
            run(shell.args(["-euc", largest]).env("CACHE", builder.path("cache")));
        };
        // With this home the registry is one that skopeo does not trust: what is sound needs none.
        let home = [("HOME", "/nowhere"), ("CONTAINERS_REGISTRIES_CONF", "/dev/null")];
        let output = builder.command("rpm", &["x86_64"]).envs(home).output().unwrap();
        assert!(output.status.success(), "{payload}: {}", text(&output));
        spoil();
        fs_err::remove_file(&built[0]).unwrap();
        let said = fails(&builder, "rpm", &["x86_64"], &home);
        assert!(said.contains("/app-1:1`"), "{payload}: {said}");
        assert_eq!(crate::tree::names(&builder.path("out")), [""; 0], "{payload}");
        assert_eq!(builder.built("rpm", &["x86_64"]), built);
        assert!(fs_err::read(&built[0]).unwrap() == good, "{payload}");
    }
}
