//! The answers that kafka-protocol decodes, field by field as Kafka's message definitions have them.

use super::{
    BOOL, F64,
    Field::{self, Data, Each, List, Since, Struct, Tagged, Text, Until},
    I8, I16, I32, I64, UUID,
};

pub(crate) const API_VERSIONS: &[Field] = &[
    I16,
    List(&[I16, I16, I16]),
    Since(1, &I32),
    Tagged(0, &List(&[Text, I16, I16])),
    Tagged(1, &I64),
    Tagged(2, &List(&[Text, I16, I16])),
    Tagged(3, &BOOL),
];

pub(crate) const METADATA: &[Field] = &[
    I32,
    List(&[I32, Text, I32, Text]),
    Text,
    I32,
    List(&[
        I16,
        Text,
        UUID,
        BOOL,
        List(&[I16, I32, I32, I32, Each(&I32), Each(&I32), Each(&I32)]),
        I32,
    ]),
    Until(10, &I32),
    Since(13, &I16),
];

pub(crate) const LIST_OFFSETS: &[Field] = &[I32, List(&[Text, List(&[I32, I16, I64, I64, I32])])];

pub(crate) const OFFSET_FOR_LEADER_EPOCH: &[Field] =
    &[I32, List(&[Text, List(&[I16, I32, I32, I64])])];

pub(crate) const FIND_COORDINATOR: &[Field] = &[I32, List(&[Text, I32, Text, I32, I16, Text])];

pub(crate) const OFFSET_FETCH: &[Field] = &[
    I32,
    List(&[Text, List(&[Text, List(&[I32, I64, I32, Text, I16])]), I16]),
];

pub(crate) const OFFSET_COMMIT: &[Field] = &[I32, List(&[Text, List(&[I32, I16])])];

pub(crate) const LIST_GROUPS: &[Field] = &[I32, I16, List(&[Text, Text, Text, Since(5, &Text)])];

pub(crate) const DESCRIBE_GROUPS: &[Field] = &[
    Since(1, &I32),
    List(&[
        I16,
        Since(6, &Text),
        Text,
        Text,
        Text,
        Text,
        List(&[Text, Since(4, &Text), Text, Text, Data, Data]),
        Since(3, &I32),
    ]),
];

const ASSIGNMENT: Field = Struct(&[List(&[UUID, Text, Each(&I32)])]);

pub(crate) const CONSUMER_GROUP_DESCRIBE: &[Field] = &[
    I32,
    List(&[
        I16,
        Text,
        Text,
        Text,
        I32,
        I32,
        Text,
        List(&[
            Text,
            Text,
            Text,
            I32,
            Text,
            Text,
            Each(&Text),
            Text,
            ASSIGNMENT,
            ASSIGNMENT,
            Since(1, &I8),
        ]),
        I32,
    ]),
];

pub(crate) const CREATE_TOPICS: &[Field] = &[
    I32,
    List(&[
        Text,
        UUID,
        I16,
        Text,
        I32,
        I16,
        List(&[Text, Text, BOOL, I8, BOOL]),
        Tagged(0, &I16),
    ]),
];

pub(crate) const DELETE_TOPICS: &[Field] = &[I32, List(&[Text, UUID, I16, Text])];

pub(crate) const DELETE_RECORDS: &[Field] = &[I32, List(&[Text, List(&[I32, I64, I16])])];

pub(crate) const DESCRIBE_CLUSTER: &[Field] = &[
    I32,
    I16,
    Text,
    Since(1, &I8),
    Text,
    I32,
    List(&[I32, Text, I32, Text, Since(2, &BOOL)]),
    I32,
];

pub(crate) const DESCRIBE_CONFIGS: &[Field] = &[
    I32,
    List(&[
        I16,
        Text,
        I8,
        Text,
        List(&[
            Text,
            Text,
            BOOL,
            I8,
            BOOL,
            List(&[Text, Text, I8]),
            Since(3, &I8),
            Since(3, &Text),
        ]),
    ]),
];

pub(crate) const INCREMENTAL_ALTER_CONFIGS: &[Field] = &[I32, List(&[I16, Text, I8, Text])];

pub(crate) const INIT_PRODUCER_ID: &[Field] = &[I32, I16, I64, I16];

pub(crate) const DESCRIBE_PRODUCERS: &[Field] = &[
    I32,
    List(&[
        Text,
        List(&[I32, I16, Text, List(&[I64, I32, I32, I64, I32, I64])]),
    ]),
];

pub(crate) const DESCRIBE_LOG_DIRS: &[Field] = &[
    I32,
    Since(3, &I16),
    List(&[
        I16,
        Text,
        List(&[Text, List(&[I32, I64, I64, BOOL])]),
        Since(4, &I64),
        Since(4, &I64),
    ]),
];

pub(crate) const LIST_CONFIG_RESOURCES: &[Field] = &[I32, I16, List(&[Text, Since(1, &I8)])];

