//! Rights that Kafka's authorizer grants, and which of them an error says is missing.

use std::fmt;

use crate::error::{ErrorCode, KafkaError};

/// What somebody may do, in the words of `kafka-acls.sh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Read records; commit offsets.
    Read = 3,
    /// Write records.
    Write = 4,
    /// Make topics.
    Create = 5,
    /// Remove topics.
    Delete = 6,
    /// Change it: of the cluster, who its users are and what they may do.
    Alter = 7,
    /// See that it is there.
    Describe = 8,
    /// What brokers do among themselves.
    ClusterAction = 9,
    /// See its settings.
    DescribeConfigs = 10,
    /// Change its settings.
    AlterConfigs = 11,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What somebody may do it with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The cluster as a whole.
    Cluster,
    /// A consumer group.
    Group(String),
    /// A topic.
    Topic(String),
    /// Some topic, whichever.
    AnyTopic,
    /// A transactional id; `*` is every one.
    TransactionalId(String),
}

/// A right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// What may be done.
    pub operation: Operation,
    /// With what.
    pub resource: Resource,
}

impl Right {
    /// `operation` on a topic.
    pub fn on_topic(operation: Operation, topic: &str) -> Self {
        Self {
            operation,
            resource: Resource::Topic(topic.to_owned()),
        }
    }

    /// `operation` on the cluster.
    pub fn on_cluster(operation: Operation) -> Self {
        Self {
            operation,
            resource: Resource::Cluster,
        }
    }

    /// The command that grants it.
    pub fn grant(&self, principal: &str) -> String {
        let resource = match &self.resource {
            Resource::Cluster => "--cluster".to_owned(),
            Resource::Group(name) => format!("--group '{name}'"),
            Resource::Topic(name) => format!("--topic '{name}'"),
            Resource::AnyTopic => "--topic '*'".to_owned(),
            Resource::TransactionalId(name) => format!("--transactional-id '{name}'"),
        };
        format!(
            "kafka-acls.sh --bootstrap-server … --add --allow-principal '{principal}' --operation {} {resource}",
            self.operation
        )
    }
}

/// As in "lacks Read on topic orders".
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation;
        match &self.resource {
            Resource::Cluster => write!(f, "{operation} on the cluster"),
            Resource::Group(name) => write!(f, "{operation} on group {name}"),
            Resource::Topic(name) => write!(f, "{operation} on topic {name}"),
            Resource::AnyTopic => write!(f, "{operation} on a topic"),
            Resource::TransactionalId(name) => write!(f, "{operation} on transactional id {name}"),
        }
    }
}

impl KafkaError {
    /// The right that would have helped, where the broker said that one is missing.
    pub fn missing_right(&self) -> Option<Right> {
        let Self::Broker {
            operation,
            subject,
            code,
            ..
        } = self
        else {
            return None;
        };
        let (operation, resource) = match *code {
            // some topic of the group, and which is not said
            ErrorCode::TOPIC_AUTHORIZATION_FAILED
                if matches!(*operation, "ConsumerGroupDescribe" | "ShareGroupDescribe") =>
            {
                (Operation::Describe, Resource::AnyTopic)
            }
            ErrorCode::TOPIC_AUTHORIZATION_FAILED => (
                on_topic(operation),
                Resource::Topic(topic_of(operation, subject).to_owned()),
            ),
            ErrorCode::GROUP_AUTHORIZATION_FAILED => (
                on_group(operation),
                Resource::Group(group_of(operation, subject).to_owned()),
            ),
            // it takes IdempotentWrite on the cluster, or this
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED if *operation == "InitProducerId" => {
                (Operation::Write, Resource::AnyTopic)
            }
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED => (on_cluster(operation), Resource::Cluster),
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => (
                Operation::Describe,
                Resource::TransactionalId(subject.clone()),
            ),
            _ => return None,
        };
        Some(Right {
            operation,
            resource,
        })
    }
}

fn on_topic(api: &str) -> Operation {
    match api {
        "Fetch" | "OffsetCommit" | "DescribeProducers" | "AlterShareGroupOffsets" => {
            Operation::Read
        }
        "Produce" => Operation::Write,
        "CreateTopics" => Operation::Create,
        "DeleteTopics" | "DeleteRecords" => Operation::Delete,
        "DescribeConfigs" => Operation::DescribeConfigs,
        "IncrementalAlterConfigs" => Operation::AlterConfigs,
        _ => Operation::Describe,
    }
}

