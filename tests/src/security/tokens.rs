//! An OAuth 2 issuer: a token endpoint for client credentials, and the file of its public key, which brokers read.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, ensure};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

/// Who issues the tokens, and whom they are for.
pub(super) const ISSUER: &str = "lifeboat-testkit";
pub(super) const AUDIENCE: &str = "kafka";
const KEY_ID: &str = "testkit";
/// More than any request for a token has.
const LONGEST_BODY: usize = 65_536;

/// It answers until it is dropped.
#[derive(Debug)]
pub(super) struct TokenIssuer {
    endpoint: String,
    keys_url: String,
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Issuer {
    key: EcdsaKeyPair,
    /// Client ids and their secrets.
    clients: BTreeMap<String, String>,
    lifetime: Duration,
}

impl TokenIssuer {
    /// Gives a token to every user that asks for one with name and password; the public key goes to a file in `folder`.
    pub(super) fn start(
        folder: &Path,
        users: &[(String, String)],
        lifetime: Duration,
    ) -> Result<Self> {
        let random = SystemRandom::new();
        let unusable = |error| anyhow!("can't make a key to sign tokens with: {error}");
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|error| unusable(error.to_string()))?;
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random)
                .map_err(|error| unusable(error.to_string()))?;
        let file = folder.join("token-keys.json");
        fs::write(&file, public_keys(&key)?.to_string())?;

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let issuer = Issuer {
            key,
            clients: users.iter().cloned().collect(),
            lifetime,
        };
        let thread = thread::spawn({
            let ended = Arc::clone(&ended);
            move || issuer.serve(&listener, &ended)
        });
        Ok(Self {
            endpoint: format!("http://{address}/token"),
            keys_url: format!("file://{}", file.display()),
            address,
            ended,
            thread: Some(thread),
        })
    }

    /// Where tokens are given.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where brokers find the key.
    pub(super) fn keys_url(&self) -> &str {
        &self.keys_url
    }
}

impl Drop for TokenIssuer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // it waits for the next one that asks
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Issuer {
    fn serve(&self, listener: &TcpListener, ended: &AtomicBool) {
        while let Ok((stream, _)) = listener.accept() {
            if ended.load(Ordering::Acquire) {
                return;
            }
            // whoever asks wrongly sees the connection end
            drop(self.answer(stream));
        }
    }

    fn answer(&self, stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut reader = BufReader::new(stream);
        let (credentials, body) = read_request(&mut reader)?;
        let client = credentials
            .or_else(|| form_credentials(&body))
            .filter(|(id, secret)| self.clients.get(id) == Some(secret));
        let (status, answer) = match client {
            Some((id, _)) => (
                "200 OK",
                json!({
                    "access_token": self.token(&id)?,
                    "token_type": "Bearer",
                    "expires_in": self.lifetime.as_secs(),
                }),
            ),
            None => ("401 Unauthorized", json!({ "error": "invalid_client" })),
        };
        let answer = answer.to_string();
        write!(
            reader.into_inner(),
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{answer}",
            answer.len()
        )?;
        Ok(())
    }

    fn token(&self, client: &str) -> Result<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "brokers compare it with their own clock"
        )]
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID });
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": client,
            "scope": "kafka",
            "iat": now,
            "exp": now + self.lifetime.as_secs(),
        });
        let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|error| anyhow!("can't sign a token: {error}"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The key set that brokers check tokens with (RFC 7517).
fn public_keys(key: &EcdsaKeyPair) -> Result<Value> {
    // an uncompressed point: 4, x, y
    let (tag, point) = key
        .public_key()
        .as_ref()
        .split_first()
        .context("no public key")?;
    ensure!(*tag == 4 && point.len() == 64, "not a point of P-256");
    let part = |bytes| URL_SAFE_NO_PAD.encode(bytes);
    Ok(json!({ "keys": [{
        "kty": "EC",
        "crv": "P-256",
        "use": "sig",
        "alg": "ES256",
        "kid": KEY_ID,
        "x": part(&point[..32]),
        "y": part(&point[32..]),
    }] }))
}

type Credentials = (String, String);

/// What its `Authorization` says, and its body.
fn read_request(reader: &mut impl BufRead) -> Result<(Option<Credentials>, String)> {
    let (mut credentials, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "it ended");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => credentials = basic_credentials(value),
            "content-length" => length = value.parse()?,
            _ => {}
        }
    }
    ensure!(length <= LONGEST_BODY, "too long");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((credentials, String::from_utf8(body)?))
}

fn basic_credentials(value: &str) -> Option<Credentials> {
    let text = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// `client_id=…&client_secret=…`, as some clients send them; names and secrets of tests need no escapes.
fn form_credentials(body: &str) -> Option<Credentials> {
    let field = |wanted: &str| {
        body.split('&')
            .filter_map(|field| field.split_once('='))
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.to_owned())
    };
    Some((field("client_id")?, field("client_secret")?))
}
