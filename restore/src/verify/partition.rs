//! Whether a partition's segment list is what its manifest says, decided without reading any of its data.

use lifeboat_archive::{
    index::SegmentEntry, lists::PartitionList, manifest::ManifestPartition, words::OffsetRange,
};

/// Something in a partition's list that can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) offsets: Option<OffsetRange>,
    pub(super) what: String,
}

impl Finding {
    fn at(offsets: OffsetRange, what: impl Into<String>) -> Self {
        Self {
            offsets: Some(offsets),
            what: what.into(),
        }
    }
}

/// Offsets must be contiguous but for holes and gaps, lie inside the bounds, and add up to the manifest's counts.
pub(super) fn check(partition: &ManifestPartition, list: &PartitionList) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bounds = partition.range();
    let mut missing = Missing::new(partition, list);
    let mut expected = bounds.start;
    for segment in &list.segments {
        let entry = &segment.entry;
        if entry.partition != partition.partition {
            findings.push(Finding::at(entry.range(), "a segment of another partition"));
        }
        if entry.first_offset < expected && expected > bounds.start {
            let overlap = OffsetRange::new(entry.first_offset, expected);
            findings.push(Finding::at(overlap, "two segments hold the same offsets"));
        }
        if entry.next_offset > bounds.end {
            let beyond = OffsetRange::new(bounds.end, entry.next_offset);
            findings.push(Finding::at(
                beyond,
                "a segment reaches beyond the high watermark",
            ));
        }
        missing.explain(
            OffsetRange::new(expected, entry.first_offset),
            &mut findings,
        );
        expected = expected.max(entry.next_offset);
    }
    missing.explain(OffsetRange::new(expected, bounds.end), &mut findings);
    check_sums(partition, list, &mut findings);
    findings
}

/// What is known to be missing: holes and gaps, in order.
struct Missing {
    known: Vec<OffsetRange>,
}

impl Missing {
    fn new(partition: &ManifestPartition, list: &PartitionList) -> Self {
        let in_segments = list
            .segments
            .iter()
            .flat_map(|segment| &segment.entry.holes);
        let gaps = partition.gaps.iter().map(|gap| gap.range);
        let mut known: Vec<_> = in_segments
            .chain(&list.holes)
            .copied()
            .chain(gaps)
            .collect();
        known.sort_unstable();
        Self { known }
    }

    /// Whatever of `range` is neither hole nor gap is a finding.
    fn explain(&mut self, range: OffsetRange, findings: &mut Vec<Finding>) {
        let mut from = range.start;
        for known in &self.known {
            if from >= range.end {
                return;
            }
            if known.end <= from {
                continue;
            }
            if known.start > from {
                break_off(from, known.start.min(range.end), findings);
            }
            from = from.max(known.end);
        }
        break_off(from, range.end, findings);
    }
}

fn break_off(start: i64, end: i64, findings: &mut Vec<Finding>) {
    let range = OffsetRange::new(start, end);
    if !range.is_empty() {
        let what = "offsets are missing that no hole and no gap explains";
        findings.push(Finding::at(range, what));
    }
}

