//! Who we are for the cluster, and what it lets us do: it leaves out of its answers what we may not see.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    messages::{
        DescribeClusterRequest, DescribeClusterResponse, metadata_request::MetadataRequestTopic,
    },
    protocol::StrBytes,
};

use super::{Cluster, metadata, transport::Transport};
use crate::{
    error::{ErrorCode, KafkaError},
    rights::Operation,
};

/// Kafka's word for "not asked, or not known".
const UNKNOWN: i32 = i32::MIN;

/// What the principal may do with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(i32);

impl Rights {
    /// Whether it may; where the broker does not tell, it is taken to be so.
    pub fn allow(self, operation: Operation) -> bool {
        self.0 == UNKNOWN || self.0 & (1 << operation as u8) != 0
    }

    /// Whether the broker tells.
    pub fn are_told(self) -> bool {
        self.0 != UNKNOWN
    }
}

/// The name under which the brokers know us, unless they map names: `User:agent`.
pub(super) fn principal(transport: &Transport) -> Arc<str> {
    let user = transport.sasl().map(|sasl| sasl.user());
    let name = user.or(transport.subject()).unwrap_or("ANONYMOUS");
    format!("User:{name}").into()
}

/// Whether the cluster was described.
pub(super) fn verdict(answer: &DescribeClusterResponse) -> Result<(), KafkaError> {
    match ErrorCode::from_wire(answer.error_code) {
        None => Ok(()),
        Some(code) => Err(KafkaError::broker_says(
            "DescribeCluster",
            "the cluster",
            code,
            answer.error_message.as_ref(),
        )),
    }
}

impl Cluster {
    /// The name under which the brokers know us, unless they map names: `User:agent`.
    pub fn principal(&self) -> &str {
        &self.inner.principal
    }

    /// An error for people: where a right is missing, with the right and who lacks it.
    pub fn explain(&self, error: &KafkaError) -> String {
        match error.missing_right() {
            Some(right) => format!("{error}: {} lacks {right}", self.principal()),
            None => error.to_string(),
        }
    }

    /// What we may do with the cluster as a whole.
    pub async fn cluster_rights(&self) -> Result<Rights, KafkaError> {
        let request =
            DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
        let answer = self.ask_any(&request, verdict).await?;
        Ok(Rights(answer.cluster_authorized_operations))
    }

    /// What we may do with these topics; those that can't be seen are left out.
    pub async fn topic_rights(
        &self,
        topics: &[Arc<str>],
    ) -> Result<BTreeMap<Arc<str>, Rights>, KafkaError> {
        let asked = topics.iter().map(|name| {
            let name = StrBytes::from_string(name.to_string());
            MetadataRequestTopic::default().with_name(Some(name.into()))
        });
        let request = metadata::no_topics()
            .with_topics(Some(asked.collect()))
            .with_include_topic_authorized_operations(true);
        let answer = self.ask_any(&request, metadata::verdict).await?;
        let rights = answer.topics.iter().filter(|topic| topic.error_code == 0);
        Ok(rights
            .filter_map(|topic| {
                let name = topic.name.as_ref()?;
                let rights = Rights(topic.topic_authorized_operations);
                Some((Arc::from(name.as_str()), rights))
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_config::KafkaProperties;

    use super::*;

    #[test]
    fn rights_are_bits_and_what_is_not_told_is_allowed() {
        let reader = Rights(1 << 3 | 1 << 8);
        assert!(reader.allow(Operation::Read) && reader.allow(Operation::Describe));
        assert!(!reader.allow(Operation::Write) && !reader.allow(Operation::AlterConfigs));
        assert!(!Rights(0).allow(Operation::Describe));
        assert!(Rights(UNKNOWN).allow(Operation::AlterConfigs));
    }

    #[test]
    fn the_principal_is_whom_the_credentials_name() {
        let of = |text: &str| {
            let properties = KafkaProperties::parse_properties(text).unwrap();
            principal(&Transport::from_properties(&properties).unwrap())
        };
        assert_eq!(&*of(""), "User:ANONYMOUS");
        let sasl = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
                    sasl.username=agent\nsasl.password=secret";
        assert_eq!(&*of(sasl), "User:agent");
    }
}
