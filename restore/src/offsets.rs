//! Translates committed offsets into the target's, while the partition is streamed (R17).
//!
//! A target offset is the target's start plus the number of records kept before. Only the offsets that some group
//! committed are resolved, so memory depends on the groups and not on the records.

use lifeboat_archive::{manifest::ManifestPartition, words::OffsetRange};
use serde::{Deserialize, Serialize};

/// Why an offset holds no record that was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// The source holds nothing there either: compaction passed over it.
    Hole,
    /// The backup could not read it.
    Gap,
    /// It belongs to a transaction that was aborted, or still open at the end of the snapshot.
    Transaction,
    /// It is a transaction marker.
    Marker,
    /// It was not chosen.
    NotSelected,
    /// What is stored of it is damaged.
    Damaged,
}

/// How a committed offset was translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Translation {
    /// To the record at that offset.
    SameRecord,
    /// To the next restored record, or the end where none follows: the offset itself holds none.
    NextRecord(Skipped),
    /// It was the end of the snapshot, and becomes the end of the target.
    End,
    /// It lay before the source's log start and becomes the target's start. A consumer with
    /// `auto.offset.reset=latest` would have gone to the end instead.
    BehindLogStart,
    /// It lay beyond the end of the snapshot, and becomes the end of the target.
    BeyondEnd,
    /// It was negative, and becomes the end of the target.
    Negative,
}

impl Translation {
    /// Whether the group may read on at another record than it would have on the source.
    pub fn is_notable(self) -> bool {
        match self {
            Self::SameRecord | Self::End => false,
            Self::NextRecord(skipped) => match skipped {
                Skipped::Gap | Skipped::NotSelected | Skipped::Damaged => true,
                Skipped::Hole | Skipped::Transaction | Skipped::Marker => false,
            },
            Self::BehindLogStart | Self::BeyondEnd | Self::Negative => true,
        }
    }
}

impl std::fmt::Display for Translation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SameRecord => "the same record",
            Self::NextRecord(Skipped::Hole) => "the next record: compaction left none there",
            Self::NextRecord(Skipped::Gap) => "the next record: the backup could not read that one",
            Self::NextRecord(Skipped::Transaction) => {
                "the next record: that one belongs to a transaction that was not committed"
            }
            Self::NextRecord(Skipped::Marker) => "the next record: a transaction marker was there",
            Self::NextRecord(Skipped::NotSelected) => {
                "the next record, or the end where none follows: that one was not to be restored"
            }
            Self::NextRecord(Skipped::Damaged) => {
                "the next record, or the end where none follows: what is stored of that one is damaged"
            }
            Self::End => "the end",
            Self::BehindLogStart => {
                "the first record: it lay before the source's log start, where a consumer with \
                 auto.offset.reset=latest would have skipped to the end"
            }
            Self::BeyondEnd => "the end: it lay beyond the end of the snapshot",
            Self::Negative => "the end: it was negative",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Resolved {
    source: i64,
    position: Position,
    translation: Translation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Position {
    /// So many restored records lie before it.
    After(u64),
    End,
}

/// Resolves the committed offsets of one partition while its batches pass by in order.
#[derive(Debug, Default)]
pub struct OffsetTranslator {
    gaps: Vec<OffsetRange>,
    /// Offsets inside the snapshot that are still ahead, ascending.
    pending: std::collections::VecDeque<(i64, Option<Skipped>)>,
    resolved: Vec<Resolved>,
}

/// Where the committed offsets of one partition went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetMap {
    resolved: Vec<Resolved>,
    records: u64,
}

impl OffsetTranslator {
    /// Will resolve the offsets `committed`, in any order and with repetitions.
    pub fn new(partition: &ManifestPartition, committed: impl IntoIterator<Item = i64>) -> Self {
        let mut committed: Vec<i64> = committed.into_iter().collect();
        committed.sort_unstable();
        committed.dedup();
        let mut translator = Self {
            gaps: partition.gaps.iter().map(|gap| gap.range).collect(),
            pending: std::collections::VecDeque::new(),
            resolved: Vec::with_capacity(committed.len()),
        };
        let bounds = partition.range();
        for source in committed {
            let (position, translation) = if source < 0 {
                (Position::End, Translation::Negative)
            } else if source < bounds.start {
                (Position::After(0), Translation::BehindLogStart)
            } else if source == bounds.end {
                (Position::End, Translation::End)
            } else if source > bounds.end {
                (Position::End, Translation::BeyondEnd)
            } else {
                translator.pending.push_back((source, None));
                continue;
            };
            translator.resolved.push(Resolved {
                source,
                position,
                translation,
            });
        }
        translator
    }

    /// The next offset to be resolved; none where the rest of the partition does not matter.
    pub fn next_pending(&self) -> Option<i64> {
        self.pending.front().map(|(source, _)| *source)
    }

    /// The records at the offsets `range` are left out, because of `why`.
    pub fn skip(&mut self, range: OffsetRange, why: Skipped) {
        let first = self
            .pending
            .partition_point(|(source, _)| *source < range.start);
        let behind = self.pending.iter_mut().skip(first);
        let inside = behind.take_while(|(source, _)| *source < range.end);
        for (_, skipped) in inside {
            *skipped = Some(why);
        }
    }

    /// The record at `source` is restored, behind `before` others.
    pub fn keep(&mut self, source: i64, before: u64) {
        while let Some(&(pending, skipped)) = self.pending.front() {
            if pending > source {
                return;
            }
            self.pending.pop_front();
            let translation = if pending == source {
                Translation::SameRecord
            } else {
                Translation::NextRecord(self.why(pending, skipped))
            };
            self.resolved.push(Resolved {
                source: pending,
                position: Position::After(before),
                translation,
            });
        }
    }

    /// Records at all offsets of `range` are restored, behind `before` others.
    pub fn keep_run(&mut self, range: OffsetRange, before: u64) {
        while let Some(pending) = self.next_pending() {
            if pending >= range.end {
                return;
            }
            let source = pending.max(range.start);
            self.keep(source, before + source.abs_diff(range.start));
        }
    }

    fn why(&self, source: i64, skipped: Option<Skipped>) -> Skipped {
        skipped.unwrap_or_else(|| {
            if self.gaps.iter().any(|gap| gap.contains(source)) {
                Skipped::Gap
            } else {
                Skipped::Hole
            }
        })
    }

    /// The partition is at its end, with `records` restored in all.
    pub fn finish(mut self, records: u64) -> OffsetMap {
        while let Some((source, skipped)) = self.pending.pop_front() {
            let translation = Translation::NextRecord(self.why(source, skipped));
            self.resolved.push(Resolved {
                source,
                position: Position::End,
                translation,
            });
        }
        self.resolved
            .sort_unstable_by_key(|resolved| resolved.source);
        OffsetMap {
            resolved: self.resolved,
            records,
        }
    }
}

impl OffsetMap {
    /// The target's offset for `source`, where the target begins at `target_start`; none for an offset that was not
    /// asked for when streaming began.
    pub fn translate(&self, source: i64, target_start: i64) -> Option<(i64, Translation)> {
        let at = self
            .resolved
            .binary_search_by_key(&source, |r| r.source)
            .ok()?;
        let resolved = &self.resolved[at];
        let before = match resolved.position {
            Position::After(before) => before,
            Position::End => self.records,
        };
        Some((
            target_start.saturating_add_unsigned(before),
            resolved.translation,
        ))
    }
}

#[cfg(test)]
mod tests;