fn check_sums(partition: &ManifestPartition, list: &PartitionList, findings: &mut Vec<Finding>) {
    let entries = || list.segments.iter().map(|segment| &segment.entry);
    let sum = |field: fn(&SegmentEntry) -> u64| entries().map(field).sum::<u64>();
    let records = entries().try_fold(0, |sum, entry| Some(sum + entry.record_count?));
    let mut differ = |what: &str, listed: u64, in_manifest: u64| {
        if listed != in_manifest {
            let what =
                format!("its segments hold {listed} {what}, the manifest says {in_manifest}");
            findings.push(Finding {
                offsets: None,
                what,
            });
        }
    };
    differ(
        "batches",
        sum(|entry| entry.batch_count),
        partition.batch_count,
    );
    differ("bytes", sum(|entry| entry.raw_bytes), partition.raw_bytes);
    if let (Some(records), Some(in_manifest)) = (records, partition.record_count) {
        differ("records", records, in_manifest);
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::{
        json::Sha256Hex,
        lists::{ListedSegment, TransactionTable},
        manifest::{Gap, GapReason},
        words::TopicId,
    };

    use super::*;

    fn segment(first_offset: i64, next_offset: i64, holes: &[(i64, i64)]) -> ListedSegment {
        ListedSegment {
            archive: 0,
            entry: SegmentEntry {
                member: String::new(),
                topic: "t".to_owned(),
                topic_id: TopicId::ZERO,
                partition: 0,
                first_offset,
                next_offset,
                record_count: Some(10),
                batch_count: 2,
                min_timestamp_ms: None,
                max_timestamp_ms: None,
                codecs: Vec::new(),
                leader_epochs: Vec::new(),
                raw_bytes: 100,
                largest_batch_bytes: 50,
                holes: holes
                    .iter()
                    .map(|&(start, end)| OffsetRange::new(start, end))
                    .collect(),
                position: 0,
                length: 1,
                sha256: Sha256Hex::of(b""),
            },
        }
    }

    fn list(segments: Vec<ListedSegment>, holes: &[(i64, i64)]) -> PartitionList {
        PartitionList {
            partition: 0,
            segments,
            holes: holes
                .iter()
                .map(|&(start, end)| OffsetRange::new(start, end))
                .collect(),
            transactions: TransactionTable::default(),
        }
    }

    fn partition(
        list: &PartitionList,
        log_start_offset: i64,
        high_watermark: i64,
    ) -> ManifestPartition {
        let segments = list.segments.len() as u64;
        ManifestPartition {
            partition: 0,
            log_start_offset,
            high_watermark,
            last_stable_offset: high_watermark,
            leader_epoch: 0,
            record_count: Some(10 * segments),
            batch_count: 2 * segments,
            repacked_bytes: 0,
            raw_bytes: 100 * segments,
            largest_batch_bytes: 50,
            max_timestamp_ms: None,
            last_batch: None,
            appended: 0,
            tombstones_unsafe: false,
            gaps: Vec::new(),
        }
    }

    #[test]
    fn a_list_without_a_jump_is_right_also_where_the_log_starts_inside_a_batch() {
        let list = list(vec![segment(3, 20, &[]), segment(20, 30, &[])], &[]);
        assert_eq!(check(&partition(&list, 5, 30), &list), []);
    }

    #[test]
    fn r3_holes_and_gaps_explain_what_is_missing_and_nothing_else_does() {
        let list = list(
            vec![segment(5, 20, &[(0, 5)]), segment(25, 30, &[])],
            &[(33, 40)],
        );
        let mut partition = partition(&list, 0, 40);
        let unexplained = check(&partition, &list);
        assert_eq!(unexplained.len(), 2, "{unexplained:?}");
        assert_eq!(unexplained[0].offsets, Some(OffsetRange::new(20, 25)));
        assert_eq!(unexplained[1].offsets, Some(OffsetRange::new(30, 33)));
        partition.gaps = [(20, 25), (29, 33)]
            .map(|(start, end)| Gap {
                range: OffsetRange::new(start, end),
                reason: GapReason::DeletedBeforeRead,
            })
            .to_vec();
        assert_eq!(check(&partition, &list), []);
    }

    #[test]
    fn overlaps_and_offsets_beyond_the_high_watermark_are_found() {
        let list = list(vec![segment(0, 20, &[]), segment(15, 30, &[])], &[]);
        let findings = check(&partition(&list, 0, 29), &list);
        let offsets: Vec<_> = findings
            .iter()
            .filter_map(|finding| finding.offsets)
            .collect();
        assert_eq!(
            offsets,
            [OffsetRange::new(15, 20), OffsetRange::new(29, 30)]
        );
    }

    #[test]
    fn counts_that_do_not_add_up_are_found() {
        let list = list(vec![segment(0, 20, &[])], &[]);
        let mut partition = partition(&list, 0, 20);
        partition.record_count = Some(11);
        partition.raw_bytes = 99;
        assert_eq!(check(&partition, &list).len(), 2);
        partition.record_count = None;
        assert_eq!(check(&partition, &list).len(), 1);
    }

    #[test]
    fn an_empty_partition_is_right_with_no_segment_or_one_hole() {
        let none = list(Vec::new(), &[]);
        assert_eq!(check(&partition(&none, 7, 7), &none), []);
        let hole = list(Vec::new(), &[(7, 9)]);
        assert_eq!(check(&partition(&hole, 7, 9), &hole), []);
        assert_eq!(check(&partition(&none, 7, 9), &none).len(), 1);
    }
}
