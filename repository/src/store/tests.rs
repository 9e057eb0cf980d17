use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::TryStreamExt;
use lifeboat_config::{Place, Provider, RepositoryUrl, StoreOptions};
use object_store::RetryConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{remote, upload::LargeUpload};

const PROVIDERS: [Provider; 3] = [Provider::S3, Provider::Google, Provider::Azure];

/// A server that gives every request the same answer.
async fn answering(status: &'static str, body: &'static str) -> SocketAddr {
    answering_in_turn(vec![(status, body)]).await
}

/// A server that gives these answers, and then the last one for ever.
async fn answering_in_turn(answers: Vec<(&'static str, &'static str)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let (status, body) = answers[turn.min(answers.len() - 1)];
            turn += 1;
            tokio::spawn(answer(stream, status, body));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let body = if request.starts_with(b"HEAD") {
        ""
    } else {
        body
    };
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    // whoever asked may be gone
    drop(stream.write_all(text.as_bytes()).await);
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some(end) = text.find("\r\n\r\n") else {
        return false;
    };
    let length = text[..end].lines().find_map(|line| {
        let value = line.strip_prefix("content-length:")?;
        value.trim().parse::<usize>().ok()
    });
    request.len() >= end + 4 + length.unwrap_or(0)
}

/// A store of that kind at that address; nothing is tried twice.
fn store(provider: Provider, at: &str) -> Store {
    let once = RetryConfig {
        max_retries: 0,
        ..remote::soon()
    };
    store_trying(provider, at, once)
}

fn store_trying(provider: Provider, at: &str, retries: RetryConfig) -> Store {
    let url: RepositoryUrl = format!("{}://bucket/prefix", provider.scheme())
        .parse()
        .unwrap();
    let Place::Bucket(bucket) = url.place() else {
        panic!("{url}")
    };
    let mut options = StoreOptions::default();
    let given: &[(&str, &str)] = match provider {
        Provider::S3 => &[("aws_endpoint", at), ("aws_skip_signature", "true")],
        Provider::Google => &[("google_base_url", at), ("google_bearer_token", "x")],
        Provider::Azure => &[
            ("azure_storage_endpoint", at),
            ("azure_storage_account_name", "account"),
            ("azure_skip_signature", "true"),
        ],
    };
    for (name, value) in given {
        options.set(name, value).unwrap();
    }
    let allow_http = format!("{}allow_http", provider.option_prefix());
    options.set(&allow_http, "true").unwrap();
    let remote = remote::connect(&url, bucket, &options, [], retries.clone()).unwrap();
    Store::new(remote.store).with_retries(retries)
}

/// What every call makes of the answer that it gets.
async fn every_call(store: &Store) -> Vec<(&'static str, RepositoryError)> {
    let bytes = Bytes::from_static(b"abc");
    let parts = async {
        let mut upload = LargeUpload::begin(store.clone(), "x/y".to_owned()).await?;
        upload.write(bytes.clone()).await?;
        upload.finish(3).await
    };
    let looked_first = store.clone().with_single_writer(true);
    vec![
        (
            "create",
            store.create("x/y", bytes.clone()).await.unwrap_err(),
        ),
        (
            "create, looking first",
            looked_first.create("x/y", bytes.clone()).await.unwrap_err(),
        ),
        (
            "create the same",
            store.create_same("x/y", bytes.clone()).await.unwrap_err(),
        ),
        ("upload in parts", parts.await.unwrap_err()),
        ("size", store.size("x/y").await.unwrap_err()),
        ("read whole", store.read_whole("x/y", 10).await.unwrap_err()),
        (
            "read a range",
            store.read_range("x/y", 0..3).await.unwrap_err(),
        ),
        (
            "read in pieces",
            store
                .stream_range("x/y", 0..3)
                .try_collect::<Vec<_>>()
                .await
                .unwrap_err(),
        ),
        ("list", store.list("x").await.unwrap_err()),
        ("list a level", store.children(Some("x")).await.unwrap_err()),
        ("list the top", store.children(None).await.unwrap_err()),
    ]
}

