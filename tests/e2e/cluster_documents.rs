//! Everything that makes a cluster, not only its records, is in a snapshot as Kafka's own admin client tells it.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{Acl, ClusterBuilder, Fidelity, KafkaCluster, Message, Security};
use serde_json::{Map, Value, json};

use crate::{
    lifeboat::{Scene, backup, run_restore},
    readable::{files, untar},
    rights::grant,
};

/// The cluster documents of this snapshot, by name without `.json`.
fn documents(scene: &Scene, report: &Value) -> Map<String, Value> {
    let snapshot = report["commit"]["snapshot"].as_str().unwrap();
    let archives = files(&scene.context.repository(), ".tar.zst");
    let ending = format!("/metadata/{snapshot}.tar.zst");
    let mut archives = archives.iter();
    let archive = archives.find(|archive| archive.to_string_lossy().ends_with(&ending));
    let folder = scene.context.scratch().join(snapshot);
    untar(archive.unwrap(), &folder);
    files(&folder, ".json")
        .iter()
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let document = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            (name, document)
        })
        .collect()
}

pub(crate) fn sorted(list: &Value) -> Vec<String> {
    let mut items: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    items.sort_unstable();
    items
}

fn acl(kind: &str, name: &str, pattern: &str, who: &str, host: &str, what: &str) -> Value {
    let (permission, operation) = what.split_once(' ').unwrap();
    json!({
        "resource_type": kind, "resource_name": name, "pattern_type": pattern,
        "principal": who, "host": host, "operation": operation, "permission": permission,
    })
}

/// Every kind of ACL, and names that are not ASCII.
pub(crate) fn acls() -> Value {
    json!([
        acl(
            "TOPIC",
            "orders",
            "LITERAL",
            "User:alice",
            "*",
            "ALLOW READ"
        ),
        acl("TOPIC", "größen-", "PREFIXED", "User:zoë", "*", "ALLOW ALL"),
        acl("TOPIC", "*", "LITERAL", "User:*", "10.0.0.7", "DENY WRITE"),
        acl(
            "GROUP",
            "shop",
            "PREFIXED",
            "User:alice",
            "10.0.0.8",
            "ALLOW DESCRIBE"
        ),
        acl(
            "CLUSTER",
            "kafka-cluster",
            "LITERAL",
            "User:名前",
            "*",
            "ALLOW ALTER_CONFIGS"
        ),
        acl(
            "TRANSACTIONAL_ID",
            "billing",
            "LITERAL",
            "User:CN=a,OU=b",
            "*",
            "ALLOW WRITE"
        ),
        acl(
            "DELEGATION_TOKEN",
            "*",
            "LITERAL",
            "User:alice",
            "*",
            "ALLOW DESCRIBE"
        ),
        acl(
            "USER",
            "User:alice",
            "LITERAL",
            "User:bob",
            "*",
            "ALLOW CREATE_TOKENS"
        ),
    ])
}

/// Of every type of entity, with names and defaults.
pub(crate) fn quotas() -> Value {
    let rate = json!({ "producer_byte_rate": 1_048_576.0 });
    let both = json!({ "consumer_byte_rate": 2048.0, "request_percentage": 12.5 });
    json!([
        { "entity": { "user": "zoë" }, "limits": both },
        { "entity": { "user": null }, "limits": rate },
        { "entity": { "client-id": "app" }, "limits": rate },
        { "entity": { "client-id": null }, "limits": { "controller_mutation_rate": 5.0 } },
        { "entity": { "user": "zoë", "client-id": "app" }, "limits": rate },
        { "entity": { "user": null, "client-id": null }, "limits": rate },
        { "entity": { "user": "alice", "client-id": null }, "limits": both },
        { "entity": { "ip": "10.0.0.7" }, "limits": { "connection_creation_rate": 10.0 } },
        { "entity": { "ip": null }, "limits": { "connection_creation_rate": 100.0 } },
    ])
}

fn configs(cluster: &KafkaCluster) -> Value {
    let set = |kind: &str, name: &str, configs: Value| json!({ "type": kind, "name": name, "configs": configs });
    let broker = |index: usize| cluster.broker_id(index).to_string();
    json!([
        set(
            "BROKER",
            "",
            json!({ "log.cleaner.threads": "2", "message.max.bytes": "2000000" })
        ),
        set(
            "BROKER",
            &broker(0),
            json!({
                "num.io.threads": "5",
                "listener.name.client.ssl.keystore.password": "hushhush",
            })
        ),
        set("BROKER", &broker(2), json!({ "log.cleaner.threads": "1" })),
        set(
            "GROUP",
            "live.consumer",
            json!({ "consumer.session.timeout.ms": "50000" })
        ),
        set(
            "GROUP",
            "not there yet",
            json!({ "share.record.lock.duration.ms": "20000" })
        ),
        set(
            "CLIENT_METRICS",
            "latency",
            json!({
                "metrics": "org.apache.kafka.producer.", "interval.ms": "30000", "match": "client_id=app.*",
            })
        ),
    ])
}

