//! The libraries of podman 4, 5 and 6, which do with a store what podman does, as root and
//! as a normal user.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::check::engine::{Answers, Engine};
use crate::check::store::{CONTROL, IMAGE, OTHER, control};
use crate::support::{finish, path_with_podman_4, run};

/// What they are asked for.
pub(super) const IMAGES: [&str; 4] = [IMAGE, OTHER, "localhost/app:1", "localhost/base:1"];

/// An engine, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) engine: Engine,
    /// Not root's.
    pub(super) is_users: bool,
}

pub(super) const ROOTS: [Reader; 3] = [
    Reader { engine: Engine::Podman4, is_users: false },
    Reader { engine: Engine::Podman5, is_users: false },
    Reader { engine: Engine::Podman6, is_users: false },
];

/// User 4321's.
pub(super) const USERS: [Reader; 1] = [Reader { engine: Engine::Podman6, is_users: true }];

impl Reader {
    pub(super) fn name(self) -> String {
        format!("{}{}", self.engine.name(), if self.is_users { " of a user" } else { "" })
    }

    /// A command that runs the library, for what is in the command's arguments.
    fn command(self) -> Command {
        let enter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/random_damage/user.sh");
        let roots = "mount -t tmpfs none /run && mkdir /run/u && exec \"$@\"";
        // What never ends waits or computes. Outside: coreutils' newer timeout does not run as process 1.
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "20", "prlimit", "--cpu=2"]);
        command.args(["unshare", "-mpf", "--kill-child", "--mount-proc"]);
        if self.is_users {
            command.arg(enter);
        } else {
            command.args(["sh", "-c", roots, "sh"]);
        }
        command.arg(program(self.engine)).args(["/run/u/g", "/run/u/r"]).env_remove("XDG_RUNTIME_DIR");
        command
    }
}

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

/// The store of user 4321, with what root's at `original` has. Made once, and kept.
pub(super) fn made_by_user(original: &Path) -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/random_damage");
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (store, script) = (dir.path().join("store"), here.join("user_store.sh"));
        let kept = original.with_file_name(format!("users-{}", fs_err::metadata(&script).unwrap().len()));
        if !kept.exists() {
            let mut command = Command::new("unshare");
            command.args(["-mpf", "--mount-proc"]).arg(script).arg(&store).env("PATH", path_with_podman_4());
            run(command.arg(Engine::Podman6.program()).arg(original).arg(here.join("user.sh")));
            fs_err::rename(control(&store), control(&kept)).unwrap();
            fs_err::rename(store, &kept).unwrap();
        }
        kept
    });
    made.clone()
}

/// What an engine that has `stores` listed makes of them.
pub(super) fn ask(reader: Reader, stores: &[&Path]) -> Answers {
    let stores: Vec<&str> = stores.iter().map(|store| store.to_str().unwrap()).collect();
    let mut answers = BTreeMap::new();
    let mut questions = vec!["info", "images", "use", "save", "other"];
    while !questions.is_empty() {
        let mut command = reader.command();
        command.arg(stores.join(" ")).arg(IMAGES.join(" ")).arg(CONTROL);
        let output = finish(command.args(&questions));
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
