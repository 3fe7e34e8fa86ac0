//! The page for people: short lines, nothing said by colour alone.

use std::rc::Rc;

use super::layout::{Page, Style};
use crate::conf::{Leaf, quoted};
use crate::doctor::{Crio, Diagnosis, Fate, Forecast, ImageLine, Remedy, Setting, UnitState, commands};
use crate::engine::{Engines, InstalledProgram, Sourced, ValueOrigin};
use crate::judgement::Judgement;
use crate::problem::{Problem, Severity};

/// How many images are named in a row that is about several, without `-v`.
const FEW: usize = 6;

/// Everything about a host.
pub(super) fn page(diagnosis: &Diagnosis, verbose: bool) -> Page {
    let mut page = Page::default();
    engines(&mut page, diagnosis);
    if let Some(crio) = &diagnosis.crio {
        settings(&mut page, crio);
    }
    problems(&mut page, diagnosis);
    forecasts(&mut page, diagnosis, verbose);
    if let Some(pin_file) = &diagnosis.pin_file {
        page.heading("Images that kubelet may try to remove");
        let few = pin_file.images.len() <= FEW || verbose;
        if few {
            page.text(
                2,
                Style::Plain,
                &format!("`{}` pins them; restart CRI-O then:", pin_file.path.display()),
            );
            for line in pin_file.text.lines() {
                page.command(4, line);
            }
        } else {
            let text = format!(
                "{} images of additional stores are not pinned; `storagectl doctor -v` shows the file that does it",
                pin_file.images.len()
            );
            page.text(2, Style::Plain, &text);
        }
    }
    page
}

fn engines(page: &mut Page, diagnosis: &Diagnosis) {
    page.heading("Engines");
    let wide = |text: &dyn Fn(&InstalledProgram) -> String| {
        diagnosis.programs.iter().map(|program| text(program).chars().count()).max().unwrap_or(0)
    };
    let version = |program: &InstalledProgram| {
        program.version.as_deref().map_or("-", |version| version.trim_start_matches('v')).to_owned()
    };
    let path = |program: &InstalledProgram| program.path.display().to_string();
    let (names, versions, paths) = (wide(&|program| program.name.to_owned()), wide(&version), wide(&path));
    for program in &diagnosis.programs {
        let library = match program.library {
            Some(minor) => format!("library 1.{minor}"),
            None => "library unknown".to_owned(),
        };
        let reads = match program.profile() {
            profile if profile.is_modern() => "reads drop-ins",
            crate::engine::Profile::Crio => "reads one file and crio.conf",
            _ => "reads one file",
        };
        page.command(
            2,
            &format!(
                "{:names$}  {:versions$}  {:paths$}  {library}, {reads}",
                program.name,
                version(program),
                path(program)
            ),
        );
    }
    if diagnosis.programs.is_empty() {
        page.text(2, Style::Doubtful, "none is installed; each generation would read this host as follows");
    }
    views(page, &diagnosis.judgements);
}

/// What engines see, those that see the same together.
fn views(page: &mut Page, judgements: &[Rc<Judgement>]) {
    let mut groups: Vec<(Engines, &Judgement)> = Vec::new();
    let seen = |judgement: &Judgement| {
        let reading = &judgement.reading;
        let roots = [&reading.graphroot, &reading.imagestore];
        (
            roots.map(|root| root.as_ref().map(|root| root.value.clone())),
            reading.paths().into_iter().map(str::to_owned).collect::<Vec<_>>(),
            judgement.stop().cloned(),
        )
    };
    for judgement in judgements {
        let engine = Engines::one(judgement.reading.profile);
        match groups.iter_mut().find(|(_, other)| seen(other) == seen(judgement)) {
            Some((engines, _)) => *engines = engines.or(engine),
            None => groups.push((engine, judgement)),
        }
    }
    let several = groups.len() > 1;
    if several {
        page.text(2, Style::Doubtful, "Engines see different stores; `storagectl show-config` says why:");
    }
    for (engines, judgement) in groups {
        let reading = &judgement.reading;
        let who = if several || judgements.len() == 1 { engines.to_string() } else { "all".to_owned() };
        let see = if engines.list().count() == 1 { "sees" } else { "see" };
        if let Some(failure) = judgement.stop() {
            page.text(2, Style::Bad, &format!("{}: {}", engines.verb("stops", "stop"), failure.message));
            continue;
        }
        let own = [&reading.imagestore, &reading.graphroot].into_iter().flatten();
        let own: Vec<String> = own.map(|root| root.value.clone()).collect();
        let stores = match reading.paths() {
            stores if stores.is_empty() => "no additional store".to_owned(),
            stores => stores.join(", "),
        };
        page.text(2, Style::Plain, &format!("{who} {see} {} (own storage) and {stores}", own.join(", ")));
    }
}

