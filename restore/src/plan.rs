//! What a restore would do: decided from the snapshot and the target's state, and shown before anything is changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use lifeboat_archive::{
    documents::{GroupsDocument, TopicsDocument},
    json::{self, Document, Sha256Hex},
    manifest::{Commit, Manifest, ManifestTopic},
    words::{OffsetRange, SnapshotId, Timestamp, TopicGlobs, TopicId},
};
use serde::{Deserialize, Serialize};

use crate::{
    content::Depth,
    into::{Earlier, Existing, Interrupted, Unsettled},
    journal::Stage,
    names::{Destinations, NameError, name_or},
    parts::{Part, Parts},
    repartition::RepartitionError,
    rewrite::BatchLimits,
    selection::{Selection, SelectionError},
    settings::{SegmentAge, TopicDefaults},
    users::RestoredUser,
};

pub mod changes;
mod planner;
pub mod room;
pub mod taken_over;
mod topic;

use changes::{ClusterChanges, Unrestored};
use planner::Planner;
use room::{Room, Throttle};
use taken_over::{SameOffsets, same_offsets};
use topic::content;
pub use topic::{PlannedPartition, PlannedTopic, TopicAction};

/// Bytes per second that the estimate of the duration counts with: writing, reading back, and doing so record by record.
const WRITE_RATE: u64 = 100_000_000;
const READ_RATE: u64 = 1_000_000_000;
const DECODE_RATE: u64 = 250_000_000;
/// Retention must leave the restored records alone for so long after the restore, or it is put off (R23).
const RETENTION_MARGIN_MS: i64 = 3_600_000;

/// Everything that the snapshot says.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its commit.
    pub commit: &'a Commit,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its topics document.
    pub topics: &'a TopicsDocument,
    /// Its groups document.
    pub groups: &'a GroupsDocument,
    /// How old the segments of each topic are, by partition and offset: those that are read.
    pub ages: &'a BTreeMap<String, Vec<SegmentAge>>,
    /// The topics whose records can't be found, and why.
    pub unreadable: &'a BTreeMap<String, String>,
}

/// The cluster that is restored into, as it was found.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Its id.
    pub cluster_id: String,
    /// Its brokers.
    pub brokers: BTreeSet<i32>,
    /// Its topics, as far as topics of the snapshot are called so there.
    pub topics: BTreeMap<String, ExistingTopic>,
    /// The state of its groups: `Stable`, `Empty`, ….
    pub groups: BTreeMap<String, String>,
    /// Topics that its groups have offsets of, by group, as far as that matters.
    pub committed: BTreeMap<String, BTreeSet<String>>,
    /// What earlier restores of the snapshot wrote, by topic.
    pub earlier: BTreeMap<String, Earlier>,
    /// Which restores were interrupted while they wrote, by topic.
    pub interrupted: BTreeMap<String, Interrupted>,
    /// Topics that a restore has not given all of their settings.
    pub unsettled: BTreeMap<String, Vec<Unsettled>>,
    /// Bytes that each broker may still use, as far as they tell.
    pub usable_bytes: BTreeMap<i32, u64>,
    /// What its quotas hold us to.
    pub throttle: Throttle,
    /// Its defaults for topics that do not say.
    pub defaults: TopicDefaults,
}

/// A topic that the target has.
#[derive(Clone, Debug, Default)]
pub struct ExistingTopic {
    /// Its id.
    pub topic_id: TopicId,
    /// Its partitions, by number: log start and end.
    pub partitions: Vec<OffsetRange>,
    /// How many replicas its partitions have.
    pub replication_factor: i16,
    /// Its dynamic settings.
    pub settings: BTreeMap<String, String>,
    /// Whether Kafka keeps its own state there.
    pub internal: bool,
    /// Bytes on the brokers' disks, all replicas together, as far as they tell.
    pub bytes: Option<u64>,
}

