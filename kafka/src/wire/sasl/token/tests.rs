use std::sync::Mutex as StdMutex;

use lifeboat_config::{KafkaProperties, Sasl};
use rustls::version::TLS13;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::wire::tls::testing::{Authority, Fault, Files, TlsServer};

/// A token endpoint that answers with what is in it, and remembers what it was asked.
struct Endpoint {
    port: u16,
    answer: Arc<StdMutex<String>>,
    asked: Arc<StdMutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

impl Endpoint {
    async fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(StdMutex::new(answer));
        let asked = Arc::new(StdMutex::new(Vec::new()));
        let task = tokio::spawn({
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut request = Vec::new();
                    // a form never ends in a line end, and the head does
                    while !complete(&request) {
                        let read = stream.read_buf(&mut request).await;
                        if !read.is_ok_and(|read| read > 0) {
                            break;
                        }
                    }
                    let text = String::from_utf8(request).unwrap();
                    asked.lock().unwrap().push(text);
                    let answer = answer.lock().unwrap().clone();
                    drop(stream.write_all(answer.as_bytes()).await);
                }
            }
        });
        Self {
            port,
            answer,
            asked,
            task,
        }
    }

    fn answers(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")
            .map(str::to_owned)
    });
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

const NOW: i64 = 1_700_000_000_000;

fn settings(url: &str, more: &str) -> OAuthBearer {
    let text = format!(
        "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url={url}\n\
         sasl.oauthbearer.client.id=me\nsasl.oauthbearer.client.secret=hunter2\n{more}"
    );
    let properties = KafkaProperties::parse_properties(&text).unwrap();
    match properties.security().unwrap().sasl.unwrap() {
        Sasl::OAuthBearer(oauth) => *oauth,
        other => panic!("{other:?}"),
    }
}

fn source(endpoint: &Endpoint, more: &str) -> TokenSource {
    let url = format!("http://127.0.0.1:{}/token", endpoint.port);
    let clock = Clock::fixed(Timestamp::from_millis(NOW));
    TokenSource::new(settings(&url, more), clock).unwrap()
}

