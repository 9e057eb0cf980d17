//! A broker of a few lines for tests: answers by script, in bytes written by hand.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use kafka_protocol::messages::ApiKey;
use lifeboat_archive::words::TopicId;
use lifeboat_config::KafkaProperties;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{
    Cluster, Connection,
    connection::ClientSettings,
    transport::{Address, Transport},
};
use crate::error::KafkaError;

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) api: i16,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) body: Bytes,
    /// Where the broker that was asked listens.
    pub(crate) port: u16,
}

/// What to do about a request.
pub(crate) enum Reply {
    /// A proper answer with this body.
    Body(Out),
    /// These bytes instead of a frame.
    Raw(Vec<u8>),
    /// These bytes, and then the end of the connection.
    Last(Vec<u8>),
    /// A proper answer, after a while.
    Late(Duration, Out),
    Nothing,
}

pub(crate) struct FakeBroker {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeBroker {
    /// Offers these APIs in these versions, all of them flexible ones.
    pub(crate) async fn start(
        apis: &[(ApiKey, i16, i16)],
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let mut versions = Out::default();
        versions.i16(0).array(apis.len());
        for &(key, min, max) in apis {
            versions.i16(key as i16).i16(min).i16(max).tags();
        }
        versions.i32(0).tags();
        Self::start_bare(move |asked| {
            if asked.api == ApiKey::ApiVersions as i16 {
                Reply::Body(versions.clone())
            } else {
                script(asked)
            }
        })
        .await
    }

    /// Leaves ApiVersions to the script as well.
    pub(crate) async fn start_bare(
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let task = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, port, Arc::clone(&asked), Arc::clone(&script)));
                }
            }
        });
        Self { port, asked, task }
    }

    /// What was asked of this API so far.
    pub(crate) fn asked(&self, api: ApiKey) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| asked.api == api as i16)
            .cloned()
            .collect()
    }

    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, KafkaError> {
        Connection::open(&Address::new("127.0.0.1", self.port), &settings()).await
    }

    pub(crate) async fn cluster(&self) -> Result<Cluster, KafkaError> {
        Cluster::connect(&properties(&format!("127.0.0.1:{}", self.port))).await
    }

    /// With more properties, as a `.properties` file has them.
    pub(super) async fn cluster_with(&self, more: &str) -> Result<Cluster, KafkaError> {
        let more = KafkaProperties::parse_properties(more).unwrap();
        let properties = properties(&format!("127.0.0.1:{}", self.port)).overridden_by(more);
        Cluster::connect(&properties).await
    }
}

/// Half a second for a request, one for an operation.
pub(crate) fn properties(servers: &str) -> KafkaProperties {
    let mut properties = KafkaProperties::from_bootstrap_servers(servers).unwrap();
    properties.set("request.timeout.ms", "500").unwrap();
    properties
}

fn settings() -> ClientSettings {
    let properties = properties("127.0.0.1:1");
    ClientSettings {
        transport: Transport::from_properties(&properties).unwrap(),
        client_id: "test".to_owned().into(),
        request_timeout: properties.request_timeout(),
        patience: properties.request_timeout() * 2,
    }
}

async fn serve(
    mut stream: TcpStream,
    port: u16,
    seen: Arc<Mutex<Vec<Asked>>>,
    script: Arc<impl Fn(&Asked) -> Reply>,
) -> io::Result<()> {
    loop {
        let length = stream.read_i32().await?;
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut frame).await?;
        let mut frame = Bytes::from(frame);
        let (api, version, correlation) = (frame.get_i16(), frame.get_i16(), frame.get_i32());
        let client_id = frame.get_i16();
        frame.advance(usize::try_from(client_id).unwrap());
        let flexible = (api != ApiKey::ApiVersions as i16 || version >= 3)
            && api != ApiKey::SaslHandshake as i16;
        assert!(
            !flexible || frame.get_u8() == 0,
            "tagged fields in the header"
        );
        let asked = Asked {
            api,
            version,
            correlation,
            body: frame,
            port,
        };
        seen.lock().unwrap().push(asked.clone());
        let (wait, bytes, last) = match script(&asked) {
            Reply::Body(body) => (Duration::ZERO, framed(&asked, correlation, &body), false),
            Reply::Late(wait, body) => (wait, framed(&asked, correlation, &body), false),
            Reply::Raw(bytes) => (Duration::ZERO, bytes, false),
            Reply::Last(bytes) => (Duration::ZERO, bytes, true),
            Reply::Nothing => continue,
        };
        tokio::time::sleep(wait).await;
        stream.write_all(&bytes).await?;
        if last {
            return Ok(());
        }
    }
}

/// The answer to `asked` as it goes over the wire, under any correlation id.
pub(crate) fn framed(asked: &Asked, correlation: i32, body: &Out) -> Vec<u8> {
    let mut frame = Out::default();
    frame.i32(correlation);
    let plain = [ApiKey::ApiVersions as i16, ApiKey::SaslHandshake as i16];
    if !plain.contains(&asked.api) {
        frame.tags();
    }
    frame.0.extend_from_slice(&body.0);
    let mut bytes = Vec::new();
    bytes.put_i32(i32::try_from(frame.0.len()).unwrap());
    bytes.extend_from_slice(&frame.0);
    bytes
}

/// A body in the flexible encoding.
#[derive(Clone, Debug, Default)]
pub(crate) struct Out(pub(crate) Vec<u8>);

impl Out {
    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.0.put_u8(u8::from(value));
        self
    }

    pub(crate) fn i16(&mut self, value: i16) -> &mut Self {
        self.0.put_i16(value);
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.0.put_i32(value);
        self
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.0.put_i64(value);
        self
    }

    pub(crate) fn id(&mut self, id: TopicId) -> &mut Self {
        self.0.put_slice(&id.0);
        self
    }

    pub(crate) fn array(&mut self, count: usize) -> &mut Self {
        let mut rest = count + 1;
        while rest >= 0x80 {
            self.0.put_u8(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        self.0.put_u8(u8::try_from(rest).unwrap());
        self
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.0.put_u8(0);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.array(bytes.len());
        self.0.put_slice(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn tags(&mut self) -> &mut Self {
        self.0.put_u8(0);
        self
    }
}

/// A topic in a made-up metadata answer: its name, its id, and leader and epoch of each partition.
pub(crate) type FakeTopic<'a> = (&'a str, TopicId, &'a [(i32, i32)]);

/// Metadata 12: brokers by id and port, and topics.
pub(crate) fn metadata(brokers: &[(i32, u16)], topics: &[FakeTopic<'_>]) -> Out {
    let mut out = Out::default();
    out.i32(0).array(brokers.len());
    for &(id, port) in brokers {
        out.i32(id).text("127.0.0.1").i32(port.into()).null().tags();
    }
    out.text("a-cluster").i32(brokers[0].0).array(topics.len());
    for (name, id, partitions) in topics {
        out.i16(0).text(name).id(*id).bool(false);
        out.array(partitions.len());
        for (number, (leader, epoch)) in (0..).zip(*partitions) {
            out.i16(0).i32(number).i32(*leader).i32(*epoch);
            out.array(1).i32(1).array(1).i32(1).array(0).tags();
        }
        out.i32(0).tags();
    }
    out.tags();
    out
}
