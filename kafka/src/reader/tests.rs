//! Whole reads from a broker that fails: each range is read, or is a gap that is told; never silence, never a hang.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kafka_protocol::messages::ApiKey;
use lifeboat_archive::{
    batch::Codec,
    records::{BatchBuilder, Produced},
};
use tokio::time::timeout;

use super::*;
use crate::wire::fake_broker::{Asked, FakeBroker, Out, Reply, framed, metadata};

const ORDERS: TopicId = TopicId([7; 16]);
const APIS: [(ApiKey, i16, i16); 3] = [
    (ApiKey::Metadata, 12, 12),
    (ApiKey::Fetch, 13, 15),
    (ApiKey::ListOffsets, 7, 7),
];
const RECORDS: i64 = 10;
/// Far longer than any of these reads takes, the fake broker's half second for a request included.
const HANG: Duration = Duration::from_secs(30);

/// One record at each of the offsets from `first` to 9.
fn batches(first: i64) -> Vec<u8> {
    let single = |offset| {
        let mut builder = BatchBuilder::new(Codec::None);
        // null key, null value, no headers
        builder.push(1_000, &[1, 1, 0]);
        let produced = Produced {
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            base_offset: offset,
        };
        builder.finish(produced).unwrap()
    };
    (first..RECORDS)
        .flat_map(|offset| single(offset).to_vec())
        .collect()
}

/// A Fetch answer for partition 0 with these records.
fn fetched(throttle_ms: i32, error: i16, records: &[u8]) -> Out {
    let mut out = Out::default();
    out.i32(throttle_ms)
        .i16(0)
        .i32(0)
        .array(1)
        .id(ORDERS)
        .array(1);
    out.i32(0).i16(error).i64(RECORDS).i64(RECORDS).i64(0);
    out.null().i32(-1).bytes(records).tags();
    out.tags().tags();
    out
}

/// Where what the broker has itself begins.
fn local_start(offset: i64) -> Out {
    let mut out = Out::default();
    out.i32(0).array(1).text("orders").array(1);
    out.i32(0).i16(0).i64(-1).i64(offset).i32(-1).tags();
    out.tags().tags();
    out
}

/// As Kafka answers whoever is beyond a quota: without any partition.
fn beyond_the_quota(throttle_ms: i32) -> Out {
    let mut out = Out::default();
    out.i32(throttle_ms).i16(0).i32(0).array(0).tags();
    out
}

/// The offset that a Fetch (version 15) asks for: behind max_wait, min_bytes, max_bytes, isolation, session, the topic
/// and the partition with its leader epoch.
fn offset_of(asked: &Asked) -> i64 {
    let at = 4 + 4 + 4 + 1 + 4 + 4 + 1 + 16 + 1 + 4 + 4;
    i64::from_be_bytes(asked.body[at..at + 8].try_into().unwrap())
}

/// The whole answer to what is asked.
fn good(asked: &Asked) -> Reply {
    Reply::Body(fetched(0, 0, &batches(offset_of(asked))))
}

/// What a read came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// The offsets behind each run of batches.
    read_to: Vec<i64>,
    bytes: Vec<u8>,
    gaps: Vec<(OffsetRange, GapReason)>,
    done: usize,
}

async fn read_orders(broker: &FakeBroker, retry_deadline: Duration) -> mpsc::Receiver<ReadEvent> {
    let ranges = vec![ReadRange {
        topic_partition: TopicPartition::new("orders", 0),
        topic_id: ORDERS,
        range: OffsetRange::new(0, RECORDS),
        leader_epoch: -1,
        compacted: false,
    }];
    let options = ReaderOptions {
        retry_deadline,
        ..ReaderOptions::default()
    };
    let cluster = broker.cluster().await.unwrap();
    read_ranges(cluster, ranges, options, MemoryBudget::new(64 << 20))
}

/// Reads the ten records from a broker whose `number`th answer to a Fetch (from 0) is up to `script`.
async fn read(
    retry_deadline: Duration,
    script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
) -> (Outcome, FakeBroker) {
    read_tiered(0, retry_deadline, script).await
}

