//! Progress on stderr: a bar with rate and remaining time on a terminal, a line now and then elsewhere.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lifeboat_archive::words::{ByteSize, HumanDuration, Progress, ProgressView};
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::answer::write_stderr;

/// How often a bar is drawn.
const FRAME: Duration = Duration::from_millis(250);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(30);

/// Where progress is shown.
#[derive(Debug)]
pub(crate) struct Display {
    bars: MultiProgress,
    terminal: bool,
    drawing: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

impl Display {
    pub(crate) fn new(bars: MultiProgress, terminal: bool) -> Self {
        Self {
            bars,
            terminal,
            drawing: Mutex::new(None),
        }
    }

    /// Shows how far `progress` is until [`Self::finish`].
    pub(crate) fn watch(&self, progress: &Progress) {
        let mut painter: Box<dyn Painter> = if self.terminal {
            Box::new(Bars::new(self.bars.clone()))
        } else {
            Box::new(Lines::default())
        };
        let (watched, over) = (progress.clone(), CancellationToken::new());
        let stop = over.clone();
        let task = tokio::spawn(async move {
            let mut meter = Meter::default();
            let mut frames = tokio::time::interval(FRAME);
            // a machine that was asleep has nothing to catch up with
            frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stop.run_until_cancelled(frames.tick()).await.is_some() {
                painter.paint(&meter.read(&watched, Instant::now()));
            }
            painter.end();
        });
        *self.drawing() = Some((over, task));
    }

    fn drawing(&self) -> MutexGuard<'_, Option<(CancellationToken, JoinHandle<()>)>> {
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the bars away. Nothing is drawn after it.
    pub(crate) async fn finish(&self) {
        let drawing = self.drawing().take();
        if let Some((over, task)) = drawing {
            over.cancel();
            if let Err(error) = task.await {
                tracing::warn!(%error, "can't draw progress");
            }
        }
    }
}

/// Draws one reading after the other.
trait Painter: Send {
    fn paint(&mut self, reading: &Reading);

    /// Takes away what is not worth keeping.
    fn end(&mut self);
}

/// Turns counters into rates.
#[derive(Debug, Default)]
struct Meter {
    phase: u32,
    begun: Option<Instant>,
    last: Option<(Instant, u64, u64)>,
    /// Bytes and units per second, smoothed over some seconds.
    rates: Option<(f64, f64)>,
    ended: Option<Ended>,
    view: ProgressView,
}

/// What a progress stood at, with rates.
#[derive(Debug, Default)]
struct Reading {
    view: ProgressView,
    elapsed: Duration,
    bytes_per_second: Option<f64>,
    left: Option<Duration>,
    /// The phase that was over since the last reading.
    ended: Option<Ended>,
}

/// A phase that is over.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ended {
    phase: &'static str,
    bytes: u64,
    elapsed: Duration,
}

/// Older measurements lose half their weight in about this time.
const SMOOTHING: f64 = 5.0;

impl Meter {
    fn read(&mut self, progress: &Progress, now: Instant) -> Reading {
        let view = progress.view();
        if view.phase_number != self.phase {
            self.ended = self.begun.map(|begun| Ended {
                phase: self.view.phase,
                bytes: self.view.bytes,
                elapsed: now - begun,
            });
            self.phase = view.phase_number;
            self.begun = Some(now).filter(|_| view.phase_number > 0);
            // the phase began after the last look: what it has done since is a first rate
            self.last = self.last.map(|(before, ..)| (before, 0, 0));
            self.rates = None;
        }
        if let Some((before, bytes, done)) = self.last {
            let seconds = (now - before).as_secs_f64().max(1e-3);
            let fresh = (
                view.bytes.saturating_sub(bytes) as f64 / seconds,
                view.done.saturating_sub(done) as f64 / seconds,
            );
            let weight = 1.0 - 0.5f64.powf(seconds / SMOOTHING);
            self.rates = Some(match self.rates {
                Some((bytes, units)) => (
                    bytes + (fresh.0 - bytes) * weight,
                    units + (fresh.1 - units) * weight,
                ),
                None => fresh,
            });
        }
        self.last = Some((now, view.bytes, view.done));
        self.view = view.clone();
        let (bytes_per_second, units_per_second) = self.rates.unzip();
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| now - begun);
        Reading {
            left: left(&view, units_per_second.unwrap_or(0.0), elapsed),
            view,
            elapsed,
            bytes_per_second,
            ended: self.ended.take(),
        }
    }
}

