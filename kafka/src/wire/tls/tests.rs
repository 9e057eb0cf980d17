use lifeboat_config::KafkaProperties;
use rustls::version::{TLS12, TLS13};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{
    testing::{Authority, Fault, Leaf, TlsServer, identity},
    *,
};
use crate::wire::Cluster;

const LIMIT: Duration = Duration::from_millis(500);

fn settings(authority: &Authority) -> config::Tls {
    config::Tls {
        trust: authority.trust(),
        identity: None,
        verify_host_name: true,
    }
}

async fn connect(port: u16, settings: &config::Tls) -> Result<(), TlsProblem> {
    let tls = Tls::new(settings).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut stream = tls.connect("127.0.0.1", stream, LIMIT).await?;
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    match stream.read_exact(&mut answer).await {
        Ok(_) => {
            assert_eq!(&answer, b"pong");
            Ok(())
        }
        // TLS 1.3: a client's certificate is looked at when the client is done
        Err(error) => Err(tls.late_problem(&error).unwrap()),
    }
}

async fn server(leaf: &Leaf, clients: Option<&Authority>) -> TlsServer {
    TlsServer::start(leaf, clients, &TLS13, b"pong").await
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    let authority = Authority::new("ours");
    let leaf = authority.leaf(Fault::None);
    for version in [&TLS12, &TLS13] {
        let server = TlsServer::start(&leaf, None, version, b"pong").await;
        connect(server.port, &settings(&authority)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_apart() {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    for (leaf, text) in [
        (
            ours.leaf(Fault::Expired),
            "its certificate expired on 2021-01-01T00:00:00.000Z",
        ),
        (
            ours.leaf(Fault::NotYetValid),
            "its certificate is not valid yet, only from 2999-01-01T00:00:00.000Z",
        ),
        (
            ours.leaf(Fault::OtherName),
            "its certificate is not for 127.0.0.1, only for elsewhere.example",
        ),
        (
            other.leaf(Fault::None),
            "its certificate is not signed by an authority that is trusted here",
        ),
    ] {
        let server = server(&leaf, None).await;
        let problem = connect(server.port, &settings(&ours)).await.unwrap_err();
        assert_eq!(problem.to_string(), text);
        assert!(!problem.is_retriable());
    }
}

#[tokio::test]
async fn without_the_host_name_the_rest_is_still_verified() {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let mut settings = settings(&ours);
    settings.verify_host_name = false;
    for version in [&TLS12, &TLS13] {
        let leaf = ours.leaf(Fault::OtherName);
        let server = TlsServer::start(&leaf, None, version, b"pong").await;
        connect(server.port, &settings).await.unwrap();
    }
    for (leaf, problem) in [
        (other.leaf(Fault::OtherName), TlsProblem::Untrusted),
        (
            ours.leaf(Fault::Expired),
            TlsProblem::Expired {
                since: Some(lifeboat_archive::words::Timestamp::from_millis(
                    1_609_459_200_000,
                )),
            },
        ),
    ] {
        let server = server(&leaf, None).await;
        assert_eq!(connect(server.port, &settings).await, Err(problem));
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let leaf = ours.leaf(Fault::None);
    for version in [&TLS12, &TLS13] {
        let server = TlsServer::start(&leaf, Some(&ours), version, b"pong").await;
        let mut settings = settings(&ours);
        assert_eq!(
            connect(server.port, &settings).await,
            Err(TlsProblem::WantsCertificate)
        );
        settings.identity = Some(identity(&other.leaf(Fault::None)));
        assert!(matches!(
            connect(server.port, &settings).await,
            Err(TlsProblem::RefusesCertificate(_))
        ));
        settings.identity = Some(identity(&ours.leaf(Fault::None)));
        connect(server.port, &settings).await.unwrap();
    }
}

/// Answers the first bytes of every connection with these, and closes it.
async fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            if stream.read(&mut asked).await.is_ok() {
                drop(stream.write_all(answer).await);
            }
        }
    });
    port
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() {
    let authority = Authority::new("ours");
    let settings = settings(&authority);
    let http = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(connect(http, &settings).await, Err(TlsProblem::NotTls));
    // what Kafka does
    let closed = connect(answering(b"").await, &settings).await.unwrap_err();
    assert!(matches!(closed, TlsProblem::Closed(_)), "{closed}");
    assert!(closed.is_retriable());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap().port();
    assert_eq!(
        connect(silent, &settings).await,
        Err(TlsProblem::Silent(LIMIT))
    );
}

async fn cluster_error(properties: &str) -> KafkaError {
    let properties = KafkaProperties::parse_properties(properties).unwrap();
    Cluster::connect(&properties).await.unwrap_err()
}

#[tokio::test]
async fn a_port_with_tls_is_recognised_by_a_client_without() {
    let authority = Authority::new("ours");
    let server = server(&authority.leaf(Fault::None), None).await;
    let error = cluster_error(&format!("bootstrap.servers=127.0.0.1:{}", server.port)).await;
    assert!(
        matches!(&error, KafkaError::Tls { problem, .. } if *problem == TlsProblem::SpeaksTls),
        "{error}"
    );
    // alerts need not come alone
    let port = answering(b"\x15\x03\x01\x00\x02\x02\x46\x15\x03\x01\x00\x02").await;
    let error = cluster_error(&format!("bootstrap.servers=127.0.0.1:{port}")).await;
    assert!(
        matches!(&error, KafkaError::Tls { problem, .. } if *problem == TlsProblem::SpeaksTls),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_client_certificate_is_named_although_it_is_noticed_late() {
    let authority = Authority::new("ours");
    let files = testing::Files::new();
    let ca = files.write("ca.pem", authority.pem());
    for version in [&TLS12, &TLS13] {
        let leaf = authority.leaf(Fault::None);
        let server = TlsServer::start(&leaf, Some(&authority), version, b"").await;
        let error = cluster_error(&format!(
            "bootstrap.servers=127.0.0.1:{}\nsecurity.protocol=SSL\nssl.ca.location={}",
            server.port,
            ca.display()
        ))
        .await;
        assert!(
            matches!(&error, KafkaError::Tls { problem, .. } if *problem == TlsProblem::WantsCertificate),
            "{error}"
        );
    }
}
