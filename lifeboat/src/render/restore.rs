//! What a restore would do, and what it did.

use std::collections::BTreeMap;

use lifeboat_archive::{
    documents::diff::{Change, Kind, Sign},
    words::{ByteSize, HumanCount},
};
use lifeboat_restore::{
    groups::RestoredGroup,
    parts::Part,
    plan::{
        Plan, PlannedTopic, TopicAction,
        changes::{ClusterChanges, Unrestored},
        room::ShortOfRoom,
    },
    report::{Report, RestoredTopic, TopicOutcome},
    restore::Depth,
    salvage::Salvage,
    settings::{LeftOut, RetentionPutOff},
};

use super::{
    Paint, Table, ago, backup::duration, change_lines, grouped, plural, safe, users::render_users,
};

/// More of one kind than this are counted and left to `--json`.
const MOST_LINES: usize = 20;
/// Of what is left out for the same reason, so many are shown.
const MOST_OF_ONE: usize = 2;

/// The plan, for people: with `all` changes, or with as many as leave the rest on the screen.
pub(crate) fn render_plan(plan: &Plan, all: bool, paint: Paint) -> String {
    let taken = ago(plan.planned_at.millis_since(plan.bounds_at));
    let mut text = format!(
        "from      {} ({taken}), cluster {}\ninto      {}, {}, {} mode\n\n",
        plan.snapshot,
        plan.source_cluster_id,
        plan.target_cluster_id,
        plural(plan.target_brokers as u64, "broker"),
        plan.mode
    );
    if !plan.topics.is_empty() {
        text.push_str(&topic_table(plan));
        text.push('\n');
    }
    text.push_str(&changes(plan, all, paint));
    for (name, value) in plan_lines(plan) {
        text.push_str(&format!("  {name:<10}{value}\n"));
    }
    let mut notes: Vec<String> = plan.warnings.clone();
    for topic in &plan.topics {
        notes.extend(
            topic
                .warnings
                .iter()
                .map(|warning| format!("{}: {warning}", topic.target_name())),
        );
        notes.extend(
            topic
                .settings
                .put_off
                .iter()
                .map(|put_off| put_off_line(topic.target_name(), put_off)),
        );
        notes.extend(
            topic
                .settings
                .left_out
                .iter()
                .map(|left_out| left_out_line(topic.target_name(), left_out)),
        );
    }
    notes.extend(kept_offsets(plan));
    text.push_str(&bounded("note", &notes));
    let left_out = unrestored(&plan.cluster.left_out);
    text.push_str(&bounded(&paint.bad("left out"), &left_out));
    let refused: Vec<String> = plan
        .refused()
        .filter_map(|topic| match &topic.action {
            TopicAction::Refuse { reason, .. } => {
                Some(format!("{}: {reason}", topic.target_name()))
            }
            _ => None,
        })
        .collect();
    text.push_str(&bounded(&paint.bad("refused"), &refused));
    text.push_str(&bounded(&paint.bad("deletes"), &deletions(plan)));
    let room = plan.room.as_ref();
    let short: Vec<String> = room
        .and_then(|it| it.short.as_ref())
        .map(short)
        .into_iter()
        .collect();
    text.push_str(&bounded(&paint.bad("no room"), &short));
    text.push_str(&render_users(&plan.users));
    text
}

/// Each change of the target besides topics, records and offsets.
fn changes(plan: &Plan, all: bool, paint: Paint) -> String {
    let cluster = &plan.cluster;
    let lines = change_lines(cluster.made.iter().chain(&cluster.pruned), paint);
    if lines.is_empty() {
        return String::new();
    }
    let shown = if all { lines.len() } else { MOST_LINES };
    let mut text: String = lines.iter().take(shown).map(String::as_str).collect();
    if lines.len() > shown {
        let more = lines.len() - shown;
        text.push_str(&format!(
            "  … and {more} more, all of them with --dry-run\n"
        ));
    }
    text.push('\n');
    text
}

/// What is left out; many of one kind for the same reason are counted.
fn unrestored(left_out: &[Unrestored]) -> Vec<String> {
    let mut by_reason: BTreeMap<(Kind, &str), Vec<&Unrestored>> = BTreeMap::new();
    for it in left_out {
        let same = by_reason.entry((it.change.kind(), it.reason.as_str()));
        same.or_default().push(it);
    }
    let lines = by_reason.into_iter().map(|((kind, reason), of_one)| {
        let shown: Vec<String> = of_one
            .iter()
            .take(MOST_OF_ONE)
            .map(|it| it.change.to_string())
            .collect();
        let more = match of_one.len().saturating_sub(MOST_OF_ONE) {
            0 => String::new(),
            more => format!(" and {more} more {kind}"),
        };
        format!("{}{more}: {reason}", shown.join("; "))
    });
    lines.collect()
}

