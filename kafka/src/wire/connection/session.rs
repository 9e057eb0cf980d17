//! Brokers may end a session that was proven by SASL after a while (`connections.max.reauth.ms`, or the end of a token).
//! Before that, who we are is proven again on the same connection (KIP-368).

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

use super::{Connection, link::Breakage};
use crate::{error::KafkaError, wire::sasl::Sasl};

/// A broker takes no second re-authentication within a second.
const LEAST_WAIT: Duration = Duration::from_millis(1100);
/// Between two tries while nothing but the token endpoint fails.
const PAUSE: Duration = Duration::from_secs(1);

/// Proves who we are, and goes on doing so where the broker wants that.
pub(super) async fn begin(
    connection: &Arc<Connection>,
    sasl: &Arc<Sasl>,
) -> Result<(), KafkaError> {
    let proof = sasl.prepare().await?;
    if let Some(lifetime) = proof.show(connection).await? {
        keep(connection, sasl, lifetime);
    }
    Ok(())
}

/// Proves again and again who we are, until the connection is gone.
fn keep(connection: &Arc<Connection>, sasl: &Arc<Sasl>, lifetime: Duration) {
    let stop = connection.stop.clone();
    let keeper = Keeper {
        connection: Arc::downgrade(connection),
        sasl: Arc::clone(sasl),
    };
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = keeper.keep(lifetime) => {}
        }
    });
}

struct Keeper {
    // whoever uses the connection decides how long it lives
    connection: Weak<Connection>,
    sasl: Arc<Sasl>,
}

impl Keeper {
    async fn keep(&self, lifetime: Duration) {
        let mut lifetime = Some(lifetime);
        while let Some(left) = lifetime {
            let begin = Instant::now();
            // half of it is left for requests that are on their way: a broker that receives one later ends the
            // connection
            sleep_until(begin + (left / 2).max(LEAST_WAIT)).await;
            match self.renew(begin + left).await {
                Ok(next) => lifetime = next,
                Err(error) => return self.give_up(&error),
            }
        }
    }

    /// The next session's lifetime; `None` where it has no end, or nobody needs it any more.
    async fn renew(&self, end: Instant) -> Result<Option<Duration>, KafkaError> {
        loop {
            let error = match self.sasl.prepare().await {
                Ok(proof) => {
                    let Some(connection) = self.connection.upgrade() else {
                        return Ok(None);
                    };
                    // those that are in the queue go before, all others after
                    let _gate = connection.gate.write().await;
                    return proof.show(&connection).await;
                }
                Err(error) => error,
            };
            if !error.is_retriable() || Instant::now() + PAUSE >= end {
                return Err(error);
            }
            tracing::warn!(%error, "no new token yet");
            sleep(PAUSE).await;
        }
    }

    fn give_up(&self, error: &KafkaError) {
        let Some(connection) = self.connection.upgrade() else {
            return;
        };
        let cause = Breakage::Other(format!("re-authentication failed: {error}"));
        tracing::debug!(broker = connection.address, %cause, "connection broke");
        // another cause came before
        drop(connection.broken.set(cause));
        connection.stop.cancel();
    }
}
