use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures::future::join_all;
use kafka_protocol::messages::ApiKey;

use crate::wire::{
    fake_broker::{Asked, FakeBroker, Out, Reply, metadata},
    metadata::no_topics,
};

use super::*;

const APIS: [(ApiKey, i16, i16); 3] = [
    (ApiKey::Metadata, 0, 12),
    (ApiKey::SaslHandshake, 0, 1),
    (ApiKey::SaslAuthenticate, 0, 2),
];

const PLAIN: &str = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=me\n\
                     sasl.password=hunter2";
const SCRAM: &str = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.username=me\n\
                     sasl.password=hunter2";

/// SaslHandshake 1: a code, and the mechanisms that there are.
fn handshake(code: i16, offered: &[&str]) -> Reply {
    let mut out = Out::default();
    out.i16(code).i32(i32::try_from(offered.len()).unwrap());
    for name in offered {
        out.i16(i16::try_from(name.len()).unwrap());
        out.0.extend_from_slice(name.as_bytes());
    }
    Reply::Body(out)
}

/// SaslAuthenticate 2.
fn authenticate(code: i16, message: &str, challenge: &[u8], lifetime: i64) -> Reply {
    let mut out = Out::default();
    out.i16(code)
        .text(message)
        .bytes(challenge)
        .i64(lifetime)
        .tags();
    Reply::Body(out)
}

/// What the client says in SaslAuthenticate 2.
fn said(asked: &Asked) -> &[u8] {
    let body = &asked.body[..];
    // one byte of length does for short ones, and tags end it
    let length = usize::from(body[0]) - 1;
    assert!(length < 127 && body.len() == length + 2);
    &body[1..=length]
}

fn is(asked: &Asked, api: ApiKey) -> bool {
    asked.api == api as i16
}

