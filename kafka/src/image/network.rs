//! The metadata log from the active controller, as a broker gets it.

use super::{Image, ImageError, Replay};
use crate::{
    error::{ErrorCode, KafkaError},
    wire::Controllers,
};

/// Reads the image from the controllers. Takes ClusterAction on the cluster, on their listener.
pub async fn read_controllers(controllers: &Controllers) -> Result<Image, ImageError> {
    let mut patience = controllers.patience();
    loop {
        match read_once(controllers).await {
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, "reading the metadata log again");
                if !patience.pause().await {
                    return Err(error);
                }
            }
            settled => return settled,
        }
    }
}

/// Reads up to what is committed when it begins. A change of leader is an error that may be tried again.
async fn read_once(controllers: &Controllers) -> Result<Image, ImageError> {
    let active = controllers.active().await?;
    let mut replay = Replay::default();
    let mut end = None;
    loop {
        let answer = active
            .log(replay.next_offset(), replay.last_epoch())
            .await?;
        if let Some(snapshot) = answer.snapshot {
            if snapshot.end_offset <= replay.next_offset() {
                let next = replay.next_offset();
                let end = snapshot.end_offset;
                let detail = format!("a snapshot that ends at offset {end} where {next} is wanted");
                return Err(malformed(detail));
            }
            let bytes = active.snapshot(snapshot).await?;
            replay = Replay::of_snapshot(&bytes, snapshot.end_offset, snapshot.epoch)?;
            continue;
        }
        // another leader took over since, or it does not know yet what is committed
        if answer.diverging_epoch.is_some() || answer.high_watermark < 0 {
            let code = ErrorCode::OFFSET_NOT_AVAILABLE;
            return Err(KafkaError::broker("Fetch", "__cluster_metadata", code).into());
        }
        let end = *end.get_or_insert(answer.high_watermark);
        let before = replay.next_offset();
        replay.log(&answer.records, end)?;
        if replay.next_offset() >= end {
            tracing::debug!(controller = active.address(), end, "read the metadata log");
            return Ok(replay.finish());
        }
        if replay.next_offset() == before {
            if answer.records.is_empty() {
                // it says itself that there is more
                let code = ErrorCode::OFFSET_NOT_AVAILABLE;
                return Err(KafkaError::broker("Fetch", "__cluster_metadata", code).into());
            }
            return Err(malformed(format!("no whole batch from offset {before} on")));
        }
    }
}

fn malformed(detail: String) -> ImageError {
    let operation = "Fetch";
    KafkaError::Malformed { operation, detail }.into()
}
