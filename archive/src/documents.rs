//! What a cluster is besides its records, in a form that a person can read and compare.
//!
//! Each document is a JSON member of `metadata/<snapshot>.tar.zst`.

use std::collections::BTreeMap;

mod acls;
mod cluster;
mod configs;
mod credentials;
pub mod diff;
mod features;
mod groups;
mod quotas;
mod set;
mod tokens;
mod topics;
mod users;

pub use acls::{AclBinding, AclOperation, AclsDocument, PatternType, PermissionType, ResourceType};
pub use cluster::{Broker, ClusterDocument, OpenTransaction, Reassignment};
pub use configs::ConfigsDocument;
pub use credentials::{
    CredentialsDocument, SEALED_CREDENTIALS, ScramKeys, SecretBytes, SecretText,
};
pub use features::{FeatureRange, FeaturesDocument};
pub use groups::{CommittedOffset, GroupDocument, GroupMember, GroupsDocument};
pub use quotas::{Quota, QuotaEntity, QuotasDocument};
pub use set::{DocumentError, Documents};
pub use tokens::{DelegationToken, TokensDocument};
pub use topics::{TopicDocument, TopicsDocument};
pub use users::{ScramCredential, ScramUser, UsersDocument};

/// Dynamic settings by name; `None` is a sensitive value that the broker does not tell.
pub type Settings = BTreeMap<String, Option<String>>;
