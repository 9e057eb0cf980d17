//! What restores have left open, and what became of it.

use lifeboat_archive::words::{ByteSize, HumanCount};
use lifeboat_restore::finish::{Deletion, FinishPlan, OpenRestore, OpenTopic};

use super::{Paint, safe};

/// What is to be done, or was, for people.
pub(crate) fn render_finish(plan: &FinishPlan, paint: Paint) -> String {
    let cluster = &plan.target_cluster_id;
    if plan.is_nothing() {
        return format!("nothing to do: no restore into {cluster} has left anything open\n");
    }
    let head = if plan.done {
        paint.good("finished")
    } else {
        "finish".to_owned()
    };
    let mut text = format!("{head} restores into {cluster}\n");
    for restore in &plan.restores {
        text.push_str(&of_restore(restore, paint));
    }
    let deletes = plan.deletes();
    if !deletes.is_nothing() {
        let which = if plan.done { "deletes" } else { "would delete" };
        let line = format!("Kafka {which} up to {} at once", amount(deletes));
        text.push_str(&format!("\n  {}\n", paint.bad(&line)));
    }
    if !plan.done {
        text.push_str("\nnothing was changed yet\n");
    }
    text
}

fn of_restore(restore: &OpenRestore, paint: Paint) -> String {
    let state = if restore.given_up {
        let stage = restore.stage;
        let text = format!("interrupted while {stage}: can't be resumed after this");
        paint.bad(&text)
    } else {
        "retention was put off".to_owned()
    };
    let mut text = format!(
        "\n  {} of {}, {state}\n  journal {}\n",
        restore.snapshot,
        restore.begun_at,
        restore.journal.display()
    );
    if let Some(why) = &restore.skipped {
        text.push_str(&format!("  {}  {}\n", paint.bad("left alone"), safe(why)));
        return text;
    }
    for topic in &restore.topics {
        text.push_str(&of_topic(topic, paint));
    }
    text
}

fn of_topic(topic: &OpenTopic, paint: Paint) -> String {
    let mut text = String::new();
    let name = safe(&topic.target);
    for change in &topic.changes {
        let value = change.value.as_deref();
        let value = value.map_or_else(|| "the brokers' default".to_owned(), safe);
        text.push_str(&format!("  ~ {name}  {} becomes {value}\n", change.name));
    }
    if !topic.deletes.is_nothing() {
        let amount = amount(topic.deletes);
        text.push_str(&format!(
            "    {name}  up to {amount} are too old or too much\n"
        ));
    }
    for left in &topic.left {
        text.push_str(&format!("    {name}  {}\n", safe(left)));
    }
    if let Some(why) = &topic.refused {
        text.push_str(&format!(
            "  {}  {name}: {}\n",
            paint.bad("refused"),
            safe(why)
        ));
    }
    text
}

/// `1,000 records (3 MiB)`
fn amount(of: Deletion) -> String {
    format!(
        "{} records ({})",
        HumanCount(of.records),
        ByteSize(of.bytes)
    )
}

#[cfg(test)]
mod tests;
