//! Tokens for OAUTHBEARER, got with client credentials (OIDC).

use std::{fmt, sync::Arc, time::Duration};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use lifeboat_archive::words::{Clock, Timestamp};
use lifeboat_config::{OAuthBearer, Secret};
use reqwest::{
    Client, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect,
};
use rustls::RootCertStore;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded;

use crate::{
    error::{KafkaError, TokenProblem},
    wire::tls,
};

/// No token is longer.
const ANSWER_LIMIT: usize = 1 << 20;
/// After a failure the endpoint is left alone for so long, while the old token is good.
const NEXT_TRY_MS: i64 = 10_000;
/// With less of its life left a token is hardly worth showing: brokers end the session with it.
const LEAST_LEFT: Duration = Duration::from_secs(3);
/// Of a token that does not say when it ends.
const UNTOLD_LIFE: Duration = Duration::from_secs(300);

/// A token, and until when it is good.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: Secret,
    /// Whom it is for.
    pub(crate) principal: String,
    pub(crate) ends: Timestamp,
}

/// Where tokens come from; one is kept until it is to be renewed.
pub(crate) struct TokenSource {
    settings: OAuthBearer,
    tls: rustls::ClientConfig,
    clock: Clock,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Arc<Token>,
    renew: Timestamp,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl TokenSource {
    pub(crate) fn new(settings: OAuthBearer, clock: Clock) -> Result<Self, KafkaError> {
        let plain = settings.token_endpoint.scheme() == "http";
        let roots = if plain {
            RootCertStore::empty()
        } else {
            tls::roots(&settings.trust, "https.ca.location")?
        };
        let tls = tls::client_config(roots, None, true)?;
        if plain {
            tracing::warn!(
                token_endpoint = %settings.token_endpoint,
                "the client's secret goes over the network unencrypted"
            );
        }
        Ok(Self {
            settings,
            tls,
            clock,
            held: Mutex::default(),
        })
    }

    /// The token that is good now; gets a new one where it is time for that.
    pub(crate) async fn token(&self) -> Result<Arc<Token>, KafkaError> {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        if let Some(held) = held.as_ref().filter(|held| now < held.renew) {
            return Ok(Arc::clone(&held.token));
        }
        match self.get().await {
            Ok(token) => {
                let token = Arc::new(token);
                let life = token.ends.as_millis() - now.as_millis();
                let life = Duration::from_millis(u64::try_from(life).unwrap_or(0));
                let window = self.settings.refresh;
                let mut after = window.refresh_after(life, rand::random());
                if let Some(latest) = life.checked_sub(LEAST_LEFT) {
                    after = after.min(latest.max(life / 2));
                }
                let after = millis(after.as_secs_f64());
                *held = Some(Held {
                    token: Arc::clone(&token),
                    renew: Timestamp::from_millis(now.as_millis() + after),
                });
                tracing::debug!(principal = token.principal, ?life, "got a token");
                Ok(token)
            }
            // the old one does for the time being
            Err(problem) => match held
                .as_mut()
                .filter(|held| self.clock.now() < held.token.ends)
            {
                Some(held) => {
                    // whoever waits behind us would wait for as long
                    let again = self.clock.now().as_millis() + NEXT_TRY_MS;
                    held.renew = Timestamp::from_millis(again);
                    tracing::warn!(%problem, "no new token yet");
                    Ok(Arc::clone(&held.token))
                }
                None => Err(KafkaError::Token {
                    url: self.settings.token_endpoint.to_string(),
                    problem,
                }),
            },
        }
    }

    async fn get(&self) -> Result<Token, TokenProblem> {
        let settings = &self.settings;
        // one request in many minutes: no connection is kept, and none is bound to a runtime
        let client = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.connect_timeout + settings.read_timeout)
            // the secret is for nobody else
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| unreachable_by(&error))?;
        let response = client
            .post(settings.token_endpoint.clone())
            .header(AUTHORIZATION, self.authorization()?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form())
            .send()
            .await
            .map_err(|error| unreachable_by(&error))?;
        let status = response.status();
        let body = read(response).await?;
        if !status.is_success() {
            return Err(TokenProblem::Refused {
                status: status.as_u16(),
                message: self.words(&body),
            });
        }
        self.read_token(&body)
    }

    fn form(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.settings.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }

    /// RFC 6749, 2.3.1: the client's id and secret as a user and its password.
    fn authorization(&self) -> Result<HeaderValue, TokenProblem> {
        let encode = |text: &str| -> String {
            if self.settings.encode_credentials {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            } else {
                text.to_owned()
            }
        };
        let pair = format!(
            "{}:{}",
            encode(&self.settings.client_id),
            encode(self.settings.client_secret.expose())
        );
        let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(basic)
            .map_err(|_| TokenProblem::Malformed("the credentials can't be sent".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What an error answer says, without anything that we must not repeat.
    fn words(&self, body: &[u8]) -> Option<String> {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
            error_description: Option<String>,
        }
        let refusal: Refusal = serde_json::from_slice(body).ok()?;
        let text = match refusal.error_description {
            Some(description) => format!("{} ({description})", refusal.error),
            None => refusal.error,
        };
        let text = text.replace(self.settings.client_secret.expose(), "***");
        Some(text.chars().take(300).collect())
    }

    fn read_token(&self, body: &[u8]) -> Result<Token, TokenProblem> {
        #[derive(Deserialize)]
        struct Grant {
            access_token: String,
            /// Some write the number as text.
            expires_in: Option<serde_json::Value>,
        }
        // what is wrong is said without what is there: it is a token
        let malformed = |detail: &str| TokenProblem::Malformed(detail.to_owned());
        let grant: Grant = serde_json::from_slice(body)
            .map_err(|_| malformed("the answer is not JSON with an access_token"))?;
        let sane = !grant.access_token.is_empty()
            && grant
                .access_token
                .bytes()
                .all(|byte| byte.is_ascii_graphic());
        if !sane {
            return Err(malformed("the access_token holds what a token can't"));
        }
        let claims = Claims::of(&grant.access_token).unwrap_or_default();
        let now = self.clock.now().as_millis();
        let seconds = grant
            .expires_in
            .as_ref()
            .and_then(|given| given.as_f64().or_else(|| given.as_str()?.parse().ok()));
        let told = seconds.map(|seconds| now + millis(seconds));
        let claimed = claims.exp.map(millis);
        let ends = match (told, claimed) {
            (Some(told), Some(claimed)) => told.min(claimed),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => now + millis(UNTOLD_LIFE.as_secs_f64()),
        };
        if ends <= now {
            return Err(malformed("it ended already: do the clocks differ?"));
        }
        Ok(Token {
            text: Secret::new(grant.access_token),
            principal: claims
                .sub
                .unwrap_or_else(|| self.settings.client_id.clone()),
            ends: Timestamp::from_millis(ends),
        })
    }
}

/// What a token says of itself, if it is a JWT.
#[derive(Default, Deserialize)]
struct Claims {
    exp: Option<f64>,
    sub: Option<String>,
}

impl Claims {
    fn of(token: &str) -> Option<Self> {
        let payload = token.split('.').nth(1)?.trim_end_matches('=');
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and no token lives that long"
)]
fn millis(seconds: f64) -> i64 {
    (seconds.clamp(0.0, 1e12) * 1000.0) as i64
}

async fn read(mut response: Response) -> Result<Vec<u8>, TokenProblem> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| unreachable_by(&error))? {
            None => return Ok(body),
            Some(chunk) if body.len() + chunk.len() > ANSWER_LIMIT => {
                return Err(TokenProblem::Malformed("a huge answer".to_owned()));
            }
            Some(chunk) => body.extend_from_slice(&chunk),
        }
    }
}

/// The innermost cause says what is wrong; those around it, that something is.
fn unreachable_by(error: &reqwest::Error) -> TokenProblem {
    if let Some(problem) = tls::find_problem(error, false) {
        return TokenProblem::Tls(problem);
    }
    if error.is_timeout() {
        return TokenProblem::Unreachable("no answer in time".to_owned());
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    TokenProblem::Unreachable(innermost.to_string())
}

#[cfg(test)]
mod tests;
