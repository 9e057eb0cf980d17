//! Delegation tokens, for information.

use serde::{Deserialize, Serialize};

use crate::json::Document;

/// `tokens.json`: the delegation tokens (KIP-48) that the agent may see, without what proves them: for information.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokensDocument {
    /// Whether the brokers have a secret for tokens; without one there are none. `None` where they do not say so on the
    /// listener that was asked: one that proves nobody's identity, or that a token was proof enough for.
    pub enabled: Option<bool>,
    /// The tokens, by id.
    pub tokens: Vec<DelegationToken>,
}

impl Document for TokensDocument {
    const FORMAT: &'static str = "lifeboat.tokens";
}

/// A delegation token. Its HMAC is a secret and is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationToken {
    /// Its id.
    pub token_id: String,
    /// Whose it is, as `User:name`.
    pub owner: String,
    /// Who asked for it, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Who may renew it besides its owner.
    pub renewers: Vec<String>,
    /// When it was made.
    pub issue_timestamp_ms: i64,
    /// When it ends unless it is renewed.
    pub expiry_timestamp_ms: i64,
    /// When it ends in any case.
    pub max_timestamp_ms: i64,
}
