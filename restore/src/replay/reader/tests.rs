use std::{fs, path::Path};

use lifeboat_repository::Repository;

use super::*;
use crate::{
    content::Depth,
    offsets::OffsetTranslator,
    rewrite::{BatchLimits, Producer},
    testing::{files, new_snapshot, url},
};

/// Segments are read twice, or held between check and replay.
const TWICE: u64 = 0;
const HELD: u64 = 1 << 20;

/// Reads partition 0 of the snapshot with a lane that keeps everything.
async fn read(folder: &Path, hold: u64) -> (Result<Rewritten, ReadError>, Vec<OutputBatch>) {
    let repository = Repository::open(&url(folder)).await.unwrap();
    let cluster = repository.cluster("source").unwrap();
    let commit = cluster
        .catalog()
        .await
        .unwrap()
        .resolve("latest")
        .unwrap()
        .clone();
    let manifest = cluster.manifest(&commit).await.unwrap();
    let topic = &manifest.topics[0];
    let list = Arc::new(cluster.list(topic).await.unwrap());
    let partition = &topic.partitions[0];
    let rewriter = Rewriter::new(
        partition,
        &list.partitions[0].transactions,
        OffsetTranslator::new(partition, [15]),
        Producer { id: 1, epoch: 0 },
        // each batch of the snapshot ends one of the output: nothing waits for the next segment
        BatchLimits { encoded_bytes: 1 },
        Depth::Records,
    );
    let (lane, mut messages) = mpsc::channel(1_000);
    let reader = PartitionReader {
        runtime: Handle::current(),
        repository: repository.clone(),
        topic_partition: TopicPartition::new("orders", 0),
        bounds: partition.range(),
        list,
        rewriter,
        outlet: Outlet {
            slot: 0,
            lane,
            room: Arc::new(Semaphore::new(1 << 20)),
            room_bytes: 1 << 20,
        },
        hold,
        progress: Progress::default(),
        cancel: CancellationToken::new(),
    };
    let outcome = tokio::task::spawn_blocking(|| reader.run()).await.unwrap();
    let mut batches = Vec::new();
    while let Some(message) = messages.recv().await {
        if let Message::Batch(_, queued) = message {
            batches.push(queued.batch);
        }
    }
    (outcome, batches)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_is_read_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    new_snapshot(folder.path()).await;
    for hold in [TWICE, HELD] {
        let (outcome, batches) = read(folder.path(), hold).await;
        let rewritten = outcome.unwrap();
        assert_eq!(rewritten.counts.records, 40);
        assert_eq!(rewritten.offsets.translate(15, 100).unwrap().0, 115);
        let before: Vec<u64> = batches.iter().map(|batch| batch.before).collect();
        assert_eq!(before, (0..40).collect::<Vec<u64>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_stops_before_any_of_it_is_written_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let repository = Repository::open(&url(folder.path())).await.unwrap();
    let cluster = repository.cluster("source").unwrap();
    let manifest = cluster.manifest(&commit).await.unwrap();
    let list = cluster.list(&manifest.topics[0]).await.unwrap();
    let second = &list.partitions[0].segments[1].entry;
    let archive = files(folder.path())
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("/data/"))
        .unwrap();
    let sound = fs::read(&archive).unwrap();
    let range = second.position..second.position + second.length;
    for (at, hold) in range.step_by(7).zip([TWICE, HELD].into_iter().cycle()) {
        let mut damaged = sound.clone();
        damaged[usize::try_from(at).unwrap()] ^= 0x20;
        fs::write(&archive, &damaged).unwrap();
        let (outcome, batches) = read(folder.path(), hold).await;
        let Err(ReadError::Damaged(damage)) = outcome else {
            panic!("byte {at}: {outcome:?}");
        };
        assert!(damage.object.contains("/data/"), "{damage}");
        assert_eq!(damage.member.as_deref(), Some(second.member.as_str()));
        assert_eq!(
            damage.topic_partition(),
            Some(TopicPartition::new("orders", 0))
        );
        assert!(
            damage
                .offsets
                .is_some_and(|offsets| offsets.end == second.next_offset)
        );
        let last = batches.last().unwrap();
        assert!(
            last.source.end <= second.first_offset,
            "byte {at}: {last:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_archive_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    new_snapshot(folder.path()).await;
    let archive = files(folder.path())
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("/data/"))
        .unwrap();
    fs::remove_file(archive).unwrap();
    let (outcome, batches) = read(folder.path(), HELD).await;
    assert!(matches!(outcome, Err(ReadError::Damaged(_))), "{outcome:?}");
    assert!(batches.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_segments_that_fit_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let repository = Repository::open(&url(folder.path())).await.unwrap();
    let cluster = repository.cluster("source").unwrap();
    let manifest = cluster.manifest(&commit).await.unwrap();
    let topic = &manifest.topics[0];
    let list = cluster.list(topic).await.unwrap();
    let (partition, listed) = (&topic.partitions[0], &list.partitions[0]);
    let sizes = listed.segments.iter().map(|s| s.entry.raw_bytes);
    let largest = sizes.max().unwrap();
    let without = memory_for(partition, Some(listed), 0);
    assert_eq!(without.hold, 0);
    let with = memory_for(partition, Some(listed), without.total + largest);
    assert_eq!(with.hold, largest);
    assert_eq!(with.total, without.total + largest);
    let short = memory_for(partition, Some(listed), without.total + largest - 1);
    assert!(short.hold < largest);
}
