//! Reads a partition as a restore does, and writes nothing: to know where its offsets go.

use std::{collections::VecDeque, sync::Arc};

use lifeboat_archive::{
    lists::TopicList,
    manifest::ManifestPartition,
    words::{Progress, TopicPartition},
};
use lifeboat_repository::ClusterRepository;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::{
    LANE_QUEUE,
    reader::{Outlet, PartitionReader, ReadError, SourcePartition},
};
use crate::{
    content::Depth,
    error::RestoreError,
    offset_map::WaitingRuns,
    offsets::{OffsetMap, OffsetTranslator},
    rewrite::{BatchLimits, Producer, Rewriter},
    selection::RecordSelection,
};

/// Nothing is held between its check and its replay.
const HOLD: u64 = 0;
/// Bytes that may wait for nobody.
const ROOM: u32 = 8 << 20;
/// Where batches end does not matter.
const LIMITS: BatchLimits = BatchLimits {
    encoded_bytes: 1 << 20,
};

/// A partition to be read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) repository: ClusterRepository,
    pub(crate) topic_partition: TopicPartition,
    pub(crate) partition: ManifestPartition,
    pub(crate) list: Arc<TopicList>,
    pub(crate) progress: Progress,
    pub(crate) cancel: CancellationToken,
}

impl Reading {
    /// Where `offsets` go.
    pub(crate) async fn translate(self, offsets: Vec<i64>) -> Result<OffsetMap, RestoreError> {
        let rewriter = Rewriter::new(
            OffsetTranslator::new(&self.partition, offsets),
            Producer { id: -1, epoch: -1 },
            LIMITS,
            Depth::Batches,
        );
        let (lane, mut batches) = mpsc::channel(LANE_QUEUE);
        let reader = PartitionReader {
            runtime: Handle::current(),
            repository: self.repository.repository().clone(),
            topic: self.topic_partition.topic,
            sources: VecDeque::from([SourcePartition {
                partition: self.partition,
                selection: RecordSelection::default(),
            }]),
            list: self.list,
            rewriter,
            outlets: vec![Outlet {
                slot: 0,
                lane,
                room: Arc::new(Semaphore::new(ROOM as usize)),
                room_bytes: ROOM,
            }],
            hold: HOLD,
            salvage: false,
            undecodable: None,
            waiting: None,
            runs: WaitingRuns::default(),
            progress: self.progress,
            cancel: self.cancel,
        };
        let reading = tokio::task::spawn_blocking(move || reader.run());
        while batches.recv().await.is_some() {}
        let read = reading.await?;
        let mut rewritten = read.map_err(ReadError::of_restore)?.into_iter();
        let only = rewritten.next().map(|rewritten| rewritten.offsets);
        only.ok_or_else(|| RestoreError::Internal("a reading came to nothing".to_owned()))
    }
}
