//! One snapshot, in the detail that is asked for.

use std::{collections::BTreeMap, time::Duration};

use lifeboat_archive::{
    documents::{
        AclsDocument, ClusterDocument, ConfigsDocument, FeaturesDocument, GroupsDocument,
        QuotasDocument, TokensDocument, TopicsDocument, UsersDocument,
    },
    json::Document,
    manifest::{
        Commit, Gap, Manifest, ManifestPartition, Problem, SnapshotKind, SnapshotState, Totals,
    },
    results::ProofResult,
    words::{ByteSize, HumanCount, HumanDuration, Timestamp},
};
use lifeboat_repository::{UnreadableResult, is_sealed, standing};
use serde::{Deserialize, Serialize};

use super::{
    Paint, Table, ago, grouped, plural,
    results::{results_table, results_trouble, standing_cell},
    safe,
};
use crate::flags::ShowParts;

mod around;

/// What `lifeboat show` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShowDocument {
    /// The commit.
    pub(crate) commit: Commit,
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The documents are encrypted, and there was nothing to open them with: none is in here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unopened: bool,
    /// The cluster as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<ClusterDocument>,
    /// The topics' settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topics: Option<TopicsDocument>,
    /// The groups' offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<GroupsDocument>,
    /// Settings of brokers, groups and client metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) configs: Option<ConfigsDocument>,
    /// ACLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acls: Option<AclsDocument>,
    /// Client quotas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quotas: Option<QuotasDocument>,
    /// SCRAM users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) users: Option<UsersDocument>,
    /// Finalized features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) features: Option<FeaturesDocument>,
    /// Delegation tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<TokensDocument>,
    /// What was proven of it, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) results: Vec<ProofResult>,
    /// Results that count for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreadable_results: Vec<UnreadableResult>,
    /// Why it is not known what was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) results_unknown: Option<String>,
}

impl Document for ShowDocument {
    const FORMAT: &'static str = "lifeboat.show";
}

impl ShowDocument {
    /// For people: the overview, or the parts that are chosen.
    pub(crate) fn render(&self, parts: ShowParts, now: Timestamp, paint: Paint) -> String {
        let mut sections = Vec::new();
        if parts.none() {
            sections.push(self.overview(now, paint));
            sections.push(self.topic_table());
            sections.extend(results_table(&self.results, now, paint));
            sections.extend(results_trouble(
                &self.unreadable_results,
                self.results_unknown.as_deref(),
                paint,
            ));
            sections.extend(self.trouble(paint));
        }
        if parts.topics {
            sections.push(self.partition_table());
        }
        if parts.groups {
            sections.push(self.group_table());
        }
        sections.extend(self.around(parts));
        if parts.gaps {
            let trouble = self.trouble(paint);
            sections.push(trouble.unwrap_or_else(|| "nothing is missing\n".to_owned()));
        }
        sections.join("\n")
    }

