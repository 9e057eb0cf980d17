//! Bounds that leave no transaction in two halves (R15).
//!
//! Bounds are captured leader by leader, never at one moment: of a transaction that ends meanwhile, one partition may have
//! the marker inside of its bounds and another one not. Such transactions are found by asking their coordinators before and
//! after, and the bounds of their partitions are captured once more, behind the markers. A transaction that goes on is left
//! out as a whole: none of its markers, and none of the offsets that it commits, is inside.
//!
//! A coordinator tells of the last transaction of each transactional id alone, and of what is ended not where it wrote: where
//! one may have begun and ended unseen, the partitions that know its producer are taken for its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lifeboat_archive::{manifest::Problem, words::TopicPartition};
use lifeboat_kafka::wire::{Cluster, ListedTransaction};
use tokio::time::{Instant, sleep};

use super::{
    BackupError,
    bounds::{self, Bounds},
    plan::PlannedTopics,
};

/// So long transactions that are being ended are waited for, and bounds are captured again.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// As a coordinator calls a transaction that goes on.
const ONGOING: &str = "Ongoing";
/// As it calls one that is decided and not yet marked everywhere.
const BEING_ENDED: [&str; 3] = ["PrepareCommit", "PrepareAbort", "PrepareEpochFence"];

/// Captures the bounds of these topics, and again of those partitions in which a transaction ended meanwhile.
pub(super) async fn capture(
    cluster: &Cluster,
    topics: &PlannedTopics,
) -> Result<Bounds, BackupError> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = last_transactions(cluster).await;
    let mut bounds = bounds::capture(cluster, topics).await?;
    let ours = bounds.partitions.iter();
    let ours: BTreeSet<_> = ours.map(|one| one.topic_partition.clone()).collect();
    loop {
        let now = last_transactions(cluster).await;
        let cut = cut_in_two(&seen, &now, &ours);
        let mut partitions = cut.partitions;
        if !cut.unseen.is_empty() {
            partitions.extend(written_by(cluster, &cut.unseen, &ours).await);
        }
        if partitions.is_empty() {
            return Ok(bounds);
        }
        let last = Instant::now() >= deadline;
        if now.values().any(is_being_ended) && !last {
            // markers are on their way: a moment later fewer are
            sleep(PAUSE).await;
        }
        // what goes on is seen anew; what was cut stays known until its partitions were captured behind its end
        seen = unite(now, &seen);
        bounds::capture_again(cluster, &mut bounds, &partitions).await;
        if last {
            bounds.problems.push(undecided(partitions.len()));
            return Ok(bounds);
        }
    }
}

/// The last transaction of each transactional id.
type Last = BTreeMap<String, ListedTransaction>;

async fn last_transactions(cluster: &Cluster) -> Last {
    let told = cluster.last_transactions().await.transactions.into_iter();
    told.map(|one| (one.transaction.transactional_id.clone(), one))
        .collect()
}

/// Those that are told now, each with all that was ever told of what it writes to: partitions join one after the other, and
/// drop out as they are marked.
fn unite(now: Last, seen: &Last) -> Last {
    let mut united = now;
    for (id, one) in &mut united {
        if let Some(before) = seen.get(id).filter(|before| is_same(before, one)) {
            let known: BTreeSet<_> = one.partitions.iter().cloned().collect();
            let dropped = before.partitions.iter().filter(|tp| !known.contains(*tp));
            one.partitions.extend(dropped.cloned());
        }
    }
    united
}

/// Whether both are one transaction. Its producer id may change as it ends, the time when it began does not.
fn is_same(one: &ListedTransaction, other: &ListedTransaction) -> bool {
    let begun = |it: &ListedTransaction| it.transaction.start_timestamp_ms;
    begun(one) == begun(other)
        // or neither has begun, and they are the same producer
        && (begun(one).is_some() || one.transaction.producer_id == other.transaction.producer_id)
}

fn is_ongoing(one: &ListedTransaction) -> bool {
    one.transaction.state == ONGOING
}

fn is_being_ended(one: &ListedTransaction) -> bool {
    BEING_ENDED.contains(&one.transaction.state.as_str())
}

/// What the bounds that were captured between two looks may have cut in two.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cut {
    /// Of our partitions, those that transactions wrote to.
    partitions: BTreeSet<TopicPartition>,
    /// The producers, by their ids, of transactions that may have begun and ended between the looks: those of one
    /// transactional id together.
    unseen: Vec<BTreeSet<i64>>,
}

/// Finds the transactions that were ended, or are being ended, between the two.
fn cut_in_two(before: &Last, after: &Last, ours: &BTreeSet<TopicPartition>) -> Cut {
    let mut cut = Cut::default();
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for id in ids {
        let (then, now) = (before.get(id), after.get(id));
        let same = then.zip(now).is_some_and(|(then, now)| is_same(then, now));
        if !same && now.is_some_and(|now| now.transaction.start_timestamp_ms.is_some()) {
            // what is told now need not be the only one that began since
            let told = then.into_iter().chain(now);
            cut.unseen
                .push(told.map(|one| one.transaction.producer_id).collect());
        }
        let undecided = then.filter(|one| is_ongoing(one) || is_being_ended(one));
        // as long as it goes on nothing of it is inside
        let ended = undecided.filter(|_| !(same && now.is_some_and(is_ongoing)));
        let ending = now.filter(|one| is_being_ended(one));
        let told = ended.into_iter().chain(ending);
        let partitions = told.flat_map(|one| &one.partitions);
        let partitions: BTreeSet<_> = partitions.filter(|tp| ours.contains(*tp)).collect();
        // One that wrote to a single one of them can't be cut in two, unless it may have been marked in others already.
        let seen_whole = same && then.is_some_and(is_ongoing);
        let first_seen_ending =
            ended.is_some_and(is_being_ended) || ending.is_some() && !seen_whole;
        if partitions.len() > 1 || first_seen_ending {
            cut.partitions.extend(partitions.into_iter().cloned());
        }
    }
    cut
}

/// Of our partitions, those that know these producers: they remember who wrote to them for a day
/// (`producer.id.expiration.ms`). Who knows one that does not tell?
async fn written_by(
    cluster: &Cluster,
    unseen: &[BTreeSet<i64>],
    ours: &BTreeSet<TopicPartition>,
) -> BTreeSet<TopicPartition> {
    let asked: Vec<_> = ours.iter().cloned().collect();
    let told = cluster.active_producers(&asked).await;
    let known: BTreeMap<_, _> = told
        .into_iter()
        .map(|(tp, producers)| {
            if let Err(error) = &producers {
                tracing::debug!(partition = %tp, %error, "its producers are not known");
            }
            let ids = producers.map(|all| all.iter().map(|one| one.producer_id).collect());
            (tp, ids.ok())
        })
        .collect();
    shared_by(unseen, &known)
}

/// Those that one of the `unseen` wrote to, if it wrote to several. Of those whose producers are not `known` any may have.
fn shared_by(
    unseen: &[BTreeSet<i64>],
    known: &BTreeMap<TopicPartition, Option<BTreeSet<i64>>>,
) -> BTreeSet<TopicPartition> {
    let mut shared = BTreeSet::new();
    for ids in unseen {
        let wrote = known.iter().filter(|(_, known)| {
            let known = known.as_ref();
            known.is_none_or(|known| !known.is_disjoint(ids))
        });
        let wrote: Vec<_> = wrote.map(|(tp, _)| tp.clone()).collect();
        if wrote.len() > 1 {
            shared.extend(wrote);
        }
    }
    shared
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
mod tests;
