//! What changed.

use std::fmt;

use lifeboat_archive::{
    documents::diff::{Change, Kind, Sign},
    json::Document,
    words::{SnapshotId, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::{Paint, ago, change_lines, plural, safe};

/// What `lifeboat diff` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DiffDocument {
    /// Since when.
    pub(crate) from: Side,
    /// Until when.
    pub(crate) to: Side,
    /// What changed.
    pub(crate) changes: Vec<Change>,
    /// What nothing is known of.
    pub(crate) not_compared: Vec<NotCompared>,
}

impl Document for DiffDocument {
    const FORMAT: &'static str = "lifeboat.diff";
}

/// One of the two that were compared.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Side {
    /// The snapshot; absent for the cluster as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<SnapshotId>,
    /// The cluster.
    pub(crate) cluster_id: String,
    /// When it was so.
    pub(crate) at: Timestamp,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.snapshot {
            Some(snapshot) => snapshot.fmt(f),
            None => f.write_str("the cluster"),
        }
    }
}

impl Side {
    fn line(&self, now: Timestamp) -> String {
        let cluster = &self.cluster_id;
        match &self.snapshot {
            Some(snapshot) => {
                let age = ago(now.millis_since(self.at));
                format!("{snapshot} ({age}), cluster {cluster}")
            }
            None => format!("live, cluster {cluster}"),
        }
    }
}

/// What nothing is known of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NotCompared {
    /// What kind of things.
    pub(crate) kind: Kind,
    /// Why.
    pub(crate) reason: String,
    /// Whether that could be helped.
    pub(crate) partial: bool,
}

impl DiffDocument {
    /// For people.
    pub(crate) fn render(&self, now: Timestamp, paint: Paint) -> String {
        let mut text = format!(
            "from  {}\nto    {}\n\n",
            self.from.line(now),
            self.to.line(now)
        );
        for line in change_lines(&self.changes, paint) {
            text.push_str(&line);
        }
        if !self.changes.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.summary());
        if !self.not_compared.is_empty() {
            text.push('\n');
        }
        for it in &self.not_compared {
            let word = if it.partial {
                paint.bad("not compared")
            } else {
                "not compared".to_owned()
            };
            text.push_str(&format!("  {word}  {}: {}\n", it.kind, safe(&it.reason)));
        }
        text
    }

    fn summary(&self) -> String {
        if self.changes.is_empty() {
            return "nothing changed\n".to_owned();
        }
        let count = |sign: Sign| {
            let changes = self.changes.iter();
            changes.filter(|change| change.sign() == sign).count()
        };
        format!(
            "{}: {} added, {} removed, {} changed\n",
            plural(self.changes.len() as u64, "change"),
            count(Sign::Added),
            count(Sign::Removed),
            count(Sign::Changed)
        )
    }
}

#[cfg(test)]
mod tests;
