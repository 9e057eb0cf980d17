//! SCRAM users.

use lifeboat_archive::documents::{ScramCredential, ScramUser, UsersDocument};

use crate::{
    error::KafkaError,
    wire::{Cluster, ScramMechanism},
};

/// Every SCRAM user, as the API lists them: without what proves who they are.
pub async fn users(cluster: &Cluster) -> Result<UsersDocument, KafkaError> {
    let mut document = UsersDocument::default();
    for listed in cluster.scram_users().await? {
        let known = ScramMechanism::from_number(listed.mechanism);
        let credential = ScramCredential {
            // one that a newer Kafka adds
            mechanism: known.map_or_else(|| listed.mechanism.to_string(), |name| name.to_string()),
            iterations: listed.iterations,
        };
        // they come by user
        match document.users.last_mut() {
            Some(user) if user.user == listed.user => user.credentials.push(credential),
            _ => document.users.push(ScramUser {
                user: listed.user,
                credentials: vec![credential],
            }),
        }
    }
    Ok(document)
}
