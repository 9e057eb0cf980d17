//! What is read and written together: a partition, or all of a topic that gets another number of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use lifeboat_archive::{
    lists::TopicList,
    words::{TopicId, TopicPartition},
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    WrittenPartition,
    lane::Message,
    reader::{Memory, PartitionReader, ReadError, SourcePartition, memory_for},
    writer::{PartitionWriter, WriteError},
};
use crate::{
    error::RestoreError,
    rewrite::{BatchLimits, Rewritten},
};

/// What there is to be done.
#[derive(Debug)]
pub(super) struct Work {
    /// Read in this order.
    pub(super) sources: VecDeque<SourcePartition>,
    /// Where what is read goes.
    pub(super) targets: Vec<TargetPartition>,
    pub(super) limits: BatchLimits,
}

/// A partition to be written.
#[derive(Debug)]
pub(super) struct TargetPartition {
    /// As the target calls it.
    pub(super) topic_partition: TopicPartition,
    pub(super) start_offset: i64,
    /// Records that were there before.
    pub(super) place: u64,
}

impl Work {
    /// What it takes, where `most` bytes are there for one.
    pub(super) fn memory(&self, list: &TopicList, most: u64) -> Memory {
        let sources = self.sources.iter().map(|source| &source.partition);
        let needs = sources.map(|it| memory_for(it, list.partition(it.partition), most));
        let needs = needs.reduce(Memory::for_either).unwrap_or_default();
        let needs = needs.of_sealed(&list.archives);
        match self.targets.len() {
            1 => needs,
            many => needs.of_spread(self.limits.spread_bytes(many)),
        }
    }
}

/// Work, and all that it takes.
pub(super) struct Job {
    pub(super) topic_id: TopicId,
    pub(super) retry_deadline: Duration,
    pub(super) reader: PartitionReader,
    /// As the reader's outlets are in order.
    pub(super) targets: Vec<TargetPartition>,
}

impl Job {
    pub(super) async fn run(
        self,
        _memory: OwnedSemaphorePermit,
    ) -> Result<Vec<WrittenPartition>, RestoreError> {
        let Self {
            topic_id,
            retry_deadline,
            reader,
            targets,
        } = self;
        let mut waiting = Vec::with_capacity(targets.len());
        for (outlet, target) in reader.outlets.iter().zip(&targets) {
            let (done, outcome) = oneshot::channel();
            let writer = PartitionWriter::new(
                target.topic_partition.clone(),
                topic_id,
                target.start_offset,
                target.place,
                retry_deadline,
                Arc::clone(&outlet.room),
                done,
            );
            let open = Message::Open(outlet.slot, Box::new(writer));
            let sent = outlet.lane.send(open).await;
            sent.map_err(|_| RestoreError::Cancelled)?;
            waiting.push((outlet.slot, outlet.lane.clone(), outcome));
        }
        let topic = Arc::clone(&reader.topic);
        let read = tokio::task::spawn_blocking(move || reader.run()).await?;
        let mut rewritten: Vec<Option<Rewritten>> = match read {
            Ok(rewritten) => rewritten.into_iter().map(Some).collect(),
            Err(ReadError::Stopped) => {
                for (slot, lane, _) in &waiting {
                    let told = lane.send(Message::GiveUp(*slot)).await;
                    told.map_err(|_| RestoreError::Cancelled)?;
                }
                Vec::new()
            }
            Err(error) => return Err(error.of_restore()),
        };
        rewritten.resize_with(targets.len(), || None);
        let mut written = Vec::with_capacity(targets.len());
        for ((target, (slot, _, outcome)), rewritten) in
            targets.into_iter().zip(waiting).zip(rewritten)
        {
            let outcome = outcome.await.map_err(|_| RestoreError::Cancelled)?;
            written.push(WrittenPartition {
                slot,
                topic: Arc::clone(&topic),
                topic_partition: target.topic_partition,
                topic_id,
                start_offset: target.start_offset,
                outcome: outcome_of(outcome, rewritten)?,
            });
        }
        Ok(written)
    }
}

/// What became of a partition, from what its writer and its reader say.
fn outcome_of(
    outcome: Result<(), WriteError>,
    rewritten: Option<Rewritten>,
) -> Result<Result<Rewritten, WriteError>, RestoreError> {
    match (outcome, rewritten) {
        (Ok(()), Some(rewritten)) => Ok(Ok(rewritten)),
        (Err(error), _) => Ok(Err(error)),
        (Ok(()), None) => Err(RestoreError::Internal(
            "a lane ended before its reader".to_owned(),
        )),
    }
}
