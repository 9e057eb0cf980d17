//! Gives topics, records and group offsets of a snapshot to a cluster that does not have them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lifeboat_archive::{
    documents::{
        CommittedOffset, Documents, GroupsDocument, TopicsDocument,
        diff::{Change, ConfigResource, Kind, SettingValue},
    },
    manifest::{Commit, Manifest},
    words::{ByteSize, Clock, Progress, TopicGlobs, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{
    Pace,
    wire::{Cluster, Patience},
};
use lifeboat_repository::{ClusterRepository, RepositoryError};
use tokio_util::sync::CancellationToken;

use crate::{
    apply,
    compare::{Comparison, Expected},
    groups::{self, PartitionOffsets, RestoredGroup},
    journal::{self, Entry, Journal, Planned, Prepared, PreparedTopic},
    offsets::{OffsetMap, OffsetTranslator},
    parts::{Part, Parts},
    plan::{
        self, Choice, Source, Target, TopicAction,
        changes::{self, ClusterChanges, Found, Wish},
        taken_over::is_same,
    },
    replay::{ReadyTopic, Replay},
    report::MadeChange,
    rewrite::Producer,
    settings::SegmentAge,
    target, topics,
};
mod written;

pub use crate::{error::RestoreError, plan::Plan, report::Report};
use written::{Outcome, Times, Written, report};

/// So long it may take until a change shows.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// What a restore is to do.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Options {
    /// Which topics.
    pub topics: TopicGlobs,
    /// Which parts.
    pub parts: Parts,
    /// Whether settings, quotas and ACLs that the snapshot does not have are removed.
    pub prune_extra: bool,
    /// Whether new topics get the snapshot's assignment of replicas, and not only as many.
    pub assignment: bool,
    /// What the snapshot's brokers are called in the target, where it is another name.
    pub broker_map: BTreeMap<i32, i32>,
    /// Whether what was written is read back and compared.
    pub compare: bool,
    /// Whether the snapshot's own cluster may be written to.
    pub into_source: bool,
    /// Memory for all records that are on their way.
    pub memory: ByteSize,
    /// Bytes per second that are written at most, as they are sent.
    pub max_rate: Option<ByteSize>,
    /// Connections to each broker that data are written by, at least 1.
    pub max_connections: usize,
    /// Where the journal is kept; see [`journal::default_folder`] for where, if not here.
    pub state_folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            parts: Parts::everything(),
            prune_extra: false,
            assignment: false,
            broker_map: BTreeMap::new(),
            compare: true,
            into_source: false,
            memory: ByteSize::mib(96),
            max_rate: None,
            max_connections: 4,
            state_folder: None,
        }
    }
}

/// Restores one snapshot.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The target.
    pub cluster: Cluster,
    /// How to reach the target.
    pub properties: KafkaProperties,
    /// Where the snapshot is.
    pub repository: ClusterRepository,
    /// The snapshot.
    pub commit: Commit,
    /// Its manifest.
    pub manifest: Manifest,
    /// What to do.
    pub options: Options,
    /// The time.
    pub clock: Clock,
    /// How far it has come.
    pub progress: Progress,
    /// Ends it early.
    pub cancel: CancellationToken,
}

impl Restore {
    /// What the restore would do. Nothing is changed.
    pub async fn plan(&self) -> Result<Plan, RestoreError> {
        self.progress.begin("planning", 0);
        let documents = self.documents().await?;
        let parts = &self.options.parts;
        let ages = self.ages().await?;
        let names: Vec<Arc<str>> = self
            .chosen()
            .map(|topic| topic.topic.as_str().into())
            .collect();
        let of_topics = [Part::Data, Part::Topics, Part::Groups];
        let with_topics = of_topics.into_iter().any(|part| parts.has(part));
        let of_topics = if with_topics { names.as_slice() } else { &[] };
        let mut target = target::look(&self.cluster, of_topics, parts.has(Part::Groups)).await?;
        let changes = self.decide_changes(&documents, &names).await?;
        learn_defaults(&mut target, &changes);
        let source = Source {
            commit: &self.commit,
            manifest: &self.manifest,
            topics: &documents.topics,
            groups: &documents.groups,
            ages: &ages,
        };
        let choice = Choice {
            topics: &self.options.topics,
            parts,
            assignment: self.options.assignment,
            broker_map: &self.options.broker_map,
            compare: self.options.compare,
            into_source: self.options.into_source,
        };
        let mut plan = plan::plan(source, &target, choice, self.clock.now())?;
        plan.cluster = changes;
        plan.warnings.extend(self.warnings(&documents));
        if !parts.has(Part::Data) {
            self.drop_groups_that_are_there(&mut plan, &documents.groups)
                .await;
        }
        topics::preflight(&self.cluster, &mut plan).await?;
        Ok(plan)
    }

