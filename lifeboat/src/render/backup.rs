//! What a backup came to.

use std::{collections::BTreeSet, time::Duration};

use lifeboat_agent::backup::{Report, UsersReport};
use lifeboat_archive::{
    manifest::{GapReason, Totals},
    words::{ByteSize, HumanCount, HumanDuration},
};

use super::{
    Paint, plural,
    snapshot::{besides, gap_line, problem_line},
};

/// More gaps and problems than this are left to `lifeboat show --gaps`.
const MOST_LINES: usize = 20;

/// For people.
pub(crate) fn render(report: &Report, paint: Paint) -> String {
    let commit = &report.commit;
    let totals = commit.totals;
    let took = duration(report.elapsed_ms);
    let mut text = if report.is_partial() {
        format!(
            "{} {} in {took}, {}\n\n",
            paint.good("committed"),
            commit.snapshot,
            paint.bad("PARTIAL")
        )
    } else {
        format!(
            "{} {} in {took}\n\n",
            paint.good("committed"),
            commit.snapshot
        )
    };
    let left_out = match report.topics_left_out {
        0 => String::new(),
        count => format!(", {count} left out by --topics or --exclude"),
    };
    let lines = [
        ("cluster", commit.cluster_id.clone()),
        (
            "topics",
            format!(
                "{} in {}{left_out}",
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
        ("kind", kind(report)),
        (
            "bytes",
            format!(
                "{}{} read at {}/s, {} stored in {}",
                of_all(&totals),
                ByteSize(totals.read_bytes),
                ByteSize(report.bytes_per_second),
                ByteSize(totals.stored_bytes),
                plural(totals.archives, "archive")
            ),
        ),
        ("encrypted", encrypted(&report.encrypted_to)),
        ("groups", totals.groups.to_string()),
        ("besides", besides(&totals)),
        ("users", users(&report.users)),
        (
            "rpo",
            format!(
                "{} at commit",
                duration(u64::try_from(report.rpo_ms).unwrap_or(0))
            ),
        ),
    ];
    for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("  {name:<10}{value}\n"));
    }
    text.push_str(&trouble(report, paint));
    text
}

/// Whether everything was read, and what it builds on.
fn kind(report: &Report) -> String {
    match &report.builds_on {
        None => "full".to_owned(),
        Some(earlier) => format!(
            "incremental on {earlier}, {} of {} unchanged",
            report.topics_unchanged,
            plural(report.commit.totals.topics, "topic"),
        ),
    }
}

/// All of it, where not all of it was read.
fn of_all(totals: &Totals) -> String {
    if totals.read_bytes == totals.raw_bytes {
        String::new()
    } else {
        format!("{}, of which ", ByteSize(totals.raw_bytes))
    }
}

/// To whom, where anything is.
fn encrypted(recipients: &[String]) -> String {
    if recipients.is_empty() {
        return String::new();
    }
    format!(
        "records and documents, to {} (--plain-data: credentials only)",
        recipients.join(", ")
    )
}

/// SCRAM users, and how much of them.
fn users(users: &UsersReport) -> String {
    match &users.source {
        None if users.users == 0 => "0".to_owned(),
        None => format!(
            "{} WITHOUT credentials: a restore takes their passwords, or makes new ones",
            users.users
        ),
        Some(source) => format!(
            "{}, {} sealed (from the {source})",
            users.users,
            plural(users.exact, "credential")
        ),
    }
}

/// What is missing stands last.
fn trouble(report: &Report, paint: Paint) -> String {
    let gaps = report
        .gaps
        .iter()
        .map(|gap| gap_line(&gap.topic, gap.partition, &gap.gap, paint));
    // notes first, so that what is missing is what remains on the screen
    let (missing, notes): (Vec<_>, Vec<_>) =
        report.problems.iter().partition(|problem| problem.partial);
    let problems = |some: Vec<&_>| -> Vec<String> {
        some.into_iter()
            .map(|problem| problem_line(problem, paint))
            .collect()
    };
    let lines: Vec<String> = problems(notes)
        .into_iter()
        .chain(problems(missing))
        .chain(gaps)
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "\n".to_owned();
    let hidden = lines.len().saturating_sub(MOST_LINES);
    if hidden > 0 {
        let id = &report.commit.snapshot;
        text.push_str(&format!("  ({hidden} more: `lifeboat show {id} --gaps`)\n"));
    }
    text.extend(lines.into_iter().skip(hidden));
    for reason in report
        .gaps
        .iter()
        .map(|gap| gap.gap.reason)
        .collect::<BTreeSet<_>>()
    {
        text.push_str(&format!("  hint: {}\n", hint(reason)));
    }
    text
}

fn hint(reason: GapReason) -> &'static str {
    match reason {
        GapReason::DeletedBeforeRead => {
            "retention is faster than the backup: raise retention.ms of these topics, or back up more often"
        }
        GapReason::Truncated => {
            "replicas fell behind: look at unclean.leader.election.enable and min.insync.replicas, and back up again"
        }
        GapReason::TopicDeleted => "back up again if the topic is there again",
        GapReason::Unavailable => {
            "look at the brokers that lead these partitions, and back up again"
        }
        GapReason::Unauthorized => {
            "allow it: kafka-acls.sh --bootstrap-server … --add --allow-principal … --operation Read --topic …"
        }
        GapReason::Corrupt => {
            "look at the disks of the leader; another replica may hold these batches intact"
        }
    }
}

pub(super) fn duration(millis: u64) -> HumanDuration {
    HumanDuration(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