fn topic_table(plan: &Plan) -> String {
    let mut table = Table::new(&["", "TOPIC", ">PARTITIONS", ">RF", ">RECORDS", ">SIZE", ""]);
    for topic in &plan.topics {
        let (sign, what) = action(topic);
        table.row([
            format!("  {sign}"),
            arrow(&topic.topic, topic.target_name()),
            match &topic.repartition {
                Some(_) => arrow(
                    &topic.partitions.len().to_string(),
                    &topic.partition_count().to_string(),
                ),
                None => topic.partitions.len().to_string(),
            },
            topic.replication_factor.to_string(),
            HumanCount(topic.records).to_string(),
            ByteSize(topic.bytes).to_string(),
            what,
        ]);
    }
    table.render()
}

/// `orders -> orders-restored`, where it is called otherwise in the target.
fn arrow(source: &str, target: &str) -> String {
    if source == target {
        source.to_owned()
    } else {
        format!("{source} -> {target}")
    }
}

fn action(topic: &PlannedTopic) -> (&'static str, String) {
    match &topic.action {
        TopicAction::Create => ("+", String::new()),
        TopicAction::UseEmpty { .. } => ("=", "exists and is empty: used".to_owned()),
        TopicAction::Append { records, .. } => {
            ("~", format!("appended to {} records", whole(*records)))
        }
        TopicAction::Replace { records, .. } => {
            ("−", format!("replaces {} records", whole(*records)))
        }
        TopicAction::AlreadyThere { at, .. } => (
            "=",
            format!("already there: restored {at}, unchanged since"),
        ),
        TopicAction::Refuse { records: 0, .. } => ("!", "refused".to_owned()),
        TopicAction::Refuse { records, .. } => (
            "!",
            format!("exists with {} records: refused", whole(*records)),
        ),
    }
}

