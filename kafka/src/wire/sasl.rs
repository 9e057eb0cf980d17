//! Saying who we are: SASL over Kafka's SaslHandshake and SaslAuthenticate.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kafka_protocol::{
    messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest},
    protocol::StrBytes,
};
use lifeboat_archive::words::Clock;
use lifeboat_config as config;
use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    config::SASLConfig,
    mechname::Mechname,
    prelude::{MessageSent, SASLClient, Session, SessionError, State},
    property::{AuthId, OAuthBearerKV, OAuthBearerToken, Password},
};

use super::connection::Connection;
use crate::error::{AuthenticationProblem, ErrorCode, KafkaError};

mod token;

pub(crate) use token::{Token, TokenSource};

/// RFC 7628: what a client says to a refusal, before the refusal is final.
const UNDERSTOOD: &[u8] = b"\x01";

/// Who we are, and how we prove it.
#[derive(Debug)]
pub(crate) struct Sasl {
    settings: config::Sasl,
    tokens: Option<TokenSource>,
}

/// Everything that a proof needs, got before a connection is held up for it.
pub(crate) struct Proof<'s> {
    sasl: &'s Sasl,
    token: Option<Arc<Token>>,
}

impl Sasl {
    pub(crate) fn new(settings: config::Sasl) -> Result<Self, KafkaError> {
        let tokens = match &settings {
            config::Sasl::OAuthBearer(oauth) => {
                Some(TokenSource::new(oauth.as_ref().clone(), Clock::system())?)
            }
            config::Sasl::Plain(_) | config::Sasl::Scram(..) => None,
        };
        Ok(Self { settings, tokens })
    }

    /// Gets a token, where one is needed.
    pub(crate) async fn prepare(&self) -> Result<Proof<'_>, KafkaError> {
        let token = match &self.tokens {
            Some(tokens) => Some(tokens.token().await?),
            None => None,
        };
        Ok(Proof { sasl: self, token })
    }

    fn mechanism(&self) -> &'static str {
        self.settings.mechanism()
    }

    /// Who we say we are.
    pub(crate) fn user(&self) -> &str {
        self.settings.user()
    }
}

