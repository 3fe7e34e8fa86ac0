//! Images that are small and want everything: memory, time, descriptors.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::say;
use crate::build::image::{Entry, Layer, Layout, Tar, entry, gzipped, zstandard};
use crate::strangers::Scene;

/// What no bomb may take: KiB of memory, and time of the processor, however many share it.
const MEMORY: u64 = 512 << 10;
const TIME: Duration = Duration::from_secs(60);

/// What each is, and the image.
fn bombs() -> Vec<(&'static str, Vec<Layer>)> {
    let deep = |depth: usize| {
        let (mut tar, mut path) = (Tar::default(), String::new());
        for _ in 0..depth {
            path.push_str("d/");
            tar = tar.pax(&[("path", path.as_bytes())]).dir("d");
        }
        tar
    };
    // Each below directories of its own, of which no entry tells.
    let names = (0..200).fold(Tar::default(), |tar, number| {
        let path = format!("{number}/{}", "d/".repeat(1950));
        tar.pax(&[("path", path.as_bytes())]).dir("d")
    });
    let wide = (0..20_000).fold(Tar::default(), |tar, number| tar.file(&format!("f{number}"), b""));
    let record = vec![b'x'; 8 << 20];
    let attributes = (0..200).map(|number| format!("SCHILY.xattr.user.a{number}")).collect::<Vec<_>>();
    let value = vec![b'x'; 4 << 10];
    let records: Vec<(&str, &[u8])> =
        attributes.iter().map(|name| (name.as_str(), value.as_slice())).collect();
    vec![
        ("zeros", vec![zstandard(&Tar::default().file("zeros", &vec![0; 192 << 20]).finish())]),
        ("deep", vec![gzipped(&deep(1900).finish())]),
        ("deep and refused", vec![gzipped(&deep(1900).file("../x", b"").finish())]),
        ("names", vec![zstandard(&names.finish())]),
        ("wide", vec![zstandard(&wide.finish())]),
        ("a record", vec![gzipped(&Tar::default().pax(&[("comment", &record)]).file("f", b"").finish())]),
        ("attributes", vec![gzipped(&Tar::default().pax(&records).file("f", b"").finish())]),
        (
            "a size",
            vec![gzipped(&Tar::default().header(&Entry { size: 1 << 40, ..entry(b'0', "f") }).finish())],
        ),
        (
            "layers",
            (0..400)
                .map(|number| gzipped(&Tar::default().file(&format!("f{number}"), b"").finish()))
                .collect(),
        ),
    ]
}

/// Runs a command; returns its exit status, its peak memory in KiB, and its time.
fn measured(command: &mut Command) -> (Option<i32>, u64, Duration) {
    let mut child = command
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program is built");
    let process = format!("/proc/{}", child.id());
    let (mut peak, mut ticks) = (0, 0);
    loop {
        if let Ok(text) = std::fs::read_to_string(format!("{process}/status")) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            peak = peak.max(now.unwrap_or(0));
        }
        if let Ok(text) = std::fs::read_to_string(format!("{process}/stat")) {
            // utime and stime, proc_pid_stat(5): what follows the name, which may hold anything.
            let fields = text.rsplit(')').next().into_iter().flat_map(str::split_whitespace);
            ticks = ticks.max(fields.skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum());
        }
        if let Some(status) = child.try_wait().expect("it was started") {
            // USER_HZ, which is 100 on all of Linux' processors.
            return (status.code(), peak, Duration::from_millis(10 * ticks));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn bombs_take_little() {
    let (start, mut most, mut longest) = (Instant::now(), (0, ""), (Duration::ZERO, ""));
    let bombs = bombs();
    for (name, layers) in &bombs {
        let scene = Scene::new();
        let mut layout = Layout::new(&scene.scratch.path().join("layout"));
        layout.image("localhost/app:1", "amd64", layers);
        let (status, peak, took) = measured(&mut scene.build(&layout, &scene.scratch.path().join("store")));
        assert!(matches!(status, Some(0 | 2)), "{name}: {status:?}");
        assert!(peak < MEMORY && took < TIME, "{name}: {peak} KiB, {took:?}");
        most = most.max((peak, name));
        longest = longest.max((took, name));
    }
    let figure = format!(
        "{} images, at most {} MiB ({}) and {:.1} s of the processor ({})",
        bombs.len(),
        most.0 >> 10,
        most.1,
        longest.0.as_secs_f64(),
        longest.1
    );
    say("bombs", start, &figure);
}
