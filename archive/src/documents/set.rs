//! All documents of one cluster at one time.

use std::collections::BTreeMap;

use super::{
    AclsDocument, ClusterDocument, ConfigsDocument, FeaturesDocument, GroupsDocument,
    QuotasDocument, TokensDocument, TopicsDocument, UsersDocument,
};
use crate::json::{self, Document, JsonError};

/// What is known of a cluster besides its records.
///
/// A document that is not there is *not known* (an older snapshot, a broker without that API, a right that was
/// missing), which is something else than an empty one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// `cluster.json`
    pub cluster: Option<ClusterDocument>,
    /// `topics.json`
    pub topics: Option<TopicsDocument>,
    /// `configs.json`
    pub configs: Option<ConfigsDocument>,
    /// `acls.json`
    pub acls: Option<AclsDocument>,
    /// `quotas.json`
    pub quotas: Option<QuotasDocument>,
    /// `scram.json`
    pub users: Option<UsersDocument>,
    /// `groups.json`
    pub groups: Option<GroupsDocument>,
    /// `features.json`
    pub features: Option<FeaturesDocument>,
    /// `tokens.json`
    pub tokens: Option<TokensDocument>,
}

/// A member that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{member}: {source}")]
pub struct DocumentError {
    /// Its name.
    pub member: &'static str,
    /// Why.
    pub source: JsonError,
}

impl Documents {
    /// Reads the members of `metadata.tar.zst`, by name; those that this program does not know are passed over.
    pub fn read(members: &BTreeMap<String, Vec<u8>>) -> Result<Self, DocumentError> {
        Ok(Self {
            cluster: member(members, "cluster.json")?,
            topics: member(members, "topics.json")?,
            configs: member(members, "configs.json")?,
            acls: member(members, "acls.json")?,
            quotas: member(members, "quotas.json")?,
            users: member(members, "scram.json")?,
            groups: member(members, "groups.json")?,
            features: member(members, "features.json")?,
            tokens: member(members, "tokens.json")?,
        })
    }
}

fn member<T: Document>(
    members: &BTreeMap<String, Vec<u8>>,
    name: &'static str,
) -> Result<Option<T>, DocumentError> {
    let Some(bytes) = members.get(name) else {
        return Ok(None);
    };
    let document = json::from_slice(bytes).map_err(|source| DocumentError {
        member: name,
        source,
    })?;
    Ok(Some(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_snapshot_does_not_hold_is_not_known_and_what_is_damaged_is_named() {
        let quotas = json::to_vec_pretty(&QuotasDocument::default());
        let mut members = BTreeMap::from([
            ("quotas.json".to_owned(), quotas),
            ("of-the-future.json".to_owned(), b"?".to_vec()),
        ]);
        let documents = Documents::read(&members).unwrap();
        assert_eq!(documents.quotas, Some(QuotasDocument::default()));
        assert_eq!(documents.acls, None);
        members.insert("acls.json".to_owned(), b"{".to_vec());
        let error = Documents::read(&members).unwrap_err();
        assert!(error.to_string().starts_with("acls.json: "), "{error}");
    }
}
