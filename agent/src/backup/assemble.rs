//! Turns what was streamed into lists, documents and a manifest, and stores them.

use std::{collections::HashMap, time::Duration};

use lifeboat_archive::{
    documents::{ClusterDocument, GroupsDocument},
    json::{self, Document},
    lists::ObjectReference,
    manifest::{
        GapReason, Manifest, ManifestPartition, ManifestTopic, Problem, SnapshotKind,
        SnapshotState, Totals,
    },
    tarball::documents_archive,
    words::{Clock, SnapshotId, Timestamp},
};
use lifeboat_kafka::{
    capture::Surroundings,
    reader::RangeEnd,
    rights::{Operation, Right},
    wire::Cluster,
};
use lifeboat_repository::ClusterRepository;

use super::{
    BackupError,
    bounds::Bounds,
    lists::{Listing, StoredTopics, unsafe_partitions},
    plan::{Captured, PlannedTopics},
    readings::Readings,
    secrets::{self, CredentialOptions, UsersReport},
    stream::{Streamed, StreamedPartition},
};

/// Kafka looks so often whether there is something to be cleaned (`log.cleaner.backoff.ms`): what was read quicker is
/// hardly ever cleaned meanwhile, for only closed segments are.
const CLEANER_BACKOFF: Duration = Duration::from_secs(15);

/// Everything that goes into a manifest.
pub(super) struct Assembly<'b> {
    pub(super) snapshot: SnapshotId,
    pub(super) cluster: &'b Cluster,
    pub(super) store: &'b ClusterRepository,
    pub(super) clock: &'b Clock,
    pub(super) started_at: Timestamp,
    pub(super) bounds_at: Timestamp,
    pub(super) topics: PlannedTopics,
    pub(super) groups: Captured<GroupsDocument>,
    pub(super) activity: Captured<ClusterDocument>,
    pub(super) surroundings: Captured<Surroundings>,
    pub(super) bounds: Bounds,
    pub(super) readings: Readings,
    pub(super) streamed: Streamed,
    pub(super) credentials: &'b CredentialOptions,
}

/// A manifest that is in the repository, not committed yet.
#[derive(Debug)]
pub(super) struct StoredManifest {
    pub(super) manifest: Manifest,
    pub(super) reference: ObjectReference,
    pub(super) topics_left_out: u64,
    pub(super) topics_unchanged: u64,
    pub(super) users: UsersReport,
}