/// The same where only the records from `local` on are not in remote storage; the leader does not tell one below 0.
async fn read_tiered(
    local: i64,
    retry_deadline: Duration,
    script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
) -> (Outcome, FakeBroker) {
    let fetches = Arc::new(AtomicUsize::new(0));
    let broker = FakeBroker::start(&APIS, move |asked| {
        if asked.api == ApiKey::Fetch as i16 {
            script(fetches.fetch_add(1, Ordering::SeqCst), asked)
        } else if asked.api == ApiKey::ListOffsets as i16 {
            Reply::Body(local_start(local))
        } else {
            Reply::Body(metadata(
                &[(1, asked.port)],
                &[("orders", ORDERS, &[(1, 0)])],
            ))
        }
    })
    .await;
    let mut events = read_orders(&broker, retry_deadline).await;
    let mut outcome = Outcome::default();
    let all = async {
        while let Some(event) = events.recv().await {
            match event {
                ReadEvent::Batches {
                    batches,
                    next_offset,
                    ..
                } => {
                    outcome.read_to.push(next_offset);
                    outcome.bytes.extend_from_slice(&batches);
                }
                ReadEvent::Gap { gap, .. } => outcome.gaps.push((gap.range, gap.reason)),
                ReadEvent::Done { .. } => outcome.done += 1,
            }
        }
    };
    timeout(HANG, all).await.expect("the read hangs");
    (outcome, broker)
}

fn is_whole(outcome: &Outcome) {
    assert_eq!(outcome.bytes, batches(0), "{:?}", outcome.read_to);
    assert_eq!(
        (outcome.gaps.len(), outcome.done),
        (0, 1),
        "{:?}",
        outcome.gaps
    );
}

