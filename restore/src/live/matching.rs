//! Records of a snapshot held against records of a cluster, as they come. No I/O.

use std::collections::VecDeque;

use lifeboat_archive::{manifest::ManifestPartition, print::RecordPrint, words::OffsetRange};

use super::report::{Counts, Difference, Way};

/// So far is looked ahead for where records that are missing or extra end.
const WINDOW: usize = 256;

/// What a partition's records come to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) first: Option<Difference>,
}

impl Tally {
    fn compare(&mut self, expected: &RecordPrint, found: &RecordPrint) {
        if expected.is_same(found) {
            self.counts.same += 1;
        } else {
            self.changed(expected, found);
        }
    }

    pub(super) fn changed(&mut self, expected: &RecordPrint, found: &RecordPrint) {
        self.counts.changed += 1;
        self.first
            .get_or_insert_with(|| Difference::changed(expected, found));
    }

    pub(super) fn missing(&mut self, expected: &RecordPrint) {
        self.counts.missing += 1;
        self.first
            .get_or_insert_with(|| Difference::missing(expected));
    }

    pub(super) fn extra(&mut self, found: &RecordPrint) {
        self.counts.extra += 1;
        self.first.get_or_insert_with(|| Difference::extra(found));
    }
}

/// Where a live partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LiveBounds {
    pub(super) start: i64,
    /// What consumers that read committed records see ends here.
    pub(super) last_stable: i64,
    pub(super) high_watermark: i64,
}

/// Where the records begin in the cluster that a restore wrote there: theirs are other offsets than the snapshot's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A journal tells it, or the log still has its first record.
    Known(i64),
    /// Something is gone at the front, and nobody knows whether it was ours.
    Unknown,
}

impl Origin {
    /// `begun`: where a journal says that a restore began.
    pub(super) fn of(begun: Option<i64>, live: LiveBounds) -> Self {
        match begun {
            Some(begun) => Self::Known(begun),
            None if live.start == 0 => Self::Known(0),
            None => Self::Unknown,
        }
    }

    /// Where reading begins: what lies before it was there before the restore.
    pub(super) fn reads_from(self, live: LiveBounds) -> i64 {
        match self {
            Self::Known(origin) => live.start.max(origin),
            Self::Unknown => live.start,
        }
    }

    /// How many restored records may be gone at the front.
    fn front(self, live: LiveBounds) -> u64 {
        let origin = match self {
            Self::Known(origin) => origin,
            Self::Unknown => 0,
        };
        u64::try_from(live.start - origin).unwrap_or(0)
    }

    /// From which offset on records are newer, where `kept` were restored.
    pub(super) fn newer_from(self, kept: i64) -> i64 {
        match self {
            Self::Known(origin) => origin.saturating_add(kept),
            Self::Unknown => kept,
        }
    }

    /// What can't be told where nobody knows it, but would be taken for nothing: records of the snapshot that may never
    /// have been there, and others that may only seem to be newer.
    pub(super) fn doubt(self, tally: &Tally, way: Way) -> Option<String> {
        let counts = &tally.counts;
        let newer = match way {
            Way::LatestByKey => counts.newer,
            Way::Offset | Way::Order => 0,
        };
        let doubtful = counts.no_longer_kept + newer;
        (self == Self::Unknown && doubtful > 0).then(|| {
            format!(
                "{doubtful} records can't be compared: the log does not begin at offset 0, and no journal here tells \
                 where the restore began (--state names the folder of its journal)"
            )
        })
    }
}

/// The very same partition: every record has its offset.
#[derive(Debug)]
pub(super) struct ByOffset {
    live: LiveBounds,
    /// The snapshot ends here.
    end: i64,
    /// From here on the snapshot did not know yet what was committed.
    stable: i64,
    /// What the backup could not read.
    gaps: Vec<OffsetRange>,
    exact: bool,
    pub(super) tally: Tally,
}

impl ByOffset {
    pub(super) fn new(live: LiveBounds, partition: &ManifestPartition, exact: bool) -> Self {
        Self {
            live,
            end: partition.high_watermark,
            stable: partition.last_stable_offset,
            gaps: partition.gaps.iter().map(|gap| gap.range).collect(),
            exact,
            tally: Tally::default(),
        }
    }

    /// A record of the cluster; `expected` gives those of the snapshot in order.
    pub(super) fn see<E>(
        &mut self,
        found: &RecordPrint,
        expected: &mut Ahead<impl FnMut() -> Result<Option<RecordPrint>, E>>,
    ) -> Result<(), E> {
        while let Some(next) = expected.peek()? {
            if next.offset > found.offset {
                break;
            }
            expected.take();
            if next.offset == found.offset {
                self.tally.compare(&next, found);
                return Ok(());
            }
            self.lack(&next);
        }
        if self.gaps.iter().any(|gap| gap.contains(found.offset)) {
            return Ok(());
        }
        // transactions that were open at the cut may have been committed since
        if self.exact || found.offset < self.stable.min(self.end) {
            self.tally.extra(found);
        } else if found.offset < self.end {
            self.tally.counts.newer += 1;
        }
        Ok(())
    }

    /// The cluster gives no more.
    pub(super) fn finish<E>(
        &mut self,
        expected: &mut Ahead<impl FnMut() -> Result<Option<RecordPrint>, E>>,
    ) -> Result<(), E> {
        while let Some(next) = expected.peek()? {
            expected.take();
            self.lack(&next);
        }
        if !self.exact {
            let beyond = self.live.high_watermark - self.end.max(self.live.start);
            self.tally.counts.newer += u64::try_from(beyond).unwrap_or(0);
        }
        Ok(())
    }

