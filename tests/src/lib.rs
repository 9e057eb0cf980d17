//! The testkit: real Kafka clusters, Kafka's own Java clients as independent producer and oracle, and the built program.
//!
//! Everything that it starts ends with the process that started it, even where that process is killed; everything that
//! it fetches or compiles lies in a cache outside `target` and is made once.

mod age;
mod client;
mod cluster;
mod context;
mod home;
mod install;
mod java;
mod oracle;
mod program;
mod random;
mod rounds;
mod scratch;
mod security;
mod segments;
mod stores;
mod turns;
mod workload;

pub use age::AgeKey;
pub use cluster::{ClusterBuilder, KafkaCluster, acls::Acl};
pub use context::{TestContext, fidelity_cluster};
pub use home::KafkaHome;
pub use java::Jvm;
pub use oracle::{
    CommittedOffset, Contents, Isolation, Leadership, Oracle, PartitionContents, ReadOptions,
    ShownRecord, TopicDescription, compare,
};
pub use program::{Program, Run, Running, Signal, Terminal};
pub use random::Random;
pub use rounds::rounds;
pub use scratch::{Scratch, files_below, folder_size};
pub use security::{Certificate, Security};
pub use segments::{DumpedFile, DumpedSegments, dump_segments, segment_bytes, segment_files};
pub use stores::{
    Azurite, FaultProxy, GoogleXml, Keys, Loss, MinIo, ObjectProperties, Storm, Weather,
};
pub use workload::{Bulk, BulkReport, Fidelity, FidelityReport, Message, Workload};