impl Proof<'_> {
    /// Proves to the broker who we are; gives how long it believes that, where it says.
    pub(crate) async fn show(
        &self,
        connection: &Connection,
    ) -> Result<Option<Duration>, KafkaError> {
        self.agree(connection).await?;
        let mut session = self.begin(connection)?;
        let mut challenge: Option<Bytes> = None;
        let mut lifetime = 0;
        let mut understood = false;
        loop {
            let mut message = Vec::new();
            let state = match &challenge {
                // what rsasl answers to this is empty, and Kafka does not take that
                Some(refusal) if self.token.is_some() && !refusal.is_empty() => {
                    if std::mem::replace(&mut understood, true) {
                        return Err(self.malformed(connection, "they refuse the token without end"));
                    }
                    message.extend_from_slice(UNDERSTOOD);
                    State::Running
                }
                _ => self.step(connection, &mut session, challenge.as_deref(), &mut message)?,
            };
            if matches!(state, State::Finished(MessageSent::No)) {
                break;
            }
            let answer = self.exchange(connection, message).await?;
            lifetime = answer.session_lifetime_ms;
            if state.is_finished() {
                break;
            }
            challenge = Some(answer.auth_bytes);
        }
        tracing::debug!(
            broker = connection.address(),
            mechanism = self.sasl.mechanism(),
            lifetime,
            "authenticated"
        );
        let lifetime = u64::try_from(lifetime).unwrap_or(0);
        Ok((lifetime > 0).then(|| Duration::from_millis(lifetime)))
    }

    /// Agrees on the mechanism.
    async fn agree(&self, connection: &Connection) -> Result<(), KafkaError> {
        let mechanism = self.sasl.mechanism();
        let request =
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let answer = connection.call_inside(&request).await?;
        let problem = match ErrorCode::from_wire(answer.error_code) {
            None => return Ok(()),
            Some(ErrorCode::UNSUPPORTED_SASL_MECHANISM) => {
                AuthenticationProblem::UnknownMechanism {
                    mechanism,
                    offered: answer.mechanisms.iter().map(ToString::to_string).collect(),
                }
            }
            Some(ErrorCode::ILLEGAL_SASL_STATE) => AuthenticationProblem::NotWanted,
            Some(code) => {
                return Err(KafkaError::broker(
                    "SaslHandshake",
                    connection.address(),
                    code,
                ));
            }
        };
        Err(refused(connection, problem))
    }

    fn begin(&self, connection: &Connection) -> Result<Session, KafkaError> {
        let name = Mechname::parse(self.sasl.mechanism().as_bytes())
            .map_err(|error| self.malformed(connection, &error.to_string()))?;
        SASLConfig::builder()
            .with_default_mechanisms()
            .with_callback(self.answers())
            .and_then(|config| SASLClient::new(config).start_suggested(&[name]))
            .map_err(|error| self.malformed(connection, &error.to_string()))
    }

    fn answers(&self) -> Answers {
        match (&self.sasl.settings, &self.token) {
            (config::Sasl::OAuthBearer(oauth), Some(token)) => Answers::Token {
                token: Arc::clone(token),
                extensions: oauth.extensions.clone(),
            },
            (config::Sasl::Plain(credentials) | config::Sasl::Scram(_, credentials), _) => {
                Answers::Password(credentials.clone())
            }
            (config::Sasl::OAuthBearer(_), None) => Answers::Nothing,
        }
    }

    fn step(
        &self,
        connection: &Connection,
        session: &mut Session,
        challenge: Option<&[u8]>,
        message: &mut Vec<u8>,
    ) -> Result<State, KafkaError> {
        if let (config::Sasl::Scram(..), Some(challenge)) = (&self.sasl.settings, challenge) {
            check_scram(challenge).map_err(|detail| self.malformed(connection, &detail))?;
        }
        session
            .step(challenge, message)
            .map_err(|error| match error {
                SessionError::MutualAuthenticationFailed => refused(
                    connection,
                    AuthenticationProblem::Unproven { user: self.user() },
                ),
                other => self.malformed(connection, &other.to_string()),
            })
    }

    async fn exchange(
        &self,
        connection: &Connection,
        message: Vec<u8>,
    ) -> Result<SaslAuthenticateResponse, KafkaError> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
        let answer = connection.call_inside(&request).await?;
        match ErrorCode::from_wire(answer.error_code) {
            None => Ok(answer),
            Some(ErrorCode::SASL_AUTHENTICATION_FAILED) => {
                let words = answer.error_message.as_ref().map(ToString::to_string);
                Err(refused(
                    connection,
                    AuthenticationProblem::Refused {
                        mechanism: self.sasl.mechanism(),
                        user: self.user(),
                        message: words
                            .filter(|words| !words.is_empty())
                            .unwrap_or_else(|| "it gives no reason".to_owned()),
                    },
                ))
            }
            Some(code) => Err(KafkaError::broker_says(
                "SaslAuthenticate",
                connection.address(),
                code,
                answer.error_message.as_ref(),
            )),
        }
    }

    fn user(&self) -> String {
        self.sasl.user().to_owned()
    }

    fn malformed(&self, connection: &Connection, detail: &str) -> KafkaError {
        refused(
            connection,
            AuthenticationProblem::Malformed {
                mechanism: self.sasl.mechanism(),
                detail: detail.to_owned(),
            },
        )
    }
}

fn refused(connection: &Connection, problem: AuthenticationProblem) -> KafkaError {
    KafkaError::Authentication {
        address: connection.address().to_owned(),
        problem,
    }
}

/// Checks what rsasl does not. It cuts two bytes off each part without looking how many there are; and it does as much
/// work as the server says: too little makes passwords easy to guess from what was overheard, and too much would keep us
/// busy for hours.
fn check_scram(challenge: &[u8]) -> Result<(), String> {
    let mut parts = challenge.split(|&byte| byte == b',');
    if parts.any(|part| part.len() < 2) {
        return Err("a part of it is too short".to_owned());
    }
    let text = String::from_utf8_lossy(challenge);
    let given = text.split(',').find_map(|part| part.strip_prefix("i="));
    match given.map(str::parse::<u32>) {
        None | Some(Ok(4096..=1_000_000)) => Ok(()),
        Some(_) => Err("it asks for a number of iterations that is not sane".to_owned()),
    }
}

/// What rsasl asks for.
enum Answers {
    Password(config::Credentials),
    Token {
        token: Arc<Token>,
        extensions: Vec<(String, String)>,
    },
    Nothing,
}

impl SessionCallback for Answers {
    fn callback(
        &self,
        _session: &SessionData,
        _context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        match self {
            Self::Password(credentials) => {
                request
                    .satisfy::<AuthId>(&credentials.username)?
                    .satisfy::<Password>(credentials.password.expose().as_bytes())?;
            }
            Self::Token { token, extensions } => {
                let pairs: Vec<_> = extensions
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                request
                    .satisfy::<OAuthBearerKV>(&pairs)?
                    .satisfy::<OAuthBearerToken>(token.text.expose())?;
            }
            Self::Nothing => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