    fn overview(&self, now: Timestamp, paint: Paint) -> String {
        let Self {
            commit, manifest, ..
        } = self;
        let totals = manifest.totals;
        let state = match commit.state {
            SnapshotState::Complete => "complete".to_owned(),
            SnapshotState::Partial => paint.doubtful("PARTIAL"),
        };
        let took = commit.committed_at.millis_since(commit.started_at);
        let took = HumanDuration(Duration::from_millis(u64::try_from(took).unwrap_or(0)));
        let lines = [
            (
                "snapshot",
                format!("{}, {}, {state}", commit.snapshot, long_kind(commit)),
            ),
            (
                "cluster",
                match &self.cluster {
                    None => commit.cluster_id.clone(),
                    Some(cluster) => {
                        let brokers = plural(cluster.brokers.len() as u64, "broker");
                        format!("{}, {brokers}", commit.cluster_id)
                    }
                },
            ),
            (
                "bounds",
                format!(
                    "{} ({})",
                    commit.bounds_at.readable(),
                    ago(now.millis_since(commit.bounds_at))
                ),
            ),
            ("took", format!("{took}, by {}", manifest.created_by)),
            (
                "topics",
                format!(
                    "{} in {}",
                    totals.topics,
                    plural(totals.partitions, "partition")
                ),
            ),
            (
                "records",
                format!(
                    "{} in {} batches",
                    HumanCount(totals.records),
                    HumanCount(totals.batches)
                ),
            ),
            (
                "bytes",
                format!(
                    "{} {}, {} stored in {}{}",
                    ByteSize(totals.raw_bytes),
                    as_stored(&totals),
                    ByteSize(totals.stored_bytes),
                    plural(totals.archives, "archive"),
                    self.earlier()
                ),
            ),
            ("groups", self.groups_line()),
            ("besides", besides(&totals)),
            ("encrypted", self.encrypted()),
            (
                "verified",
                standing_cell(standing(&self.results).as_ref(), now, paint),
            ),
        ];
        lines
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name:<10}{value}\n"))
            .collect()
    }

    /// What stands in the archives of earlier snapshots.
    fn earlier(&self) -> String {
        let totals = self.manifest.totals;
        match &self.manifest.builds_on {
            None => String::new(),
            Some(earlier) => format!(
                ", {} in earlier ones (up to {earlier})",
                ByteSize(totals.raw_bytes.saturating_sub(totals.read_bytes))
            ),
        }
    }

    fn groups_line(&self) -> String {
        let Some(groups) = &self.groups else {
            return self.manifest.totals.groups.to_string();
        };
        let offsets = groups.groups.iter().map(|group| group.offsets.len());
        format!(
            "{}, offsets of {}",
            groups.groups.len(),
            plural(offsets.sum::<usize>() as u64, "partition")
        )
    }

    fn encrypted(&self) -> String {
        let is_sealed = is_sealed(&self.manifest.documents.object);
        match (is_sealed, self.unopened) {
            (false, _) => String::new(),
            (true, false) => "yes".to_owned(),
            (true, true) => {
                "yes: groups, settings and ACLs are shown with --identity FILE".to_owned()
            }
        }
    }

    fn topic_table(&self) -> String {
        let settings: BTreeMap<_, _> = self
            .topics
            .iter()
            .flat_map(|document| &document.topics)
            .map(|topic| (topic.topic.as_str(), topic))
            .collect();
        let mut table = Table::new(&[
            "TOPIC",
            ">PARTITIONS",
            ">RF",
            ">RECORDS",
            ">SIZE",
            "NEWEST RECORD",
            ">CONFIGS",
        ]);
        for topic in &self.manifest.topics {
            let settings = settings.get(topic.topic.as_str());
            let sum =
                |of: fn(&ManifestPartition) -> u64| topic.partitions.iter().map(of).sum::<u64>();
            let unknown = topic
                .partitions
                .iter()
                .any(|partition| partition.record_count.is_none());
            let newest = topic
                .partitions
                .iter()
                .filter_map(|partition| partition.max_timestamp_ms)
                .max();
            table.row([
                topic.topic.clone(),
                topic.partitions.len().to_string(),
                settings.map_or("–".to_owned(), |settings| {
                    settings.replication_factor.to_string()
                }),
                counted(
                    sum(|partition| partition.record_count.unwrap_or(0)),
                    unknown,
                ),
                ByteSize(sum(|partition| partition.raw_bytes)).to_string(),
                time_of(newest),
                settings
                    .and_then(|settings| settings.configs.as_ref())
                    .map_or("–".to_owned(), |configs| configs.len().to_string()),
            ]);
        }
        table.render()
    }

    fn partition_table(&self) -> String {
        let headings = [
            "PARTITION",
            ">FIRST",
            ">END",
            ">STABLE",
            ">RECORDS",
            ">BATCHES",
            ">SIZE",
            "NEWEST RECORD",
        ];
        let mut table = Table::new(&headings);
        for topic in &self.manifest.topics {
            for partition in &topic.partitions {
                table.row([
                    format!("{}-{}", topic.topic, partition.partition),
                    grouped(partition.log_start_offset),
                    grouped(partition.high_watermark),
                    grouped(partition.last_stable_offset),
                    partition
                        .record_count
                        .map_or("unknown".to_owned(), |count| {
                            grouped(i64::try_from(count).unwrap_or(i64::MAX))
                        }),
                    grouped(i64::try_from(partition.batch_count).unwrap_or(i64::MAX)),
                    ByteSize(partition.raw_bytes).to_string(),
                    time_of(partition.max_timestamp_ms),
                ]);
            }
        }
        table.render()
    }

    fn group_table(&self) -> String {
        let ends: BTreeMap<_, _> = self
            .manifest
            .topics
            .iter()
            .flat_map(|topic| {
                let of = move |partition: &ManifestPartition| {
                    (
                        (topic.topic.as_str(), partition.partition),
                        partition.high_watermark,
                    )
                };
                topic.partitions.iter().map(of)
            })
            .collect();
        let headings = [
            "GROUP",
            "TYPE",
            "STATE",
            "PARTITION",
            ">NEXT",
            ">BEHIND",
            "METADATA",
        ];
        let mut table = Table::new(&headings);
        for group in self.groups.iter().flat_map(|document| &document.groups) {
            for offset in &group.offsets {
                let behind = match ends.get(&(offset.topic.as_str(), offset.partition)) {
                    Some(end) if offset.offset > *end => "beyond the end".to_owned(),
                    Some(end) => grouped(end - offset.offset),
                    None => "not in here".to_owned(),
                };
                table.row([
                    safe(&group.group),
                    group.group_type.clone(),
                    group.state.clone(),
                    format!("{}-{}", offset.topic, offset.partition),
                    grouped(offset.offset),
                    behind,
                    safe(&offset.metadata),
                ]);
            }
        }
        table.render()
    }

    /// Gaps and problems; `None` where there are none.
    fn trouble(&self, paint: Paint) -> Option<String> {
        let mut text = String::new();
        for topic in &self.manifest.topics {
            for partition in &topic.partitions {
                for gap in &partition.gaps {
                    text.push_str(&gap_line(&topic.topic, partition.partition, gap, paint));
                }
            }
        }
        for problem in &self.manifest.problems {
            text.push_str(&problem_line(problem, paint));
        }
        (!text.is_empty()).then_some(text)
    }
}

