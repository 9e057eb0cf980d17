use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use kafka_protocol::messages::ApiKey;
use lifeboat_archive::documents::SecretBytes;

use super::*;
use crate::{
    image::{ImageError, MetadataRecord, bootstrap_checkpoint, read_controllers},
    wire::fake_broker::{Asked, FakeBroker, Out, Reply, properties},
};

const APIS: [(ApiKey, i16, i16); 2] = [(ApiKey::Fetch, 12, 17), (ApiKey::FetchSnapshot, 0, 0)];
const LEADER: i32 = 7;
const EPOCH: i32 = 5;

/// A Fetch answer about the metadata log.
#[derive(Default)]
struct Told<'t> {
    error: i16,
    high_watermark: i64,
    records: &'t [u8],
    leader: Option<i32>,
    snapshot: Option<(i64, i32)>,
    endpoint: Option<u16>,
}

fn answer(told: &Told<'_>) -> Out {
    let mut out = Out::default();
    out.i32(0).i16(0).i32(0).array(1).id(TOPIC_ID).array(1);
    out.i32(0).i16(told.error).i64(told.high_watermark);
    out.i64(-1).i64(0).null().i32(-1).bytes(told.records);
    let tags = usize::from(told.leader.is_some()) + usize::from(told.snapshot.is_some());
    out.0.push(u8::try_from(tags).unwrap());
    if let Some(leader) = told.leader {
        out.0.extend_from_slice(&[1, 9]);
        out.i32(leader).i32(EPOCH).tags();
    }
    if let Some((end_offset, epoch)) = told.snapshot {
        out.0.extend_from_slice(&[2, 13]);
        out.i64(end_offset).i32(epoch).tags();
    }
    out.tags();
    match told.endpoint {
        None => out.tags(),
        Some(port) => {
            let mut endpoints = Out::default();
            endpoints.array(1).i32(LEADER).text("127.0.0.1");
            endpoints.i32(i32::from(port)).null().tags();
            out.0.extend_from_slice(&[1, 0]);
            out.0.push(u8::try_from(endpoints.0.len()).unwrap());
            out.0.extend_from_slice(&endpoints.0);
            &mut out
        }
    };
    out
}

fn snapshot_piece(bytes: &[u8], from: usize, to: usize) -> Out {
    let mut out = Out::default();
    out.i32(0).i16(0).array(1).text(TOPIC).array(1);
    out.i32(0).i16(0).i64(40).i32(4).tags();
    out.i64(i64::try_from(bytes.len()).unwrap());
    out.i64(i64::try_from(from).unwrap());
    out.bytes(&bytes[from..to]).tags().tags().tags();
    out
}

