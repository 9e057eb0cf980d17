use std::{fs, path::Path};

use lifeboat_archive::words::OffsetRange;
use lifeboat_repository::Repository;

use super::*;
use crate::{
    content::Depth,
    offsets::{OffsetTranslator, Translation},
    rewrite::{BatchLimits, Producer},
    testing::{files, new_snapshot, new_snapshot_with_broken_records, url},
};

/// Segments are read twice, or held between check and replay.
const TWICE: u64 = 0;
const HELD: u64 = 1 << 20;

/// Reads partition 0 of the snapshot with a lane that keeps everything.
async fn read(folder: &Path, hold: u64) -> (Result<Rewritten, ReadError>, Vec<OutputBatch>) {
    read_salvaging(folder, hold, false).await
}

async fn read_salvaging(
    folder: &Path,
    hold: u64,
    salvage: bool,
) -> (Result<Rewritten, ReadError>, Vec<OutputBatch>) {
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
        OffsetTranslator::new(partition, [15]),
        Producer { id: 1, epoch: 0 },
        // each batch of the snapshot ends one of the output: nothing waits for the next segment
        BatchLimits { encoded_bytes: 1 },
        Depth::Records,
    )
    .all_or_nothing(salvage);
    let (lane, mut messages) = mpsc::channel(1_000);
    let reader = PartitionReader {
        runtime: Handle::current(),
        repository: repository.clone(),
        topic: "orders".into(),
        sources: VecDeque::from([SourcePartition {
            partition: partition.clone(),
            selection: RecordSelection::default(),
        }]),
        list,
        rewriter,
        outlets: vec![Outlet {
            slot: 0,
            lane,
            room: Arc::new(Semaphore::new(1 << 20)),
            room_bytes: 1 << 20,
        }],
        hold,
        salvage,
        undecodable: None,
        waiting: None,
        runs: WaitingRuns::default(),
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
    let only = outcome.map(|mut all| all.pop().unwrap());
    (only, batches)
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

#[tokio::test(flavor = "multi_thread")]
async fn of_a_damaged_segment_what_is_sound_is_salvaged_and_the_rest_named() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let repository = Repository::open(&url(folder.path())).await.unwrap();
    let cluster = repository.cluster("source").unwrap();
    let manifest = cluster.manifest(&commit).await.unwrap();
    let list = cluster.list(&manifest.topics[0]).await.unwrap();
    let first = &list.partitions[0].segments[0].entry;
    let archive = files(folder.path())
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("/data/"))
        .unwrap();
    let sound = fs::read(&archive).unwrap();
    let range = first.position..first.position + first.length;
    let mut lost_some = 0;
    for at in range.step_by(5) {
        let mut damaged = sound.clone();
        damaged[usize::try_from(at).unwrap()] ^= 0x20;
        fs::write(&archive, &damaged).unwrap();
        let (outcome, batches) = read_salvaging(folder.path(), HELD, true).await;
        let rewritten = outcome.unwrap();
        let [salvage] = rewritten.salvaged.as_slice() else {
            // a spare bit of a frame's descriptor
            assert_eq!(rewritten.counts.records, 40, "byte {at}");
            continue;
        };
        assert!(salvage.damage.object.contains("/data/"), "{salvage:?}");
        assert!(salvage.lost.is_empty() || salvage.lost == [first.range()]);
        let lost: u64 = salvage.lost.iter().map(|lost| lost.span()).sum();
        assert_eq!(salvage.lost_records, Some(lost));
        assert_eq!(rewritten.counts.records, 40 - lost);
        assert_eq!(batches.len() as u64, 40 - lost);
        let (target, translation) = rewritten.offsets.translate(15, 0).unwrap();
        let expected = if lost > 0 {
            (0, Translation::NextRecord(Skipped::Damaged))
        } else {
            (15, Translation::SameRecord)
        };
        assert_eq!((target, translation), expected, "byte {at}");
        lost_some += usize::from(lost > 0);
    }
    assert!(lost_some > 5, "{lost_some}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_archive_that_is_missing_or_cut_all_that_can_not_be_had_is_named() {
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
    let end = usize::try_from(second.position).unwrap() + 10;
    fs::write(&archive, &sound[..end]).unwrap();
    let (outcome, _) = read_salvaging(folder.path(), HELD, true).await;
    let rewritten = outcome.unwrap();
    assert_eq!(rewritten.counts.records, 20);
    assert_eq!(rewritten.salvaged.len(), 1);
    assert_eq!(rewritten.salvaged[0].lost, [second.range()]);

    fs::remove_file(archive).unwrap();
    let (outcome, batches) = read_salvaging(folder.path(), HELD, true).await;
    let rewritten = outcome.unwrap();
    assert_eq!((rewritten.counts.records, batches.len()), (0, 0));
    let lost: Vec<_> = rewritten.salvaged.iter().flat_map(|s| &s.lost).collect();
    assert_eq!(lost, [&OffsetRange::new(0, 20), &OffsetRange::new(20, 40)]);
    let missing = &rewritten.salvaged[0].damage.what;
    assert!(missing.contains("missing"), "{missing}");
}

/// `--salvage` ended at such a batch, and restored nothing behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_records_can_not_be_decoded_is_passed_over_whole_and_named() {
    let folder = tempfile::tempdir().unwrap();
    new_snapshot_with_broken_records(folder.path()).await;
    for hold in [TWICE, HELD] {
        let (outcome, _) = read(folder.path(), hold).await;
        assert!(
            matches!(outcome, Err(ReadError::Records { .. })),
            "{outcome:?}"
        );
        let (outcome, batches) = read_salvaging(folder.path(), hold, true).await;
        let rewritten = outcome.unwrap();
        let [salvage] = rewritten.salvaged.as_slice() else {
            panic!("{:?}", rewritten.salvaged);
        };
        let range = OffsetRange::new(30, 40);
        assert_eq!(salvage.damage.offsets, Some(range));
        assert_eq!(
            (&*salvage.lost, salvage.lost_records),
            (&[range][..], Some(10))
        );
        assert_eq!(rewritten.counts.records, 30);
        assert_eq!(batches.len(), 30);
    }
}
