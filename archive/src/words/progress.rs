//! How far a run has come, kept by whoever works and polled by whoever draws.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Shared counters of one run. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    phase: Mutex<Phase>,
    done: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Phase {
    number: u32,
    name: &'static str,
    total: u64,
    note: String,
}

/// What [`Progress`] stood at when it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgressView {
    /// Counts the phases, from 1; 0 before the first.
    pub phase_number: u32,
    /// `planning`, `streaming`, …
    pub phase: &'static str,
    /// How much of the phase is done, in units of its own (offsets, archives, …).
    pub done: u64,
    /// How much there is to do; 0 where that is not known.
    pub total: u64,
    /// Bytes moved in this phase, for the rate.
    pub bytes: u64,
    /// What is being worked on.
    pub note: String,
}

impl Progress {
    /// Begins a phase of `total` units (0 = unknown); the counters start anew.
    pub fn begin(&self, name: &'static str, total: u64) {
        let mut phase = self.phase();
        *phase = Phase {
            number: phase.number + 1,
            name,
            total,
            note: String::new(),
        };
        self.0.done.store(0, Ordering::Relaxed);
        self.0.bytes.store(0, Ordering::Relaxed);
    }

    /// `units` more are done.
    pub fn advance(&self, units: u64) {
        self.0.done.fetch_add(units, Ordering::Relaxed);
    }

    /// `bytes` more were moved.
    pub fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What is being worked on.
    pub fn note(&self, note: impl Into<String>) {
        self.phase().note = note.into();
    }

    /// Where it stands.
    pub fn view(&self) -> ProgressView {
        let phase = self.phase().clone();
        ProgressView {
            phase_number: phase.number,
            phase: phase.name,
            done: self.0.done.load(Ordering::Relaxed),
            total: phase.total,
            bytes: self.0.bytes.load(Ordering::Relaxed),
            note: phase.note,
        }
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, Phase> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
