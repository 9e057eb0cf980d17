//! Holds a run to a number of bytes per second, over all its connections.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lifeboat_archive::words::ByteSize;
use tokio::time::{Instant, sleep_until};

/// A limit of bytes per second; clones share it. Without one nothing waits.
#[derive(Clone, Debug, Default)]
pub struct Pace(Option<Arc<Limiter>>);

#[derive(Debug)]
struct Limiter {
    bytes_per_second: u64,
    /// When everything that was moved so far is paid for.
    free_at: Mutex<Instant>,
}

impl Pace {
    /// At most `bytes` per second; no limit where none is given, or 0.
    pub fn new(bytes: Option<ByteSize>) -> Self {
        let bytes = bytes.filter(|bytes| bytes.0 > 0);
        Self(bytes.map(|bytes| {
            Arc::new(Limiter {
                bytes_per_second: bytes.0,
                free_at: Mutex::new(Instant::now()),
            })
        }))
    }

    /// Waits until all that was moved before is paid for, then counts `bytes` more.
    ///
    /// So a single request is never held back for its own size: the next one is.
    pub async fn spend(&self, bytes: u64) {
        if let Some(limiter) = &self.0 {
            sleep_until(limiter.reserve(bytes)).await;
        }
    }
}

impl Limiter {
    /// Sets time aside for `bytes`; gives when it begins.
    fn reserve(&self, bytes: u64) -> Instant {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = (*free_at).max(Instant::now());
        *free_at = begins + takes;
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_who_share_a_pace_stay_below_it_together() {
        let pace = Pace::new(Some(ByteSize(1_000)));
        let begun = Instant::now();
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let pace = pace.clone();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        pace.spend(100).await;
                    }
                })
            })
            .collect();
        for run in runs {
            run.await.unwrap();
        }
        // 2,000 bytes, of which the last 100 are not waited for
        assert_eq!(begun.elapsed().as_millis(), 1_900);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for_by_going_faster() {
        let pace = Pace::new(Some(ByteSize(1_000)));
        pace.spend(500).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        pace.spend(500).await;
        pace.spend(500).await;
        assert_eq!(begun.elapsed().as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let begun = Instant::now();
        for limit in [None, Some(ByteSize(0))] {
            Pace::new(limit).spend(u64::MAX).await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