async fn controller(script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> FakeBroker {
    let tries = AtomicUsize::new(0);
    FakeBroker::start(&APIS, move |asked| {
        script(tries.fetch_add(1, Ordering::Relaxed), asked)
    })
    .await
}

fn controllers(ports: &[u16], more: &str) -> Controllers {
    let addresses: Vec<_> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let mut properties = properties("unused:1");
    for line in more.lines() {
        let (name, value) = line.split_once('=').unwrap();
        properties.set(name, value).unwrap();
    }
    Controllers::new(&properties, &addresses).unwrap()
}

fn user(name: &str) -> MetadataRecord {
    MetadataRecord::UserScramCredential {
        user: name.to_owned(),
        mechanism: 1,
        salt: SecretBytes::new(b"salt"),
        stored_key: SecretBytes::new(b"stored"),
        server_key: SecretBytes::new(b"server"),
        iterations: 4096,
    }
}

fn log(offset: i64, names: &[&str]) -> Vec<u8> {
    let records: Vec<_> = names.iter().map(|name| user(name)).collect();
    let mut builder =
        lifeboat_archive::records::BatchBuilder::new(lifeboat_archive::batch::Codec::None);
    for record in &records {
        builder.push_pair(0, None, &record.encode());
    }
    builder
        .finish_for_log(offset, EPOCH, false)
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn a_follower_is_followed_to_the_leader_and_its_snapshot_and_log_are_read() {
    let snapshot = Arc::new(bootstrap_checkpoint(&[user("in.snapshot")]).unwrap());
    let leader = controller(move |_, asked| {
        let epoch_is_right = asked
            .body
            .windows(4)
            .any(|bytes| bytes == EPOCH.to_be_bytes());
        let half = snapshot.len() / 2;
        if asked.api == ApiKey::FetchSnapshot as i16 {
            let second = asked
                .body
                .windows(8)
                .any(|bytes| bytes == u64::try_from(half).unwrap().to_be_bytes());
            let (from, to) = if second {
                (half, snapshot.len())
            } else {
                (0, half)
            };
            return Reply::Body(snapshot_piece(&snapshot, from, to));
        }
        let from_snapshot = asked
            .body
            .windows(8)
            .any(|bytes| bytes == 40_u64.to_be_bytes());
        Reply::Body(match (epoch_is_right, from_snapshot) {
            (false, _) => answer(&Told {
                error: 74,
                leader: Some(LEADER),
                ..Told::default()
            }),
            (true, false) => answer(&Told {
                high_watermark: 41,
                snapshot: Some((40, 4)),
                ..Told::default()
            }),
            // one more than is committed
            (true, true) => answer(&Told {
                high_watermark: 41,
                records: &log(40, &["committed", "not.committed"]),
                ..Told::default()
            }),
        })
    })
    .await;
    let port = leader.port;
    let follower = controller(move |nth, _| {
        Reply::Body(answer(&Told {
            error: if nth == 0 { 74 } else { 6 },
            leader: Some(LEADER),
            endpoint: (nth > 0).then_some(port),
            ..Told::default()
        }))
    })
    .await;
    let image = read_controllers(&controllers(&[follower.port], ""))
        .await
        .unwrap();
    let users: Vec<_> = image.users.keys().map(|(user, _)| user.as_str()).collect();
    assert_eq!(users, ["committed", "in.snapshot"]);
    assert_eq!(image.end_offset, 41);
    assert_eq!(follower.asked(ApiKey::Fetch).len(), 2);
    assert_eq!(leader.asked(ApiKey::FetchSnapshot).len(), 2);
}

#[tokio::test]
async fn what_the_controllers_refuse_is_told_with_the_right_that_is_missing() {
    let refusing = controller(|_, _| {
        let mut out = Out::default();
        out.i32(0).i16(31).i32(0).array(0).tags();
        Reply::Body(out)
    })
    .await;
    let error = read_controllers(&controllers(&[refusing.port], ""))
        .await
        .unwrap_err();
    let ImageError::Kafka(error) = error else {
        panic!("{error}");
    };
    assert_eq!(
        error.missing_right().unwrap().to_string(),
        "ClusterAction on the cluster"
    );
    assert!(error.to_string().contains("__cluster_metadata"), "{error}");
}

#[tokio::test]
async fn a_quorum_without_a_leader_is_asked_again_and_then_told() {
    let lost = controller(|_, _| {
        Reply::Body(answer(&Told {
            error: 6,
            leader: Some(-1),
            ..Told::default()
        }))
    })
    .await;
    let lost_ones = controllers(&[lost.port], "request.timeout.ms=200");
    let error = read_controllers(&lost_ones).await.unwrap_err();
    assert!(
        error.to_string().contains("none of the controllers"),
        "{error}"
    );
    assert!(lost.asked(ApiKey::Fetch).len() > 1);
}

#[tokio::test]
async fn a_snapshot_that_ends_before_its_size_is_an_error() {
    let cut = controller(|_, asked| {
        if asked.api == ApiKey::FetchSnapshot as i16 {
            return Reply::Body(snapshot_piece(&[0; 100], 0, 0));
        }
        Reply::Body(answer(&Told {
            high_watermark: 41,
            snapshot: Some((40, 4)),
            ..Told::default()
        }))
    })
    .await;
    let error = read_controllers(&controllers(&[cut.port], ""))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("ends at byte 0 of 100"),
        "{error}"
    );
}

#[tokio::test]
async fn a_controller_that_shuts_down_and_a_snapshot_that_was_replaced_are_asked_for_again() {
    let snapshot = bootstrap_checkpoint(&[user("in.snapshot")]).unwrap();
    let passing = Mutex::new(vec![98_i16, 8]);
    let controller = controller(move |_, asked| {
        if asked.api == ApiKey::FetchSnapshot as i16 {
            return Reply::Body(snapshot_piece(&snapshot, 0, snapshot.len()));
        }
        let again = passing.lock().unwrap().pop();
        let in_log = asked
            .body
            .windows(8)
            .any(|bytes| bytes == 40_u64.to_be_bytes());
        let records = log(40, &["committed"]);
        Reply::Body(answer(&match (again, in_log) {
            (Some(error), _) => Told {
                error,
                ..Told::default()
            },
            (None, false) => Told {
                high_watermark: 41,
                snapshot: Some((40, 4)),
                ..Told::default()
            },
            (None, true) => Told {
                high_watermark: 41,
                records: &records,
                ..Told::default()
            },
        }))
    })
    .await;
    let image = read_controllers(&controllers(&[controller.port], ""))
        .await
        .unwrap();
    assert_eq!(image.users.len(), 2);
}

#[tokio::test]
async fn a_snapshot_that_leads_nowhere_is_an_error_and_no_loop() {
    let snapshot = bootstrap_checkpoint(&[]).unwrap();
    let stuck = controller(move |_, asked| {
        if asked.api == ApiKey::FetchSnapshot as i16 {
            return Reply::Body(snapshot_piece(&snapshot, 0, snapshot.len()));
        }
        Reply::Body(answer(&Told {
            high_watermark: 41,
            snapshot: Some((40, 4)),
            ..Told::default()
        }))
    })
    .await;
    let error = read_controllers(&controllers(&[stuck.port], ""))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("ends at offset 40 where 40 is"),
        "{error}"
    );
}