pub(crate) const DESCRIBE_ACLS: &[Field] = &[
    I32,
    I16,
    Text,
    List(&[I8, Text, I8, List(&[Text, Text, I8, I8])]),
];

pub(crate) const CREATE_ACLS: &[Field] = &[I32, List(&[I16, Text])];

pub(crate) const DELETE_ACLS: &[Field] = &[
    I32,
    List(&[
        I16,
        Text,
        List(&[I16, Text, I8, Text, I8, Text, Text, I8, I8]),
    ]),
];

pub(crate) const DESCRIBE_CLIENT_QUOTAS: &[Field] = &[
    I32,
    I16,
    Text,
    List(&[List(&[Text, Text]), List(&[Text, F64])]),
];

pub(crate) const ALTER_CLIENT_QUOTAS: &[Field] = &[I32, List(&[I16, Text, List(&[Text, Text])])];

pub(crate) const DESCRIBE_DELEGATION_TOKEN: &[Field] = &[
    I16,
    List(&[
        Text,
        Text,
        Since(3, &Text),
        Since(3, &Text),
        I64,
        I64,
        I64,
        Text,
        Data,
        List(&[Text, Text]),
    ]),
    I32,
];

pub(crate) const LIST_PARTITION_REASSIGNMENTS: &[Field] = &[
    I32,
    I16,
    Text,
    List(&[Text, List(&[I32, Each(&I32), Each(&I32), Each(&I32)])]),
];

pub(crate) const LIST_TRANSACTIONS: &[Field] = &[I32, I16, Each(&Text), List(&[Text, I64, Text])];

pub(crate) const DESCRIBE_TRANSACTIONS: &[Field] = &[
    I32,
    List(&[
        I16,
        Text,
        Text,
        I32,
        I64,
        I64,
        I16,
        List(&[Text, Each(&I32)]),
    ]),
];

pub(crate) const SHARE_GROUP_DESCRIBE: &[Field] = &[
    I32,
    List(&[
        I16,
        Text,
        Text,
        Text,
        I32,
        I32,
        Text,
        List(&[Text, Text, I32, Text, Text, Each(&Text), ASSIGNMENT]),
        I32,
    ]),
];

pub(crate) const DESCRIBE_SHARE_GROUP_OFFSETS: &[Field] = &[
    I32,
    List(&[
        Text,
        List(&[Text, UUID, List(&[I32, I64, I32, I16, Text])]),
        I16,
        Text,
    ]),
];

pub(crate) const ALTER_SHARE_GROUP_OFFSETS: &[Field] =
    &[I32, I16, Text, List(&[Text, UUID, List(&[I32, I16, Text])])];

/// What the leader of a classic group of consumers assigned to a member. It lies in [`DESCRIBE_GROUPS`], opaque to the
/// broker, behind a version of its own.
pub(crate) const CONSUMER_ASSIGNMENT: &[Field] = &[List(&[Text, Each(&I32)]), Data];

pub(crate) const DESCRIBE_USER_SCRAM_CREDENTIALS: &[Field] =
    &[I32, I16, Text, List(&[Text, I16, Text, List(&[I8, I32])])];

pub(crate) const ALTER_USER_SCRAM_CREDENTIALS: &[Field] = &[I32, List(&[Text, I16, Text])];

const REPLICAS: Field = List(&[I32, Since(2, &UUID), I64, Since(1, &I64), Since(1, &I64)]);

pub(crate) const DESCRIBE_QUORUM: &[Field] = &[
    I16,
    Since(2, &Text),
    List(&[
        Text,
        List(&[I32, I16, Since(2, &Text), I32, I32, I64, REPLICAS, REPLICAS]),
    ]),
    Since(2, &List(&[I32, List(&[Text, Text, I16])])),
];

pub(crate) const FETCH_SNAPSHOT: &[Field] = &[
    I32,
    I16,
    List(&[
        Text,
        List(&[
            I32,
            I16,
            Struct(&[I64, I32]),
            Tagged(0, &Struct(&[I32, I32])),
            I64,
            I64,
            Data,
        ]),
    ]),
    Since(1, &Tagged(0, &List(&[I32, Text, I16]))),
];

pub(crate) const SASL_HANDSHAKE: &[Field] = &[I16, Each(&Text)];

pub(crate) const SASL_AUTHENTICATE: &[Field] = &[I16, Text, Data, Since(1, &I64)];

pub(crate) const PRODUCE: &[Field] = &[
    List(&[
        Until(12, &Text),
        Since(13, &UUID),
        List(&[
            I32,
            I16,
            I64,
            I64,
            I64,
            List(&[I32, Text]),
            Text,
            Since(10, &Tagged(0, &Struct(&[I32, I32]))),
        ]),
    ]),
    I32,
    Since(10, &Tagged(0, &List(&[I32, Text, I32, Text]))),
];
