//! Topics and their settings.

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::{json::Document, words::TopicId};

/// `topics.json`: the topics of the snapshot and their settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsDocument {
    /// The topics, by name.
    pub topics: Vec<TopicDocument>,
}

impl Document for TopicsDocument {
    const FORMAT: &'static str = "lifeboat.topics";
}

/// A topic and its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicDocument {
    /// Its name.
    pub topic: String,
    /// Its id.
    pub topic_id: TopicId,
    /// How many partitions.
    pub partition_count: i32,
    /// The most common number of replicas of its partitions.
    pub replication_factor: i16,
    /// The replicas of each partition, by number, the preferred leader first.
    pub assignment: Vec<Vec<i32>>,
    /// Every dynamic topic configuration; `null` is a sensitive value that the broker does not tell. `None` where none
    /// could be read.
    pub configs: Option<Settings>,
}