async fn problem(broker: &FakeBroker, properties: &str) -> AuthenticationProblem {
    let error = broker.cluster_with(properties).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2"), "{text}");
    match error {
        KafkaError::Authentication { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn plain_sends_user_and_password_and_nothing_before() {
    let broker = FakeBroker::start(&APIS, |asked| {
        if is(asked, ApiKey::SaslHandshake) {
            handshake(0, &["PLAIN"])
        } else if is(asked, ApiKey::SaslAuthenticate) {
            assert_eq!(said(asked), b"\0me\0hunter2");
            authenticate(0, "", b"", 0)
        } else {
            Reply::Body(metadata(&[(1, asked.port)], &[]))
        }
    })
    .await;
    let cluster = broker.cluster_with(PLAIN).await.unwrap();
    assert_eq!(cluster.cluster_id(), "a-cluster");
    let metadata = broker.asked(ApiKey::Metadata)[0].correlation;
    let proof = broker.asked(ApiKey::SaslAuthenticate)[0].correlation;
    assert!(proof < metadata);
}

#[tokio::test]
async fn each_refusal_is_told_apart() {
    let unknown = FakeBroker::start(&APIS, |_| handshake(33, &["GSSAPI", "SCRAM-SHA-256"])).await;
    assert_eq!(
        problem(&unknown, PLAIN).await.to_string(),
        "it does not offer PLAIN, only GSSAPI, SCRAM-SHA-256"
    );
    let unwanted = FakeBroker::start(&APIS, |_| handshake(34, &[])).await;
    assert_eq!(
        problem(&unwanted, PLAIN).await,
        AuthenticationProblem::NotWanted
    );
    let wrong = FakeBroker::start(&APIS, |asked| {
        if is(asked, ApiKey::SaslHandshake) {
            handshake(0, &["PLAIN"])
        } else {
            authenticate(58, "Invalid username or password", b"", 0)
        }
    })
    .await;
    assert_eq!(
        problem(&wrong, PLAIN).await.to_string(),
        "it refuses PLAIN for me: Invalid username or password"
    );
}

#[tokio::test]
async fn a_listener_that_wants_sasl_is_recognised_by_a_client_without() {
    let broker = FakeBroker::start(&APIS, |_| Reply::Last(Vec::new())).await;
    let error = broker.cluster().await.unwrap_err();
    assert!(
        matches!(&error, KafkaError::Authentication { problem, .. }
            if *problem == AuthenticationProblem::Wanted),
        "{error}"
    );
    assert!(error.is_retriable());
}

/// A broker that does not know the password: its last message can't be right.
fn pretender(iterations: u32) -> impl Fn(&Asked) -> Reply + Send + Sync {
    move |asked| {
        if is(asked, ApiKey::SaslHandshake) {
            return handshake(0, &["SCRAM-SHA-256"]);
        }
        let said = String::from_utf8(said_long(asked)).unwrap();
        match said.split_once(",r=") {
            Some((_, nonce)) if said.starts_with("n,,") => {
                let first = format!("r={nonce}server,s=c2FsdA==,i={iterations}");
                authenticate(0, "", first.as_bytes(), 0)
            }
            _ => authenticate(0, "", b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 0),
        }
    }
}

/// The same for messages of more than 126 bytes.
fn said_long(asked: &Asked) -> Vec<u8> {
    let body = &asked.body[..];
    let head = if body[0] & 0x80 == 0 { 1 } else { 2 };
    body[head..body.len() - 1].to_vec()
}

#[tokio::test]
async fn a_broker_that_does_not_know_the_password_either_is_not_believed() {
    let broker = FakeBroker::start(&APIS, pretender(4096)).await;
    assert_eq!(
        problem(&broker, SCRAM).await.to_string(),
        "it could not prove that it knows the password of me"
    );
}

#[tokio::test]
async fn a_broker_can_not_choose_how_much_work_a_proof_is() {
    for iterations in [1, u32::MAX] {
        let broker = FakeBroker::start(&APIS, pretender(iterations)).await;
        let text = problem(&broker, SCRAM).await.to_string();
        assert!(text.contains("number of iterations"), "{text}");
        assert_eq!(broker.asked(ApiKey::SaslAuthenticate).len(), 1);
    }
}

#[tokio::test]
async fn a_scram_message_whose_parts_are_too_short_is_refused() {
    for (first, last) in [("r=abc,,", ""), ("", ""), ("GOOD", ""), ("GOOD", "v")] {
        let broker = FakeBroker::start(&APIS, move |asked| {
            if is(asked, ApiKey::SaslHandshake) {
                return handshake(0, &["SCRAM-SHA-256"]);
            }
            let said = String::from_utf8(said_long(asked)).unwrap();
            let answer = match said.split_once(",r=") {
                Some((_, nonce)) if said.starts_with("n,,") && first == "GOOD" => {
                    format!("r={nonce}server,s=c2FsdA==,i=4096")
                }
                Some(_) if said.starts_with("n,,") => first.to_owned(),
                _ => last.to_owned(),
            };
            authenticate(0, "", answer.as_bytes(), 0)
        })
        .await;
        let text = problem(&broker, SCRAM).await.to_string();
        assert!(text.contains("too short"), "{first:?} {last:?}: {text}");
    }
}

#[tokio::test]
async fn a_broker_that_refuses_a_token_without_end_is_left() {
    let broker = FakeBroker::start(&APIS, |asked| {
        if is(asked, ApiKey::SaslHandshake) {
            handshake(0, &["OAUTHBEARER"])
        } else if is(asked, ApiKey::SaslAuthenticate) {
            authenticate(0, "", b"{\"status\":\"invalid_token\"}", 0)
        } else {
            Reply::Body(metadata(&[(1, asked.port)], &[]))
        }
    })
    .await;
    let properties = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n\
                      sasl.oauthbearer.token.endpoint.url=http://127.0.0.1:1/token\n\
                      sasl.oauthbearer.client.credentials.client.id=me\n\
                      sasl.oauthbearer.client.credentials.client.secret=hunter2";
    let properties = config::KafkaProperties::parse_properties(properties).unwrap();
    let sasl = Sasl::new(properties.security().unwrap().sasl.unwrap()).unwrap();
    let token = Token {
        text: config::Secret::new("token"),
        principal: "me".to_owned(),
        ends: lifeboat_archive::words::Timestamp::from_millis(i64::MAX),
    };
    let proof = Proof {
        sasl: &sasl,
        token: Some(Arc::new(token)),
    };
    let cluster = broker.cluster().await.unwrap();
    let connection = cluster.broker(1, 0).await.unwrap();
    let error = proof.show(&connection).await.unwrap_err().to_string();
    assert!(error.contains("without end"), "{error}");
    // the token, and once that the refusal is understood
    assert_eq!(broker.asked(ApiKey::SaslAuthenticate).len(), 2);
}

#[tokio::test]
async fn who_we_are_is_proven_again_between_requests_of_which_none_fails() {
    let proofs = Arc::new(AtomicUsize::new(0));
    let broker = FakeBroker::start(&APIS, {
        let proofs = Arc::clone(&proofs);
        move |asked| {
            if is(asked, ApiKey::SaslHandshake) {
                handshake(0, &["PLAIN"])
            } else if is(asked, ApiKey::SaslAuthenticate) {
                proofs.fetch_add(1, Ordering::Relaxed);
                authenticate(0, "", b"", 1500)
            } else {
                let answer = metadata(&[(1, asked.port)], &[]);
                Reply::Late(Duration::from_millis(20), answer)
            }
        }
    })
    .await;
    let cluster = broker.cluster_with(PLAIN).await.unwrap();
    let connection = cluster.broker(1, 0).await.unwrap();
    let begin = Instant::now();
    let request = no_topics();
    let mut asked = 0;
    // the bootstrap connection's, this one's first, and one every 1.1 s
    while proofs.load(Ordering::Relaxed) < 5 {
        assert!(begin.elapsed() < Duration::from_secs(60));
        // several at once, so that some are always on their way
        let answers = join_all((0..4).map(|_| connection.call(&request))).await;
        asked += answers.len();
        for answer in answers {
            answer.unwrap();
        }
    }
    assert!(asked > 20, "{asked}");
    let same = cluster.broker(1, 0).await.unwrap();
    assert!(Arc::ptr_eq(&connection, &same));
    // a broker takes nothing else between a handshake and the proof
    let handshakes = broker.asked(ApiKey::SaslHandshake);
    let proofs: Vec<_> = broker
        .asked(ApiKey::SaslAuthenticate)
        .iter()
        .map(|asked| asked.correlation)
        .collect();
    // the last one may wait for its answer
    for handshake in &handshakes[..handshakes.len() - 1] {
        assert!(proofs.contains(&(handshake.correlation + 1)));
    }
}

#[tokio::test]
async fn a_session_that_can_not_be_renewed_ends_with_its_reason() {
    let changed = Arc::new(Mutex::new(false));
    let broker = FakeBroker::start(&APIS, {
        let changed = Arc::clone(&changed);
        move |asked| {
            if is(asked, ApiKey::SaslHandshake) {
                handshake(0, &["PLAIN"])
            } else if !is(asked, ApiKey::SaslAuthenticate) {
                Reply::Body(metadata(&[(1, asked.port)], &[]))
            } else if *changed.lock().unwrap() {
                authenticate(58, "Invalid username or password", b"", 0)
            } else {
                authenticate(0, "", b"", 200)
            }
        }
    })
    .await;
    let cluster = broker.cluster_with(PLAIN).await.unwrap();
    let connection = cluster.broker(1, 0).await.unwrap();
    *changed.lock().unwrap() = true;
    let error = loop {
        if let Err(error) = connection.call(&no_topics()).await {
            break error.to_string();
        }
    };
    assert!(
        error.contains("re-authentication failed") && error.contains("Invalid username"),
        "{error}"
    );
}
