//! The images of the run.

use std::path::Path;

use crate::dice::Dice;
use crate::image::{Entry, Layer, Layout, Tar, entry, gzipped};

#[test]
#[ignore = "tests/machine/power-cuts.sh runs it, before it records"]
fn images() {
    let dir = std::env::var_os("STORAGECTL_INPUTS").expect("the directory for them is named");
    let mut layout = Layout::new(&Path::new(&dir).join("oci"));
    let (base, other) = (base("base"), base("other"));
    let shared = [0, 1].map(|number| noise(&format!("shared-{number}"), 300_000));
    let images = [
        [&base, &shared[0]],
        [&base, &shared[1]],
        [&base, &shared[0]],
        [&base, &shared[1]],
        [&base, &shared[0]],
        [&other, &shared[0]],
    ];
    for (number, layers) in (1..).zip(images) {
        let layers = [layers[0].clone(), layers[1].clone(), own(number)];
        layout.image(&format!("app-{number}"), "amd64", &layers);
    }
}

/// A layer that others build on, with a program.
fn base(name: &str) -> Layer {
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let program = Entry { mode: 0o755, size: busybox.len() as u64, ..entry(b'0', "bin/sh") };
    let tar = Tar::default().dir("bin/").header(&program).bytes(&busybox).link(b'1', "bin/cat", "bin/sh");
    gzipped(&tar.dir("etc/").dir("lib/").file("etc/name", name.as_bytes()).finish())
}

/// A layer with a file that does not shrink when it is compressed.
fn noise(name: &str, size: u64) -> Layer {
    let mut dice = Dice::new(size, name.len() as u64 + u64::from(name.as_bytes()[name.len() - 1]));
    let bytes: Vec<u8> = (0..size / 8).flat_map(|_| dice.next().to_le_bytes()).collect();
    gzipped(&Tar::default().dir("lib/").file(&format!("lib/{name}"), &bytes).finish())
}

/// A layer of many small files, and of all kinds that a directory tells apart.
fn own(number: usize) -> Layer {
    let mut tar = Tar::default().dir("own/").dir("lib/").file("lib/.wh.gone", b"").dir("etc/");
    for file in 0..120 {
        tar = tar.file(&format!("own/{number}-{file}"), format!("{file}\n").repeat(file * 10).as_bytes());
    }
    let owned = Entry { uid: 1000 + number as u64, gid: 50, mode: 0o4750, ..entry(b'0', "own/owned") };
    tar = tar.header(&owned).link(b'2', "own/link", "../etc/name").link(b'1', "own/hard", "own/owned");
    tar = tar.pax(&[("SCHILY.xattr.user.of", b"storagectl")]).file("own/attribute", b"has one");
    gzipped(&tar.dir("own/opaque/").file("own/opaque/.wh..wh..opq", b"").finish())
}
