//! What a verification found.

use lifeboat_archive::words::ByteSize;
use lifeboat_restore::verify::{Damage, Level, Report};

use super::{Paint, backup::duration, grouped, plural, safe};
use crate::exit::Exit;

/// More are left to `--json`: they all say the same.
const MOST_UNOPENED: usize = 5;

/// Damage is worse than what could not be read.
pub(crate) fn exit(report: &Report) -> Exit {
    if !report.damage.is_empty() {
        Exit::Damaged
    } else if !(report.unread.is_empty() && report.unopened.is_empty()) {
        Exit::Unverified
    } else {
        Exit::Ok
    }
}

/// For people.
pub(crate) fn render(report: &Report, paint: Paint) -> String {
    let mut text = heading(report);
    if report.is_sound() {
        text.push_str(&format!("\n{}: {}\n", paint.good("sound"), sound(report)));
    }
    for left in &report.not_looked_at {
        text.push_str(&format!("  not looked at: {}\n", safe(left)));
    }
    if let Some(why) = &report.result_not_stored {
        let said = paint.doubtful("this result is not stored");
        text.push_str(&format!("  {said}: {}\n", safe(why)));
    }
    if report.is_sound() {
        return text;
    }
    text.push_str(&unopened(report, paint));
    if !report.unread.is_empty() {
        let heading = format!("NOT READ: {}", plural(report.unread.len() as u64, "object"));
        text.push_str(&format!("\n{}\n", paint.bad(&heading)));
        for unread in &report.unread {
            text.push_str(&format!("  {}: {}\n", unread.object, safe(&unread.problem)));
        }
        text.push_str("  hint: nothing is known of these; mend the cause and verify again\n");
    }
    if !report.damage.is_empty() {
        let heading = format!("DAMAGED: {}", plural(report.damage.len() as u64, "place"));
        text.push_str(&format!("\n{}\n", paint.bad(&heading)));
        for damage in &report.damage {
            text.push_str(&damage_lines(damage));
        }
        text.push_str(
            "  hint: put the objects back from a copy of the repository, or restore another snapshot; a restore stops \
             before\n        it writes anything of a damaged segment\n",
        );
    }
    text
}

/// What was done.
fn heading(report: &Report) -> String {
    let rate = report.bytes.saturating_mul(1_000) / report.elapsed_ms.max(1);
    let archives = if report.archives_checked == report.archives {
        plural(report.archives, "archive")
    } else {
        let archives = plural(report.archives, "archive");
        format!("{} of {archives}", count(report.archives_checked))
    };
    let mut text = format!("{}  {archives}", report.snapshot);
    if report.level >= Level::Batches {
        text.push_str(&format!(", {}", plural(report.segments, "segment")));
    }
    text.push_str(&format!(
        ", {} checked in {} ({}/s), level {}",
        ByteSize(report.bytes),
        duration(report.elapsed_ms),
        ByteSize(rate),
        report.level,
    ));
    if let Some(subset) = report.subset {
        text.push_str(&format!(", part {subset}"));
    }
    if let Some(topics) = &report.topics {
        text.push_str(&format!(", topics {}", safe(&topics.to_string())));
    }
    text.push('\n');
    text
}

fn count(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

/// What is known to be as it was written.
fn sound(report: &Report) -> String {
    let archives = count(report.archives_checked);
    let batches = count(report.batches);
    match report.level {
        Level::Objects => format!("all of {archives} archives are there, with their sizes"),
        Level::Hashes => format!("all of {archives} archives, by their hashes"),
        Level::Batches => format!("all of {batches} batches"),
        Level::Records => {
            let records = count(report.records);
            format!("all of {records} records in {batches} batches")
        }
    }
}

/// What was found to be stored as it was written, and what is not known of it.
fn unopened(report: &Report, paint: Paint) -> String {
    let count = report.unopened.len();
    if count == 0 {
        return String::new();
    }
    let heading = format!(
        "NOT OPENED: {} of what is encrypted",
        plural(count as u64, "object")
    );
    let mut text = format!("\n{}\n", paint.bad(&heading));
    for unopened in report.unopened.iter().take(MOST_UNOPENED) {
        text.push_str(&format!("  {}\n", safe(&unopened.problem)));
    }
    if count > MOST_UNOPENED {
        text.push_str(&format!(
            "  and {} more (--json lists them)\n",
            count - MOST_UNOPENED
        ));
    }
    text.push_str(
        "  verified: their stored bytes are those that were written, by size and hash\n  \
         not verified: what is in them, which is every batch, offset, count and document there\n  \
         hint: give --identity FILE (or LIFEBOAT_IDENTITY) and verify again\n",
    );
    text
}

/// A damaged place, on lines of its own.
pub(crate) fn damage_lines(damage: &Damage) -> String {
    let mut text = format!("  {}", safe(&damage.object));
    if let Some(member) = &damage.member {
        text.push_str(&format!("  {}", safe(member)));
    }
    text.push_str("\n    ");
    if let Some(topic_partition) = damage.topic_partition() {
        text.push_str(&topic_partition.to_string());
        if let Some(range) = damage.offsets {
            text.push_str(&format!(
                "  offsets {}..{} ({})",
                grouped(range.start),
                grouped(range.end.saturating_sub(1)),
                plural(range.span(), "offset")
            ));
        }
        text.push_str(": ");
    }
    text.push_str(&safe(&damage.what));
    text.push('\n');
    if !damage.also_used_by.is_empty() {
        let others: Vec<_> = damage
            .also_used_by
            .iter()
            .map(ToString::to_string)
            .collect();
        text.push_str(&format!("    also used by {}\n", others.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests;
