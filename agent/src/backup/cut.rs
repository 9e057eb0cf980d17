//! Bounds that leave no transaction in two halves (R15).
//!
//! Bounds are captured leader by leader, never at one moment: of a transaction that ends meanwhile, one partition may have
//! the marker inside of its bounds and another one not. Such transactions are found by asking their coordinators before and
//! after, and the bounds of their partitions are captured once more, behind the markers. A transaction that goes on is left
//! out as a whole: none of its markers, and none of the offsets that it commits, is inside.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lifeboat_archive::{manifest::Problem, words::TopicPartition};
use lifeboat_kafka::wire::{Cluster, TransactionInFlight};
use tokio::time::{Instant, sleep};

use super::{
    BackupError,
    bounds::{self, Bounds},
    plan::PlannedTopics,
};

/// So long transactions that are being ended are waited for, and bounds are captured again.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// As a coordinator calls a transaction that is decided and not yet marked everywhere.
const BEING_ENDED: [&str; 2] = ["PrepareCommit", "PrepareAbort"];

/// Captures the bounds of these topics, and again of those partitions in which a transaction ended meanwhile.
pub(super) async fn capture(
    cluster: &Cluster,
    topics: &PlannedTopics,
) -> Result<Bounds, BackupError> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = in_flight(cluster).await;
    let mut bounds = bounds::capture(cluster, topics).await?;
    let ours = bounds.partitions.iter();
    let ours: BTreeSet<_> = ours.map(|one| one.topic_partition.clone()).collect();
    loop {
        let now = in_flight(cluster).await;
        let cut = cut_in_two(&seen, &now, &ours);
        if cut.is_empty() {
            return Ok(bounds);
        }
        let last = Instant::now() >= deadline;
        if now.values().any(is_being_ended) && !last {
            // markers are on their way: a moment later fewer are
            sleep(PAUSE).await;
        }
        // what goes on is seen anew; what was cut stays known until its partitions were captured behind its end
        seen = unite(now, &seen);
        bounds::capture_again(cluster, &mut bounds, &cut).await;
        if last {
            bounds.problems.push(undecided(cut.len()));
            return Ok(bounds);
        }
    }
}

/// Transactions by id and begin: the same producer's next one is another.
type InFlight = BTreeMap<(String, Option<i64>), TransactionInFlight>;

async fn in_flight(cluster: &Cluster) -> InFlight {
    let open = cluster.open_transactions().await;
    let told = open.transactions.into_iter();
    told.map(|open| {
        let one = &open.transaction;
        ((one.transactional_id.clone(), one.start_timestamp_ms), open)
    })
    .collect()
}

/// Those that are in flight now, each with all that was ever told of what it writes to: partitions join one after the other,
/// and drop out as they are marked.
fn unite(now: InFlight, seen: &InFlight) -> InFlight {
    let mut united = now;
    for (id, open) in &mut united {
        if let Some(before) = seen.get(id) {
            let known: BTreeSet<_> = open.partitions.iter().cloned().collect();
            let dropped = before.partitions.iter().filter(|tp| !known.contains(*tp));
            open.partitions.extend(dropped.cloned());
        }
    }
    united
}

fn is_being_ended(open: &TransactionInFlight) -> bool {
    BEING_ENDED.contains(&open.transaction.state.as_str())
}

/// Which of our partitions a transaction wrote to that was ended, or is being ended, between the two. One that wrote to a
/// single one of them can't be cut in two, unless it may have been marked in others already.
fn cut_in_two(
    before: &InFlight,
    after: &InFlight,
    ours: &BTreeSet<TopicPartition>,
) -> BTreeSet<TopicPartition> {
    let mut cut = BTreeSet::new();
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for id in ids {
        let (then, now) = (before.get(id), after.get(id));
        if now.is_some_and(|open| !is_being_ended(open)) {
            // it goes on
            continue;
        }
        let told = then.into_iter().chain(now);
        let partitions = told.flat_map(|open| &open.partitions);
        let partitions: BTreeSet<_> = partitions.filter(|tp| ours.contains(*tp)).collect();
        let first_seen_ending = then.is_none_or(is_being_ended);
        if partitions.len() > 1 || first_seen_ending {
            cut.extend(partitions.into_iter().cloned());
        }
    }
    cut
}

