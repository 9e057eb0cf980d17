//! How long the long sweeps are.

use std::env;

/// How many rounds a sweep makes: `sample` in a usual run, `full` where `LIFEBOAT_ROUNDS` is `full` (`make soak`), or the
/// number that it gives.
pub fn rounds(sample: usize, full: usize) -> usize {
    match env::var("LIFEBOAT_ROUNDS") {
        Ok(rounds) if rounds == "full" => full,
        Ok(rounds) => rounds.parse().unwrap_or(sample),
        Err(_) => sample,
    }
}