fn guarded() -> ClusterBuilder {
    KafkaCluster::builder()
        .brokers(3)
        .heap_megabytes(256)
        .security(Security::SaslPlaintext)
        .sasl_mechanisms(&["SCRAM-SHA-512"])
        .users(&[("agent", "a"), ("alice", "b")])
        .authorizer(true)
        .setting("delegation.token.secret.key", "for the test only")
}

fn group<'d>(documents: &'d Map<String, Value>, name: &str) -> &'d Value {
    let groups = documents["groups"]["groups"].as_array().unwrap();
    let mut named = groups.iter().filter(|group| group["group"] == name);
    named
        .next()
        .unwrap_or_else(|| panic!("no {name} in {groups:#?}"))
}

/// Gives a cluster one of everything; Kafka's words about a delegation token.
fn fill(cluster: &KafkaCluster) -> Value {
    let workload = cluster.workload();
    workload
        .create_replicated_topic("orders", 2, 3, &[("retention.ms", "-1")])
        .unwrap();
    let messages = [0, 0, 1].map(|partition| Message::text("orders", partition, "value"));
    workload.produce(&[], &messages).unwrap();
    let wanted = json!({
        "configs": configs(cluster), "acls": acls(), "quotas": quotas(), "starts": [waiting()],
    });
    workload.fill_surroundings(&wanted).unwrap();
    let tokens = Acl::allow("User:agent", "DESCRIBE", "DELEGATION_TOKEN", "*");
    grant(cluster, "User:agent");
    cluster.alter_acls(&[tokens], &[]).unwrap();
    let alice = cluster.workload_as("alice", None).unwrap();
    alice.delegation_token("bob").unwrap()
}

/// Where a share group without members starts.
fn waiting() -> Value {
    json!({ "group": "waiting.share", "topic": "orders", "partition": 0, "offset": 1 })
}

/// Members that stay while the file is there: the type and the name of their group, and Kafka's words about it.
fn join(cluster: &KafkaCluster, while_there: &str) -> [(&'static str, &'static str, Value); 3] {
    let workload = cluster.workload();
    [
        ("classic", "live.classic", Some("instance-1")),
        ("consumer", "live.consumer", None),
        ("share", "live.share", None),
    ]
    .map(|(kind, group, instance)| {
        let joined = workload.join(kind, group, "orders", instance, while_there.as_ref());
        (kind, group, joined.unwrap())
    })
}

#[test]
fn what_kafkas_admin_client_tells_of_a_cluster_stands_in_its_documents() {
    let mut scene = Scene::new();
    let there = scene.file("members-stay", "");
    let a = scene.context.start_a(&guarded()).unwrap();
    let (bootstrap, properties) = (a.bootstrap(), a.client_properties("agent").unwrap());
    let token = fill(a);
    let live = join(a, &there);
    let properties = scene.file("agent.properties", &properties);
    let more = ["--command-config", &properties];
    let report = backup(&scene.program, &scene.url, &bootstrap, &more);
    let asked = json!({
        "authorizer": true,
        "groups": ["live.consumer", "not there yet"],
        "client_metrics": ["latency"],
        "share_groups": ["waiting.share"],
    });
    let a = scene.context.a().unwrap();
    let told = a.oracle().surroundings(&asked).unwrap();
    fs::remove_file(&there).unwrap();

    let documents = documents(&scene, &report);
    settings_are_told(&documents, &told, &report);
    access_is_told(&documents, &told);
    for (kind, name, joined) in &live {
        members_are_told(group(&documents, name), kind, joined);
    }
    let waits = group(&documents, "waiting.share");
    let start = waits["offsets"][0].as_object().unwrap();
    for field in ["topic", "partition", "offset"] {
        assert_eq!(start[field], waiting()[field], "{waits:#}");
    }
    assert_eq!(told["starts"], json!([waiting()]));
    assert_eq!(waits["offsets"].as_array().map(Vec::len), Some(1));
    token_is_told(&documents["tokens"], &token);
    assert_eq!(documents["cluster"]["reassignments"], json!([]));
    assert_eq!(documents["cluster"]["open_transactions"], json!([]));
    let totals = &report["commit"]["totals"];
    let counts = [&totals["quotas"], &totals["configs"], &totals["acls"]];
    let acls = sorted(&told["acls"]).len();
    let set = settings(&told["configs"]);
    assert_eq!(counts, [&json!(9), &json!(set), &json!(acls)]);

    // only a broker itself tells its settings
    let a = scene.context.a().unwrap();
    let down = a.broker_id(2).to_string();
    a.kill_broker(2).unwrap();
    wait_until_missed(a, a.broker_id(2));
    let bootstrap = a.bootstrap();
    let words = [
        "backup",
        "--repository",
        &scene.url,
        "--json",
        "--bootstrap-servers",
        &bootstrap,
    ];
    let run = scene
        .program
        .run(&[&words[..], &more[..]].concat())
        .unwrap();
    let report = run.expect_code(3).unwrap().json().unwrap();
    let problems = report["problems"].to_string();
    let told = format!("configurations of broker {down}");
    assert!(
        problems.contains(&told) && problems.contains("the broker is down"),
        "{problems}"
    );
    let configs = &self::documents(&scene, &report)["configs"];
    assert_eq!(configs["brokers"][&down], Value::Null);
    assert_eq!(configs["brokers"].as_object().map(Map::len), Some(3));
}