impl ExistingTopic {
    /// Records that it holds, at most: offsets that compaction left empty count.
    pub fn records(&self) -> u64 {
        self.partitions.iter().map(|range| range.span()).sum()
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Which topics.
    pub topics: &'a TopicGlobs,
    /// What they are called in the target, and which groups.
    pub names: &'a Destinations,
    /// What is done with topics that hold records.
    pub existing: Existing,
    /// Which parts.
    pub parts: &'a Parts,
    /// Which records.
    pub selection: &'a Selection,
    /// Whether what is damaged is left out.
    pub salvage: bool,
    /// How many partitions topics get, by name, where it is another number than they had.
    pub repartition: &'a BTreeMap<String, usize>,
    /// Whether new topics get the snapshot's assignment of replicas, and not only as many.
    pub assignment: bool,
    /// What the snapshot's brokers are called in the target, where it is another name.
    pub broker_map: &'a BTreeMap<i32, i32>,
    /// How closely what was written is compared; absent where it is not read back.
    pub compare: Option<Depth>,
    /// Whether the snapshot's own cluster may be written to.
    pub into_source: bool,
}

/// What a restore does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// When it can be restored to.
    pub bounds_at: Timestamp,
    /// The SHA-256 of its manifest.
    pub manifest_sha256: Sha256Hex,
    /// The cluster that it was taken of.
    pub source_cluster_id: String,
    /// The cluster that is restored into.
    pub target_cluster_id: String,
    /// How many brokers that has.
    pub target_brokers: usize,
    /// How records are written: `produce`.
    pub mode: String,
    /// When this was decided.
    pub planned_at: Timestamp,
    /// What of the snapshot is restored.
    #[serde(default)]
    pub parts: Parts,
    /// Which records are restored.
    #[serde(default, skip_serializing_if = "Selection::is_everything")]
    pub selection: Selection,
    /// Whether damaged segments are restored as far as they are sound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salvage: bool,
    /// What of the chosen topics is not even read, as nothing in it was chosen.
    #[serde(default, skip_serializing_if = "Unread::is_nothing")]
    pub unread: Unread,
    /// The topics, by name.
    pub topics: Vec<PlannedTopic>,
    /// The groups, by name.
    pub groups: Vec<PlannedGroup>,
    /// Where offsets of groups hold as they are, without the data being written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub same_offsets: SameOffsets,
    /// What is changed besides, when the records are there.
    #[serde(default)]
    pub cluster: ClusterChanges,
    /// SCRAM credentials, by user and mechanism; they are planned apart, with what proves who they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<RestoredUser>,
    /// Good to know, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// A restore of the same snapshot into the same cluster that was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// How closely what was written is compared; absent where it is not read back.
    pub compare: Option<Depth>,
    /// Records to be read; those of transactions that were not committed are among them.
    pub records: u64,
    /// Bytes to be read, as Kafka stored them.
    pub bytes: u64,
    /// Bytes on the target's disks, with all replicas.
    pub disk_bytes: u64,
    /// The room that there is for it; absent where the brokers do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    /// What quotas of the target hold us to.
    #[serde(default, skip_serializing_if = "Throttle::is_none")]
    pub throttle: Throttle,
    /// About how long it takes.
    pub estimated_ms: u64,
}

impl Document for Plan {
    const FORMAT: &'static str = "lifeboat.restore-plan";
}

/// What is not read because the index tells that nothing in it was chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Records, as far as they are known.
    pub records: u64,
    /// Bytes, as Kafka stored them.
    pub bytes: u64,
}

impl Unread {
    /// Whether everything is read.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A restore that was interrupted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Its journal.
    pub journal: PathBuf,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// How far it has come.
    pub stage: Stage,
}