    /// What is to be changed besides topics, records and offsets. Only what something is to be done with is looked at:
    /// a restore of topics takes no right on anything else.
    async fn decide_changes(
        &self,
        documents: &StoredDocuments,
        names: &[Arc<str>],
    ) -> Result<ClusterChanges, RestoreError> {
        let options = &self.options;
        let kinds = changes::kinds_to_look_at(&documents.all, &options.parts, options.prune_extra);
        let own = options.parts.has(Part::Configs) && !options.parts.has(Part::Data);
        if kinds.is_empty() && !own {
            return Ok(ClusterChanges::default());
        }
        let names = if own { names } else { &[] };
        let found = target::look_around(&self.cluster, &kinds, names, self.clock.now()).await?;
        self.decide(&documents.all, &found)
    }

    /// Without the data, a group may stand already where it shall.
    async fn drop_groups_that_are_there(&self, plan: &mut Plan, groups: &GroupsDocument) {
        for group in &groups.groups {
            let planned = plan.groups.iter().position(|it| it.group == group.group);
            let Some(at) = planned.filter(|&at| plan.groups[at].skipped.is_none()) else {
                continue;
            };
            // what can't be read is committed, which tells why
            let Ok(there) = self.cluster.group_offsets(&group.group, true).await else {
                continue;
            };
            let stands = |wanted: &CommittedOffset| {
                let of = |it: &&CommittedOffset| {
                    it.topic == wanted.topic && it.partition == wanted.partition
                };
                let found = there.offsets.iter().find(of);
                found.is_some_and(|it| it.offset == wanted.offset && it.metadata == wanted.metadata)
            };
            let mut same = group.offsets.iter();
            if same.all(|offset| !is_same(&plan.same_offsets, offset) || stands(offset))
                && plan.groups[at].not_restored == 0
            {
                plan.groups.remove(at);
            }
        }
    }

    fn decide(&self, snapshot: &Documents, found: &Found) -> Result<ClusterChanges, RestoreError> {
        let problems = self.manifest.problems.iter();
        let doubtful: BTreeSet<String> = problems
            .filter_map(|problem| problem.subject.strip_prefix("topic "))
            .map(str::to_owned)
            .collect();
        let wish = Wish {
            parts: &self.options.parts,
            topics: &self.options.topics,
            doubtful: &doubtful,
            broker_map: &self.options.broker_map,
            prune: self.options.prune_extra,
            principal: self.cluster.principal(),
        };
        Ok(changes::decide(snapshot, found, &wish)?)
    }

    fn warnings(&self, documents: &StoredDocuments) -> Vec<String> {
        let parts = &self.options.parts;
        let not_held = changes::not_held(&documents.all, parts).into_iter();
        let mut warnings: Vec<String> = not_held
            .map(|kind| format!("the snapshot does not hold {kind}: the target's stay as they are"))
            .collect();
        let users = documents.all.users.as_ref().map_or(0, |it| it.users.len());
        if users > 0 && !parts.has(Part::Users) {
            warnings.push(format!(
                "{users} SCRAM users are not restored: it takes their passwords (--only users)"
            ));
        }
        warnings
    }

    /// Plans and applies the plan.
    pub async fn run(self) -> Result<Report, RestoreError> {
        let plan = self.plan().await?;
        Box::pin(self.apply(plan)).await
    }

    /// Applies exactly `plan`.
    ///
    /// # Crash consistency
    /// What was wanted is in the journal before anything is changed, and the target's topics keep the settings of the
    /// time of writing until everything was compared: nothing that was restored can be deleted meanwhile.
    pub async fn apply(self, plan: Plan) -> Result<Report, RestoreError> {
        let (began, started_at) = (Instant::now(), self.clock.now());
        refuse_if_nothing_is_left(&plan)?;
        let documents = self.documents().await?;
        // The journal before the first change: whoever finds a half-made restore must know what it was to become.
        let journal = self.begin_journal(&plan)?;
        // Topics with settings that keep every record, whatever its age.
        let ready = self.prepare(&plan).await?;
        // All read back before groups and settings: a group never points into data that was not proven.
        let (written, comparing_ms) = self.write_data(&plan, &documents, ready, &journal).await?;
        // Groups before settings: a consumer may start as soon as its offsets are there.
        let restored_groups = self
            .restore_groups(&plan, &documents.groups, &written, &journal)
            .await?;
        // Settings of topics: from here on Kafka may compact and delete as it did on the source.
        self.finish_topics(&plan, &written, &journal).await?;
        // All else last: throttles and quotas would slow the records down, a cluster's retention could delete them
        // before they are compared, and rights that are taken could keep the restore from its end.
        let changed = self.change_cluster(&plan, &documents, &journal).await?;
        journal.append(&Entry::Finished {
            at: self.clock.now(),
        })?;
        let times = Times {
            started_at,
            began,
            comparing_ms,
        };
        let outcome = Outcome {
            groups: restored_groups,
            changes: changed,
        };
        Ok(report(plan, &written, outcome, &journal, times))
    }

