//! The libraries of podman 4, 5 and 6, which do with a store what podman does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::check::engine::{Answers, Engine};
use crate::check::store::{CONTROL, IMAGE, OTHER};
use crate::support::{finish, run};

/// What they are asked for.
pub(super) const IMAGES: [&str; 4] = [IMAGE, OTHER, "localhost/app:1", "localhost/base:1"];

pub(super) const ENGINES: [Engine; 3] = [Engine::Podman4, Engine::Podman5, Engine::Podman6];

fn program(engine: Engine) -> PathBuf {
    static READERS: OnceLock<PathBuf> = OnceLock::new();
    let programs = READERS.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/build.sh");
        run(Command::new(script).args(["reader-4", "reader-5", "reader-6"])).trim_end().into()
    });
    programs.join(match engine {
        Engine::Podman4 => "reader-4",
        Engine::Podman5 => "reader-5",
        Engine::Podman6 => "reader-6",
    })
}

/// What an engine that has `stores` listed makes of them.
pub(super) fn ask(engine: Engine, stores: &[&Path]) -> Answers {
    let stores: Vec<&str> = stores.iter().map(|store| store.to_str().unwrap()).collect();
    let mut answers = BTreeMap::new();
    let mut questions = vec!["info", "images", "use", "save", "other"];
    while !questions.is_empty() {
        let script = "mount -t tmpfs none /run && mkdir /run/g /run/r && exec timeout -s KILL 5 \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-mpf", "--mount-proc", "sh", "-c", script, "sh"]).arg(program(engine));
        command.args(["/run/g", "/run/r"]).arg(stores.join(" ")).arg(IMAGES.join(" ")).arg(CONTROL);
        let output = finish(command.args(&questions).env_remove("XDG_RUNTIME_DIR"));
        let said = String::from_utf8_lossy(&output.stdout);
        let mut answered = 0;
        for line in said.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(name), Some(status)) = (words.next(), words.next().and_then(|word| word.parse().ok()))
            else {
                continue;
            };
            if questions.get(answered) == Some(&name) {
                answers.insert(name.to_owned(), (status, words.next().unwrap_or_default().to_owned()));
                answered += 1;
            }
        }
        // It died of the next one: a crash, or what never ends. So it does of what needs the
        // same.
        let mut died = 0;
        if let Some(name) = questions.get(answered) {
            died = match *name {
                "info" => questions.len() - answered,
                "use" => usize::from(answers["images"].0 != 0) + 1,
                _ => 1,
            };
        }
        for name in &questions[answered..answered + died] {
            answers.insert((*name).to_owned(), (134, "died".to_owned()));
        }
        questions.drain(..answered + died);
    }
    Answers::new(answers)
}