fn settings(page: &mut Page, crio: &Crio) {
    page.heading("CRI-O");
    let width = "version_file_persist".len();
    let text = |value: &str| if value.is_empty() { "\"\"".to_owned() } else { value.to_owned() };
    let mut rows: Vec<(&str, String, &ValueOrigin)> =
        vec![("root", text(&crio.root.value), &crio.root.origin)];
    rows.extend(crio.imagestore.iter().map(|it| ("imagestore", text(&it.value), &it.origin)));
    for option in &crio.storage_option {
        rows.push(("storage_option", format!("a store, {}", option.value), &option.origin));
    }
    let file = |key, value: &'_ Sourced<String>| (key, text(&value.value));
    for (row, origin) in [
        (file("clean_shutdown_file", &crio.clean_shutdown_file), &crio.clean_shutdown_file.origin),
        (("internal_wipe", crio.internal_wipe.value.to_string()), &crio.internal_wipe.origin),
        (("internal_repair", crio.internal_repair.value.to_string()), &crio.internal_repair.origin),
        (file("version_file", &crio.version_file), &crio.version_file.origin),
        (file("version_file_persist", &crio.version_file_persist), &crio.version_file_persist.origin),
    ] {
        rows.push((row.0, row.1, origin));
    }
    for (key, value, origin) in rows {
        let origin = match origin.label() {
            Some(origin) => format!(" ({origin})"),
            None => String::new(),
        };
        // Nothing to do with a power cut, but it removes images too.
        let update = key == "version_file_persist" && value != "\"\"";
        let update = if update { "; an update of CRI-O removes the images of containers" } else { "" };
        page.labelled(Style::Plain, key, width, &format!("{value}{origin}{update}"));
    }
    let unit = match &crio.wipe_unit {
        UnitState::Missing => "there is none: `crio wipe` does not run at boot".to_owned(),
        UnitState::Masked(file) => format!("masked ({})", file.display()),
        UnitState::Disabled(_) => "nothing starts it at boot".to_owned(),
        UnitState::Enabled(file) => format!("runs at boot ({})", file.display()),
    };
    page.labelled(Style::Plain, "crio-wipe.service", width, &unit);
    let state = match (crio.runs, crio.has_run, crio.stopped_cleanly) {
        (None, ..) => return,
        (Some(true), ..) => "runs",
        (Some(false), false, _) => "does not run, and has not started here yet",
        (Some(false), true, true) => "does not run; it was stopped cleanly",
        (Some(false), true, false) => "does not run; it was not stopped cleanly",
    };
    page.labelled(Style::Plain, "state", width, state);
}

fn problems(page: &mut Page, diagnosis: &Diagnosis) {
    page.heading("What is wrong");
    let errors = diagnosis.problems.iter().filter(|problem| problem.severity == Severity::Error);
    if errors.count() == 0 && diagnosis.not_looked.is_empty() {
        page.text(2, Style::Good, "no errors");
    }
    for problem in &diagnosis.problems {
        self::problem(page, problem, "");
    }
    match diagnosis.cures.len() {
        0 => {}
        count => {
            let steps = super::super::counted::counted(count, "step");
            let text = format!(
                "`storagectl doctor --fix` does what has one right answer, in {steps}; `--dry-run` shows it"
            );
            page.labelled(Style::Quiet, "note", 7, &text);
        }
    }
    for problem in &diagnosis.not_looked {
        page.labelled(Style::Doubtful, "unseen", 7, &format!("{}; {}", problem.message, problem.hint));
    }
    let warned = [
        (diagnosis.warnings.0, "check-config".to_owned()),
        (diagnosis.warnings.1, format!("check-store{}", stores(diagnosis))),
    ];
    if diagnosis.storages.iter().any(|storage| storage.images.as_ref().is_ok_and(|it| !it.is_empty())) {
        let text = "`storagectl check-store --deep` reads every byte of the images, which was not done here";
        page.labelled(Style::Quiet, "note", 7, text);
    }
    for (count, command) in warned.into_iter().filter(|(count, _)| *count > 0) {
        let what = if count == 1 { "1 warning".to_owned() } else { format!("{count} warnings") };
        page.labelled(Style::Quiet, "note", 7, &format!("{what} more, see `storagectl {command}`"));
    }
}

