//! What a comparison with a live cluster found.

use lifeboat_archive::{
    results::ProofOutcome,
    words::{HumanCount, TopicPartition},
};
use lifeboat_restore::live::{ComparedTopic, Counts, Difference, Report};

use super::{Paint, Table, backup::duration, grouped, plural, safe, verify::damage_lines};
use crate::exit::Exit;

/// More are left to `--json`.
const MOST_PLACES: usize = 20;

/// Damage before difference before what could not be read.
pub(crate) fn exit(report: &Report) -> Exit {
    match report.outcome() {
        ProofOutcome::Ok => Exit::Ok,
        ProofOutcome::Incomplete => Exit::Unverified,
        ProofOutcome::Differs => Exit::Differs,
        ProofOutcome::Damaged => Exit::Damaged,
    }
}

/// For people.
pub(crate) fn render(report: &Report, paint: Paint) -> String {
    let mut text = heading(report);
    text.push('\n');
    text.push_str(&topics(report, paint));
    text.push('\n');
    text.push_str(&verdict(report, paint));
    if let Some(why) = &report.result_not_stored {
        let said = paint.doubtful("this result is not stored");
        text.push_str(&format!("  {said}: {}\n", safe(why)));
    }
    text.push_str(&format!(
        "  settings, groups and ACLs: `lifeboat diff {} live`\n",
        report.snapshot
    ));
    text.push_str(&trouble(report, paint));
    text
}

fn heading(report: &Report) -> String {
    let mut text = format!(
        "{} ({}) compared with ",
        report.snapshot,
        report.bounds_at.readable()
    );
    if report.source_cluster_id == report.target_cluster_id {
        text.push_str(&format!("its own cluster {}", report.target_cluster_id));
    } else {
        text.push_str(&format!("cluster {}", report.target_cluster_id));
    }
    text.push_str(&format!(" in {}", duration(report.elapsed_ms)));
    if let Some(chosen) = &report.chosen {
        text.push_str(&format!(", topics {}", safe(&chosen.to_string())));
    }
    if report.exact {
        text.push_str(", exactly");
    }
    text.push('\n');
    text
}

fn topics(report: &Report, paint: Paint) -> String {
    let mut table = Table::new(&["", "TOPIC", "MATCHED", ">SAME", ">DIFFERENT", "BESIDES"]);
    for topic in &report.topics {
        let differs = topic.differs();
        let sign = if differs {
            paint.bad("!")
        } else {
            "=".to_owned()
        };
        let matched = topic.way.map_or("–".to_owned(), |way| way.to_string());
        table.row([
            sign,
            name(topic),
            matched,
            HumanCount(topic.counts.same).to_string(),
            count(topic.counts.differences()),
            besides(topic),
        ]);
    }
    table.render()
}

fn name(topic: &ComparedTopic) -> String {
    match &topic.target {
        None => topic.topic.clone(),
        Some(target) => format!("{} as {target}", topic.topic),
    }
}

fn count(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

/// What is told and is no difference.
fn besides(topic: &ComparedTopic) -> String {
    let Counts {
        newer,
        no_longer_kept,
        held_back,
        ..
    } = topic.counts;
    let mut parts: Vec<String> = topic.problem.iter().map(|text| safe(text)).collect();
    for (number, what) in [
        (newer, "newer"),
        (no_longer_kept, "no longer kept"),
        (held_back, "kept back by an open transaction"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    if topic.problem.is_none() {
        parts.extend(topic.notes.iter().map(|note| safe(note)));
    }
    parts.join(", ")
}

fn verdict(report: &Report, paint: Paint) -> String {
    let same = HumanCount(report.totals.same);
    let all = plural(report.topics.len() as u64, "topic");
    let differing = report.differing().count();
    if differing > 0 {
        let of = format!("{differing} of {all}");
        return format!("{}: {of}\n", paint.bad("DIFFERS"));
    }
    if report.outcome() == ProofOutcome::Ok {
        return format!("{}: {same} records of {all}\n", paint.good("the same"));
    }
    let said = paint.doubtful("no difference as far as it could be read");
    format!("{said}: {same} records of {all}\n")
}

/// What is wrong, each with its place.
fn trouble(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let places: Vec<_> = report
        .topics
        .iter()
        .flat_map(ComparedTopic::first_differences)
        .collect();
    if !places.is_empty() {
        text.push_str(&format!("\n{}\n", paint.bad("FIRST DIFFERENCES")));
        text.push_str(&place_lines(&places));
    }
    if !report.unread.is_empty() {
        let heading = format!(
            "NOT READ: {}",
            plural(report.unread.len() as u64, "partition")
        );
        text.push_str(&format!("\n{}\n", paint.bad(&heading)));
        for unread in &report.unread {
            let problem = safe(&unread.problem);
            text.push_str(&format!("  {}: {problem}\n", safe(&unread.object)));
        }
        text.push_str("  hint: nothing is known of these; mend the cause and compare again\n");
    }
    if !report.damage.is_empty() {
        let heading = format!("DAMAGED: {}", plural(report.damage.len() as u64, "place"));
        text.push_str(&format!("\n{}\n", paint.bad(&heading)));
        for damage in &report.damage {
            text.push_str(&damage_lines(damage));
        }
        text.push_str("  hint: `lifeboat verify` tells everything that is damaged in a snapshot\n");
    }
    text
}

fn place_lines(places: &[(TopicPartition, &Difference)]) -> String {
    let mut text = String::new();
    for (partition, difference) in places.iter().take(MOST_PLACES) {
        text.push_str(&format!("  {partition}  {difference}\n"));
    }
    if places.len() > MOST_PLACES {
        let more = places.len() - MOST_PLACES;
        text.push_str(&format!(
            "  and {more} more partitions (--json lists them)\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests;
