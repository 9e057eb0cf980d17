//! Groups, what they have committed, and who is in them.

use std::time::Duration;

use futures::{StreamExt, stream};
use lifeboat_archive::{
    documents::{GroupDocument, GroupMember, GroupsDocument},
    manifest::Problem,
};

use super::{
    coordinators::{Coordinators, OF_GROUPS},
    note, partial,
};
use crate::{
    error::{ErrorCode, KafkaError},
    wire::{Cluster, GroupListing, GroupOffsets, ListedGroup, Patience},
};

/// Groups asked at the same time; their coordinators answer one after the other anyway.
const GROUPS_AT_ONCE: usize = 16;
/// So long the groups are listed anew while their coordinators change.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);

/// The subject of the problem that there are groups which no broker tells of.
pub const WITHOUT_COORDINATOR: &str = "groups without a coordinator";

/// What is known of a group besides its name.
struct ReadGroup {
    offsets: Result<GroupOffsets, KafkaError>,
    members: Result<Option<Vec<GroupMember>>, KafkaError>,
}

/// Every group with its committed offsets, or start offsets, by name.
///
/// A group whose offsets can't be read is left out and named: it must not look as if it had none.
pub async fn groups(cluster: &Cluster) -> Result<(GroupsDocument, Vec<Problem>), KafkaError> {
    let (mut listing, coordinators) = listed(cluster).await?;
    if listing.unanswered.len() == cluster.brokers().len()
        && let Some((_, error)) = listing.unanswered.pop()
    {
        return Err(error);
    }
    let mut problems: Vec<_> = listing
        .unanswered
        .iter()
        .map(|(broker, error)| {
            partial(
                format!("broker {broker}"),
                format!(
                    "the groups that it coordinates are missing: {}",
                    cluster.explain(error)
                ),
            )
        })
        .collect();
    problems.extend(coordinators.missing().map(|lost| {
        partial(
            WITHOUT_COORDINATOR.to_owned(),
            format!("groups may be missing, as nobody coordinates them: {lost}"),
        )
    }));
    let names: Vec<_> = listing
        .groups
        .iter()
        .map(|group| group.group.clone())
        .collect();
    cluster.find_coordinators(&names).await?;
    let mut read = stream::iter(listing.groups)
        .map(async |group| {
            let read = read_group(cluster, &group).await;
            (group, read)
        })
        .buffered(GROUPS_AT_ONCE);
    let mut documents = Vec::with_capacity(names.len());
    while let Some((group, read)) = read.next().await {
        let explain = |error: &KafkaError| cluster.explain(error);
        documents.extend(group_document(group, read, explain, &mut problems));
    }
    Ok((GroupsDocument { groups: documents }, problems))
}

/// What all brokers say, while the coordinators stayed the same: one that takes a group over after it has answered, from one
/// that answers later, would hide it.
async fn listed(cluster: &Cluster) -> Result<(GroupListing, Coordinators), KafkaError> {
    let mut patience = Patience::new(SETTLE_WITHIN);
    loop {
        let before = Coordinators::settled(cluster, OF_GROUPS).await?;
        let listing = cluster.groups().await;
        let after = Coordinators::now(cluster, OF_GROUPS).await?;
        if before == after || !patience.pause().await {
            return Ok((listing, after));
        }
        tracing::debug!("coordinators have changed: listing the groups again");
    }
}

async fn read_group(cluster: &Cluster, group: &ListedGroup) -> ReadGroup {
    let offsets = cluster.offsets_of(&group.group, group.is_share()).await;
    let members = match &offsets {
        Ok(_) => match cluster.group_members(group).await {
            // deleted, or of another type, since it was listed
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(None),
            members => members,
        },
        // it is left out
        Err(_) => Ok(None),
    };
    ReadGroup { offsets, members }
}

fn group_document(
    group: ListedGroup,
    read: ReadGroup,
    explain: impl Fn(&KafkaError) -> String,
    problems: &mut Vec<Problem>,
) -> Option<GroupDocument> {
    let subject = format!("group {}", group.group);
    let offsets = match read.offsets {
        Ok(offsets) => offsets,
        // deleted since it was listed
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => return None,
        Err(error @ KafkaError::UnsupportedApi { .. }) => {
            problems.push(note(subject, format!("its offsets are not saved: {error}")));
            return None;
        }
        Err(error) => {
            problems.push(partial(
                subject,
                format!("its offsets can't be read: {}", explain(&error)),
            ));
            return None;
        }
    };
    let members = read.members.unwrap_or_else(|error| {
        let text = format!("its members can't be read: {}", explain(&error));
        // for information: what the broker can't tell is nothing that is missing
        let unsupported = matches!(error, KafkaError::UnsupportedApi { .. });
        let tell = if unsupported { note } else { partial };
        problems.push(tell(subject.clone(), text));
        None
    });
    for partition in &offsets.unstable {
        problems.push(Problem {
            subject: subject.clone(),
            problem: format!(
                "{partition}: a transaction that commits its offset is undecided for too long; what was committed before it is saved"
            ),
            partial: false,
        });
    }
    for (partition, error) in &offsets.unreadable {
        problems.push(partial(
            subject.clone(),
            format!("{partition}: its offset can't be read: {}", explain(error)),
        ));
    }
    Some(GroupDocument {
        group: group.group,
        group_type: group.group_type,
        protocol_type: group.protocol_type,
        state: group.state,
        offsets: offsets.offsets,
        members: members.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::{documents::CommittedOffset, words::TopicPartition};

    use super::*;

    fn listed(group: &str) -> ListedGroup {
        ListedGroup {
            group: group.to_owned(),
            group_type: "classic".to_owned(),
            protocol_type: "consumer".to_owned(),
            state: "Empty".to_owned(),
        }
    }

    fn read(offsets: Result<GroupOffsets, KafkaError>) -> ReadGroup {
        ReadGroup {
            offsets,
            members: Ok(None),
        }
    }

    #[test]
    fn r8_an_undecided_commit_is_saved_as_it_was_before_and_flagged() {
        let offset = CommittedOffset {
            topic: "orders".to_owned(),
            partition: 1,
            offset: 7,
            leader_epoch: -1,
            metadata: String::new(),
        };
        let offsets = GroupOffsets {
            offsets: vec![offset.clone()],
            unstable: vec![TopicPartition::new("orders", 1)],
            unreadable: Vec::new(),
        };
        let mut problems = Vec::new();
        let document = group_document(
            listed("checkout"),
            read(Ok(offsets)),
            ToString::to_string,
            &mut problems,
        )
        .unwrap();
        assert_eq!(document.offsets, [offset]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].subject, "group checkout");
        assert!(problems[0].problem.contains("orders-1"), "{problems:?}");
    }

    #[test]
    fn a_group_whose_offsets_cannot_be_read_is_named_and_not_saved_as_empty() {
        let denied = KafkaError::broker(
            "OffsetFetch",
            "group secret",
            ErrorCode::GROUP_AUTHORIZATION_FAILED,
        );
        let mut problems = Vec::new();
        assert_eq!(
            group_document(
                listed("secret"),
                read(Err(denied)),
                ToString::to_string,
                &mut problems
            ),
            None
        );
        assert!(problems[0].partial);
        let gone = KafkaError::broker("OffsetFetch", "group x", ErrorCode::GROUP_ID_NOT_FOUND);
        let document = group_document(
            listed("x"),
            read(Err(gone)),
            ToString::to_string,
            &mut problems,
        );
        assert_eq!(document, None);
        assert_eq!(problems.len(), 1);
    }
}
