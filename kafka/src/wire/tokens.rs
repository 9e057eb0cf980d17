//! Delegation tokens, without what proves them.

use kafka_protocol::messages::{
    DescribeDelegationTokenRequest, describe_delegation_token_response::DescribedDelegationToken,
};
use lifeboat_archive::documents::DelegationToken;

use super::Cluster;
use crate::error::{ErrorCode, KafkaError};

/// What the brokers tell about delegation tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Those that the principal may see, by id: its own, and others with Describe on them.
    Told(Vec<DelegationToken>),
    /// The brokers have no secret for tokens: there are none.
    Disabled,
    /// They are not spoken of on this listener: it proves nobody's identity, or a token proved ours.
    NotHere,
}

impl Cluster {
    /// The delegation tokens.
    pub async fn delegation_tokens(&self) -> Result<Tokens, KafkaError> {
        let request = DescribeDelegationTokenRequest::default().with_owners(None);
        let answer = self
            .ask_any(&request, |answer| {
                match ErrorCode::from_wire(answer.error_code) {
                    None => Ok(()),
                    Some(code) => Err(KafkaError::broker(
                        "DescribeDelegationToken",
                        "all tokens",
                        code,
                    )),
                }
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                return match error.code() {
                    Some(ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED) => Ok(Tokens::Disabled),
                    Some(ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED) => Ok(Tokens::NotHere),
                    _ => Err(error),
                };
            }
        };
        let mut tokens: Vec<_> = answer.tokens.iter().map(read_token).collect();
        tokens.sort_unstable_by(|one, other| one.token_id.cmp(&other.token_id));
        Ok(Tokens::Told(tokens))
    }
}

/// The HMAC, which proves it, is not read.
fn read_token(token: &DescribedDelegationToken) -> DelegationToken {
    let principal = |kind: &str, name: &str| format!("{kind}:{name}");
    let requester = principal(
        &token.token_requester_principal_type,
        &token.token_requester_principal_name,
    );
    let renewers = token.renewers.iter();
    DelegationToken {
        token_id: token.token_id.to_string(),
        owner: principal(&token.principal_type, &token.principal_name),
        requester: Some(requester).filter(|requester| requester != ":"),
        renewers: renewers
            .map(|renewer| principal(&renewer.principal_type, &renewer.principal_name))
            .collect(),
        issue_timestamp_ms: token.issue_timestamp,
        expiry_timestamp_ms: token.expiry_timestamp,
        max_timestamp_ms: token.max_timestamp,
    }
}