fn on_group(api: &str) -> Operation {
    match api {
        "OffsetCommit" | "AlterShareGroupOffsets" => Operation::Read,
        "DescribeConfigs" => Operation::DescribeConfigs,
        "IncrementalAlterConfigs" => Operation::AlterConfigs,
        _ => Operation::Describe,
    }
}

fn on_cluster(api: &str) -> Operation {
    match api {
        "DescribeConfigs" | "ListConfigResources" | "DescribeClientQuotas" => {
            Operation::DescribeConfigs
        }
        "IncrementalAlterConfigs" | "AlterClientQuotas" => Operation::AlterConfigs,
        "CreateAcls" | "DeleteAcls" | "AlterUserScramCredentials" => Operation::Alter,
        // the metadata log, which is no topic to ask for
        "Fetch" | "FetchSnapshot" => Operation::ClusterAction,
        _ => Operation::Describe,
    }
}

/// Of `orders`, `orders-0` and `group shop, orders-0`.
fn topic_of<'s>(api: &str, subject: &'s str) -> &'s str {
    let place = match subject.rsplit_once(", ") {
        Some((_, place)) if subject.starts_with("group ") => place,
        _ => subject,
    };
    let of_partition = matches!(
        api,
        "Fetch"
            | "Produce"
            | "ListOffsets"
            | "OffsetCommit"
            | "OffsetFetch"
            | "DescribeProducers"
            | "DeleteRecords"
            | "DescribeShareGroupOffsets"
            | "AlterShareGroupOffsets"
    );
    match place.rsplit_once('-') {
        Some((topic, _)) if of_partition => topic,
        _ => place,
    }
}

/// Of `group shop` and `group shop, orders-0`.
fn group_of<'s>(api: &str, subject: &'s str) -> &'s str {
    let name = subject.strip_prefix("group ").unwrap_or(subject);
    match name.rsplit_once(", ") {
        Some((group, _))
            if matches!(
                api,
                "OffsetCommit"
                    | "OffsetFetch"
                    | "DescribeShareGroupOffsets"
                    | "AlterShareGroupOffsets"
            ) =>
        {
            group
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(operation: &'static str, subject: &str, code: ErrorCode) -> String {
        let error = KafkaError::broker(operation, subject, code);
        error.missing_right().unwrap().to_string()
    }

    #[test]
    fn a_refusal_tells_the_right_that_is_missing() {
        let topic = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        let group = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        let cluster = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        for (operation, subject, code, right) in [
            (
                "ConsumerGroupDescribe",
                "group shop",
                topic,
                "Describe on a topic",
            ),
            ("CreateTopics", "a-1", topic, "Create on topic a-1"),
            ("ListOffsets", "a-1-0", topic, "Describe on topic a-1"),
            ("DescribeConfigs", "a", topic, "DescribeConfigs on topic a"),
            ("OffsetCommit", "group g, a-1-0", topic, "Read on topic a-1"),
            ("OffsetCommit", "group g, a-0", group, "Read on group g"),
            (
                "FindCoordinator",
                "group g, h",
                group,
                "Describe on group g, h",
            ),
            ("InitProducerId", "a producer", cluster, "Write on a topic"),
            (
                "DescribeLogDirs",
                "broker 1",
                cluster,
                "Describe on the cluster",
            ),
            (
                "DescribeClientQuotas",
                "quotas",
                cluster,
                "DescribeConfigs on the cluster",
            ),
            ("CreateAcls", "an ACL", cluster, "Alter on the cluster"),
            (
                "DescribeConfigs",
                "group g",
                group,
                "DescribeConfigs on group g",
            ),
            (
                "AlterShareGroupOffsets",
                "group g, a-0",
                group,
                "Read on group g",
            ),
            (
                "DescribeTransactions",
                "t",
                ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                "Describe on transactional id t",
            ),
        ] {
            assert_eq!(missing(operation, subject, code), right, "{operation}");
        }
        let other = KafkaError::broker("Fetch", "a-0", ErrorCode::OFFSET_OUT_OF_RANGE);
        assert_eq!(other.missing_right(), None);
    }

    #[test]
    fn the_command_that_grants_it_can_be_copied() {
        let right = Right::on_topic(Operation::DescribeConfigs, "orders");
        assert_eq!(
            right.grant("User:agent"),
            "kafka-acls.sh --bootstrap-server … --add --allow-principal 'User:agent' \
             --operation DescribeConfigs --topic 'orders'"
        );
    }
}
