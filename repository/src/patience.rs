//! Requests whose answers are lost on the way are made again.
//!
//! object_store makes most requests again by itself, but not those of which it can't know whether they were done: a
//! create-only write, and what begins an answer and does not end it.

use std::time::{Duration, Instant};

use object_store::{BackoffConfig, RetryConfig};

use crate::error::{is_conflict, is_lost_on_the_way};

/// How long one request is made again.
#[derive(Debug)]
pub(crate) struct Patience<'r> {
    retries: &'r RetryConfig,
    begun: Instant,
    tried: usize,
    pause: Duration,
}

impl<'r> Patience<'r> {
    pub(crate) fn new(retries: &'r RetryConfig) -> Self {
        Self {
            retries,
            begun: Instant::now(),
            tried: 0,
            pause: retries.backoff.init_backoff,
        }
    }

    /// Waits before the next attempt. False where another one is of no use, or there were enough.
    pub(crate) async fn allows(&mut self, object: &str, error: &object_store::Error) -> bool {
        let of_use = is_lost_on_the_way(error) || is_conflict(error);
        let enough = self.tried >= self.retries.max_retries
            || self.begun.elapsed() > self.retries.retry_timeout;
        if !of_use || enough {
            return false;
        }
        tracing::info!(
            object,
            attempt = self.tried + 1,
            "the store's answer was lost: trying again"
        );
        self.pause().await;
        true
    }

    /// Waits, longer each time.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        let BackoffConfig {
            max_backoff, base, ..
        } = self.retries.backoff;
        self.pause = self.pause.mul_f64(base).min(max_backoff);
        self.tried += 1;
    }
}
