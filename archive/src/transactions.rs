//! What became of the transactions of a partition (R14), from batch headers and control batches alone.

use std::collections::{HashMap, HashSet};

use crate::{
    batch::{Batch, BatchError, BatchHeader, ControlType},
    lists::{AbortedSpan, OpenSpan, TransactionTable},
};

/// Watches the batches of one partition go by, in order, and keeps what a restore must know.
#[derive(Clone, Debug)]
pub struct TransactionTracker {
    /// Where the log began; `None` where all before was watched, too: then a marker without data spans nothing.
    start: Option<i64>,
    open: HashMap<i64, i64>,
    /// Producers that had a marker already: a second marker without data between them spans nothing.
    settled: HashSet<i64>,
    aborted: Vec<AbortedSpan>,
}

impl TransactionTracker {
    /// A tracker for batches from `log_start` on: where the start of a transaction was cut off, it began there.
    pub fn new(log_start: i64) -> Self {
        Self {
            start: Some(log_start),
            open: HashMap::new(),
            settled: HashSet::new(),
            aborted: Vec::new(),
        }
    }

    /// A tracker for what comes behind an earlier snapshot, which left this table; of a log that begins at `log_start` now.
    ///
    /// Transactions that were open there are ended by the markers that come. One that began below the log start has no
    /// data any more, or none below it (R6).
    pub fn resume(earlier: &TransactionTable, log_start: i64) -> Self {
        let open = earlier.open.iter();
        let aborted = earlier.aborted.iter();
        Self {
            start: None,
            open: open
                .map(|span| (span.producer_id, span.first_offset.max(log_start)))
                .collect(),
            settled: HashSet::new(),
            aborted: aborted
                .filter(|span| span.marker_offset > log_start)
                .map(|span| AbortedSpan {
                    first_offset: span.first_offset.max(log_start),
                    ..*span
                })
                .collect(),
        }
    }

    /// Takes note of the next batch.
    pub fn observe(&mut self, batch: &Batch<'_>) -> Result<(), BatchError> {
        let header = &batch.header;
        if header.is_control() {
            // markers of KRaft (leader changes, …) say nothing about transactions
            match batch.control_type()? {
                ControlType::Abort => self.settle(header, true),
                ControlType::Commit => self.settle(header, false),
                ControlType::Other(_) | ControlType::Empty => {}
            }
        } else if header.is_transactional() {
            self.open
                .entry(header.producer_id)
                .or_insert(header.base_offset);
        }
        Ok(())
    }

    /// The marker's epoch is not looked at: since KIP-890 it is one more than that of the data.
    fn settle(&mut self, marker: &BatchHeader, aborted: bool) {
        let seen_before = !self.settled.insert(marker.producer_id);
        let first_offset = match self.open.remove(&marker.producer_id) {
            Some(first_offset) => first_offset,
            None if seen_before => return,
            None => match self.start {
                Some(start) => start,
                None => return,
            },
        };
        if aborted {
            self.aborted.push(AbortedSpan {
                producer_id: marker.producer_id,
                first_offset,
                marker_offset: marker.base_offset,
            });
        }
    }

    /// The table; what has no marker by now is open.
    pub fn finish(self) -> TransactionTable {
        let mut open: Vec<_> = self
            .open
            .into_iter()
            .map(|(producer_id, first_offset)| OpenSpan {
                producer_id,
                first_offset,
            })
            .collect();
        open.sort_unstable_by_key(|span| (span.first_offset, span.producer_id));
        TransactionTable {
            aborted: self.aborted,
            open,
        }
    }
}

impl TransactionTable {
    /// Whether a restore keeps the batch: it is data, not of an aborted transaction, and not at or above the last
    /// stable offset in one that was open. For many batches, ask an [`TransactionIndex`].
    pub fn keeps(&self, header: &BatchHeader, last_stable_offset: i64) -> bool {
        let aborted = |span: &AbortedSpan| {
            span.producer_id == header.producer_id
                && (span.first_offset..span.marker_offset).contains(&header.last_offset())
        };
        let open = |span: &OpenSpan| {
            span.producer_id == header.producer_id && span.first_offset <= header.last_offset()
        };
        keeps(
            header,
            last_stable_offset,
            || self.aborted.iter().any(aborted),
            || self.open.iter().any(open),
        )
    }

    /// The same table, quick to ask.
    pub fn index(&self) -> TransactionIndex {
        let mut aborted: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        for span in &self.aborted {
            let spans = aborted.entry(span.producer_id).or_default();
            spans.push((span.first_offset, span.marker_offset));
        }
        for spans in aborted.values_mut() {
            spans.sort_unstable_by_key(|&(_, marker_offset)| marker_offset);
        }
        let mut open = HashMap::new();
        for span in &self.open {
            let first = open.entry(span.producer_id).or_insert(span.first_offset);
            *first = span.first_offset.min(*first);
        }
        TransactionIndex { aborted, open }
    }
}

/// A [`TransactionTable`] by producer id.
#[derive(Clone, Debug, Default)]
pub struct TransactionIndex {
    /// First offset and marker offset of each span, by marker; the spans of one producer never overlap.
    aborted: HashMap<i64, Vec<(i64, i64)>>,
    open: HashMap<i64, i64>,
}

impl TransactionIndex {
    /// As [`TransactionTable::keeps`].
    pub fn keeps(&self, header: &BatchHeader, last_stable_offset: i64) -> bool {
        let last = header.last_offset();
        let aborted = || {
            self.aborted.get(&header.producer_id).is_some_and(|spans| {
                let at = spans.partition_point(|&(_, marker_offset)| marker_offset <= last);
                spans
                    .get(at)
                    .is_some_and(|&(first_offset, _)| first_offset <= last)
            })
        };
        let open = || {
            self.open
                .get(&header.producer_id)
                .is_some_and(|&first| first <= last)
        };
        keeps(header, last_stable_offset, aborted, open)
    }
}

fn keeps(
    header: &BatchHeader,
    last_stable_offset: i64,
    aborted: impl FnOnce() -> bool,
    open: impl FnOnce() -> bool,
) -> bool {
    if header.is_control() {
        return false;
    }
    if !header.is_transactional() {
        return true;
    }
    // the last offset stands for the batch: the first batch may begin before the log start (R1)
    let unstable = header.last_offset() >= last_stable_offset;
    !(aborted() || unstable && open())
}

#[cfg(test)]
mod tests;
