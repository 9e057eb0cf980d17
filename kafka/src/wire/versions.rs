//! Which version of each API is spoken.

use std::{collections::HashMap, time::Duration};

use kafka_protocol::{
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse, AlterShareGroupOffsetsRequest,
        AlterShareGroupOffsetsResponse, AlterUserScramCredentialsRequest,
        AlterUserScramCredentialsResponse, ApiKey, ApiVersionsResponse,
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, CreateAclsRequest,
        CreateAclsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteAclsRequest,
        DeleteAclsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest,
        DeleteTopicsResponse, DescribeAclsRequest, DescribeAclsResponse,
        DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeClusterRequest,
        DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, DescribeGroupsRequest,
        DescribeGroupsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
        DescribeProducersRequest, DescribeProducersResponse, DescribeQuorumRequest,
        DescribeQuorumResponse, DescribeShareGroupOffsetsRequest,
        DescribeShareGroupOffsetsResponse, DescribeTransactionsRequest,
        DescribeTransactionsResponse, DescribeUserScramCredentialsRequest,
        DescribeUserScramCredentialsResponse, FetchSnapshotRequest, FetchSnapshotResponse,
        FindCoordinatorRequest, FindCoordinatorResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse, InitProducerIdRequest, InitProducerIdResponse,
        ListConfigResourcesRequest, ListConfigResourcesResponse, ListGroupsRequest,
        ListGroupsResponse, ListOffsetsRequest, ListOffsetsResponse,
        ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        ListTransactionsRequest, ListTransactionsResponse, MetadataRequest, MetadataResponse,
        OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, SaslAuthenticateRequest,
        SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
        ShareGroupDescribeRequest, ShareGroupDescribeResponse,
    },
    protocol::{Decodable, Encodable, HeaderVersion, VersionRange},
};

use super::shape::{Field, answers};
use crate::error::KafkaError;

/// A request, its answer, and the versions of it that this crate writes correctly.
///
/// kafka-protocol's own `Request` wants its broker half as well.
pub(crate) trait Call: Encodable + HeaderVersion + Sync {
    const API: Api;
    /// What the answer looks like.
    const SHAPE: &'static [Field];
    type Answer: Decodable + HeaderVersion + Send;

    fn throttle(answer: &Self::Answer) -> Duration;
}

/// An API: its key, its name in errors, and the versions that are spoken here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    pub(crate) spoken: VersionRange,
}

impl Api {
    pub(crate) const fn new(key: ApiKey, name: &'static str, min: i16, max: i16) -> Self {
        Self {
            key: key as i16,
            name,
            spoken: VersionRange { min, max },
        }
    }
}

macro_rules! calls {
    ($($request:ident => $answer:ident, $key:ident $min:literal..=$max:literal $shape:ident, $throttle:expr;)+) => {$(
        impl Call for $request {
            const API: Api = Api::new(ApiKey::$key, stringify!($key), $min, $max);
            const SHAPE: &'static [Field] = answers::$shape;
            type Answer = $answer;

            fn throttle(answer: &$answer) -> Duration {
                let throttle: fn(&$answer) -> i32 = $throttle;
                millis(throttle(answer))
            }
        }
    )+};
    ($($request:ident => $answer:ident, $key:ident $min:literal..=$max:literal $shape:ident;)+) => {
        calls! {$($request => $answer, $key $min..=$max $shape, |answer| answer.throttle_time_ms;)+}
    };
}