fn whole(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Which broker has too little room, and what to do.
fn short(it: &ShortOfRoom) -> String {
    format!(
        "broker {} has {} free and gets about {}: make room, or choose less with --topics",
        it.broker,
        ByteSize(it.usable_bytes),
        ByteSize(it.needed_bytes)
    )
}

/// Topics whose records are deleted first, a line each.
pub(crate) fn deletions(plan: &Plan) -> Vec<String> {
    let replaced = plan.replaced().filter_map(|topic| {
        let TopicAction::Replace { records, bytes, .. } = topic.action else {
            return None;
        };
        let bytes = bytes.map_or_else(String::new, |bytes| {
            format!(", {} on disk", ByteSize(bytes))
        });
        let topic = topic.target_name();
        Some(format!("{topic}: {} records{bytes}", whole(records)))
    });
    replaced.collect()
}

fn plan_lines(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut lines = vec![("restores", plan.parts.to_string())];
    if plan.parts.has(Part::Data) {
        lines.extend(selection_lines(plan));
        lines.extend(data_lines(plan));
    } else {
        lines.extend(planned_groups(plan));
    }
    let cluster = &plan.cluster;
    let around = [Part::Configs, Part::Quotas, Part::Acls];
    if around.iter().any(|part| plan.parts.has(*part)) {
        lines.push(("changes", change_counts(cluster)));
    }
    lines
}

/// `3 added, 1 changed, 2 removed; 4 that the snapshot does not have are kept (--prune-extra)`
fn change_counts(changes: &ClusterChanges) -> String {
    let count = |sign: Sign| changes.made.iter().filter(|it| it.sign() == sign).count();
    let mut text = format!(
        "{} added, {} changed, {} removed",
        count(Sign::Added),
        count(Sign::Changed),
        changes.pruned.len()
    );
    if !changes.kept.is_empty() {
        let kept = changes.kept.len();
        text.push_str(&format!("; {kept} that the snapshot does not have stay"));
    }
    text
}

/// Groups that keep offsets although others of theirs are restored.
fn kept_offsets(plan: &Plan) -> impl Iterator<Item = String> {
    let kept = plan.groups.iter().filter(|group| !group.kept.is_empty());
    kept.map(|group| {
        let name = arrow(&group.group, group.target_name());
        let topics = group.kept.join(", ");
        format!("group {name}: it reads {topics} there already, its offsets stay")
    })
}

fn planned_groups(plan: &Plan) -> Option<(&'static str, String)> {
    if !plan.parts.has(Part::Groups) {
        return None;
    }
    let skipped: Vec<String> = plan
        .groups
        .iter()
        .filter_map(|group| {
            Some(format!(
                "{} ({})",
                safe(&arrow(&group.group, group.target_name())),
                safe(group.skipped.as_deref()?)
            ))
        })
        .collect();
    let restored = plan.groups.len() - skipped.len();
    Some((
        "groups",
        with_some("restored", restored, "skipped", &skipped),
    ))
}

fn data_lines(plan: &Plan) -> Vec<(&'static str, String)> {
    let written = plan.written().count() as u64;
    let selected = !plan.selection.is_everything();
    let up_to = if selected { "up to " } else { "" };
    let mut lines = vec![(
        "topics",
        format!(
            "{} with {up_to}{} records, {}",
            written,
            HumanCount(plan.records),
            ByteSize(plan.bytes)
        ),
    )];
    lines.extend(planned_groups(plan));
    let mut disk = format!("{} needed with replication", ByteSize(plan.disk_bytes));
    if let Some(room) = &plan.room {
        disk.push_str(&format!(", {} free", ByteSize(room.usable_bytes)));
    }
    lines.push(("disk", disk));
    let compare = match plan.compare {
        Some(Depth::Batches) => ", reading back included",
        Some(Depth::Records) => ", reading back record by record included",
        None => ", nothing is read back",
    };
    lines.push((
        "time",
        format!("about {}{compare}", duration(plan.estimated_ms)),
    ));
    lines
}

/// Which records are taken, and what is not even read for it.
fn selection_lines(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if plan.salvage {
        let text = "what is damaged is left out, and named at the end";
        lines.push(("salvages", text.to_owned()));
    }
    if plan.selection.is_everything() {
        return lines;
    }
    lines.push(("selects", safe(&plan.selection.to_string())));
    if !plan.unread.is_nothing() {
        let text = format!(
            "{} records, {}: nothing of that is selected",
            HumanCount(plan.unread.records),
            ByteSize(plan.unread.bytes)
        );
        lines.push(("not read", text));
    }
    lines
}

/// `14 restored · 2 skipped: a, b`
fn with_some(done: &str, count: usize, other: &str, others: &[String]) -> String {
    let mut text = format!("{count} {done}");
    if !others.is_empty() {
        let shown = others
            .iter()
            .take(MOST_LINES)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let more = if others.len() > MOST_LINES {
            ", …"
        } else {
            ""
        };
        text.push_str(&format!(" · {} {other}: {shown}{more}", others.len()));
    }
    text
}

/// The report, for people.
pub(crate) fn render_report(report: &Report, paint: Paint) -> String {
    let state = if report.partial {
        format!(", {}", paint.bad("PARTIAL"))
    } else {
        String::new()
    };
    let mut text = if report.is_nothing() {
        let but = if report.partial {
            ", but for what is missing"
        } else {
            ""
        };
        format!(
            "{}: {} has what {} holds of {}{but}{state}\n\n",
            paint.good("nothing to do"),
            report.target_cluster_id,
            report.snapshot,
            report.parts
        )
    } else {
        format!(
            "{} {} into {} in {}{state}\n\n",
            paint.good("restored"),
            report.snapshot,
            report.target_cluster_id,
            duration(report.elapsed_ms)
        )
    };
    for (name, value) in report_lines(report) {
        text.push_str(&format!("  {name:<10}{value}\n"));
    }
    text.push_str(&bounded("note", &notes(report)));
    let mut missing = Vec::new();
    for topic in &report.topics {
        if let TopicOutcome::Refused { reason } = &topic.outcome {
            missing.push(format!("{}: {reason}", topic.target_name()));
        }
    }
    missing.extend(report.salvaged.iter().filter_map(lost));
    if let Some(map) = &report.offset_map
        && let Some(problem) = &map.problem
    {
        missing.push(format!("offset map {}: {problem}", map.path.display()));
    }
    for (topic, partition, why) in report.stopped() {
        missing.push(format!(
            "{}-{}: {why}",
            topic.target_name(),
            partition.partition
        ));
    }
    for group in report.groups.iter().filter(|group| group.partial) {
        missing.push(format!("group {}: {}", group.group, group.why_partial()));
    }
    for it in &report.changes {
        if let Some(why) = &it.refused {
            missing.push(format!("{} {}: {why}", it.change.sign(), it.change));
        }
    }
    missing.extend(unrestored(&report.left_out));
    text.push_str(&bounded(&paint.bad("missing"), &missing));
    text.push_str(&render_users(&report.users));
    text
}

fn report_lines(report: &Report) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(resumed) = &report.resumed {
        let there = HumanCount(resumed.records);
        let begun = resumed.begun_at;
        let text = format!("begun at {begun}, {there} records were there already");
        lines.push(("resumed", text));
    }
    if report.parts.has(Part::Data) {
        lines.extend(data_report(report));
    } else if report.parts.has(Part::Topics) {
        lines.push(("topics", format!("{} created", report.topics.len())));
    }
    if report.parts.has(Part::Groups) {
        lines.push(restored_groups(report));
    }
    let made: Vec<&Change> = report
        .changes
        .iter()
        .filter(|it| it.refused.is_none())
        .map(|it| &it.change)
        .collect();
    let count = |sign: Sign| made.iter().filter(|change| change.sign() == sign).count();
    let changes = if made.is_empty() {
        "none".to_owned()
    } else {
        format!(
            "{} added, {} changed, {} removed",
            count(Sign::Added),
            count(Sign::Changed),
            count(Sign::Removed)
        )
    };
    lines.push(("changes", changes));
    if let Some(map) = report.offset_map.as_ref()
        && map.problem.is_none()
    {
        let runs = plural(map.runs, "run");
        lines.push(("offsets", format!("{runs} in {}", map.path.display())));
    }
    lines.push(("journal", report.journal.display().to_string()));
    if let Some(finish) = &report.finish {
        lines.push(("put back", format!("what was put off: {finish}")));
    }
    lines
}

