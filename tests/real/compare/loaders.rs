//! The storage library of each engine, in processes that stay up.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use storagectl::engine::Profile;

use super::answer::{Answer, Seen, cleaned};
use super::host::{Host, Identity};
use crate::support::run;

/// An engine that somebody runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Engine {
    pub(super) profile: Profile,
    pub(super) identity: Identity,
}

/// All of them. CRI-O runs as root.
pub(super) const ENGINES: [Engine; 7] = {
    use Identity::{Root, User};
    use Profile::{Crio, Podman4, Podman5, Podman6};
    const fn engine(profile: Profile, identity: Identity) -> Engine {
        Engine { profile, identity }
    }
    [
        engine(Podman4, Root),
        engine(Podman4, User),
        engine(Podman5, Root),
        engine(Podman5, User),
        engine(Crio, Root),
        engine(Podman6, Root),
        engine(Podman6, User),
    ]
};

impl Engine {
    /// The program with its library.
    pub(super) fn program(self) -> PathBuf {
        static LOADERS: OnceLock<PathBuf> = OnceLock::new();
        let programs = LOADERS.get_or_init(|| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/build.sh");
            let mut command = Command::new(script);
            run(command.args(["legacy4", "legacy", "legacy-crio", "modern"])).trim_end().into()
        });
        programs.join(match self.profile {
            Profile::Podman4 => "legacy4",
            Profile::Podman5 => "legacy",
            Profile::Crio => "legacy-crio",
            Profile::Podman6 => "modern",
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, identity } = self;
        write!(f, "{profile} of {}", if *identity == Identity::Root { "root" } else { "a user" })
    }
}

struct Loader {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// One process for each engine.
pub(super) struct Loaders(Vec<(Engine, Loader)>);

impl Loaders {
    pub(super) fn start() -> Self {
        Self(ENGINES.iter().map(|engine| (*engine, Loader::start(*engine))).collect())
    }

    /// What each engine says of the host that was made in `tree`.
    pub(super) fn ask(&mut self, host: &Host, tree: &Path) -> Vec<(Engine, Answer)> {
        // All at once: they wait for nobody but themselves.
        for (engine, loader) in &mut self.0 {
            loader.send(&json!({ "root": tree, "variables": host.variables(engine.identity) }));
        }
        self.0
            .iter_mut()
            .map(|(engine, loader)| {
                let answer = loader.receive().unwrap_or_else(|| {
                    *loader = Loader::start(*engine);
                    Answer::Stops("the library crashed".to_owned())
                });
                (*engine, answer)
            })
            .collect()
    }
}

impl Loader {
    fn start(engine: Engine) -> Self {
        let mut command = Command::new(engine.program());
        command.arg("serve").arg(engine.identity.uid().to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn send(&mut self, request: &Value) {
        let input = self.input.as_mut().expect("it is open until the end");
        // One that is gone is noticed when its answer is not there.
        let _ = writeln!(input, "{request}");
    }

    fn receive(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.output.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Some(answer_of(&answer))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// What a loader's JSON says.
pub(super) fn answer_of(answer: &Value) -> Answer {
    if let Some(why) = answer["error"].as_str() {
        return Answer::Stops(why.to_owned());
    }
    let value = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let stores = answer["stores"].as_array().into_iter().flatten();
    Answer::Works(Box::new(Seen {
        driver: value("driver"),
        uses: value("uses"),
        graphroot: value("graphroot"),
        runroot: value("runroot"),
        imagestore: value("imagestore"),
        stores: cleaned(stores.filter_map(Value::as_str)),
    }))
}