fn problem(page: &mut Page, problem: &Problem, why_left: &str) {
    let style = match problem.severity {
        Severity::Error => Style::Bad,
        Severity::Warning => Style::Doubtful,
        Severity::Note => Style::Quiet,
    };
    page.labelled(style, problem.severity.name(), 7, &sentence(problem));
    if problem.stops.is_empty() && !problem.effect.is_empty() {
        page.labelled(Style::Plain, "", 7, &format!("effect: {}", problem.effect));
    }
    page.labelled(Style::Plain, "", 7, &format!("hint: {}", problem.hint));
    if !why_left.is_empty() {
        page.labelled(Style::Quiet, "", 7, &format!("not done: {why_left}"));
    }
}

/// What `--fix` has left, each with why.
pub(super) fn left(left: &[(&Problem, String)]) -> Page {
    let mut page = Page::default();
    page.heading("What is left");
    for (problem, why) in left {
        self::problem(&mut page, problem, why);
    }
    page
}

/// The stores for `check-store` if it would not look at them of itself.
fn stores(diagnosis: &Diagnosis) -> String {
    let unlisted = diagnosis.storages.iter().filter(|storage| storage.listed_by.is_empty());
    let paths: Vec<String> = unlisted.map(|storage| format!(" {}", storage.path.display())).collect();
    paths.concat()
}

fn sentence(problem: &Problem) -> String {
    match problem.stops.is_empty() {
        true => problem.message.clone(),
        false => format!("{}: {}", problem.message, problem.stops.verb("stops", "stop")),
    }
}

fn forecasts(page: &mut Page, diagnosis: &Diagnosis, verbose: bool) {
    page.heading("If the power were cut now");
    let width = Fate::Wiped.words().len();
    for (index, storage) in diagnosis.storages.iter().enumerate() {
        if let Err(problem) = &storage.images {
            let text = format!("the images of {}: {}", storage.path.display(), problem.message);
            page.labelled(style(Fate::Unknown), Fate::Unknown.words(), width, &text);
        }
        let mut groups: Vec<(&Forecast, Vec<&ImageLine>)> = Vec::new();
        for image in diagnosis.images.iter().filter(|image| image.storage == index) {
            // The seconds since they were written are no reason to on_event two apart.
            let same = |(other, _): &&mut (&Forecast, Vec<&ImageLine>)| {
                other.answer == image.forecast.answer
                    && other.setting == image.forecast.setting
                    && other.remedy == image.forecast.remedy
                    && (other.because == image.forecast.because || other.remedy == Some(Remedy::Sync))
            };
            match groups.iter_mut().find(same) {
                Some((_, images)) => images.push(image),
                None => groups.push((&image.forecast, vec![image])),
            }
        }
        groups.sort_by_key(|(forecast, _)| forecast.answer);
        for (forecast, images) in groups {
            let answer = forecast.answer;
            let count =
                if images.len() == 1 { "1 image".to_owned() } else { format!("{} images", images.len()) };
            let head = format!("{count} in {}", storage.path.display());
            page.labelled(style(answer), answer.words(), width, &head);
            let shown = if verbose { images.len() } else { FEW.min(images.len()) };
            for image in &images[..shown] {
                page.command(width + 6, &image.title());
            }
            if shown < images.len() {
                page.command(width + 6, &format!("and {} more (-v)", images.len() - shown));
            }
            let because = match &forecast.setting {
                Some(setting) => format!("{}: {}", decided(setting), forecast.because),
                None => forecast.because.clone(),
            };
            page.text(width + 4, Style::Plain, &because);
            if let Some(remedy) = &forecast.remedy {
                let names: Vec<String> = images[..shown].iter().map(|image| image.title()).collect();
                page.text(width + 4, Style::Quiet, "What makes it safe:");
                for line in commands(remedy, &storage.path, &storage.driver, &names) {
                    page.command(width + 6, &line);
                }
                if shown < images.len() {
                    page.command(width + 6, "# with -v for all images");
                }
            }
        }
    }
    if diagnosis.images.is_empty() && diagnosis.storages.iter().all(|storage| storage.images.is_ok()) {
        page.text(2, Style::Plain, "no images on this host");
    }
}

/// What decides, and where it comes from.
fn decided(setting: &Setting) -> String {
    match setting {
        Setting::Key { name, value, origin } => {
            let value = match value {
                Leaf::String(text) => quoted(text),
                Leaf::Boolean(flag) => flag.to_string(),
                other => format!("{other:?}"),
            };
            let origin = origin.label().unwrap_or_else(|| "the default".to_owned());
            format!("{name} = {value} ({origin})")
        }
        Setting::WipeUnit(UnitState::Missing) => format!("there is no {}", setting.name()),
        Setting::WipeUnit(unit) => format!("{} is {}", setting.name(), unit.state().0),
    }
}

fn style(answer: Fate) -> Style {
    match answer {
        Fate::Survives => Style::Good,
        Fate::Wiped => Style::Bad,
        Fate::AtRisk | Fate::Unknown => Style::Doubtful,
    }
}
