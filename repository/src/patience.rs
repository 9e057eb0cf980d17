//! Requests whose answers are lost on the way are made again.
//!
//! object_store makes most requests again by itself, but not those of which it can't know whether they were done: a
//! create-only write, and what begins an answer and does not end it.

use std::time::{Duration, Instant};

use object_store::{BackoffConfig, RetryConfig};

use crate::{
    Cause, RepositoryError,
    error::{is_conflict, is_lost_on_the_way},
};

/// How often a store may say that an object is there, and that it is not, before it is not believed any more.
const CONTRADICTIONS: usize = 5;

/// How long one request is made again.
#[derive(Debug)]
pub(crate) struct Patience<'r> {
    retries: &'r RetryConfig,
    begun: Instant,
    tried: usize,
    pause: Duration,
    contradictions: usize,
}

impl<'r> Patience<'r> {
    pub(crate) fn new(retries: &'r RetryConfig) -> Self {
        Self {
            retries,
            begun: Instant::now(),
            tried: 0,
            pause: retries.backoff.init_backoff,
            contradictions: 0,
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

    /// Waits, because the store said that an object is there already, and then that it is not. An error where it does not
    /// stop.
    pub(crate) async fn contradicted(&mut self, object: &str) -> Result<(), RepositoryError> {
        self.contradictions += 1;
        if self.contradictions == CONTRADICTIONS {
            return Err(RepositoryError::Store {
                operation: "write",
                object: object.to_owned(),
                source: Cause::new("the store says that it is there already, and that it is not"),
            });
        }
        self.pause().await;
        Ok(())
    }

    /// Waits, longer each time.
    async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        let BackoffConfig {
            max_backoff, base, ..
        } = self.retries.backoff;
        self.pause = self.pause.mul_f64(base).min(max_backoff);
        self.tried += 1;
    }
}