/// What a snapshot holds of a cluster besides topics and groups: `14 ACLs, 3 quotas, 9 settings`.
pub(crate) fn besides(totals: &Totals) -> String {
    let counted = |count: Option<u64>, name: &str| match count {
        Some(count) => plural(count, name),
        None => format!("no {name}s (not saved)"),
    };
    [
        counted(totals.acls, "ACL"),
        counted(totals.quotas, "quota"),
        counted(totals.configs, "setting"),
    ]
    .join(", ")
}

/// A gap on one line.
pub(crate) fn gap_line(topic: &str, partition: i32, gap: &Gap, paint: Paint) -> String {
    let range = gap.range;
    format!(
        "  {}      {topic}-{partition}  offsets {}..{} ({}): {}\n",
        paint.bad("gap"),
        grouped(range.start),
        grouped(range.end.saturating_sub(1)),
        plural(range.span(), "offset"),
        gap.reason
    )
}

/// A problem on one line.
pub(crate) fn problem_line(problem: &Problem, paint: Paint) -> String {
    let kind = if problem.partial {
        paint.bad("missing")
    } else {
        "note   ".to_owned()
    };
    format!(
        "  {kind}  {}: {}\n",
        safe(&problem.subject),
        safe(&problem.problem)
    )
}

/// What the bytes of a snapshot are.
fn as_stored(totals: &Totals) -> String {
    match totals.repacked_bytes {
        0 => "as Kafka stores them".to_owned(),
        bytes if bytes == totals.raw_bytes => "repacked, without their compression".to_owned(),
        bytes => format!("({} of them repacked)", ByteSize(bytes)),
    }
}

fn long_kind(commit: &Commit) -> &'static str {
    match commit.kind {
        SnapshotKind::Full => "full",
        SnapshotKind::Incremental => "incremental",
    }
}

fn counted(count: u64, at_least: bool) -> String {
    let sign = if at_least { "≥ " } else { "" };
    format!("{sign}{}", HumanCount(count))
}

fn time_of(millis: Option<i64>) -> String {
    match millis {
        Some(millis) if millis >= 0 => Timestamp::from_millis(millis).readable(),
        _ => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests;