    fn lack(&mut self, expected: &RecordPrint) {
        let counts = &mut self.tally.counts;
        if !self.exact && expected.offset < self.live.start {
            counts.no_longer_kept += 1;
        } else if (self.live.last_stable..self.live.high_watermark).contains(&expected.offset) {
            counts.held_back += 1;
        } else {
            self.tally.missing(expected);
        }
    }
}

/// Another partition with the same records: one after the other.
#[derive(Debug)]
pub(super) struct InOrder {
    /// So many records may have been deleted at the front, and not been compared yet.
    front: u64,
    exact: bool,
    found: VecDeque<RecordPrint>,
    pub(super) tally: Tally,
}

impl InOrder {
    pub(super) fn new(live: LiveBounds, origin: Origin, exact: bool) -> Self {
        Self {
            front: if exact { 0 } else { origin.front(live) },
            exact,
            found: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// A record of the cluster; `expected` gives those of the snapshot in order.
    pub(super) fn see<E>(
        &mut self,
        found: &RecordPrint,
        expected: &mut Ahead<impl FnMut() -> Result<Option<RecordPrint>, E>>,
    ) -> Result<(), E> {
        self.found.push_back(*found);
        self.settle(expected, false)
    }

    /// The cluster gives no more.
    pub(super) fn finish<E>(
        &mut self,
        expected: &mut Ahead<impl FnMut() -> Result<Option<RecordPrint>, E>>,
    ) -> Result<(), E> {
        self.settle(expected, true)?;
        while let Some(next) = expected.peek()? {
            expected.take();
            if self.is_front() {
                self.front -= 1;
                self.tally.counts.no_longer_kept += 1;
            } else {
                self.tally.missing(&next);
            }
        }
        Ok(())
    }

    /// Whether what is missing may have been deleted at the front.
    fn is_front(&self) -> bool {
        let counts = &self.tally.counts;
        self.front > 0 && counts.same == 0 && counts.differences() == 0
    }

    fn settle<E>(
        &mut self,
        expected: &mut Ahead<impl FnMut() -> Result<Option<RecordPrint>, E>>,
        is_end: bool,
    ) -> Result<(), E> {
        while let Some(found) = self.found.front().copied() {
            let Some(next) = expected.peek()? else {
                self.found.pop_front();
                self.beyond(&found);
                continue;
            };
            if next.is_same(&found) {
                self.tally.counts.same += 1;
            } else if self.is_front() {
                self.front -= 1;
                self.tally.counts.no_longer_kept += 1;
                expected.take();
                continue;
            } else if self.found.len() <= WINDOW && !is_end {
                // what comes next tells whether it was changed, or something is missing or extra here
                return Ok(());
            } else if !self.align(expected)? {
                self.tally.changed(&next, &found);
            } else {
                continue;
            }
            expected.take();
            self.found.pop_front();
        }
        Ok(())
    }

    /// Passes over what is missing, or extra, up to where both go on with the same record; whether there is such a place.
    fn align<E>(
        &mut self,
        expected: &mut Ahead<impl FnMut() -> Result<Option<RecordPrint>, E>>,
    ) -> Result<bool, E> {
        let (Some(next), Some(&found)) = (expected.peek()?, self.found.front()) else {
            return Ok(false);
        };
        for distance in 1..=WINDOW {
            let ahead = expected.look(distance)?;
            if ahead.is_some_and(|ahead| ahead.is_same(&found)) {
                for _ in 0..distance {
                    let missing = expected.peek()?;
                    expected.take();
                    if let Some(missing) = missing {
                        self.tally.missing(&missing);
                    }
                }
                return Ok(true);
            }
            let behind = self.found.get(distance);
            if behind.is_some_and(|behind| behind.is_same(&next)) {
                let extra: Vec<_> = self.found.drain(..distance).collect();
                for one in &extra {
                    self.tally.extra(one);
                }
                return Ok(true);
            }
            if ahead.is_none() && behind.is_none() {
                break;
            }
        }
        Ok(false)
    }

    fn beyond(&mut self, found: &RecordPrint) {
        if self.exact {
            self.tally.extra(found);
        } else {
            self.tally.counts.newer += 1;
        }
    }
}

/// Records that are asked for one by one, with a look at what comes.
#[derive(Debug)]
pub(super) struct Ahead<F> {
    next: F,
    held: VecDeque<RecordPrint>,
    is_over: bool,
}

impl<E, F: FnMut() -> Result<Option<RecordPrint>, E>> Ahead<F> {
    pub(super) fn new(next: F) -> Self {
        Self {
            next,
            held: VecDeque::new(),
            is_over: false,
        }
    }

    /// The next one.
    pub(super) fn peek(&mut self) -> Result<Option<RecordPrint>, E> {
        self.look(0)
    }

    /// The one that has `distance` others before it.
    fn look(&mut self, distance: usize) -> Result<Option<RecordPrint>, E> {
        while self.held.len() <= distance && !self.is_over {
            match (self.next)()? {
                Some(record) => self.held.push_back(record),
                None => self.is_over = true,
            }
        }
        Ok(self.held.get(distance).copied())
    }

    /// Passes over the next one.
    fn take(&mut self) {
        self.held.pop_front();
    }
}

#[cfg(test)]
mod tests;