/// Waits until the others know that a broker is down.
fn wait_until_missed(cluster: &KafkaCluster, broker: i32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let in_sync = || {
        let leaders = cluster.oracle().leaders().unwrap();
        leaders.iter().any(|led| led.in_sync.contains(&broker))
    };
    while in_sync() {
        assert!(Instant::now() < deadline, "{broker} is not missed");
        thread::sleep(Duration::from_millis(100));
    }
}

fn settings_are_told(documents: &Map<String, Value>, told: &Value, report: &Value) {
    let secret = "listener.name.client.ssl.keystore.password";
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].to_string().contains(secret), "{problems:#?}");
    let mut configs = documents["configs"].clone();
    for field in ["format", "version"] {
        configs.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(configs, told["configs"]);
    let brokers = configs["brokers"].as_object().unwrap();
    assert_eq!(brokers.len(), 3);
    // that it is set, and not what it is
    let kept_back = brokers.values().filter_map(|broker| broker.get(secret));
    assert_eq!(kept_back.collect::<Vec<_>>(), [&Value::Null]);
    assert_eq!(
        documents["features"]["finalized"],
        told["features"]["finalized"]
    );
    assert_eq!(
        documents["features"]["supported"],
        told["features"]["supported"]
    );
}

fn access_is_told(documents: &Map<String, Value>, told: &Value) {
    let document = &documents["acls"];
    assert_eq!(document["authorizer"], true);
    assert_eq!(sorted(&document["acls"]), sorted(&told["acls"]));
    for wanted in acls().as_array().unwrap() {
        assert!(
            document["acls"].as_array().unwrap().contains(wanted),
            "{wanted}"
        );
    }
    let document = &documents["quotas"]["quotas"];
    assert_eq!(sorted(document), sorted(&told["quotas"]));
    assert_eq!(sorted(document), sorted(&quotas()));
}

fn members_are_told(group: &Value, kind: &str, joined: &Value) {
    let group_type = group["group_type"].as_str().unwrap().to_lowercase();
    assert_eq!(
        (&*group_type, &group["state"]),
        (kind, &joined["state"]),
        "{group:#}"
    );
    let mut member = joined["member"].clone();
    if member["instance_id"].is_null() {
        member.as_object_mut().unwrap().remove("instance_id");
    }
    assert_eq!(group["members"], json!([member]), "{group:#}");
}