    async fn write_data(
        &self,
        plan: &Plan,
        documents: &StoredDocuments,
        ready: Vec<ReadyTopic>,
        journal: &Journal,
    ) -> Result<(Written, Option<u64>), RestoreError> {
        if !plan.parts.has(Part::Data) || plan.written().next().is_none() {
            return Ok((Written::nothing(ready), None));
        }
        // Reading back goes on beside the writing; one waits for the network and the disks of the other.
        let comparison = self.begin_comparison(plan);
        // The groups' offsets are known before the data: they are resolved while it passes by.
        let written = self
            .write(plan, &documents.groups, ready, journal, comparison.as_ref())
            .await?;
        let comparing_ms = self.compare(comparison, &written, journal).await?;
        Ok((written, comparing_ms))
    }

    /// Changes the rest of the cluster, and what is to be removed after that.
    async fn change_cluster(
        &self,
        plan: &Plan,
        documents: &StoredDocuments,
        journal: &Journal,
    ) -> Result<Vec<MadeChange>, RestoreError> {
        let wanted: Vec<Change> = [&plan.cluster.made, &plan.cluster.pruned]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.progress
            .begin("changing the cluster", wanted.len() as u64);
        let mut changed = apply::apply(&self.cluster, &wanted, &self.progress, &self.cancel).await;
        self.confirm(&documents.all, &mut changed).await;
        let refused = changed.iter().filter(|it| it.refused.is_some()).count();
        journal.append(&Entry::ClusterChanged {
            changed: changed.len() - refused,
            refused,
        })?;
        Ok(changed)
    }

    /// Reads back instead of trusting: brokers learn of a change one after the other, and who looks again at once, as
    /// the next restore does, must find it. What does not show in time is told as refused.
    async fn confirm(&self, snapshot: &Documents, changed: &mut [MadeChange]) {
        let kinds: BTreeSet<Kind> = changed.iter().map(|it| it.change.kind()).collect();
        let kinds: Vec<Kind> = kinds.into_iter().collect();
        let topics: BTreeSet<Arc<str>> = changed
            .iter()
            .filter_map(|it| it.change.topic())
            .map(Arc::from)
            .collect();
        let topics: Vec<Arc<str>> = topics.into_iter().collect();
        let mut patience = Patience::new(SHOWS_WITHIN);
        loop {
            let now = self.clock.now();
            let found = target::look_around(&self.cluster, &kinds, &topics, now).await;
            let left = found.and_then(|found| self.decide(snapshot, &found));
            let left = match left {
                Ok(left) => left,
                // an ACL of the snapshot may keep us from looking: the target has said that it took the changes
                Err(error) => {
                    tracing::warn!(%error, "the changes can't be read back");
                    return;
                }
            };
            let open = |it: &MadeChange| {
                let same = left.made.contains(&it.change) || left.pruned.contains(&it.change);
                it.refused.is_none() && same
            };
            if !changed.iter().any(open) {
                return;
            }
            if !patience.pause().await {
                for it in changed.iter_mut().filter(|it| open(it)) {
                    it.refused = Some(format!(
                        "the target took it and does not show it within {SHOWS_WITHIN:?}"
                    ));
                }
                return;
            }
        }
    }

    fn chosen(&self) -> impl Iterator<Item = &lifeboat_archive::manifest::ManifestTopic> {
        let topics = self.manifest.topics.iter();
        topics.filter(|topic| self.options.topics.choose(&topic.topic))
    }

    async fn documents(&self) -> Result<StoredDocuments, RestoreError> {
        let all = self.repository.documents(&self.manifest).await?;
        let missing = |name: &str| RepositoryError::Damaged {
            object: self.manifest.documents.object.clone(),
            problem: format!("it has no {name}"),
        };
        Ok(StoredDocuments {
            topics: all.topics.clone().ok_or_else(|| missing("topics.json"))?,
            groups: all.groups.clone().ok_or_else(|| missing("groups.json"))?,
            all,
        })
    }