fn undecided(partitions: usize) -> Problem {
    Problem {
        subject: "transactions".to_owned(),
        problem: format!(
            "some end faster than the bounds of their {partitions} partitions are captured: one that is committed may be \
             there in part, as if the rest of it were still under way"
        ),
        partial: false,
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::documents::OpenTransaction;

    use super::*;

    const NONE: [i32; 0] = [];

    fn open(id: &str, begun: i64, state: &str, partitions: &[i32]) -> TransactionInFlight {
        let partitions = partitions.iter();
        TransactionInFlight {
            transaction: OpenTransaction {
                transactional_id: id.to_owned(),
                producer_id: 7,
                state: state.to_owned(),
                start_timestamp_ms: Some(begun),
            },
            partitions: partitions
                .map(|&n| TopicPartition::new("orders", n))
                .collect(),
        }
    }

    fn all(open: &[&TransactionInFlight]) -> InFlight {
        let told = open.iter().map(|open| {
            let one = &open.transaction;
            let id = (one.transactional_id.clone(), one.start_timestamp_ms);
            (id, TransactionInFlight::clone(open))
        });
        told.collect()
    }

    fn ours() -> BTreeSet<TopicPartition> {
        (0..3).map(|n| TopicPartition::new("orders", n)).collect()
    }

    fn cut(before: &[&TransactionInFlight], after: &[&TransactionInFlight]) -> Vec<i32> {
        let cut = cut_in_two(&all(before), &all(after), &ours());
        cut.into_iter().map(|tp| tp.partition).collect()
    }

    #[test]
    fn r15_a_transaction_that_ended_while_the_bounds_were_captured_may_be_cut_in_two() {
        let shop = open("shop", 1, "Ongoing", &[0, 1]);
        assert_eq!(cut(&[&shop], &[]), [0, 1]);
        // the next one of the same producer
        let next = open("shop", 2, "Ongoing", &[2]);
        assert_eq!(cut(&[&shop], &[&next]), [0, 1]);
        // it goes on: nothing of it is inside
        assert_eq!(cut(&[&shop], &[&shop]), NONE);
        assert_eq!(cut(&[], &[&shop]), NONE);
    }

    #[test]
    fn r15_a_transaction_that_is_being_ended_may_be_cut_in_two() {
        let before = open("shop", 1, "Ongoing", &[0, 1]);
        // partition 0 is marked already
        let after = open("shop", 1, "PrepareCommit", &[1]);
        assert_eq!(cut(&[&before], &[&after]), [0, 1]);
        assert_eq!(cut(&[], &[&after]), [1]);
        // while it is waited for, what it wrote to stays known
        let united = unite(all(&[&after]), &all(&[&before]));
        assert_eq!(cut_in_two(&united, &InFlight::new(), &ours()).len(), 2);
        let aborted = open("shop", 1, "PrepareAbort", &[1]);
        assert_eq!(cut(&[&aborted], &[]), [1]);
    }

    #[test]
    fn r15_partitions_that_joined_later_count_and_those_of_others_do_not() {
        let before = open("shop", 1, "Ongoing", &[0]);
        let joined = open("shop", 1, "PrepareCommit", &[0, 1]);
        assert_eq!(cut(&[&before], &[&joined]), [0, 1]);
        // only one of ours: it is inside, or it is not
        let with_others = open("shop", 1, "Ongoing", &[0, 50, 51]);
        assert_eq!(cut(&[&with_others], &[]), NONE);
        let of_others = open("shop", 1, "PrepareCommit", &[50, 51]);
        assert_eq!(cut(&[], &[&of_others]), NONE);
    }
}
