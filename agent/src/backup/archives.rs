//! Packs closed segments into archives and uploads them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use lifeboat_archive::{
    lists::TransactionTable, segment::FrameCompressor, tarball::ArchiveBuilder, words::Clock,
};
use lifeboat_repository::{ArchiveUpload, ClusterRepository};
use tokio::sync::{Notify, mpsc};
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
        let mut written = WrittenArchives::default();
        let mut open: Option<OpenArchive> = None;
        while let Some(QueuedSegment { partition, closed }) = queue.recv().await {
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
                self.finish(archive, &mut written).await?;
                self.note(&mut written).await?;
            } else {
                open = Some(archive);
            }
        }
        if let Some(archive) = open {
            if self.give_up.is_cancelled() {
                archive.upload.abort().await?;
            } else {
                self.finish(archive, &mut written).await?;
            }
        }
        Ok(written)
    }

    /// Behind the archive's confirmation: a note never names what is not there.
    async fn note(&mut self, written: &mut WrittenArchives) -> Result<(), BackupError> {
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

    async fn finish(
        &self,
        archive: OpenArchive,
        written: &mut WrittenArchives,
    ) -> Result<(), BackupError> {
        archive
            .finish(written, self.options.compression_level)
            .await
    }
}

/// An archive that is being uploaded. Dropped before its end it leaves nothing that can be seen.
struct OpenArchive {
    builder: ArchiveBuilder,
    upload: ArchiveUpload,
    partitions: Vec<(usize, Option<Box<TransactionTable>>)>,
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
        self.partitions.push((partition, closed.transactions));
        for bytes in self.builder.append(closed.segment) {
            self.upload.write(bytes).await?;
        }
        Ok(())
    }

    /// Ends the archive: nothing names its segments before its size is confirmed.
    async fn finish(
        mut self,
        written: &mut WrittenArchives,
        level: i32,
    ) -> Result<(), BackupError> {
        let finished = self.builder.finish(&mut FrameCompressor::new(level));
        for bytes in finished.tail {
            self.upload.write(bytes).await?;
        }
        let reference = self.upload.finish(finished.size, finished.xxh3_128).await?;
        let archive = written.archives.len();
        written.archives.push(reference);
        let segments = self.partitions.into_iter().zip(finished.index.segments);
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
        Ok(())
    }
}
