//! What a rehearsal came to.

use std::time::Duration;

use lifeboat_archive::{
    results::{Measured, ProofOutcome},
    words::{ByteSize, HumanCount, HumanDuration},
};
use lifeboat_restore::rehearse::Report;

use super::{Paint, backup::duration, plural, safe};
use crate::exit::Exit;

/// More are left to `--json`.
const MOST_SHOWN: usize = 20;

/// Damage before difference before what could not be restored; what was left behind is worth to be known, too.
pub(crate) fn exit(report: &Report) -> Exit {
    match report.outcome {
        ProofOutcome::Damaged => Exit::Damaged,
        ProofOutcome::Differs => Exit::Differs,
        ProofOutcome::Incomplete => Exit::Unverified,
        ProofOutcome::Ok if !report.not_removed.is_empty() => Exit::Partial,
        ProofOutcome::Ok => Exit::Ok,
    }
}

/// For people.
pub(crate) fn render(report: &Report, paint: Paint) -> String {
    let mut text = heading(report);
    text.push_str(&verdict(report, paint));
    if let Some(why) = &report.result_not_stored {
        let said = paint.doubtful("this result is not stored");
        text.push_str(&format!("  {said}: {}\n", safe(why)));
    }
    text.push_str(&leftovers(report, paint));
    if !report.problems.is_empty() {
        let heading = match report.outcome {
            ProofOutcome::Ok | ProofOutcome::Incomplete => "NOT RESTORED".to_owned(),
            outcome => outcome.to_string(),
        };
        text.push_str(&format!("\n{}\n", paint.bad(&heading)));
        for problem in report.problems.iter().take(MOST_SHOWN) {
            text.push_str(&format!("  {}\n", safe(problem)));
        }
        text.push_str(
            "  hint: `lifeboat verify` tells everything that is damaged in a snapshot, `lifeboat snapshots` which others \
             there are\n",
        );
    }
    text
}

fn heading(report: &Report) -> String {
    let mut text = format!(
        "{} ({}) rehearsed in cluster {}",
        report.snapshot,
        report.bounds_at.readable(),
        report.target_cluster_id
    );
    if let Some(percent) = report.sample_percent {
        text.push_str(&format!(", a sample of {percent} %"));
    }
    if let Some(chosen) = &report.chosen {
        text.push_str(&format!(", topics {}", safe(&chosen.to_string())));
    }
    text.push_str("\n\n");
    text
}

fn verdict(report: &Report, paint: Paint) -> String {
    let Some(Measured {
        rto_ms,
        rpo_ms,
        records,
        bytes,
    }) = report.measured
    else {
        return String::new();
    };
    let rate = bytes.saturating_mul(1_000) / rto_ms.max(1);
    let rto = HumanDuration(Duration::from_millis(rto_ms));
    let rpo = HumanDuration(Duration::from_millis(rpo_ms));
    let topics = plural(report.topics.len() as u64, "topic");
    let of = if (report.topics.len() as u64) < report.topics_in_all {
        format!(" of {}", report.topics_in_all)
    } else {
        String::new()
    };
    format!(
        "{}: {} records of {topics}{of} restored and read back, record by record\n  rto       {rto}, from the begin until all was proven \
         ({}, {}/s)\n  rpo       {rpo}, from the bounds of the snapshot to the begin\n  took      {} with the removal\n",
        paint.good("proven"),
        HumanCount(records),
        ByteSize(bytes),
        ByteSize(rate),
        duration(report.elapsed_ms),
    )
}

/// Topics that are there and may not be wanted.
fn leftovers(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    if !report.kept.is_empty() {
        let kept = plural(report.kept.len() as u64, "topic");
        text.push_str(&format!("  kept      {kept} named {}*\n", report.prefix));
    }
    if !report.not_removed.is_empty() {
        text.push_str(&format!("\n{}\n", paint.bad("NOT REMOVED")));
        for left in report.not_removed.iter().take(MOST_SHOWN) {
            text.push_str(&format!(
                "  {}: {}\n",
                safe(&left.topic),
                safe(&left.problem)
            ));
        }
        text.push_str(&format!(
            "  hint: remove the topics named {}*\n",
            report.prefix
        ));
    }
    if !report.left_behind.is_empty() {
        let left = plural(report.left_behind.len() as u64, "topic");
        let said = format!("{left} of earlier rehearsals are still there");
        text.push_str(&format!("\n{}\n", paint.doubtful(&said)));
        for topic in report.left_behind.iter().take(MOST_SHOWN) {
            text.push_str(&format!("  {}\n", safe(topic)));
        }
        text.push_str("  hint: remove them, unless one is under way\n");
    }
    text
}

#[cfg(test)]
mod tests;
