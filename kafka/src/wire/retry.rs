//! One way to try again: until a deadline, with growing pauses.

use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is left of the time in which something may be tried again.
#[derive(Debug)]
pub struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    /// For `limit` from now on.
    pub fn new(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
            pause: FIRST_PAUSE,
        }
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Waits before the next try; `false`, at once, where the time is over.
    ///
    /// The pauses are spread at random, so that clients do not ask in step.
    pub async fn pause(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let spread = rand::rng().random_range(0.8..1.2);
        sleep(self.pause.mul_f64(spread).min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn patience_ends_at_its_deadline_and_tries_once_more_there() {
        let begin = Instant::now();
        let mut patience = Patience::new(Duration::from_millis(120));
        let mut tries = 0;
        while patience.pause().await {
            tries += 1;
        }
        assert!((2..=4).contains(&tries), "{tries}");
        assert!(begin.elapsed() < Duration::from_secs(2));
        assert!(patience.is_over());
    }
}