impl Assembly<'_> {
    /// Stores documents, lists and manifest, in this order: each names only what is stored already.
    pub(super) async fn store(mut self) -> Result<StoredManifest, BackupError> {
        let secrets = secrets::capture(self.cluster, self.credentials).await;
        let documents = self.store_documents(secrets.members).await?;
        let listing = Listing {
            store: self.store,
            snapshot: &self.snapshot,
            bounds: &self.bounds,
            readings: &self.readings,
        };
        let stored = listing.store(&mut self.streamed).await?;
        let StoredTopics {
            topics,
            builds_on,
            unchanged,
            read_bytes,
        } = stored;
        let mut problems = std::mem::take(&mut self.topics.problems);
        problems.append(&mut self.groups.problems);
        problems.append(&mut self.bounds.problems);
        problems.append(&mut self.activity.problems);
        problems.append(&mut self.surroundings.problems);
        problems.extend(secrets.problems);
        problems.extend(self.offsets_beyond_the_data());
        problems.extend(self.unreadable(&topics));
        problems.extend(self.readings.problems(&self.bounds));
        problems.extend(resurrected(&topics));
        problems.extend(self.outrun(&topics));
        let totals = self.totals(&topics, read_bytes);
        let partial = totals.gaps > 0 || problems.iter().any(|problem| problem.partial);
        let manifest = Manifest {
            snapshot: self.snapshot,
            cluster_id: self.cluster.cluster_id().to_owned(),
            kind: if builds_on.is_some() {
                SnapshotKind::Incremental
            } else {
                SnapshotKind::Full
            },
            state: if partial {
                SnapshotState::Partial
            } else {
                SnapshotState::Complete
            },
            started_at: self.started_at,
            bounds_at: self.bounds_at,
            finished_at: self.clock.now(),
            created_by: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
            topics,
            documents,
            totals,
            builds_on,
            problems,
        };
        let reference = self.store.put_manifest(&manifest).await?;
        Ok(StoredManifest {
            manifest,
            reference,
            topics_left_out: self.topics.left_out,
            topics_unchanged: unchanged,
            users: secrets.report,
        })
    }

    /// Each document as a member; one that could not be read is left out.
    async fn store_documents(
        &self,
        secrets: Vec<(&'static str, Vec<u8>)>,
    ) -> Result<ObjectReference, BackupError> {
        fn member<D: Document>(
            name: &'static str,
            document: Option<&D>,
        ) -> Option<(&'static str, Vec<u8>)> {
            document.map(|document| (name, json::to_vec_pretty(document)))
        }
        let surroundings = &self.surroundings;
        let members = [
            member("cluster.json", Some(&self.activity.document)),
            member("topics.json", Some(&self.topics.document)),
            member("groups.json", Some(&self.groups.document)),
            member("configs.json", Some(&surroundings.document.configs)),
            member("acls.json", surroundings.document.acls.as_ref()),
            member("quotas.json", surroundings.document.quotas.as_ref()),
            member("features.json", surroundings.document.features.as_ref()),
            member("tokens.json", surroundings.document.tokens.as_ref()),
        ];
        let members: Vec<_> = members.into_iter().flatten().chain(secrets).collect();
        let archive = documents_archive(&members);
        Ok(self.store.put_documents(&self.snapshot, archive).await?)
    }

    /// Committed offsets that lie behind the captured end, for which a restored group starts at the end (R19).
    fn offsets_beyond_the_data(&self) -> Vec<Problem> {
        let ends: HashMap<(&str, i32), i64> = self
            .bounds
            .partitions
            .iter()
            .map(|bounds| {
                let tp = &bounds.topic_partition;
                ((&*tp.topic, tp.partition), bounds.high_watermark)
            })
            .collect();
        let mut problems = Vec::new();
        for group in &self.groups.document.groups {
            for committed in &group.offsets {
                let end = ends.get(&(committed.topic.as_str(), committed.partition));
                if let Some(end) = end.filter(|end| committed.offset > **end) {
                    problems.push(Problem {
                        subject: format!("group {}", group.group),
                        problem: format!(
                            "committed offset {} of {}-{} is beyond the end of the snapshot, {end}",
                            committed.offset, committed.topic, committed.partition
                        ),
                        partial: false,
                    });
                }
            }
        }
        problems
    }

    /// Topics with gaps because we may not read them: once each, with the right that is missing.
    fn unreadable(&self, topics: &[ManifestTopic]) -> Vec<Problem> {
        let gaps = |topic: &ManifestTopic| {
            let mut gaps = topic
                .partitions
                .iter()
                .flat_map(|partition| &partition.gaps);
            gaps.any(|gap| gap.reason == GapReason::Unauthorized)
        };
        let unreadable = topics.iter().filter(|topic| gaps(topic));
        unreadable
            .map(|topic| {
                let right = Right::on_topic(Operation::Read, &topic.topic);
                let principal = self.cluster.principal();
                Problem {
                    subject: format!("topic {}", topic.topic),
                    problem: format!("its records can't be read: {principal} lacks {right}"),
                    partial: true,
                }
            })
            .collect()
    }

    /// Partitions of which keys may be missing that were written again while they were read, because nobody could read
    /// on up to the newer value (R11).
    fn outrun(&self, topics: &[ManifestTopic]) -> Vec<Problem> {
        let bounds = self.bounds.partitions.iter();
        let streamed: HashMap<(&str, i32), &StreamedPartition> = bounds
            .zip(&self.streamed.partitions)
            .map(|(bounds, streamed)| {
                let tp = &bounds.topic_partition;
                ((&*tp.topic, tp.partition), streamed)
            })
            .collect();
        let mut problems = Vec::new();
        for topic in topics {
            let outrun = topic.partitions.iter().filter(|partition| {
                let key = (topic.topic.as_str(), partition.partition);
                let streamed = streamed.get(&key);
                streamed.is_some_and(|it| may_lack_keys(partition, it.end, it.time.took))
            });
            let outrun = outrun.count();
            if outrun > 0 {
                problems.push(Problem {
                    subject: format!("topic {}", topic.topic),
                    problem: format!(
                        "{outrun} of its partitions were written by transactions, or too quickly, to be read up to their \
                         end: keys that were written again and cleaned while they were read may be missing; raise \
                         min.compaction.lag.ms above the time that a backup takes"
                    ),
                    partial: false,
                });
            }
        }
        problems
    }

    fn totals(&self, topics: &[ManifestTopic], read_bytes: u64) -> Totals {
        let archives = &self.streamed.archives.archives;
        let surroundings = &self.surroundings.document;
        let mut totals = Totals {
            topics: topics.len() as u64,
            archives: archives.len() as u64,
            read_bytes,
            stored_bytes: archives.iter().map(|archive| archive.size).sum(),
            groups: self.groups.document.groups.len() as u64,
            configs: surroundings.configs.count(),
            acls: surroundings
                .acls
                .as_ref()
                .map(|acls| acls.acls.len() as u64),
            quotas: surroundings
                .quotas
                .as_ref()
                .map(|quotas| quotas.quotas.len() as u64),
            ..Totals::default()
        };
        for partition in topics.iter().flat_map(|topic| &topic.partitions) {
            totals.partitions += 1;
            totals.records += partition.record_count.unwrap_or(0);
            totals.batches += partition.batch_count;
            totals.raw_bytes += partition.raw_bytes;
            totals.repacked_bytes += partition.repacked_bytes;
            totals.gaps += partition.gaps.len() as u64;
        }
        totals
    }
}