fn token_is_told(document: &Value, token: &Value) {
    assert_eq!(document["enabled"], true);
    let listed = document["tokens"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    for field in ["token_id", "owner", "renewers", "max_timestamp_ms"] {
        assert_eq!(listed[0][field], token[field], "{field}");
    }
    assert!(listed[0].get("hmac").is_none());
}

/// How many settings are in there, however deep.
fn settings(configs: &Value) -> usize {
    match configs {
        Value::Object(parts) => parts.values().map(settings).sum(),
        _ => 1,
    }
}

#[test]
fn r18_a_share_group_starts_at_the_same_record_and_only_while_nobody_is_in_it() {
    let mut scene = Scene::new();
    let there = scene.file("members-stay", "");
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    scene.context.start_a(&KafkaCluster::builder()).unwrap();
    scene.context.start_b(&KafkaCluster::builder()).unwrap();
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    workload
        .create_topic("orders", 1, &[("retention.ms", "-1")])
        .unwrap();
    let messages = [0; 10].map(|partition| Message::text("orders", partition, "value"));
    workload.produce_one_by_one(&[], &messages).unwrap();
    workload.delete_records("orders", 0, 4).unwrap();
    let start = |group: &str, offset: i64| json!({ "group": group, "topic": "orders", "partition": 0, "offset": offset });
    let fill = |starts: Value| json!({ "configs": [], "acls": [], "quotas": [], "starts": starts });
    workload
        .fill_surroundings(&fill(json!([start("waiting", 7), start("busy", 5)])))
        .unwrap();
    backup(&program, &url, &a.bootstrap(), &[]);

    b.workload().create_topic("other", 1, &[]).unwrap();
    b.workload()
        .join("share", "busy", "other", None, there.as_ref())
        .unwrap();
    let run = run_restore(&program, &url, &b.bootstrap(), &state, &[]);
    let report = run.expect_code(3).unwrap().json().unwrap();
    let groups = report["groups"].as_array().unwrap();
    let of = |name: &str| groups.iter().find(|group| group["group"] == name).unwrap();
    assert!(
        of("busy")["skipped"].as_str().unwrap().contains("active"),
        "{report:#}"
    );
    assert_eq!(
        (&of("waiting")["committed"], &of("waiting")["skipped"]),
        (&json!(1), &Value::Null)
    );
    let asked = |groups: &[&str]| {
        json!({
            "authorizer": false, "groups": [], "client_metrics": [], "share_groups": groups,
        })
    };
    let told = b.oracle().surroundings(&asked(&["waiting"])).unwrap();
    assert_eq!(told["starts"], json!([start("waiting", 3)]));
    fs::remove_file(&there).unwrap();
}

/// Backs up a cluster of an older Kafka without an authorizer; what the report notes about it, and the documents.
fn back_up_older(version: &str) -> (Vec<String>, Map<String, Value>) {
    let mut scene = Scene::new();
    let older = KafkaCluster::builder().version(version);
    let a = scene.context.start_a(&older).unwrap();
    let wanted = Fidelity {
        compaction: false,
        ..Fidelity::default()
    };
    let written = a.workload().fidelity(&wanted).unwrap();
    let set = json!({ "log.cleaner.threads": "2" });
    let configs = json!([{ "type": "BROKER", "name": "", "configs": set }]);
    a.workload()
        .fill_surroundings(
            &json!({ "configs": configs, "acls": [], "quotas": quotas(), "starts": [] }),
        )
        .unwrap();
    let (bootstrap, cluster_default) = (a.bootstrap(), set);
    let report = backup(&scene.program, &scene.url, &bootstrap, &[]);
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    let asked = json!({
        "authorizer": false, "groups": null, "client_metrics": null, "share_groups": [],
    });
    let told = scene
        .context
        .a()
        .unwrap()
        .oracle()
        .surroundings(&asked)
        .unwrap();
    let documents = documents(&scene, &report);

    assert_eq!(documents["configs"]["cluster"], cluster_default);
    assert_eq!(documents["configs"]["brokers"], told["configs"]["brokers"]);
    assert_eq!(documents["acls"]["authorizer"], false);
    assert_eq!(sorted(&documents["quotas"]["quotas"]), sorted(&quotas()));
    assert_eq!(
        documents["features"]["finalized"],
        told["features"]["finalized"]
    );
    // nobody proves who he is on this listener
    assert_eq!(documents["tokens"]["enabled"], Value::Null);
    let open = documents["cluster"]["open_transactions"]
        .as_array()
        .unwrap();
    let mut open: Vec<_> = open
        .iter()
        .inspect(|open| assert!(open["start_timestamp_ms"].as_i64() > Some(0), "{open}"))
        .map(|open| open["transactional_id"].as_str().unwrap().to_owned())
        .collect();
    open.sort_unstable();
    let mut left_open = written.open_transactions;
    left_open.sort_unstable();
    assert_eq!(open, left_open);
    let problems = report["problems"].as_array().unwrap().iter();
    let notes = problems.map(|problem| {
        let text = |field: &str| problem[field].as_str().unwrap();
        format!("{}: {}", text("subject"), text("problem"))
    });
    (notes.collect(), documents)
}

#[test]
fn what_kafka_3_6_does_not_offer_is_told_and_not_taken_for_nothing() {
    let (notes, documents) = back_up_older("3.6.2");
    let told = |what: &str| notes.iter().any(|note| note.contains(what));
    assert!(
        told("client metrics subscriptions: not saved"),
        "{notes:#?}"
    );
    assert!(told("does not offer ListConfigResources"), "{notes:#?}");
    assert!(told("do not offer configurations of groups"), "{notes:#?}");
    assert_eq!(documents["configs"]["client_metrics"], Value::Null);
    assert_eq!(documents["configs"]["groups"], Value::Null);
}

#[test]
fn what_kafka_3_7_does_not_offer_is_told_and_not_taken_for_nothing() {
    let (notes, documents) = back_up_older("3.7.2");
    let told = |what: &str| notes.iter().any(|note| note.contains(what));
    assert!(!told("client metrics subscriptions"), "{notes:#?}");
    assert!(told("do not offer configurations of groups"), "{notes:#?}");
    assert_eq!(documents["configs"]["client_metrics"], json!({}));
    assert_eq!(documents["configs"]["groups"], Value::Null);
}
