//! Turns what was streamed into lists, documents and a manifest, and stores them.

use std::collections::{BTreeMap, HashMap};

use lifeboat_archive::{
    documents::{ClusterDocument, GroupsDocument},
    json::{self, Document},
    lists::{ArchiveReference, ListedSegment, ObjectReference, PartitionList, TopicList},
    manifest::{
        GapReason, Manifest, ManifestPartition, ManifestTopic, Problem, SnapshotKind,
        SnapshotState, Totals,
    },
    tarball::documents_archive,
    words::{Clock, SnapshotId, Timestamp},
};
use lifeboat_kafka::{
    capture::Surroundings,
    rights::{Operation, Right},
    wire::Cluster,
};
use lifeboat_repository::ClusterRepository;

use super::{
    BackupError,
    archives::WrittenSegment,
    bounds::{Bounds, PartitionBounds},
    plan::{Captured, PlannedTopics},
    stream::{Streamed, StreamedPartition},
};

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
    pub(super) streamed: Streamed,
}

/// A manifest that is in the repository, not committed yet.
#[derive(Debug)]
pub(super) struct StoredManifest {
    pub(super) manifest: Manifest,
    pub(super) reference: ObjectReference,
    pub(super) topics_left_out: u64,
}

impl Assembly<'_> {
    /// Stores documents, lists and manifest, in this order: each names only what is stored already.
    pub(super) async fn store(mut self) -> Result<StoredManifest, BackupError> {
        let documents = self.store_documents().await?;
        let topics = self.store_lists().await?;
        let mut problems = std::mem::take(&mut self.topics.problems);
        problems.append(&mut self.groups.problems);
        problems.append(&mut self.bounds.problems);
        problems.append(&mut self.activity.problems);
        problems.append(&mut self.surroundings.problems);
        problems.extend(self.offsets_beyond_the_data());
        problems.extend(self.unreadable(&topics));
        let totals = self.totals(&topics);
        let partial = totals.gaps > 0 || problems.iter().any(|problem| problem.partial);
        let manifest = Manifest {
            snapshot: self.snapshot,
            cluster_id: self.cluster.cluster_id().to_owned(),
            kind: SnapshotKind::Full,
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
            problems,
        };
        let reference = self.store.put_manifest(&manifest).await?;
        Ok(StoredManifest {
            manifest,
            reference,
            topics_left_out: self.topics.left_out,
        })
    }

    /// Each document as a member; one that could not be read is left out.
    async fn store_documents(&self) -> Result<ObjectReference, BackupError> {
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
        let members: Vec<_> = members.into_iter().flatten().collect();
        let archive = documents_archive(&members);
        Ok(self.store.put_documents(&self.snapshot, archive).await?)
    }

    /// Writes one list per topic, the topics by name.
    async fn store_lists(&mut self) -> Result<Vec<ManifestTopic>, BackupError> {
        let mut segments: HashMap<usize, Vec<WrittenSegment>> = HashMap::new();
        for segment in std::mem::take(&mut self.streamed.archives.segments) {
            segments.entry(segment.partition).or_default().push(segment);
        }
        let mut by_topic: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, bounds) in self.bounds.partitions.iter().enumerate() {
            let topic = bounds.topic_partition.topic.to_string();
            by_topic.entry(topic).or_default().push(index);
        }
        let mut lists = self.store.lists(&self.snapshot);
        let mut topics = Vec::with_capacity(by_topic.len());
        for (topic, indices) in by_topic {
            let topic_id = self.bounds.partitions[indices[0]].topic_id;
            let mut list = TopicList {
                topic: topic.clone(),
                topic_id,
                archives: Vec::new(),
                partitions: Vec::with_capacity(indices.len()),
            };
            let mut partitions = Vec::with_capacity(indices.len());
            for index in indices {
                let bounds = &self.bounds.partitions[index];
                let streamed = std::mem::take(&mut self.streamed.partitions[index]);
                let written = segments.remove(&index).unwrap_or_default();
                partitions.push(manifest_partition(bounds, &streamed, &written));
                let archives = &self.streamed.archives.archives;
                let segments = list_segments(&mut list.archives, archives, written);
                list.partitions.push(PartitionList {
                    partition: bounds.topic_partition.partition,
                    segments,
                    holes: streamed.tail_hole.into_iter().collect(),
                    transactions: streamed.transactions,
                });
            }
            topics.push(ManifestTopic {
                list: lists.append(&list).await?,
                topic,
                topic_id,
                partitions,
            });
        }
        lists.finish().await?;
        Ok(topics)
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

    fn totals(&self, topics: &[ManifestTopic]) -> Totals {
        let archives = &self.streamed.archives.archives;
        let surroundings = &self.surroundings.document;
        let mut totals = Totals {
            topics: topics.len() as u64,
            archives: archives.len() as u64,
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
            totals.gaps += partition.gaps.len() as u64;
        }
        totals
    }
}

fn manifest_partition(
    bounds: &PartitionBounds,
    streamed: &StreamedPartition,
    written: &[WrittenSegment],
) -> ManifestPartition {
    let entries = || written.iter().map(|segment| &segment.entry);
    ManifestPartition {
        partition: bounds.topic_partition.partition,
        log_start_offset: bounds.log_start_offset,
        high_watermark: bounds.high_watermark,
        last_stable_offset: bounds.last_stable_offset,
        leader_epoch: bounds.leader_epoch,
        record_count: entries().map(|entry| entry.record_count).sum(),
        batch_count: entries().map(|entry| entry.batch_count).sum(),
        raw_bytes: entries().map(|entry| entry.raw_bytes).sum(),
        largest_batch_bytes: entries()
            .map(|entry| entry.largest_batch_bytes)
            .max()
            .unwrap_or(0),
        max_timestamp_ms: entries().filter_map(|entry| entry.max_timestamp_ms).max(),
        gaps: streamed.gaps.clone(),
    }
}

/// Names each archive once per topic.
fn list_segments(
    listed: &mut Vec<ArchiveReference>,
    archives: &[ArchiveReference],
    written: Vec<WrittenSegment>,
) -> Vec<ListedSegment> {
    let mut segments = Vec::with_capacity(written.len());
    for segment in written {
        let reference = &archives[segment.archive];
        // the newest are at the end, and most often wanted
        let known = listed
            .iter()
            .rposition(|known| known.object == reference.object);
        let archive = known.unwrap_or_else(|| {
            listed.push(reference.clone());
            listed.len() - 1
        });
        segments.push(ListedSegment {
            archive,
            entry: segment.entry,
        });
    }
    segments
}
