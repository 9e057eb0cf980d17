//! The topics of a restore that was interrupted, found again.

use std::{collections::BTreeMap, sync::Arc};

use lifeboat_kafka::wire::Cluster;

use super::{failed, prepare, set};
use crate::{
    error::RestoreError,
    journal::{Prepared, PreparedTopic},
    parts::Part,
    plan::{ExistingTopic, Plan, PlannedTopic, TopicAction},
    replay::ReadyTopic,
    target,
};

/// The topics, as they were prepared.
#[derive(Debug, Default)]
pub(crate) struct FoundAgain {
    /// They are what they were.
    pub(crate) ready: Vec<ReadyTopic>,
    /// They were deleted, or made anew.
    pub(crate) replaced: Vec<ReadyTopic>,
}

async fn there(
    cluster: &Cluster,
    plan: &Plan,
) -> Result<BTreeMap<String, ExistingTopic>, RestoreError> {
    let names: Vec<Arc<str>> = plan
        .written()
        .map(|topic| topic.target_name().into())
        .collect();
    Ok(target::look(cluster, &names, false).await?.topics)
}

/// Makes the topics that are still missing. Those that are there were made by us, and hold nothing yet; else it ends.
pub(crate) async fn prepare_again(
    cluster: &Cluster,
    plan: &Plan,
) -> Result<Vec<ReadyTopic>, RestoreError> {
    let there = there(cluster, plan).await?;
    let mut plan = plan.clone();
    let data = plan.parts.has(Part::Data);
    plan.topics.retain(PlannedTopic::is_written);
    for topic in &mut plan.topics {
        adopt(topic, there.get(topic.target_name()), data)?;
    }
    prepare(cluster, &plan).await
}

/// What is to be done with a topic, now that it is `there`, or not.
fn adopt(
    topic: &mut PlannedTopic,
    there: Option<&ExistingTopic>,
    data: bool,
) -> Result<(), RestoreError> {
    let changed = |problem: String| RestoreError::Changed {
        topic: topic.target_name().to_owned(),
        problem,
    };
    let Some(there) = there else {
        return match topic.action {
            TopicAction::Create => Ok(()),
            _ => Err(changed("it was deleted".to_owned())),
        };
    };
    let (planned, found) = (topic.partition_count(), there.partitions.len());
    // one that we made has as many as we asked for; one that was there before may have had more
    let exactly = topic.action == TopicAction::Create || topic.repartition.is_some();
    if found < planned || (exactly && found > planned) {
        return Err(changed(format!(
            "it has {found} partitions instead of {planned}"
        )));
    }
    let topic_id = there.topic_id;
    if topic.action.topic_id().is_some_and(|id| id != topic_id) {
        return Err(changed("it was made anew".to_owned()));
    }
    if topic.action == TopicAction::Create {
        topic.action = TopicAction::UseEmpty { topic_id };
    }
    topic.existing_settings.clone_from(&there.settings);
    if !data {
        // nothing is written to it, and others may have begun to
        for (partition, range) in topic.partitions.iter_mut().zip(&there.partitions) {
            partition.start_offset = range.end;
        }
        if let Some(repartition) = &mut topic.repartition {
            let ends = there.partitions.iter().map(|range| range.end);
            repartition.start_offsets = ends.collect();
        }
    }
    Ok(())
}

/// The topics that were prepared, with the ids and starts that they had.
fn recall<'p>(
    plan: &'p Plan,
    prepared: &'p Prepared,
) -> impl Iterator<Item = (&'p PlannedTopic, ReadyTopic)> {
    let before: BTreeMap<&str, &PreparedTopic> = prepared
        .topics
        .iter()
        .map(|topic| (topic.topic.as_str(), topic))
        .collect();
    plan.written().filter_map(move |topic| {
        let before = before.get(topic.topic.as_str())?;
        let mut ready = ReadyTopic::new(topic, before.topic_id);
        ready.start_offsets.clone_from(&before.start_offsets);
        Some((topic, ready))
    })
}

/// The topics that were prepared, without a look at them.
pub(crate) fn recalled(plan: &Plan, prepared: &Prepared) -> Vec<ReadyTopic> {
    recall(plan, prepared).map(|(_, ready)| ready).collect()
}

/// Finds the topics that were prepared, and gives them the settings of the time of writing again.
pub(crate) async fn find_again(
    cluster: &Cluster,
    plan: &Plan,
    prepared: &Prepared,
) -> Result<FoundAgain, RestoreError> {
    let there = there(cluster, plan).await?;
    let mut found = FoundAgain::default();
    for (topic, ready) in recall(plan, prepared) {
        let same = there.get(topic.target_name());
        let Some(same) = same.filter(|there| there.topic_id == ready.topic_id) else {
            found.replaced.push(ready);
            continue;
        };
        let wanted = topic.settings.first_changes(&same.settings);
        let changed = set(cluster, topic.target_name(), &wanted).await;
        changed.map_err(|error| failed(topic.target_name(), error))?;
        found.ready.push(ready);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