fn restored_groups(report: &Report) -> (&'static str, String) {
    let skipped: Vec<String> = report
        .groups
        .iter()
        .filter(|group| group.skipped.is_some())
        .map(|group| safe(&group.group))
        .collect();
    let groups = report.groups.len() - skipped.len();
    ("groups", with_some("restored", groups, "skipped", &skipped))
}

fn data_report(report: &Report) -> Vec<(&'static str, String)> {
    let count = |wanted: fn(&TopicOutcome) -> bool| {
        report
            .topics
            .iter()
            .filter(|topic| wanted(&topic.outcome))
            .count()
    };
    let created = count(|outcome| matches!(outcome, TopicOutcome::Created));
    let used = count(|outcome| matches!(outcome, TopicOutcome::Used));
    let appended = count(|outcome| matches!(outcome, TopicOutcome::Appended));
    let replaced = count(|outcome| matches!(outcome, TopicOutcome::Replaced { .. }));
    let already = count(|outcome| matches!(outcome, TopicOutcome::AlreadyThere { .. }));
    let refused = count(|outcome| matches!(outcome, TopicOutcome::Refused { .. }));
    let stopped = count(|outcome| matches!(outcome, TopicOutcome::Stopped));
    let mut topics = format!("{created} created");
    for (number, word) in [
        (used, "were there and empty"),
        (appended, "appended to"),
        (replaced, "emptied and written"),
        (already, "already there"),
        (refused, "refused"),
        (stopped, "STOPPED half-way"),
    ] {
        if number > 0 {
            topics.push_str(&format!(" · {number} {word}"));
        }
    }
    if report.is_nothing() {
        return vec![("topics", topics)];
    }
    let totals = report.totals;
    let mut records = HumanCount(totals.records).to_string();
    if totals.uncommitted_records > 0 {
        let left_out = HumanCount(totals.uncommitted_records);
        records.push_str(&format!(
            ", {left_out} of aborted or open transactions left out"
        ));
    }
    if totals.not_selected_records > 0 {
        let left_out = HumanCount(totals.not_selected_records);
        records.push_str(&format!(", {left_out} not selected"));
    }
    let compared = match report.comparing_ms {
        Some(_) => {
            let compared = |topic: &RestoredTopic| {
                let partitions = topic.partitions.iter();
                partitions
                    .filter(|partition| partition.stopped.is_none())
                    .count()
            };
            let partitions: usize = report.topics.iter().map(compared).sum();
            format!(
                "{} read back: equal",
                plural(partitions as u64, "partition")
            )
        }
        None => "not read back (--no-compare)".to_owned(),
    };
    vec![
        ("topics", topics),
        ("records", records),
        (
            "bytes",
            format!(
                "{} at {}/s",
                ByteSize(totals.bytes_read),
                ByteSize(report.rate())
            ),
        ),
        ("compared", compared),
    ]
}

