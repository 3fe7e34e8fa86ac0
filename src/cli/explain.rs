//! `explain`: what an engine's words mean, what causes them here, and what helps.

use std::ffi::OsString;
use std::io::{self, Read};

use clap::Args;
use serde::Serialize;

use super::counted::counted;
use super::output::Output;
use super::{Common, Status};
use crate::doctor::{Diagnosis, diagnose};
use crate::explain::{self, EngineMessage, ExplainedMessage, messages, recognize};
use crate::limits;
use crate::problem::{Problem, Severity};

/// Explain an error of an engine
///
/// Takes what podman, buildah, skopeo, CRI-O, kubelet or systemd said about storage,
/// as it stands in a terminal or a journal, finds on this host what causes it, and says
/// what helps. Changes nothing. The exit status is 1 if no message is known.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// What the engine said; standard input if not given
    #[arg(value_name = "TEXT")]
    text: Vec<OsString>,
    /// List the messages that are known, and explain none
    #[arg(long, conflicts_with = "text")]
    list: bool,
}

#[derive(Serialize)]
struct ExplainJson<'a> {
    version: u32,
    messages: Vec<MessageJson<'a>>,
    doctor: Option<CountsJson>,
    not_looked: &'a [Problem],
}

#[derive(Serialize)]
struct MessageJson<'a> {
    id: &'static str,
    said: &'a str,
    named: serde_json::Map<String, serde_json::Value>,
    meaning: &'static str,
    causes: &'a [Problem],
    cure: &'static str,
    check: &'static str,
}

/// What doctor finds where no message is known.
#[derive(Serialize)]
struct CountsJson {
    errors: usize,
    warnings: usize,
}

impl Explain {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        if self.list {
            return list(output).map(|()| Status::Done);
        }
        let recognized = recognize(&self.text()?);
        let host = common.host()?;
        // What was said means the same on a host that cannot be looked at.
        let (diagnosis, failed) = match diagnose(&host) {
            Ok(diagnosis) => (diagnosis, None),
            Err(error) => (Diagnosis::default(), Some(could_not(&error))),
        };
        let not_looked: Vec<Problem> =
            failed.into_iter().chain(diagnosis.not_looked.iter().cloned()).collect();
        let explained = explain::explain(&host, &diagnosis, recognized);
        let is_known = !explained.is_empty();
        if output.json {
            output.print_json(&document(&explained, &diagnosis, &not_looked))?;
        } else {
            for one in &explained {
                print(one, output)?;
            }
            not_looked.iter().filter(|_| is_known).for_each(|problem| output.print_unchecked(problem));
        }
        if !is_known {
            output.problem(&unknown(&diagnosis));
            return Ok(Status::No);
        }
        Ok(Status::Done)
    }

    fn text(&self) -> Result<String, Problem> {
        if !self.text.is_empty() {
            let words: Vec<_> = self.text.iter().map(|text| text.to_string_lossy()).collect();
            return Ok(words.join(" "));
        }
        let bytes = end(&mut io::stdin().lock(), limits::ENGINE_OUTPUT)
            .map_err(Problem::cannot("read", "standard input"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The last bytes of what is read to its end.
fn end(from: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut end = Vec::new();
    loop {
        let read = from.take(limits::ENGINE_OUTPUT).read_to_end(&mut end)?;
        end.drain(..end.len().saturating_sub(limit));
        if read == 0 {
            return Ok(end);
        }
    }
}

fn could_not(error: &anyhow::Error) -> Problem {
    let unknown = || Problem::new("io", "", "fix what the system reports and try again");
    let problem = error.downcast_ref::<Problem>().cloned().unwrap_or_else(unknown);
    Problem { message: format!("{error:#}"), ..problem }
}

/// How many errors and warnings doctor has.
fn counts(diagnosis: &Diagnosis) -> (usize, usize) {
    let of = |severity| diagnosis.problems.iter().filter(move |problem| problem.severity == severity).count();
    let (configuration, stores) = diagnosis.warnings;
    (of(Severity::Error), of(Severity::Warning) + configuration + stores)
}

fn unknown(diagnosis: &Diagnosis) -> Problem {
    let message = format!("the text has none of the {} known messages", messages().count());
    let hint = match counts(diagnosis) {
        (0, 0) => {
            "`storagectl doctor` finds nothing on this host; `storagectl explain --list` shows what is known"
                .to_owned()
        }
        (0, warnings) => format!("`storagectl doctor` has {} about this host", counted(warnings, "warning")),
        (errors, _) => format!("`storagectl doctor` finds {} on this host", counted(errors, "problem")),
    };
    Problem::new("message-unknown", message, hint)
}

fn print(one: &ExplainedMessage, output: &Output) -> anyhow::Result<()> {
    let message = one.recognized.message;
    output.print_lines(&format!("{}: {}\n{}\n\n", message.id, one.recognized.said, message.meaning))?;
    for cause in &one.causes {
        output.print_finding(cause, true)?;
    }
    if one.causes.is_empty() {
        let now = "Nothing on this host causes it now; it may be over, or be another host's.";
        output.print_lines(&format!(
            "{now}\n`{}` finds such a cause while it is there.\nhint: {}\n\n",
            message.check, message.cure
        ))?;
    }
    Ok(())
}

fn document<'a>(
    explained: &'a [ExplainedMessage],
    diagnosis: &Diagnosis,
    not_looked: &'a [Problem],
) -> ExplainJson<'a> {
    let line = |one: &'a ExplainedMessage| MessageJson {
        id: one.recognized.message.id,
        said: &one.recognized.said,
        named: one
            .recognized
            .named
            .iter()
            .map(|(name, named)| ((*name).to_owned(), named.clone().into()))
            .collect(),
        meaning: one.recognized.message.meaning,
        causes: &one.causes,
        cure: one.recognized.message.cure,
        check: one.recognized.message.check,
    };
    let (errors, warnings) = counts(diagnosis);
    let doctor = explained.is_empty().then_some(CountsJson { errors, warnings });
    ExplainJson { version: 1, messages: explained.iter().map(line).collect(), doctor, not_looked }
}

fn list(output: &Output) -> anyhow::Result<()> {
    if output.json {
        let line = |message: &EngineMessage| {
            serde_json::json!({
                "id": message.id,
                "says": message.says,
                "by": message.by,
                "meaning": message.meaning,
                "causes": message.causes,
                "cure": message.cure,
                "check": message.check,
            })
        };
        let known: Vec<_> = messages().map(line).collect();
        return output.print_json(&serde_json::json!({ "version": 1, "known": known }));
    }
    let widest = messages().map(|message| message.id.len()).max().unwrap_or(0);
    let row = |message: &EngineMessage| {
        let says = message.says.iter().map(|says| format!("{says}\n"));
        says.enumerate()
            .map(|(index, says)| {
                let id = if index == 0 { message.id } else { "" };
                format!("{id:widest$}  {says}")
            })
            .collect::<String>()
    };
    output.print_lines(&messages().map(row).collect::<String>())
}
