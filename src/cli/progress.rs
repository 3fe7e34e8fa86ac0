//! Progress of long work: a bar on a terminal, now and then a line elsewhere, or JSON.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::counted::counted;
use super::output::Output;
use crate::problem::size;
use crate::store::check::Progress;

/// A bar, with bytes in powers of 1000 as everywhere.
const BAR: &str = "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";

/// How often a bar moves.
const TICK: Duration = Duration::from_millis(100);

/// When the first line is written where there is no bar, and how long after one the next.
const LINES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(30)];

/// How long after a line of JSON the next is written.
const JSON_LINES: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct ProgressOption {
    /// How to show progress: a bar on a terminal and now and then a line elsewhere, or
    /// lines of JSON on standard error
    #[arg(long, value_name = "HOW", default_value = "auto")]
    progress: ProgressFormat,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressFormat {
    /// A bar, or lines where there is no terminal
    Auto,
    /// Lines of JSON, one a second
    Json,
    /// Not at all
    None,
}

/// A line of JSON.
#[derive(Serialize)]
struct ProgressJson {
    event: &'static str,
    doing: &'static str,
    bytes: u64,
    total_bytes: u64,
    bytes_per_second: u64,
    images: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_images: Option<usize>,
}

/// Shows how far some work is.
pub(super) struct ProgressDisplay<'a> {
    output: &'a Output,
    format: ProgressFormat,
    bar: Option<ProgressBar>,
    /// What the work tells of itself.
    pub(super) progress: Progress,
    images: AtomicUsize,
    total_images: Option<usize>,
}

impl<'a> ProgressDisplay<'a> {
    /// Shows it as the option says; `total_images` if the work is done image by image.
    pub(super) fn new(output: &'a Output, option: &ProgressOption, total_images: Option<usize>) -> Self {
        let is_seen =
            option.progress == ProgressFormat::Auto && output.is_loud() && io::stderr().is_terminal();
        let bar = is_seen.then(|| ProgressBar::new(0));
        let (progress, images) = (Progress::default(), AtomicUsize::new(0));
        Self { output, format: option.progress, bar, progress, images, total_images }
    }

    /// Says something without a bar in between.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    /// One more image is done.
    pub(super) fn image_done(&self) {
        self.images.fetch_add(1, Ordering::Relaxed);
    }

    /// Does `work`, and shows how far it is.
    pub(super) fn run<T>(&self, work: impl FnOnce(&Progress) -> T) -> T {
        let is_shown = self.format == ProgressFormat::Json
            || (self.format == ProgressFormat::Auto && self.output.is_loud());
        if !is_shown {
            return work(&self.progress);
        }
        thread::scope(|scope| {
            let (stop, stopped) = channel::<()>();
            // Without a thread for it nothing is shown.
            let _ = thread::Builder::new().spawn_scoped(scope, move || {
                let (mut next, mut rate) = (self.first_line(), Rate::new());
                // Until the other end is dropped.
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    match &self.bar {
                        Some(bar) => self.draw(bar),
                        None if Instant::now() >= next => next = self.line(&mut rate),
                        None => {}
                    }
                }
                match &self.bar {
                    Some(bar) => bar.finish_and_clear(),
                    None if self.format == ProgressFormat::Json => _ = self.line(&mut rate),
                    None => {}
                }
            });
            let result = work(&self.progress);
            drop(stop);
            result
        })
    }

    fn first_line(&self) -> Instant {
        Instant::now() + if self.format == ProgressFormat::Json { JSON_LINES } else { LINES[0] }
    }

    fn draw(&self, bar: &ProgressBar) {
        let (done, total) = self.progress.bytes();
        // What has no bytes has no length.
        let template = if total == 0 { "{msg}" } else { BAR };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is sound"));
        bar.set_message(self.doing());
        bar.set_length(total);
        bar.set_position(done);
    }

    /// What is being done, with the images that are done if they are counted.
    fn doing(&self) -> String {
        let doing = self.progress.doing();
        let done = self.images.load(Ordering::Relaxed);
        self.total_images.map_or_else(|| doing.to_owned(), |total| format!("{doing}, {done}/{total}"))
    }

    /// Writes a line, and says when the next is due.
    fn line(&self, rate: &mut Rate) -> Instant {
        let (bytes, total_bytes) = self.progress.bytes();
        let (doing, bytes_per_second) = (self.progress.doing(), rate.of(bytes));
        let images = self.images.load(Ordering::Relaxed);
        if self.format == ProgressFormat::Json {
            let total_images = self.total_images;
            let event = "progress";
            self.output.print_json_line(&ProgressJson {
                event,
                doing,
                bytes,
                total_bytes,
                bytes_per_second,
                images,
                total_images,
            });
            return Instant::now() + JSON_LINES;
        }
        let of_images = self.total_images.map(|total| format!("; {images} of {}", counted(total, "image")));
        let of_bytes = match total_bytes {
            0 => String::new(),
            _ => format!(": {} of {}, {} per second", size(bytes), size(total_bytes), size(bytes_per_second)),
        };
        self.output.status(&format!("{doing}{of_bytes}{}", of_images.unwrap_or_default()));
        Instant::now() + LINES[1]
    }
}

/// How many bytes a second were done since it was last asked.
struct Rate {
    at: Instant,
    bytes: u64,
}

impl Rate {
    fn new() -> Self {
        Self { at: Instant::now(), bytes: 0 }
    }

    fn of(&mut self, bytes: u64) -> u64 {
        let (more, time) = (bytes.saturating_sub(self.bytes), self.at.elapsed());
        (self.at, self.bytes) = (Instant::now(), bytes);
        u64::try_from(u128::from(more) * 1000 / time.as_millis().max(1)).unwrap_or(u64::MAX)
    }
}