/// `orders-3 offsets 5..8, 20..29 (14 records): data/x.tar: what is wrong`
fn lost(salvage: &Salvage) -> Option<String> {
    if salvage.lost.is_empty() {
        return None;
    }
    let damage = &salvage.damage;
    let place = damage
        .topic_partition()
        .map_or_else(String::new, |partition| partition.to_string());
    let ranges: Vec<String> = salvage.lost.iter().map(ToString::to_string).collect();
    let records = salvage.lost_records.map_or_else(String::new, |records| {
        format!(" ({})", plural(records, "record"))
    });
    let (ranges, object, what) = (ranges.join(", "), &damage.object, &damage.what);
    Some(format!(
        "{place} offsets {ranges}{records}: {object}: {what}"
    ))
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes = report.warnings.clone();
    let sound = report.salvaged.iter().filter(|it| it.lost.is_empty());
    notes.extend(sound.map(|it| format!("damaged, and no record is missing: {}", it.damage)));
    if report.totals.log_append_time_records > 0 {
        let count = HumanCount(report.totals.log_append_time_records);
        notes.push(format!(
            "{count} records keep the time that the broker gave them; its type is CreateTime now"
        ));
    }
    for topic in &report.topics {
        if let TopicOutcome::AlreadyThere { at } = topic.outcome {
            let topic = topic.target_name();
            notes.push(format!(
                "{topic}: already restored from this snapshot on {at}, unchanged since"
            ));
        }
        notes.extend(
            topic
                .warnings
                .iter()
                .map(|warning| format!("{}: {warning}", topic.target_name())),
        );
        notes.extend(
            topic
                .put_off
                .iter()
                .map(|put_off| put_off_line(topic.target_name(), put_off)),
        );
        notes.extend(
            topic
                .left_out
                .iter()
                .map(|left_out| left_out_line(topic.target_name(), left_out)),
        );
    }
    notes.extend(report.groups.iter().flat_map(group_notes));
    notes
}

fn group_notes(group: &RestoredGroup) -> Vec<String> {
    let mut notes = Vec::new();
    if let (Some(why), false) = (&group.skipped, group.partial) {
        notes.push(format!(
            "group {}: {why}",
            arrow(&group.group, group.target_name())
        ));
    }
    for note in &group.notes {
        notes.push(format!(
            "group {}, {}-{}: offset {} became {}: {}",
            arrow(&group.group, group.target_name()),
            note.topic,
            note.partition,
            grouped(note.source_offset),
            grouped(note.target_offset),
            note.note
        ));
    }
    if !group.kept.is_empty() {
        notes.push(format!(
            "group {}: it reads {} there already, its offsets stay",
            arrow(&group.group, group.target_name()),
            group.kept.join(", ")
        ));
    }
    if !group.not_restored.is_empty() {
        let partitions = plural(group.not_restored.len() as u64, "partition");
        notes.push(format!(
            "group {}: offsets of {partitions} of topics that were not restored",
            group.group
        ));
    }
    notes
}

fn put_off_line(topic: &str, put_off: &RetentionPutOff) -> String {
    format!(
        "{topic}: {} put off: it would delete {} records ({}) at once",
        put_off.retention.join(", "),
        HumanCount(put_off.records),
        ByteSize(put_off.bytes)
    )
}

fn left_out_line(topic: &str, left_out: &LeftOut) -> String {
    format!("{topic}: {} left out: {}", left_out.name, left_out.reason)
}

/// Lines of one kind; where there are too many, how many more.
fn bounded(kind: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "\n".to_owned();
    for line in lines.iter().take(MOST_LINES) {
        text.push_str(&format!("  {kind}  {}\n", safe(line)));
    }
    if lines.len() > MOST_LINES {
        text.push_str(&format!(
            "  {kind}  … and {} more, all of them in --json\n",
            lines.len() - MOST_LINES
        ));
    }
    text
}

#[cfg(test)]
mod tests;