/// How long the rest takes; not guessed in the first seconds.
fn left(view: &ProgressView, units_per_second: f64, elapsed: Duration) -> Option<Duration> {
    if view.total == 0 || units_per_second < 1e-6 || elapsed < Duration::from_secs(3) {
        return None;
    }
    let rest = view.total.saturating_sub(view.done) as f64;
    Duration::try_from_secs_f64((rest / units_per_second).ceil()).ok()
}

impl Reading {
    /// `79 %`, not 100 before it is over.
    fn percent(&self) -> Option<u64> {
        let ProgressView { done, total, .. } = self.view;
        let percent = done.min(total).saturating_mul(100).checked_div(total)?;
        Some(if done < total {
            percent.min(99)
        } else {
            percent
        })
    }

    /// What stands behind the bar: `41.2 GB  468 MB/s  23 s left`.
    fn details(&self) -> String {
        let mut parts = Vec::new();
        if self.view.bytes > 0 {
            parts.push(ByteSize(self.view.bytes).to_string());
            parts.extend(self.bytes_per_second.map(rate));
        }
        if let Some(left) = self.left {
            parts.push(format!("{} left", whole_seconds(left)));
        }
        if !self.view.note.is_empty() {
            parts.push(self.view.note.clone());
        }
        parts.join("  ")
    }

    fn line(&self) -> String {
        let percent = self.percent().map(|percent| format!("{percent} %"));
        let details = Some(self.details().replace("  ", ", ")).filter(|text| !text.is_empty());
        let parts: Vec<_> = percent.into_iter().chain(details).collect();
        let parts = if parts.is_empty() {
            format!("since {}", HumanDuration(self.elapsed))
        } else {
            parts.join(", ")
        };
        format!("{}: {parts}", self.view.phase)
    }
}

/// A guess has no tenths.
fn whole_seconds(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..10 => format!("{seconds} s"),
        _ => HumanDuration(duration).to_string(),
    }
}

impl Ended {
    fn line(&self) -> String {
        let mut text = format!("{}: done in {}", self.phase, HumanDuration(self.elapsed));
        if self.bytes > 0 {
            let per_second = self.bytes as f64 / self.elapsed.as_secs_f64().max(1e-3);
            text.push_str(&format!(", {}, {}", ByteSize(self.bytes), rate(per_second)));
        }
        text
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people"
)]
fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", ByteSize(bytes_per_second.max(0.0) as u64))
}

/// On a terminal.
struct Bars {
    all: MultiProgress,
    bar: Option<(u32, ProgressBar)>,
}

impl Bars {
    fn new(all: MultiProgress) -> Self {
        Self { all, bar: None }
    }

    /// A bar where the total is known, else only the words.
    fn style(total: u64) -> ProgressStyle {
        let template = if total > 0 {
            "  {prefix:<15} {bar:30} {percent:>3} %  {wide_msg}"
        } else {
            "  {prefix:<15} {wide_msg}"
        };
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("█▉▊▋▌▍▎▏░")
    }
}

impl Painter for Bars {
    fn paint(&mut self, reading: &Reading) {
        let view = &reading.view;
        if let Some(ended) = &reading.ended {
            if let Some((_, bar)) = self.bar.take() {
                bar.finish_and_clear();
            }
            // what a phase took stays on the screen
            self.all.println(format!("  {}", ended.line())).ok();
        }
        if view.phase_number == 0 {
            return;
        }
        let bar = match &self.bar {
            Some((phase, bar)) if *phase == view.phase_number => bar,
            _ => {
                let bar = self.all.add(ProgressBar::new(view.total));
                bar.set_style(Self::style(view.total));
                bar.set_prefix(view.phase);
                &self.bar.insert((view.phase_number, bar)).1
            }
        };
        bar.set_position(view.done.min(view.total));
        let details = reading.details();
        if view.total == 0 && details.is_empty() {
            bar.set_message(HumanDuration(reading.elapsed).to_string());
        } else {
            bar.set_message(details);
        }
    }

    fn end(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Where there is no terminal: a log, a pipe.
#[derive(Debug, Default)]
struct Lines {
    written: Duration,
}

impl Painter for Lines {
    fn paint(&mut self, reading: &Reading) {
        if let Some(ended) = &reading.ended {
            write_stderr(&format!("{}\n", ended.line()));
            self.written = Duration::ZERO;
        }
        if reading.view.phase_number > 0 && reading.elapsed >= self.written + LINE {
            write_stderr(&format!("{}\n", reading.line()));
            self.written = reading.elapsed;
        }
    }

    fn end(&mut self) {}
}

#[cfg(test)]
mod tests;
