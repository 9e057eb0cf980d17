//! Packs closed segments into archives and uploads them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use lifeboat_archive::{
    index::ArchiveIndex,
    lists::{ArchiveReference, TransactionTable},
    segment::FrameCompressor,
    tarball::ArchiveBuilder,
    words::Clock,
};
use lifeboat_repository::{ArchiveUpload, ClusterRepository};
use tokio::{
    sync::{Notify, mpsc},
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    BackupError, Options,
    notes::Notes,
    partition::Closed,
    written::{WrittenArchives, WrittenSegment},
};

/// A segment that is to be stored.
#[derive(Debug)]
pub(super) struct QueuedSegment {
    /// Which partition, by its index in the bounds.
    pub(super) partition: usize,
    pub(super) closed: Closed,
}

/// Bytes of closed segments that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: AtomicU64,
    less: Notify,
}

impl Backlog {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn put_on(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take_off(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.less.notify_one();
    }

    /// Waits until it has become less, for the one who waits.
    pub(super) async fn less(&self) {
        self.less.notified().await;
    }
}

/// Packs what comes in until the queue is closed.
#[derive(Debug)]
pub(super) struct ArchiveWriter {
    pub(super) store: ClusterRepository,
    pub(super) options: Options,
    pub(super) clock: Clock,
    /// Becomes less by what is written.
    pub(super) backlog: Arc<Backlog>,
    /// Nothing will be committed: the open archive is removed and not finished.
    pub(super) give_up: CancellationToken,
    /// What the next run goes on from if this one does not finish.
    pub(super) notes: Option<Notes>,
}

impl ArchiveWriter {
    pub(super) async fn run(
        mut self,
        mut queue: mpsc::Receiver<QueuedSegment>,
    ) -> Result<WrittenArchives, BackupError> {
        let mut ending = JoinSet::new();
        let packed = self.pack(&mut queue, &mut ending).await;
        // after an error too: stopped half-way, it would leave parts in the store
        while ending.join_next().await.is_some() {}
        packed
    }

    /// At most one archive is `ending`: a store takes its time to make it appear, and the next is written meanwhile.
    async fn pack(
        &mut self,
        queue: &mut mpsc::Receiver<QueuedSegment>,
        ending: &mut JoinSet<Result<EndedArchive, BackupError>>,
    ) -> Result<WrittenArchives, BackupError> {
        let mut written = WrittenArchives::default();
        let mut open: Option<OpenArchive> = None;
        loop {
            let queued = tokio::select! {
                Some(ended) = ending.join_next() => {
                    self.note(ended, &mut written).await?;
                    continue;
                }
                queued = queue.recv() => queued,
            };
            let Some(QueuedSegment { partition, closed }) = queued else {
                break;
            };
            if self.give_up.is_cancelled() {
                break;
            }
            let mut archive = match open.take() {
                Some(archive) => archive,
                None => OpenArchive::begin(&self.store, &self.clock).await?,
            };
            let bytes = closed.segment.entry.length;
            archive.append(partition, closed).await?;
            self.backlog.take_off(bytes);
            if archive.builder.size() >= self.options.archive_size.0 {
                if let Some(ended) = ending.join_next().await {
                    self.note(ended, &mut written).await?;
                }
                ending.spawn(archive.finish(self.options.compression_level));
            } else {
                open = Some(archive);
            }
        }
        if let Some(ended) = ending.join_next().await {
            self.note(ended, &mut written).await?;
        }
        if let Some(archive) = open {
            if self.give_up.is_cancelled() {
                archive.upload.abort().await?;
            } else {
                let ended = archive.finish(self.options.compression_level).await?;
                ended.add_to(&mut written);
            }
        }
        Ok(written)
    }

    /// Behind the archive's confirmation: a note never names what is not there.
    async fn note(
        &mut self,
        ended: Result<Result<EndedArchive, BackupError>, JoinError>,
        written: &mut WrittenArchives,
    ) -> Result<(), BackupError> {
        let ended = ended.map_err(|_| BackupError::Broken("ending an archive failed"))?;
        ended?.add_to(written);
        let number = written.archives.len() - 1;
        let first = written
            .segments
            .partition_point(|segment| segment.archive < number);
        if let Some(notes) = &mut self.notes {
            let archive = &written.archives[number];
            return notes.stored(archive, &mut written.segments[first..]).await;
        }
        for segment in &mut written.segments[first..] {
            segment.transactions = None;
        }
        Ok(())
    }
}

/// An archive that is there, and whose segments it has.
struct EndedArchive {
    reference: ArchiveReference,
    index: ArchiveIndex,
    partitions: Vec<(usize, Option<Arc<TransactionTable>>)>,
}

impl EndedArchive {
    fn add_to(self, written: &mut WrittenArchives) {
        let archive = written.archives.len();
        written.archives.push(self.reference);
        let segments = self.partitions.into_iter().zip(self.index.segments);
        written
            .segments
            .extend(
                segments.map(|((partition, transactions), entry)| WrittenSegment {
                    partition,
                    archive,
                    entry,
                    transactions,
                }),
            );
    }
}

/// An archive that is being uploaded. Dropped before its end it leaves nothing that can be seen.
struct OpenArchive {
    builder: ArchiveBuilder,
    upload: ArchiveUpload,
    partitions: Vec<(usize, Option<Arc<TransactionTable>>)>,
}

impl OpenArchive {
    async fn begin(store: &ClusterRepository, clock: &Clock) -> Result<Self, BackupError> {
        let now = clock.now();
        let upload = store.begin_archive(now).await?;
        Ok(Self {
            builder: ArchiveBuilder::new(upload.name(), now),
            upload,
            partitions: Vec::new(),
        })
    }

    async fn append(&mut self, partition: usize, closed: Closed) -> Result<(), BackupError> {
        if let Some(newest) = &closed.transactions {
            // it says all that those of earlier segments say, which may be large
            let same = self
                .partitions
                .iter_mut()
                .filter(|(of, _)| *of == partition);
            for earlier in same.filter_map(|(_, table)| table.as_mut()) {
                *earlier = Arc::clone(newest);
            }
        }
        self.partitions.push((partition, closed.transactions));
        for bytes in self.builder.append(closed.segment) {
            self.upload.write(bytes).await?;
        }
        Ok(())
    }

    /// Ends the archive: nothing names its segments before its size is confirmed.
    async fn finish(mut self, level: i32) -> Result<EndedArchive, BackupError> {
        let finished = self.builder.finish(&mut FrameCompressor::new(level));
        for bytes in finished.tail {
            self.upload.write(bytes).await?;
        }
        let reference = self.upload.finish(finished.size, finished.xxh3_128).await?;
        Ok(EndedArchive {
            reference,
            index: finished.index,
            partitions: self.partitions,
        })
    }
}
