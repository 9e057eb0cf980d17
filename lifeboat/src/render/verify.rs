//! What a verification found.

use lifeboat_archive::words::ByteSize;
use lifeboat_restore::verify::{Damage, Report};

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
    let rate = report.bytes.saturating_mul(1_000) / report.elapsed_ms.max(1);
    let mut text = format!(
        "{}  {}, {}, {} checked in {} ({}/s), level {}\n",
        report.snapshot,
        plural(report.archives, "archive"),
        plural(report.segments, "segment"),
        ByteSize(report.bytes),
        duration(report.elapsed_ms),
        ByteSize(rate),
        report.level,
    );
    if report.is_sound() {
        let batches = grouped(i64::try_from(report.batches).unwrap_or(i64::MAX));
        text.push_str(&format!(
            "\n{}: all of {batches} batches\n",
            paint.good("sound")
        ));
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

fn damage_lines(damage: &Damage) -> String {
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