    /// How old the segments of the chosen topics are.
    async fn ages(&self) -> Result<BTreeMap<String, Vec<SegmentAge>>, RestoreError> {
        let mut ages = BTreeMap::new();
        if !self.options.parts.has(Part::Data) {
            return Ok(ages);
        }
        for topic in self.chosen() {
            let list = self.repository.list(topic).await?;
            let segments = list
                .partitions
                .iter()
                .flat_map(|partition| &partition.segments);
            let of_topic = segments.map(|segment| SegmentAge {
                partition: segment.entry.partition,
                max_timestamp_ms: segment.entry.max_timestamp_ms,
                records: segment.entry.record_count.unwrap_or(0),
                bytes: segment.entry.raw_bytes,
                largest_batch_bytes: segment.entry.largest_batch_bytes,
            });
            ages.insert(topic.topic.clone(), of_topic.collect());
        }
        Ok(ages)
    }

    fn begin_journal(&self, plan: &Plan) -> Result<Journal, RestoreError> {
        let folder = match &self.options.state_folder {
            Some(folder) => folder.clone(),
            None => journal::default_folder()?,
        };
        let journal = Journal::begin(&folder, Planned::of(plan, self.clock.now()))?;
        tracing::info!(journal = %journal.path().display(), "begins");
        Ok(journal)
    }

    async fn prepare(&self, plan: &Plan) -> Result<Vec<ReadyTopic>, RestoreError> {
        let topics = plan.written().count() as u64;
        self.progress.begin("creating topics", topics);
        self.unless_cancelled(topics::prepare(&self.cluster, plan))
            .await
    }