/// One group of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedGroup {
    /// Its name in the snapshot.
    pub group: String,
    /// Its name in the target; empty where it is the same. See [`Self::target_name`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Offsets that are translated: those of restored topics.
    pub offsets: usize,
    /// Offsets of topics that are not restored.
    pub not_restored: usize,
    /// Topics that are appended to and that it reads on the target already, by the snapshot's names: its offsets there
    /// stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// Why it is skipped; absent where it is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The journal of an earlier restore that left it out when it wrote its topics: going on with that one gives it its
    /// offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_by: Option<PathBuf>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The target is where the snapshot comes from.
    #[error("the target is the cluster that the snapshot was taken of ({cluster_id})")]
    IntoSource {
        /// Its id.
        cluster_id: String,
    },
    /// A partition shall be where no broker is.
    #[error("topic {topic} has replicas on broker {broker}, and the target has no such broker")]
    NoBroker {
        /// The topic.
        topic: String,
        /// The broker's id, as the target calls it.
        broker: i32,
    },
    /// Two brokers of the snapshot would be one in the target.
    #[error("two brokers of the snapshot would be broker {broker} of the target")]
    BrokersMerged {
        /// Its id.
        broker: i32,
    },
    /// Something can't be called as it is asked for.
    #[error(transparent)]
    Names(#[from] NameError),
    /// What is said of partitions, times and offsets fits nothing.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// What is said of numbers of partitions fits nothing.
    #[error(transparent)]
    Repartition(#[from] RepartitionError),
    /// No topic is chosen.
    #[error("none of the {topics} topics of the snapshot is chosen")]
    NothingChosen {
        /// How many topics the snapshot has.
        topics: usize,
    },
}

/// Decides what a restore of `source` into `target` does.
pub fn plan(
    source: Source<'_>,
    target: &Target,
    choice: Choice<'_>,
    now: Timestamp,
) -> Result<Plan, PlanError> {
    let manifest = source.manifest;
    if target.cluster_id == manifest.cluster_id && !choice.into_source {
        return Err(PlanError::IntoSource {
            cluster_id: target.cluster_id.clone(),
        });
    }
    let data = choice.parts.has(Part::Data);
    let topics_wanted = data || choice.parts.has(Part::Topics);
    let chosen: Vec<&ManifestTopic> = manifest
        .topics
        .iter()
        .filter(|topic| topics_wanted && choice.topics.choose(&topic.topic))
        .collect();
    if topics_wanted && chosen.is_empty() && !manifest.topics.is_empty() {
        return Err(PlanError::NothingChosen {
            topics: manifest.topics.len(),
        });
    }
    let stored = stored(&chosen);
    let estimate = estimate(
        stored.bytes,
        choice.compare,
        target.throttle,
        target.brokers.len(),
    );
    let done_at = now.as_millis().saturating_add(millis(estimate)) + RETENTION_MARGIN_MS;
    let planner = Planner {
        source,
        target,
        choice,
        done_at: Timestamp::from_millis(done_at),
    };
    let mut topics = Vec::with_capacity(chosen.len());
    for topic in &chosen {
        topics.push(planner.topic(topic)?);
    }
    let read = |count: fn(&PlannedTopic) -> u64| topics.iter().map(count).sum();
    let unread = Unread {
        records: stored.records.saturating_sub(read(|topic| topic.records)),
        bytes: stored.bytes.saturating_sub(read(|topic| topic.bytes)),
    };
    // without data, a topic that is there is as it shall be
    topics.retain(|topic| data || !target.topics.contains_key(topic.target_name()));
    let same = if data {
        SameOffsets::new()
    } else {
        same_offsets(manifest, target, &choice.names.topics)
    };
    let mut plan = Plan {
        snapshot: manifest.snapshot.clone(),
        bounds_at: manifest.bounds_at,
        manifest_sha256: source.commit.manifest.sha256.clone(),
        source_cluster_id: manifest.cluster_id.clone(),
        target_cluster_id: target.cluster_id.clone(),
        target_brokers: target.brokers.len(),
        mode: "produce".to_owned(),
        planned_at: now,
        parts: choice.parts.clone(),
        selection: choice.selection.clone(),
        salvage: choice.salvage,
        unread: if data { unread } else { Unread::default() },
        groups: planner.groups(&topics, &same),
        same_offsets: same,
        cluster: ClusterChanges::default(),
        users: Vec::new(),
        warnings: {
            let mut warnings = planner.warnings(&topics);
            let (brokers, read) = (target.brokers.len(), read_rate(choice.compare));
            let slowed = target
                .throttle
                .warning(brokers, WRITE_RATE, read.unwrap_or(0));
            warnings.extend(slowed.filter(|_| data));
            warnings
        },
        topics,
        unfinished: None,
        compare: choice.compare,
        records: 0,
        bytes: 0,
        disk_bytes: 0,
        room: None,
        throttle: target.throttle,
        estimated_ms: 0,
    };
    plan.recount();
    if data {
        plan.room = Room::decide(plan.disk_bytes, target.brokers.len(), &target.usable_bytes);
    }
    Ok(plan)
}

/// All that the snapshot has of these topics.
fn stored(topics: &[&ManifestTopic]) -> Unread {
    let partitions = || topics.iter().flat_map(|topic| &topic.partitions);
    Unread {
        records: partitions().filter_map(|p| p.record_count).sum(),
        bytes: partitions().map(|p| p.raw_bytes).sum(),
    }
}

fn written(topics: &[PlannedTopic]) -> impl Iterator<Item = &PlannedTopic> {
    topics.iter().filter(|topic| topic.is_written())
}

fn estimate(bytes: u64, compare: Option<Depth>, throttle: Throttle, brokers: usize) -> Duration {
    let took = |rate: u64| bytes.saturating_mul(1_000) / rate;
    let reading_back = match read_rate(compare) {
        None => 0,
        Some(rate) => took(Throttle::limit(throttle.read_rate, brokers, rate)),
    };
    let writing = took(Throttle::limit(throttle.write_rate, brokers, WRITE_RATE));
    Duration::from_millis(2_000 + writing + reading_back)
}

fn read_rate(compare: Option<Depth>) -> Option<u64> {
    compare.map(|depth| match depth {
        Depth::Batches => READ_RATE,
        Depth::Records => DECODE_RATE,
    })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl PlannedGroup {
    /// Its name in the target.
    pub fn target_name(&self) -> &str {
        name_or(&self.target, &self.group)
    }

    /// Whether it may get offsets, in this run or when it is gone on with.
    pub(crate) fn has_a_chance(&self) -> bool {
        self.offsets > 0
    }

    /// Whether it is skipped although it was asked for (exit code 3).
    pub(crate) fn is_left_out(&self) -> bool {
        self.skipped.is_some() && (self.has_a_chance() || self.left_out_by.is_some())
    }
}

/// What alone decides the bytes that are produced.
#[derive(Serialize)]
struct OutputDefinition<'a> {
    version: &'a str,
    manifest_sha256: &'a Sha256Hex,
    topics: Vec<(&'a str, BatchLimits)>,
    #[serde(skip_serializing_if = "Selection::is_everything")]
    selection: &'a Selection,
    /// Over how many partitions the records of a topic are spread, where it is another number than it had.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    spread: BTreeMap<&'a str, usize>,
}

impl Plan {
    /// The topics that are written to.
    pub fn written(&self) -> impl Iterator<Item = &PlannedTopic> {
        written(&self.topics)
    }

    /// The topics that are written and get another number of partitions, and how many.
    pub fn spread(&self) -> BTreeMap<&str, usize> {
        let spread = self.written().filter_map(|topic| {
            let repartition = topic.repartition.as_ref()?;
            Some((topic.topic.as_str(), repartition.partitions()))
        });
        spread.collect()
    }

    /// The topics that are left alone.
    pub fn refused(&self) -> impl Iterator<Item = &PlannedTopic> {
        self.topics.iter().filter(|topic| topic.is_refused())
    }

    /// The topics whose records are deleted first.
    pub fn replaced(&self) -> impl Iterator<Item = &PlannedTopic> {
        let replaced = |it: &&PlannedTopic| matches!(it.action, TopicAction::Replace { .. });
        self.topics.iter().filter(replaced)
    }

    /// Adds up again, after a topic was refused.
    pub(crate) fn recount(&mut self) {
        self.records = self.written().map(|topic| topic.records).sum();
        self.bytes = self.written().map(|topic| topic.bytes).sum();
        self.disk_bytes = self
            .written()
            .map(|topic| topic.bytes * u64::from(topic.replication_factor.unsigned_abs()))
            .sum();
        let brokers = self.target_brokers;
        let estimate = estimate(self.bytes, self.compare, self.throttle, brokers).as_millis();
        self.estimated_ms = u64::try_from(estimate).unwrap_or(u64::MAX);
    }

    /// Whether nothing is left to be done: the target is as the snapshot has it, as far as it was asked for.
    pub fn is_nothing(&self) -> bool {
        let there = |topic: &PlannedTopic| topic.is_already_there();
        self.topics.iter().all(there) && !self.changes_the_rest()
    }

    /// Whether there is something to agree to, and to be done.
    pub fn changes_anything(&self) -> bool {
        self.written().next().is_some() || self.changes_the_rest()
    }

    /// Whether anything but topics becomes another.
    fn changes_the_rest(&self) -> bool {
        !self.cluster.is_nothing()
            || self.groups.iter().any(|group| group.skipped.is_none())
            || self.users.iter().any(RestoredUser::is_changed)
    }

    /// Whether some offsets of groups can't be restored because the data are not (exit code 3).
    pub(crate) fn lacks_offsets(&self) -> bool {
        !self.parts.has(Part::Data) && self.groups.iter().any(|group| group.not_restored > 0)
    }

    /// Whether something that was asked for will be missing (exit code 3).
    pub fn is_partial(&self) -> bool {
        let missing = |left_out: &Unrestored| left_out.partial;
        self.refused().next().is_some()
            || self.cluster.left_out.iter().any(missing)
            || self.users.iter().any(RestoredUser::is_missing)
            || self.lacks_offsets()
            || self.groups.iter().any(PlannedGroup::is_left_out)
            || self
                .topics
                .iter()
                .any(|topic| topic.settings.left_out.iter().any(|l| l.partial))
    }

    /// The hash of what decides each byte that is produced: the snapshot, which records of it, the limits and this program's
    /// version.
    pub fn output_hash(&self) -> Sha256Hex {
        let definition = OutputDefinition {
            version: env!("CARGO_PKG_VERSION"),
            manifest_sha256: &self.manifest_sha256,
            topics: self
                .written()
                .map(|topic| (topic.topic.as_str(), topic.limits))
                .collect(),
            selection: &self.selection,
            spread: self.spread(),
        };
        let bytes = serde_json::to_vec(&definition).unwrap_or_default();
        Sha256Hex::of(&bytes)
    }

    /// The plan as one line of JSON.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_vec(self)
    }
}

#[cfg(test)]
mod tests;