// Lower ends: the first version with the fields that are relied on; Kafka 3.6 has all of them. Upper ends: topic names
// instead of ids where the callers know names only.
calls! {
    MetadataRequest => MetadataResponse, Metadata 10..=13 METADATA;
    ListOffsetsRequest => ListOffsetsResponse, ListOffsets 4..=10 LIST_OFFSETS;
    OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse, OffsetForLeaderEpoch 3..=4 OFFSET_FOR_LEADER_EPOCH;
    FindCoordinatorRequest => FindCoordinatorResponse, FindCoordinator 4..=6 FIND_COORDINATOR;
    OffsetFetchRequest => OffsetFetchResponse, OffsetFetch 8..=9 OFFSET_FETCH;
    OffsetCommitRequest => OffsetCommitResponse, OffsetCommit 6..=9 OFFSET_COMMIT;
    ListGroupsRequest => ListGroupsResponse, ListGroups 4..=5 LIST_GROUPS;
    DescribeGroupsRequest => DescribeGroupsResponse, DescribeGroups 0..=6 DESCRIBE_GROUPS;
    ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse, ConsumerGroupDescribe 0..=1 CONSUMER_GROUP_DESCRIBE;
    CreateTopicsRequest => CreateTopicsResponse, CreateTopics 7..=7 CREATE_TOPICS;
    DeleteRecordsRequest => DeleteRecordsResponse, DeleteRecords 1..=2 DELETE_RECORDS;
    DeleteTopicsRequest => DeleteTopicsResponse, DeleteTopics 6..=6 DELETE_TOPICS;
    DescribeClusterRequest => DescribeClusterResponse, DescribeCluster 0..=2 DESCRIBE_CLUSTER;
    DescribeConfigsRequest => DescribeConfigsResponse, DescribeConfigs 1..=4 DESCRIBE_CONFIGS;
    IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse, IncrementalAlterConfigs 0..=1 INCREMENTAL_ALTER_CONFIGS;
    InitProducerIdRequest => InitProducerIdResponse, InitProducerId 3..=5 INIT_PRODUCER_ID;
    DescribeProducersRequest => DescribeProducersResponse, DescribeProducers 0..=0 DESCRIBE_PRODUCERS;
    DescribeLogDirsRequest => DescribeLogDirsResponse, DescribeLogDirs 1..=4 DESCRIBE_LOG_DIRS;
    ListConfigResourcesRequest => ListConfigResourcesResponse, ListConfigResources 0..=1 LIST_CONFIG_RESOURCES;
    DescribeAclsRequest => DescribeAclsResponse, DescribeAcls 1..=3 DESCRIBE_ACLS;
    CreateAclsRequest => CreateAclsResponse, CreateAcls 1..=3 CREATE_ACLS;
    DeleteAclsRequest => DeleteAclsResponse, DeleteAcls 1..=3 DELETE_ACLS;
    DescribeClientQuotasRequest => DescribeClientQuotasResponse, DescribeClientQuotas 0..=1 DESCRIBE_CLIENT_QUOTAS;
    AlterClientQuotasRequest => AlterClientQuotasResponse, AlterClientQuotas 0..=1 ALTER_CLIENT_QUOTAS;
    DescribeDelegationTokenRequest => DescribeDelegationTokenResponse, DescribeDelegationToken 1..=3 DESCRIBE_DELEGATION_TOKEN;
    ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse, ListPartitionReassignments 0..=0 LIST_PARTITION_REASSIGNMENTS;
    ListTransactionsRequest => ListTransactionsResponse, ListTransactions 0..=2 LIST_TRANSACTIONS;
    DescribeTransactionsRequest => DescribeTransactionsResponse, DescribeTransactions 0..=0 DESCRIBE_TRANSACTIONS;
    ShareGroupDescribeRequest => ShareGroupDescribeResponse, ShareGroupDescribe 1..=1 SHARE_GROUP_DESCRIBE;
    DescribeShareGroupOffsetsRequest => DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsets 0..=0 DESCRIBE_SHARE_GROUP_OFFSETS;
    AlterShareGroupOffsetsRequest => AlterShareGroupOffsetsResponse, AlterShareGroupOffsets 0..=0 ALTER_SHARE_GROUP_OFFSETS;
    DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse, DescribeUserScramCredentials 0..=0 DESCRIBE_USER_SCRAM_CREDENTIALS;
    AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse, AlterUserScramCredentials 0..=0 ALTER_USER_SCRAM_CREDENTIALS;
    FetchSnapshotRequest => FetchSnapshotResponse, FetchSnapshot 0..=1 FETCH_SNAPSHOT;
}

// these are not throttled
calls! {
    SaslHandshakeRequest => SaslHandshakeResponse, SaslHandshake 1..=1 SASL_HANDSHAKE, |_| 0;
    SaslAuthenticateRequest => SaslAuthenticateResponse, SaslAuthenticate 0..=2 SASL_AUTHENTICATE, |_| 0;
    DescribeQuorumRequest => DescribeQuorumResponse, DescribeQuorum 0..=2 DESCRIBE_QUORUM, |_| 0;
}

pub(crate) fn millis(wire: i32) -> Duration {
    Duration::from_millis(u64::try_from(wire).unwrap_or(0))
}

/// What a broker offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(HashMap<i16, VersionRange>);

impl Versions {
    pub(crate) fn from_answer(answer: &ApiVersionsResponse) -> Self {
        let ranges = answer.api_keys.iter().map(|api| {
            let range = VersionRange {
                min: api.min_version,
                max: api.max_version,
            };
            (api.api_key, range)
        });
        Self(ranges.collect())
    }

    /// The newest version of `api` that both sides know.
    pub(crate) fn choose(&self, api: Api, broker: &str) -> Result<i16, KafkaError> {
        let unsupported = |detail| KafkaError::UnsupportedApi {
            api: api.name.to_owned(),
            broker: broker.to_owned(),
            detail,
        };
        let offered = self.0.get(&api.key).ok_or_else(|| unsupported(None))?;
        let common = offered.intersect(&api.spoken);
        if common.is_empty() {
            return Err(unsupported(Some(format!(
                "it has versions {offered}, wanted are {}",
                api.spoken
            ))));
        }
        Ok(common.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(key: ApiKey, min: i16, max: i16) -> Versions {
        Versions(HashMap::from([(key as i16, VersionRange { min, max })]))
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        let api = Api::new(ApiKey::Fetch, "Fetch", 13, 17);
        for (min, max, chosen) in [(0, 15, 15), (4, 99, 17), (13, 13, 13)] {
            assert_eq!(
                broker(ApiKey::Fetch, min, max).choose(api, "a").unwrap(),
                chosen
            );
        }
    }

    #[test]
    fn a_missing_api_is_named_together_with_the_broker() {
        let api = Api::new(ApiKey::DescribeProducers, "DescribeProducers", 0, 0);
        let error = Versions::default().choose(api, "old:9092").unwrap_err();
        assert_eq!(
            error.to_string(),
            "old:9092 does not offer DescribeProducers"
        );
        assert!(!error.is_retriable());
    }

    #[test]
    fn versions_that_do_not_meet_are_named() {
        let api = Api::new(ApiKey::Fetch, "Fetch", 13, 17);
        let error = broker(ApiKey::Fetch, 0, 12)
            .choose(api, "old:9092")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "old:9092 does not offer Fetch (it has versions 0..12, wanted are 13..17)"
        );
    }
}
