//! What is done with the batches of one partition, away from the network: checked, compressed, cut into segments.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_archive::{
    batch::{BatchError, Batches},
    lists::TransactionTable,
    records::Repacker,
    segment::{ClosedSegment, FrameCompressor, SegmentBuilder},
    transactions::TransactionTracker,
};
use lifeboat_config::BatchKeeping;
use lifeboat_kafka::reader::BudgetHold;

use super::{bounds::PartitionBounds, readings::PartitionReading};

/// What is next for a partition.
#[derive(Debug)]
pub(super) enum Step {
    /// Whole batches that follow what came before.
    Batches {
        batches: Bytes,
        next_offset: i64,
        hold: BudgetHold,
    },
    /// Offsets that can't be had: what follows begins at the given offset.
    Resume(i64),
}

/// The open segment of a partition and what has been learnt of its transactions.
#[derive(Debug)]
pub(super) struct PartitionWork {
    bounds: PartitionBounds,
    segment: SegmentBuilder,
    pub(super) transactions: TransactionTracker,
    pub(super) next_offset: i64,
    segment_size: u64,
    /// Nothing is missing before the open segment.
    whole: bool,
}

/// What segments are made with, used again and again.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) compressor: FrameCompressor,
    /// Where batches are kept without the compression of their own.
    repacker: Option<Repacker>,
}

impl Tools {
    pub(super) fn new(level: i32, batches: BatchKeeping) -> Self {
        Self {
            compressor: FrameCompressor::new(level),
            repacker: (batches == BatchKeeping::Repack).then(Repacker::default),
        }
    }

    fn take(
        &mut self,
        segment: &mut SegmentBuilder,
        batches: &[u8],
        target_bytes: u64,
    ) -> Result<usize, BatchError> {
        let compressor = &mut self.compressor;
        match &mut self.repacker {
            None => segment.take(batches, target_bytes, compressor),
            Some(repacker) => segment.take_repacked(batches, target_bytes, compressor, repacker),
        }
    }
}

/// A closed segment, and what is known of transactions at its end, where nothing is missing before it.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) segment: ClosedSegment,
    pub(super) transactions: Option<Arc<TransactionTable>>,
}

impl PartitionWork {
    pub(super) fn new(
        bounds: &PartitionBounds,
        reading: &PartitionReading,
        segment_size: u64,
    ) -> Self {
        let log_start = bounds.log_start_offset;
        let transactions = match &reading.transactions {
            Some(earlier) => TransactionTracker::resume(earlier, log_start),
            None => TransactionTracker::new(log_start),
        };
        Self {
            segment: new_segment(bounds, reading.from),
            bounds: bounds.clone(),
            transactions,
            next_offset: reading.from,
            segment_size,
            whole: true,
        }
    }

    /// Bytes of memory that the open segment holds.
    pub(super) fn open_bytes(&self) -> u64 {
        self.segment.memory()
    }

    /// Whether all that came is in closed segments.
    pub(super) fn is_closed(&self) -> bool {
        self.segment.is_empty()
    }

    /// Takes the steps in; segments that are full go to `closed`.
    pub(super) fn apply(
        &mut self,
        steps: Vec<Step>,
        tools: &mut Tools,
        closed: &mut Vec<Closed>,
    ) -> Result<(), BatchError> {
        for step in steps {
            match step {
                Step::Batches {
                    batches,
                    next_offset,
                    hold,
                } => {
                    self.append(&batches, tools, closed)?;
                    self.next_offset = next_offset;
                    drop(hold);
                }
                Step::Resume(offset) => {
                    self.close(tools, closed);
                    self.next_offset = offset;
                    self.whole = false;
                    self.segment = new_segment(&self.bounds, offset);
                }
            }
        }
        Ok(())
    }

    /// Closes the open segment, if there is anything in it.
    pub(super) fn close(&mut self, tools: &mut Tools, closed: &mut Vec<Closed>) {
        if self.segment.is_empty() {
            return;
        }
        let next = self.segment.next_offset();
        let fresh = new_segment(&self.bounds, next);
        let segment = std::mem::replace(&mut self.segment, fresh).finish(&mut tools.compressor);
        let table = || Arc::new(self.transactions.clone().finish());
        let transactions = self.whole.then(table);
        closed.push(Closed {
            segment,
            transactions,
        });
    }

    fn append(
        &mut self,
        batches: &[u8],
        tools: &mut Tools,
        closed: &mut Vec<Closed>,
    ) -> Result<(), BatchError> {
        let mut rest = batches;
        while !rest.is_empty() {
            let taken = tools.take(&mut self.segment, rest, self.segment_size)?;
            // not before: what is known at the end of a segment is what it and those before it tell
            for batch in Batches::new(&rest[..taken]) {
                self.transactions.observe(&batch?)?;
            }
            rest = &rest[taken..];
            if !rest.is_empty() {
                self.close(tools, closed);
            }
        }
        Ok(())
    }
}

fn new_segment(bounds: &PartitionBounds, at: i64) -> SegmentBuilder {
    SegmentBuilder::new(bounds.topic_partition.clone(), bounds.topic_id, at)
}