/// A name, and the answer to a Fetch.
type Fault = (&'static str, fn(&Asked) -> Reply);

/// The faults that a broker, or the network before it, may have.
fn faults() -> Vec<Fault> {
    vec![
        ("empty", |_| Reply::Body(fetched(0, 0, b""))),
        ("empty and throttled", |_| Reply::Body(fetched(30, 0, b""))),
        ("beyond the quota", |_| Reply::Body(beyond_the_quota(30))),
        ("cut in the first batch", |asked| {
            Reply::Body(fetched(0, 0, &batches(offset_of(asked))[..40]))
        }),
        ("cut in a later batch", |asked| {
            let all = batches(offset_of(asked));
            Reply::Body(fetched(0, 0, &all[..all.len().min(100)]))
        }),
        ("a wrong checksum", |asked| {
            let mut all = batches(offset_of(asked));
            all[30] ^= 1;
            Reply::Body(fetched(0, 0, &all))
        }),
        ("a wrong correlation id", |asked| {
            let body = fetched(0, 0, &batches(offset_of(asked)));
            Reply::Raw(framed(asked, asked.correlation + 1, &body))
        }),
        ("a huge length", |_| {
            Reply::Raw(vec![0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1])
        }),
        ("a negative length", |_| Reply::Raw(vec![0xff; 8])),
        ("a huge count of topics", |_| {
            let mut out = Out::default();
            out.i32(0).i16(0).i32(0);
            out.0.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
            Reply::Body(out)
        }),
        ("a huge length of records", |_| {
            let mut out = fetched(0, 0, b"");
            let at = out.0.len() - 4;
            out.0.splice(at..=at, [0xff, 0xff, 0xff, 0xff, 0x0f]);
            Reply::Body(out)
        }),
        ("no answer", |_| Reply::Nothing),
        ("half an answer, and the end", |asked| {
            let whole = framed(asked, asked.correlation, &fetched(0, 0, &batches(0)));
            Reply::Last(whole[..whole.len() / 2].to_vec())
        }),
        ("an answer of its own error", |_| {
            Reply::Body(fetched(0, 6, b""))
        }),
        ("a partition that was not asked for", |_| {
            let mut out = fetched(0, 0, b"");
            // the number of the partition, behind the count of partitions
            out.0[32] = 9;
            Reply::Body(out)
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_fault_that_passes_costs_nothing() {
    let reads = faults().into_iter().map(|(name, fault)| async move {
        let (outcome, _) = read(HANG, move |number, asked| match number {
            0 | 1 => fault(asked),
            _ => good(asked),
        })
        .await;
        (name, outcome)
    });
    for (name, outcome) in futures::future::join_all(reads).await {
        println!("{name}: {:?}", outcome.read_to);
        is_whole(&outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_fault_that_stays_is_a_gap_and_never_an_end() {
    let lasting = faults().into_iter().filter(|(name, _)| {
        // a tail hole looks so; and a quota is waited for as long as it takes
        ![
            "empty",
            "empty and throttled",
            "beyond the quota",
            "cut in a later batch",
        ]
        .contains(name)
    });
    let reads = lasting.map(|(name, fault)| async move {
        let patience = Duration::from_millis(600);
        let (outcome, _) = read(patience, move |_, asked| fault(asked)).await;
        (name, outcome)
    });
    let whole = OffsetRange::new(0, RECORDS);
    for (name, outcome) in futures::future::join_all(reads).await {
        assert_eq!((outcome.bytes.len(), outcome.done), (0, 1), "{name}");
        assert_eq!(outcome.gaps.len(), 1, "{name}: {:?}", outcome.gaps);
        assert_eq!(outcome.gaps[0].0, whole, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_quota_makes_a_read_slower_and_never_incomplete() {
    // far longer than a partition may fail
    let (outcome, broker) = read(Duration::from_millis(300), |number, asked| match number {
        0..40 => Reply::Body(beyond_the_quota(40)),
        _ => good(asked),
    })
    .await;
    is_whole(&outcome);
    assert_eq!(broker.asked(ApiKey::Fetch).len(), 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_tail_hole_ends_a_read_that_is_not_throttled() {
    let (outcome, _) = read(HANG, |number, asked| {
        let half = batches(5);
        match (number, offset_of(asked)) {
            // compaction left the first five
            (_, 0) => Reply::Body(fetched(0, 0, &batches(0)[..batches(0).len() - half.len()])),
            (0..8, _) => Reply::Body(fetched(20, 0, b"")),
            _ => Reply::Body(fetched(0, 0, b"")),
        }
    })
    .await;
    assert_eq!((outcome.read_to, outcome.done), (vec![5], 1));
    assert!(outcome.gaps.is_empty());
}

/// The rest of the partition was taken for a hole, and the snapshot for complete.
#[tokio::test(flavor = "multi_thread")]
async fn r9_what_is_slow_to_come_out_of_remote_storage_is_waited_for() {
    let (outcome, broker) = read_tiered(8, HANG, |number, asked| match number {
        0..12 => Reply::Body(fetched(0, 0, b"")),
        _ => good(asked),
    })
    .await;
    is_whole(&outcome);
    let waits = broker.asked(ApiKey::Fetch).into_iter();
    let waits: Vec<i32> = waits
        .map(|asked| i32::from_be_bytes(asked.body[..4].try_into().unwrap()))
        .collect();
    // brokers before 3.8 give nothing of it to who does not wait
    assert_eq!((waits[0], waits[1]), (0, 5_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_remote_storage_that_gives_nothing_is_a_gap_and_never_an_end() {
    let (outcome, _) = read_tiered(8, Duration::from_millis(600), |_, _| {
        Reply::Body(fetched(0, 0, b""))
    })
    .await;
    let whole = OffsetRange::new(0, RECORDS);
    assert_eq!(outcome.gaps, [(whole, GapReason::Unavailable)]);
    assert_eq!((outcome.bytes.len(), outcome.done), (0, 1));
}

/// A leader that answers each Fetch with nothing, and never says where its own log begins, was asked for ever.
#[tokio::test(flavor = "multi_thread")]
async fn r9_a_leader_that_does_not_say_where_its_own_log_begins_is_given_up_in_time() {
    let (outcome, _) = read_tiered(-1, Duration::from_millis(600), |_, _| {
        Reply::Body(fetched(0, 0, b""))
    })
    .await;
    let whole = OffsetRange::new(0, RECORDS);
    assert_eq!(outcome.gaps, [(whole, GapReason::Unavailable)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_topic_that_was_made_anew_is_never_read_on() {
    let (again, anew) = (TopicId([8; 16]), Arc::new(AtomicUsize::new(0)));
    let broker = FakeBroker::start(&APIS, {
        let anew = Arc::clone(&anew);
        move |asked| {
            let made_anew = anew.load(Ordering::SeqCst) > 0;
            if asked.api == ApiKey::Metadata as i16 {
                let id = if made_anew { again } else { ORDERS };
                return Reply::Body(metadata(&[(1, asked.port)], &[("orders", id, &[(1, 0)])]));
            }
            // the first five records, and from then on the id is unknown
            if anew.fetch_add(1, Ordering::SeqCst) == 0 {
                let all = batches(0);
                let first = all.len() - batches(5).len();
                return Reply::Body(fetched(0, 0, &all[..first]));
            }
            Reply::Body(fetched(0, 100, b""))
        }
    })
    .await;
    let mut events = read_orders(&broker, Duration::from_millis(600)).await;
    let mut told = Vec::new();
    let all = async {
        while let Some(event) = events.recv().await {
            told.push(match event {
                ReadEvent::Batches { next_offset, .. } => format!("read to {next_offset}"),
                ReadEvent::Gap { gap, .. } => format!("gap {} {:?}", gap.range, gap.reason),
                ReadEvent::Done { .. } => "done".to_owned(),
            });
        }
    };
    timeout(HANG, all).await.expect("the read hangs");
    assert_eq!(told, ["read to 5", "gap 5..9 TopicDeleted", "done"]);
    let asked = broker.asked(ApiKey::Fetch);
    assert!(
        asked
            .iter()
            .all(|asked| !asked.body.windows(16).any(|id| id == again.0))
    );
}