async fn all_are(
    status: &'static str,
    body: &'static str,
    fits: impl Fn(&str, &RepositoryError) -> bool,
) {
    let address = answering(status, body).await;
    for provider in PROVIDERS {
        let store = store(provider, &format!("http://{address}"));
        for (call, error) in every_call(&store).await {
            assert!(
                fits(call, &error),
                "{provider:?}, {call}, {status}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn only_404_means_absent_for_every_call_of_every_store() {
    all_are("404 Not Found", "", |call, error| {
        if call == "size" || call.starts_with("read") {
            matches!(error, RepositoryError::NotFound { .. })
        } else {
            // a list, or an object to be, is never absent: the bucket is
            matches!(error, RepositoryError::NoBucket { .. })
        }
    })
    .await;
    all_are("403 Forbidden", "", |_, error| {
        matches!(error, RepositoryError::Denied { .. })
    })
    .await;
    all_are("401 Unauthorized", "", |_, error| {
        matches!(error, RepositoryError::Credentials { .. })
    })
    .await;
    for status in ["500 Internal Server Error", "503 Slow Down"] {
        all_are(status, "", |_, error| {
            matches!(error, RepositoryError::Store { .. })
        })
        .await;
    }
}

#[tokio::test]
async fn a_missing_bucket_a_wrong_key_and_a_silent_store_are_told_apart() {
    let missing = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
    let wrong = "<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>";
    let expired = "<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>";
    for provider in PROVIDERS {
        let of = |address: SocketAddr| store(provider, &format!("http://{address}"));
        let no_bucket = of(answering("404 Not Found", missing).await);
        let error = no_bucket.read_whole("x", 10).await.unwrap_err();
        assert!(
            matches!(error, RepositoryError::NoBucket { .. }),
            "{provider:?} {error:?}"
        );
        for (status, body) in [("403 Forbidden", wrong), ("400 Bad Request", expired)] {
            let stranger = of(answering(status, body).await);
            let error = stranger.read_whole("x", 10).await.unwrap_err();
            assert!(
                matches!(error, RepositoryError::Credentials { .. }),
                "{provider:?} {error:?}"
            );
        }
        // nobody listens any more where somebody did
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = listener.local_addr().unwrap();
        drop(listener);
        let error = of(gone).read_whole("x", 10).await.unwrap_err();
        let RepositoryError::Unreachable { source, .. } = &error else {
            panic!("{provider:?} {error:?}")
        };
        assert_eq!(source.to_string(), "Connection refused (os error 111)");
    }
}

#[tokio::test]
async fn what_a_store_says_is_told_without_its_body_around_it() {
    let body =
        "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message><Key>x</Key></Error>";
    let address = answering("403 Forbidden", body).await;
    let store = store(Provider::S3, &format!("http://{address}"));
    let error = store.read_whole("x", 10).await.unwrap_err();
    let RepositoryError::Denied { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        source.to_string(),
        "the store answered 403 AccessDenied: Access Denied."
    );
}

#[tokio::test]
async fn a_store_that_fails_or_throttles_for_a_moment_is_asked_again() {
    for provider in PROVIDERS {
        let address = answering_in_turn(vec![
            ("500 Internal Server Error", ""),
            ("503 Slow Down", ""),
            ("429 Too Many Requests", ""),
            (
                "200 OK\r\nlast-modified: Mon, 23 Nov 2026 03:04:05 GMT\r\netag: \"x\"",
                "abc",
            ),
        ])
        .await;
        let at = format!("http://{address}");
        let store = store_trying(provider, &at, remote::soon());
        let read = store.read_whole("x", 10).await.unwrap();
        assert_eq!(read, b"abc"[..], "{provider:?}");
    }
}

#[tokio::test]
async fn a_conflict_with_another_writer_is_tried_again_and_is_no_object_that_is_there() {
    let conflict =
        "<Error><Code>ConditionalRequestConflict</Code><Message>at the same time</Message></Error>";
    let written = ("200 OK\r\netag: \"x\"", "");
    let address = answering_in_turn(vec![("409 Conflict", conflict), written]).await;
    let at = format!("http://{address}");
    let bytes = Bytes::from_static(b"abc");
    let store = store_trying(Provider::S3, &at, remote::soon());
    let created = store.create("x/y", bytes.clone()).await.unwrap();
    assert_eq!(created, Created::Now);

    let address = answering("409 Conflict", conflict).await;
    let never = self::store(Provider::S3, &format!("http://{address}"));
    let error = never.create("x/y", bytes).await.unwrap_err();
    let RepositoryError::Store { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.code(), Some("ConditionalRequestConflict"));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_looked_for_before_it_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let large = Bytes::from(vec![7; 4 << 20]);
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let length = large.len();
    // takes the first write, and loses its answer; refuses every other one without reading it, by closing
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut start = [0; 4];
            stream.read_exact(&mut start).await.unwrap();
            if &start == b"PUT " {
                if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                }
                continue;
            }
            let text = format!(
                "HTTP/1.1 200 OK\r\nlast-modified: Mon, 23 Nov 2026 03:04:05 GMT\r\netag: \"x\"\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n"
            );
            drop(stream.write_all(text.as_bytes()).await);
        }
    });
    let store = store_trying(Provider::S3, &at, remote::soon());
    let created = store.create("x/y", large).await.unwrap();
    assert_eq!(created, Created::Before);
    assert!(
        writes.load(Ordering::Relaxed) <= 2,
        "sent {} times",
        writes.load(Ordering::Relaxed)
    );
}

#[tokio::test]
async fn a_machine_whose_credentials_end_is_not_told_that_it_has_none() {
    let text = "Error performing GET http://169.254.169.254/latest/meta-data/iam in 3ms - Server returned non-2xx \
                status code: 500 Internal Server Error: ";
    let failed = || object_store::Error::Generic {
        store: "S3",
        source: text.into(),
    };
    let (_folder, url) = crate::testing::scratch();
    std::fs::create_dir_all(crate::testing::folder_of(&url)).unwrap();
    let store = crate::testing::FaultyStore::over(&url, crate::testing::Fault::Full);
    let error = store.error("read", "x", failed());
    assert!(
        matches!(error, RepositoryError::NoCredentials { .. }),
        "{error:?}"
    );
    let error = store.found().error("read", "x", failed());
    let RepositoryError::NotRenewed { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.to_string(), "the store answered 500");
}
