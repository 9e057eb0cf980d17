//! What was proven of snapshots.

use std::time::Duration;

use lifeboat_archive::{
    results::{ProofKind, ProofOutcome, ProofResult},
    words::{HumanDuration, Timestamp},
};
use lifeboat_repository::{Standing, UnreadableResult};

use super::{Paint, Table, ago, plural, safe};

/// More are left to `--json`.
const MOST_SHOWN: usize = 10;

/// How a snapshot stands, for a column: `batches, 22 h ago`.
pub(crate) fn standing_cell(standing: Option<&Standing>, now: Timestamp, paint: Paint) -> String {
    let Some(standing) = standing else {
        return "–".to_owned();
    };
    let when = ago(now.millis_since(standing.at));
    let mut what = match (standing.kind, standing.level) {
        (ProofKind::Rehearse, _) => "rehearsed".to_owned(),
        (kind, level) => level.map_or_else(|| kind.to_string(), |level| level.to_string()),
    };
    if let Some(subset) = standing.subset {
        what.push_str(&format!(" {subset}"));
    }
    if standing.some_topics {
        what.push_str(" in part");
    }
    match standing.outcome {
        ProofOutcome::Ok => format!("{what}, {when}"),
        ProofOutcome::Incomplete => format!("{}, {when}", paint.doubtful("incomplete")),
        outcome @ (ProofOutcome::Damaged | ProofOutcome::Differs) => {
            format!("{}, {when}", paint.bad(&outcome.to_string()))
        }
    }
}

/// Every result of a snapshot, the newest first; `None` where there is none.
pub(crate) fn results_table(
    results: &[ProofResult],
    now: Timestamp,
    paint: Paint,
) -> Option<String> {
    if results.is_empty() {
        return None;
    }
    let headings = ["PROOF", "OUTCOME", "WHEN", "OF", ">TOOK", ">RTO", ">RPO"];
    let mut table = Table::new(&headings);
    for result in results.iter().take(MOST_SHOWN) {
        let measured = result.measured.as_ref();
        table.row([
            proof(result),
            outcome(result.outcome, paint),
            ago(now.millis_since(result.finished_at)),
            extent(result),
            span(result.finished_at.millis_since(result.started_at)),
            measured.map_or("–".to_owned(), |measured| span_of(measured.rto_ms)),
            measured.map_or("–".to_owned(), |measured| span_of(measured.rpo_ms)),
        ]);
    }
    let mut text = table.render();
    if results.len() > MOST_SHOWN {
        let more = results.len() - MOST_SHOWN;
        text.push_str(&format!("and {more} more (--json lists them)\n"));
    }
    Some(text)
}

fn proof(result: &ProofResult) -> String {
    match result.level {
        Some(level) => format!("{} {level}", result.kind),
        None => result.kind.to_string(),
    }
}

fn outcome(outcome: ProofOutcome, paint: Paint) -> String {
    let text = outcome.to_string();
    match outcome {
        ProofOutcome::Ok => text,
        ProofOutcome::Incomplete => paint.doubtful(&text),
        ProofOutcome::Damaged | ProofOutcome::Differs => paint.bad(&text),
    }
}

fn extent(result: &ProofResult) -> String {
    let mut parts = Vec::new();
    parts.extend(result.subset.map(|subset| format!("part {subset}")));
    parts.extend(
        result
            .topics
            .as_ref()
            .map(|topics| safe(&topics.to_string())),
    );
    let sample = result.sample_percent;
    parts.extend(sample.map(|percent| format!("a sample of {percent} %")));
    if parts.is_empty() {
        return "everything".to_owned();
    }
    parts.join(", ")
}

fn span(millis: i64) -> String {
    span_of(u64::try_from(millis).unwrap_or(0))
}

fn span_of(millis: u64) -> String {
    HumanDuration(Duration::from_millis(millis)).to_string()
}

/// Results that count for nothing, and that none could be read.
pub(crate) fn results_trouble(
    unreadable: &[UnreadableResult],
    unknown: Option<&str>,
    paint: Paint,
) -> Option<String> {
    let mut text = String::new();
    if let Some(why) = unknown {
        let said = paint.doubtful("what was verified is not known");
        text.push_str(&format!("{said}: {}\n", safe(why)));
    }
    if !unreadable.is_empty() {
        let heading = plural(unreadable.len() as u64, "stored result");
        let heading = format!("{heading} can't be read and counts for nothing");
        text.push_str(&format!("{}\n", paint.doubtful(&heading)));
        for one in unreadable.iter().take(MOST_SHOWN) {
            text.push_str(&format!(
                "  {}: {}\n",
                safe(&one.object),
                safe(&one.problem)
            ));
        }
        text.push_str(
            "  hint: the snapshots themselves are not touched by that; verify them again\n",
        );
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
