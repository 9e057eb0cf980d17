//! Who may do what, and how much of it.

use lifeboat_archive::documents::{AclsDocument, QuotasDocument, TokensDocument};

use crate::{
    error::KafkaError,
    wire::{Cluster, Tokens},
};

pub(super) async fn acls(cluster: &Cluster) -> Result<AclsDocument, KafkaError> {
    let acls = cluster.acls().await?;
    Ok(AclsDocument {
        authorizer: acls.is_some(),
        acls: acls.unwrap_or_default(),
    })
}

pub(super) async fn quotas(cluster: &Cluster) -> Result<QuotasDocument, KafkaError> {
    let quotas = cluster.client_quotas().await?;
    Ok(QuotasDocument { quotas })
}

/// Those that we may not see are left out by the brokers, and nothing tells that there are any.
pub(super) async fn tokens(cluster: &Cluster) -> Result<TokensDocument, KafkaError> {
    let (enabled, tokens) = match cluster.delegation_tokens().await? {
        Tokens::Told(tokens) => (Some(true), tokens),
        Tokens::Disabled => (Some(false), Vec::new()),
        Tokens::NotHere => (None, Vec::new()),
    };
    Ok(TokensDocument { enabled, tokens })
}