    /// Gives up waiting when the restore is cancelled.
    async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, RestoreError>>,
    ) -> Result<T, RestoreError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(RestoreError::Cancelled),
            done = work => done,
        }
    }

    async fn write(
        &self,
        plan: &Plan,
        groups: &GroupsDocument,
        ready: Vec<ReadyTopic>,
        journal: &Journal,
        comparison: Option<&Comparison>,
    ) -> Result<Written, RestoreError> {
        let began = Instant::now();
        let identity = self.cluster.init_producer_id().await?;
        let producer = Producer {
            id: identity.producer_id,
            epoch: identity.producer_epoch,
        };
        journal.append(&Entry::Prepared(Prepared {
            producer,
            topics: ready.iter().map(prepared).collect(),
        }))?;
        self.progress.begin("writing", plan.bytes);
        let replay = Replay {
            cluster: self.cluster.clone(),
            repository: self.repository.clone(),
            manifest: &self.manifest,
            topics: ready.clone(),
            producer,
            wanted: groups::wanted_offsets(groups, &plan.groups),
            memory: self.options.memory,
            lanes: self.options.max_connections.max(1),
            pace: Pace::new(self.options.max_rate),
            comparison,
            journal,
            progress: self.progress.clone(),
            cancel: self.cancel.clone(),
        };
        let mut partitions = replay.run().await?;
        partitions.sort_by(|one, other| one.topic_partition.cmp(&other.topic_partition));
        Ok(Written {
            topics: ready,
            partitions,
            writing_ms: millis(began),
        })
    }

    fn begin_comparison(&self, plan: &Plan) -> Option<Comparison> {
        plan.compare
            .then(|| Comparison::begin(&self.properties, &self.cancel))
    }

    /// Waits for the rest of the comparison; gives for how long.
    async fn compare(
        &self,
        comparison: Option<Comparison>,
        written: &Written,
        journal: &Journal,
    ) -> Result<Option<u64>, RestoreError> {
        let Some(comparison) = comparison else {
            return Ok(None);
        };
        let began = Instant::now();
        let expected: Vec<Expected> = written
            .partitions
            .iter()
            .filter_map(|partition| {
                Some(Expected {
                    slot: partition.slot,
                    topic_partition: partition.topic_partition.clone(),
                    start_offset: partition.start_offset,
                    digest: partition.outcome.as_ref().ok()?.digest.clone(),
                })
            })
            .collect();
        let records = expected
            .iter()
            .map(|expected| expected.digest.records())
            .sum();
        self.progress.begin("comparing", records);
        comparison.finish(&expected, &self.progress).await?;
        journal.append(&Entry::Compared)?;
        Ok(Some(millis(began)))
    }

    async fn restore_groups(
        &self,
        plan: &Plan,
        groups: &GroupsDocument,
        written: &Written,
        journal: &Journal,
    ) -> Result<Vec<RestoredGroup>, RestoreError> {
        if plan.groups.is_empty() {
            return Ok(Vec::new());
        }
        self.progress
            .begin("restoring groups", plan.groups.len() as u64);
        let mut partitions: HashMap<TopicPartition, PartitionOffsets<'_>> = HashMap::new();
        for partition in &written.partitions {
            let Ok(rewritten) = &partition.outcome else {
                continue;
            };
            let offsets = PartitionOffsets {
                map: &rewritten.offsets,
                start_offset: partition.start_offset,
            };
            partitions.insert(partition.topic_partition.clone(), offsets);
        }
        let taken_over = self.taken_over(plan, groups);
        partitions.extend(taken_over.iter().map(|(partition, map)| {
            let start_offset = 0;
            (partition.clone(), PartitionOffsets { map, start_offset })
        }));
        let restore = groups::restore(&self.cluster, groups, &plan.groups, &partitions);
        let restored = self.unless_cancelled(async { Ok(restore.await?) }).await?;
        journal.append(&Entry::GroupsCommitted)?;
        Ok(restored)
    }

    /// Offsets that stay as they are.
    fn taken_over(&self, plan: &Plan, groups: &GroupsDocument) -> Vec<(TopicPartition, OffsetMap)> {
        if plan.same_offsets.is_empty() {
            return Vec::new();
        }
        let wanted = groups::wanted_offsets(groups, &plan.groups);
        let mut maps = Vec::new();
        for topic in &self.manifest.topics {
            let same = plan.same_offsets.get(&topic.topic);
            let same = same.filter(|_| self.options.topics.choose(&topic.topic));
            for partition in &topic.partitions {
                let name = TopicPartition::new(topic.topic.as_str(), partition.partition);
                let is_same = same.is_some_and(|same| same.contains(&partition.partition));
                let Some(offsets) = wanted.get(&name).filter(|_| is_same) else {
                    continue;
                };
                let mut translator = OffsetTranslator::new(partition, offsets.iter().copied());
                translator.keep_run(partition.range(), 0);
                maps.push((name, translator.finish(partition.range().span())));
            }
        }
        maps
    }

    async fn finish_topics(
        &self,
        plan: &Plan,
        written: &Written,
        journal: &Journal,
    ) -> Result<(), RestoreError> {
        self.progress
            .begin("setting topics", plan.written().count() as u64);
        for topic in plan.written() {
            // a topic that was stopped half-way is kept as it is, until somebody has looked at it
            if written.stopped(&topic.topic) {
                continue;
            }
            self.unless_cancelled(topics::finish(&self.cluster, topic))
                .await?;
            journal.append(&Entry::SettingsRestored {
                topic: topic.topic.clone(),
            })?;
            self.progress.advance(1);
        }
        Ok(())
    }
}

/// What every snapshot has, and what it may have.
struct StoredDocuments {
    topics: TopicsDocument,
    groups: GroupsDocument,
    all: Documents,
}

/// Settings of all brokers that the restore brings count as if they were there: R23 looks at what will hold.
fn learn_defaults(target: &mut Target, changes: &ClusterChanges) {
    for change in &changes.made {
        if let Change::Config {
            resource: ConfigResource::Cluster,
            name,
            edit,
        } = change
            && let Some(SettingValue::Known(value)) = edit.to()
        {
            let defaults = std::mem::take(&mut target.defaults);
            target.defaults = defaults.with(name, value);
        }
    }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn refuse_if_nothing_is_left(plan: &Plan) -> Result<(), RestoreError> {
    // what else there is to be done is done all the same
    if plan.topics.is_empty() || plan.written().next().is_some() || !plan.cluster.is_nothing() {
        return Ok(());
    }
    let refused = plan.refused().map(|topic| match &topic.action {
        TopicAction::Refuse { reason, .. } => (topic.topic.clone(), reason.clone()),
        _ => (topic.topic.clone(), String::new()),
    });
    Err(RestoreError::Refused(refused.collect()))
}

fn prepared(topic: &ReadyTopic) -> PreparedTopic {
    PreparedTopic {
        topic: topic.topic.to_string(),
        topic_id: topic.topic_id,
        start_offsets: topic.start_offsets.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_everything_is_restored_and_compared_but_not_into_the_source() {
        let options = Options::default();
        assert!(options.parts == Parts::everything() && options.compare && !options.into_source);
        assert!(options.topics.choose("anything"));
        assert_eq!(options.memory, ByteSize::mib(96));
    }
}