/// Partitions of which a deleted key may come back, because they could not be read quickly enough (R11).
fn resurrected(topics: &[ManifestTopic]) -> impl Iterator<Item = Problem> {
    unsafe_partitions(topics).map(|(topic, partitions)| Problem {
        subject: format!("topic {topic}"),
        problem: format!(
            "tombstones-unsafe: reading {partitions} of its partitions took longer than delete.retention.ms, so a deleted \
             key may be in the snapshot again: raise delete.retention.ms"
        ),
        partial: true,
    })
}

/// Whether something was cleaned, for all that is known while it was read, and what took its place was not read. Where no
/// offset is missing nothing was cleaned.
fn may_lack_keys(partition: &ManifestPartition, end: Option<RangeEnd>, took: Duration) -> bool {
    let has_holes = partition.record_count != Some(partition.range().span());
    has_holes && took >= CLEANER_BACKOFF && end.is_some_and(|end| !end.caught_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It stopped in silence.
    #[test]
    fn a_compacted_partition_that_was_not_read_up_to_its_end_is_told_where_something_may_have_been_cleaned()
     {
        let partition = |record_count| ManifestPartition {
            partition: 0,
            log_start_offset: 0,
            high_watermark: 10,
            last_stable_offset: 10,
            leader_epoch: 0,
            record_count,
            batch_count: 0,
            raw_bytes: 0,
            repacked_bytes: 0,
            largest_batch_bytes: 0,
            max_timestamp_ms: None,
            last_batch: None,
            appended: 0,
            tombstones_unsafe: false,
            gaps: Vec::new(),
        };
        let end = |caught_up| {
            Some(RangeEnd {
                offset: 10,
                leader_epoch: -1,
                caught_up,
            })
        };
        for (records, caught_up, took, expected) in [
            (Some(7), false, 20, true),
            (None, false, 20, true),
            (Some(10), false, 20, false),
            (Some(7), true, 20, false),
            (Some(7), false, 1, false),
        ] {
            let took = Duration::from_secs(took);
            let told = may_lack_keys(&partition(records), end(caught_up), took);
            assert_eq!(told, expected, "{records:?} {caught_up} {took:?}");
        }
    }
}
