//! All documents of one cluster at one time.

use std::collections::BTreeMap;

use super::{
    AclsDocument, ClusterDocument, ConfigsDocument, FeaturesDocument, GroupsDocument,
    QuotasDocument, SEALED_CREDENTIALS, TokensDocument, TopicsDocument, UsersDocument,
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
    /// `credentials.json.age`, sealed as it is stored.
    pub sealed: Option<Vec<u8>>,
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
        let (documents, problems) = Self::read_all(members);
        match problems.into_iter().next() {
            None => Ok(documents),
            Some(first) => Err(first),
        }
    }

    /// Reads those that can be read, and tells each that can't.
    pub fn read_all(members: &BTreeMap<String, Vec<u8>>) -> (Self, Vec<DocumentError>) {
        let mut problems = Vec::new();
        let documents = Self {
            cluster: member(members, "cluster.json", &mut problems),
            topics: member(members, "topics.json", &mut problems),
            configs: member(members, "configs.json", &mut problems),
            acls: member(members, "acls.json", &mut problems),
            quotas: member(members, "quotas.json", &mut problems),
            users: member(members, "scram.json", &mut problems),
            groups: member(members, "groups.json", &mut problems),
            features: member(members, "features.json", &mut problems),
            tokens: member(members, "tokens.json", &mut problems),
            sealed: members.get(SEALED_CREDENTIALS).cloned(),
        };
        (documents, problems)
    }
}

fn member<T: Document>(
    members: &BTreeMap<String, Vec<u8>>,
    name: &'static str,
    problems: &mut Vec<DocumentError>,
) -> Option<T> {
    let read = json::from_slice(members.get(name)?);
    let error = |source| DocumentError {
        member: name,
        source,
    };
    read.map_err(|source| problems.push(error(source))).ok()
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
        // one that is damaged hides no other
        members.insert("scram.json".to_owned(), b"[]".to_vec());
        let (documents, problems) = Documents::read_all(&members);
        assert_eq!(documents.quotas, Some(QuotasDocument::default()));
        let names: Vec<_> = problems.iter().map(|problem| problem.member).collect();
        assert_eq!(names, ["acls.json", "scram.json"]);
    }
}
