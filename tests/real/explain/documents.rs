//! docs/stories.md: what stands there is what engines and we say.
//!
//! A story is a section with an HTML comment, whose first line names the engine and whose other lines
//! set the host up, and blocks of commands with what they print. `STORAGECTL_UPDATE=1` writes that anew.

use std::path::Path;
use std::process::Command;

use crate::hosts::engines::has_debians_podman_4;
use crate::judged::engine::Engine;
use crate::judged::host::Host;
use crate::judged::{CONF, MAIN};
use crate::support::{IMAGE, copy_store, run, text};

/// What is not the same in each run, as patterns of sed, and what stands for it.
const VARYING: &str = r#"s/time="[^"]*"/time="[..]"/
s/[0-9a-f]{64}/[..]/g
s/[0-9a-f]{12}/[..]/g
s/[0-9.]+ [kMGT]?B (are )?free/[..] \1free/
s/[0-9.]+ [kMG]B/[..]/g
s/127\.0\.0\.1:[0-9]+/registry.example.com/g
s/(About an?|Less than an?|[0-9]+) (second|minute|hour|day|week|month|year)s? ago/[..] ago/
/\^/!s/([^ ])  +/\1  /g
s/storagectl-backup\/[0-9TZ]+/storagectl-backup\/[..]/
s/\[..\] of \[..\] are free, and [0-9]+ of [0-9]+ inodes/[..] are free/
s/overlay\/l\/[A-Z0-9]{26}/overlay\/l\/[..]/g
s/ +$//"#;

/// Shell that stories use.
const WORDS: &str = r#"export PATH=/run/engine:/usr/sbin:/usr/bin:/sbin:/bin
list() { printf '%s\n[storage.options]\nadditionalimagestores = [%s]\n' "$(cat /main)" "$*" >/etc/containers/storage.conf; }
store() { mkdir -p "$1"; cp -a /store/. "$1"; chmod -R a+rX "$1"; }
embedded() { list; mkdir -p /usr/lib/containers; cp -a /embedded /usr/lib/containers/storage; sed -i 2q /usr/lib/containers/storage/image-list.txt; }
as_user() { cd /; setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/u XDG_RUNTIME_DIR=/run/user/1000 sh -c "$1"; }
"#;

struct Story {
    engine: Engine,
    set_up: String,
    commands: Vec<(bool, String)>,
}

/// The document in parts: what stands there, and what the commands of stories print.
enum Part<'a> {
    Line(&'a str),
    /// The story's number and the command's.
    Command(usize, usize, &'a str),
    /// What stands there now.
    Printed(usize, &'a str),
}

fn read(text: &str) -> (Vec<Part<'_>>, Vec<Story>) {
    let (mut parts, mut stories): (Vec<Part<'_>>, Vec<Story>) = (Vec::new(), Vec::new());
    let (mut in_comment, mut in_block) = (false, false);
    for line in text.lines() {
        let prompt =
            line.strip_prefix("# ").map(|it| (true, it)).or(line.strip_prefix("$ ").map(|it| (false, it)));
        if let Some(name) = line.strip_prefix("<!-- ") {
            in_comment = true;
            let engine = Engine::PODMANS.into_iter().find(|engine| engine.name() == name).expect(name);
            stories.push(Story { engine, set_up: String::new(), commands: Vec::new() });
        } else if line == "-->" {
            in_comment = false;
        } else if in_comment {
            let story = stories.last_mut().expect("it has begun");
            story.set_up += &format!("{line}\n");
        } else if line.starts_with("```") {
            in_block = !in_block;
        } else if let (true, Some((is_root, command))) = (in_block, prompt) {
            let number = stories.len() - 1;
            let commands = &mut stories[number].commands;
            commands.push((is_root, command.to_owned()));
            parts.push(Part::Command(number, commands.len() - 1, line));
            continue;
        } else if in_block {
            parts.push(Part::Printed(stories.len() - 1, line));
            continue;
        }
        parts.push(Part::Line(line));
    }
    (parts, stories)
}

/// What each command of a story prints.
fn tell(story: &Story) -> Vec<String> {
    let host = Host::with_podman(story.engine).with_users_own();
    host.write(CONF, MAIN);
    host.write("/main", MAIN);
    copy_store(&host.at("/store"));
    run(Command::new("cp").arg("-a").arg(crate::copy::machine::embedded()).arg(host.at("/embedded")));
    let list = host.read("/embedded/image-list.txt").unwrap();
    let embedded = list.lines().next().unwrap().split(',').next().unwrap();
    let filled = |text: &str| text.replace("IMAGE", IMAGE).replace("EMBEDDED", embedded);
    host.write("/varying", VARYING);
    let mut script = format!("{WORDS}\n{{ {} }} >/set-up 2>&1\n", filled(&story.set_up.replace('\n', ";\n")));
    for (number, (is_root, command)) in story.commands.iter().enumerate() {
        host.write(&format!("/commands/{number}"), &filled(command));
        let run = match is_root {
            true => format!("sh -c \"$(cat /commands/{number})\""),
            false => format!("as_user \"$(cat /commands/{number})\""),
        };
        script += &format!("{run} </dev/null 2>&1 | sed -E -f /varying >/commands/{number}.out\n");
    }
    let output = host.script(&script);
    assert!(output.status.success(), "{}\n{}", text(&output), host.read("/set-up").unwrap_or_default());
    (0..story.commands.len()).map(|number| host.read(&format!("/commands/{number}.out")).unwrap()).collect()
}

#[test]
fn stories_are_told_as_they_happen() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stories.md");
    let document = fs_err::read_to_string(&file).unwrap();
    let (parts, stories) = read(&document);
    assert!(stories.len() >= 10);
    // The words of podman 4 as it is published are others, and all else is the same.
    let is_told = |story: &Story| story.engine != Engine::Podman4 || has_debians_podman_4();
    let told: Vec<Vec<String>> = std::thread::scope(|scope| {
        let told = |story: &Story| if is_told(story) { tell(story) } else { Vec::new() };
        let threads: Vec<_> = stories.iter().map(|story| scope.spawn(move || told(story))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it is told")).collect()
    });
    let mut written = String::new();
    for part in &parts {
        match part {
            Part::Line(line) => written += &format!("{line}\n"),
            Part::Command(story, command, line) => {
                written += &format!("{line}\n");
                if !is_told(&stories[*story]) {
                    continue;
                }
                written += &told[*story][*command];
                if !written.ends_with('\n') {
                    written.push('\n');
                }
            }
            Part::Printed(story, line) if !is_told(&stories[*story]) => written += &format!("{line}\n"),
            Part::Printed(..) => {}
        }
    }
    if std::env::var_os("STORAGECTL_UPDATE").is_some() {
        fs_err::write(&file, &written).unwrap();
    }
    let differs = similar::TextDiff::from_lines(&document, &written);
    let diff = differs.unified_diff().context_radius(3).to_string();
    assert!(
        diff.is_empty(),
        "`STORAGECTL_UPDATE=1 cargo test --test real documents` writes it anew:\n{diff}"
    );
}