fn jwt(claims: &str) -> String {
    format!("head.{}.tail", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

fn granted(token: &str, more: &str) -> String {
    http(
        "200 OK",
        &format!("{{\"access_token\": \"{token}\"{more}}}"),
    )
}

async fn refused(source: &TokenSource) -> (TokenProblem, String) {
    let error = source.token().await.unwrap_err();
    let text = format!("{error} {error:?} {source:?}");
    assert!(!text.contains("hunter2"), "{text}");
    match &error {
        KafkaError::Token { problem, .. } => (problem.clone(), error.to_string()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_token_is_asked_for_with_client_credentials_and_kept() {
    let endpoint = Endpoint::start(granted("opaque", ", \"expires_in\": 3600")).await;
    let source = source(&endpoint, "sasl.oauthbearer.scope=kafka read");
    let token = source.token().await.unwrap();
    assert_eq!(token.text.expose(), "opaque");
    assert_eq!(token.principal, "me");
    assert_eq!(token.ends.as_millis(), NOW + 3_600_000);
    assert!(Arc::ptr_eq(&token, &source.token().await.unwrap()));
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].starts_with("POST /token HTTP/1.1\r\n"),
        "{}",
        asked[0]
    );
    // me:hunter2
    assert!(
        asked[0]
            .to_ascii_lowercase()
            .contains("authorization: basic bwu6ahvudgvymg==")
    );
    assert!(asked[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=kafka+read"));
    assert!(!format!("{token:?}").contains("opaque"));
}

#[tokio::test]
async fn what_a_token_says_of_itself_counts() {
    let sooner = jwt("{\"exp\": 1700000060, \"sub\": \"service\"}");
    let endpoint = Endpoint::start(granted(&sooner, ", \"expires_in\": 3600")).await;
    let token = source(&endpoint, "").token().await.unwrap();
    assert_eq!(token.principal, "service");
    assert_eq!(token.ends.as_millis(), NOW + 60_000);
    // some write the number as text
    endpoint.answers(granted("opaque", ", \"expires_in\": \"3599\""));
    let token = source(&endpoint, "").token().await.unwrap();
    assert_eq!(token.ends.as_millis(), NOW + 3_599_000);
    let old = jwt("{\"exp\": 1699999999}");
    endpoint.answers(granted(&old, ""));
    let (problem, text) = refused(&source(&endpoint, "")).await;
    assert!(text.contains("do the clocks differ?"), "{text}");
    assert!(!problem.is_retriable());
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_the_old_one_does_while_that_fails() {
    let endpoint = Endpoint::start(granted("first", ", \"expires_in\": 1000")).await;
    let mut source = source(&endpoint, "sasl.login.refresh.window.jitter=0");
    let at = |source: &mut TokenSource, seconds: i64| {
        source.clock = Clock::fixed(Timestamp::from_millis(NOW + seconds * 1000));
    };
    assert_eq!(source.token().await.unwrap().text.expose(), "first");
    endpoint.answers(granted("second", ", \"expires_in\": 1000"));
    at(&mut source, 699);
    assert_eq!(source.token().await.unwrap().text.expose(), "first");
    // 1000 s less the buffer of 300
    at(&mut source, 701);
    assert_eq!(source.token().await.unwrap().text.expose(), "second");
    endpoint.answers(http("503 Service Unavailable", ""));
    at(&mut source, 1600);
    assert_eq!(source.token().await.unwrap().text.expose(), "second");
    at(&mut source, 1702);
    let (problem, _) = refused(&source).await;
    assert!(problem.is_retriable());
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_while_the_old_token_is_good() {
    let endpoint = Endpoint::start(granted("first", ", \"expires_in\": 1000")).await;
    let mut source = source(&endpoint, "sasl.login.refresh.window.jitter=0");
    source.token().await.unwrap();
    endpoint.answers(http("503 Service Unavailable", ""));
    for (seconds, asked) in [(701, 2), (702, 2), (712, 3)] {
        source.clock = Clock::fixed(Timestamp::from_millis(NOW + seconds * 1000));
        assert_eq!(source.token().await.unwrap().text.expose(), "first");
        assert_eq!(endpoint.asked().len(), asked, "{seconds} s");
    }
}

/// Stands still: only lifetimes count.
fn still_clock() -> Clock {
    Clock::fixed(Timestamp::from_millis(NOW))
}

#[tokio::test]
async fn a_refusal_is_told_in_the_endpoints_words_without_the_secret() {
    let body = "{\"error\": \"invalid_client\", \"error_description\": \"hunter2 is wrong\"}";
    let endpoint = Endpoint::start(http("401 Unauthorized", body)).await;
    let source = source(&endpoint, "");
    let (_, text) = refused(&source).await;
    assert!(
        text.ends_with("/token answers 401: invalid_client (*** is wrong)"),
        "{text}"
    );
    // the secret is sent nowhere else
    let elsewhere = format!("http://127.0.0.1:{}/other", endpoint.port);
    endpoint.answers(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    let (problem, _) = refused(&source).await;
    assert!(matches!(problem, TokenProblem::Refused { status: 307, .. }));
    assert_eq!(endpoint.asked().len(), 2);
    for body in ["{}", "<html>", "{\"access_token\": \"a b\"}"] {
        endpoint.answers(http("200 OK", body));
        let (problem, _) = refused(&source).await;
        assert!(matches!(problem, TokenProblem::Malformed(_)), "{problem}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_or_not_trusted_is_told_apart() {
    let clock = || Clock::fixed(Timestamp::from_millis(NOW));
    let nobody = settings("http://127.0.0.1:1/token", "");
    let (problem, text) = refused(&TokenSource::new(nobody, clock()).unwrap()).await;
    assert!(text.contains("can't be reached: "), "{text}");
    assert!(text.to_lowercase().contains("refused"), "{text}");
    assert!(problem.is_retriable());

    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let answer: &'static str = Box::leak(granted("good", ", \"expires_in\": 60").into_boxed_str());
    let leaf = ours.leaf(Fault::None);
    let server = TlsServer::start(&leaf, None, &TLS13, answer.as_bytes()).await;
    let url = format!("https://127.0.0.1:{}/token", server.port);
    let files = Files::new();
    let source = |authority: &Authority| {
        let ca = files.write("ca.pem", authority.pem());
        let more = format!("https.ca.location={}", ca.display());
        TokenSource::new(settings(&url, &more), clock()).unwrap()
    };
    let (problem, _) = refused(&source(&other)).await;
    assert_eq!(
        problem,
        TokenProblem::Tls(crate::error::TlsProblem::Untrusted)
    );
    let token = source(&ours).token().await.unwrap();
    assert_eq!(token.text.expose(), "good");
}

#[test]
fn credentials_are_encoded_only_where_that_is_asked_for() {
    let plain = settings("https://sso/token", "");
    let mut encoded = plain.clone();
    encoded.encode_credentials = true;
    for (mut settings, sent) in [(plain, "a b:c%d"), (encoded, "a+b:c%25d")] {
        settings.client_id = "a b".to_owned();
        settings.client_secret = Secret::new("c%d");
        settings.trust = Authority::new("ours").trust();
        let source = TokenSource::new(settings, still_clock()).unwrap();
        let value = source.authorization().unwrap();
        assert!(value.is_sensitive());
        let basic = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(BASE64_STANDARD.decode(basic).unwrap(), sent.as_bytes());
    }
}
