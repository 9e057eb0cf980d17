//! Ctrl-C and SIGTERM: the first one stops in good order, the second one at once.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::MultiProgress;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{answer::write_stderr, exit::Exit, failure::Failure};

/// Tells whoever works that it should stop. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    terminated: Arc<AtomicBool>,
    /// What remains of what is stopped, where that is something.
    remains: Arc<OnceLock<&'static str>>,
}

impl Interrupt {
    /// Listens for signals from now on; must be called on the runtime.
    pub(crate) fn listen(bars: MultiProgress) -> Self {
        let interrupt = Self {
            token: CancellationToken::new(),
            terminated: Arc::default(),
            remains: Arc::default(),
        };
        // asked for here and not in the task: a signal can come before that has begun
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        if let (Ok(int), Ok(term)) = signals {
            let listener = interrupt.clone();
            tokio::spawn(async move { listener.wait(int, term, bars).await });
        } else {
            tracing::warn!("can't listen for signals: Ctrl-C ends the program at once");
        }
        interrupt
    }

    async fn wait(self, mut int: Signal, mut term: Signal, bars: MultiProgress) {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => self.terminated.store(true, Ordering::Relaxed),
        }
        let remains = self.remains.get().copied();
        let remains = remains.unwrap_or("nothing half-done will be left to be seen");
        let text = format!("stopping; {remains} (once more to end at once)\n");
        bars.suspend(|| write_stderr(&text));
        self.token.cancel();
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        // Whatever the state: nothing that is not committed counts.
        std::process::exit(i32::from(self.exit().code()));
    }

    /// Cancelled by the first signal.
    pub(crate) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// From now on something half-done remains if it is stopped: what to do then.
    pub(crate) fn leaves(&self, remains: &'static str) {
        // whoever said so first knows it as well
        self.remains.get_or_init(|| remains);
    }

    /// The exit code of a run that was interrupted.
    pub(crate) fn exit(&self) -> Exit {
        if self.terminated.load(Ordering::Relaxed) {
            Exit::Terminated
        } else {
            Exit::Interrupted
        }
    }

    /// Does `work`, unless it is interrupted: for work that can be dropped anywhere.
    pub(crate) async fn unless<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.token.cancelled() => Err(Failure::interrupted()),
            result = work => result,
        }
    }
}
