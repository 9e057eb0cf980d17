//! What a cluster is besides its records comes back as Kafka's own admin client tells it, and nothing else is touched.

use std::time::Duration;

use lifeboat_tests::{ClusterBuilder, KafkaCluster, Message, Program, Run, Workload};
use serde_json::{Value, json};

use crate::{
    cluster_documents::{acls, quotas, sorted},
    lifeboat::{Scene, backup, run_restore},
};

/// One node where everybody who is not told apart may do everything.
fn guarded() -> ClusterBuilder {
    KafkaCluster::builder()
        .authorizer(true)
        .super_user("ANONYMOUS")
}

fn set(kind: &str, name: &str, configs: &Value) -> Value {
    json!({ "type": kind, "name": name, "configs": configs })
}

fn fill(workload: &Workload, configs: &Value, acls: &Value, quotas: &Value) {
    let wanted = json!({ "configs": configs, "acls": acls, "quotas": quotas, "starts": [] });
    workload.fill_surroundings(&wanted).unwrap();
}

fn fill_topics(workload: &Workload) {
    let kept = [("retention.ms", "-1"), ("min.compaction.lag.ms", "7")];
    workload.create_topic("orders", 2, &kept).unwrap();
    workload.create_topic("empty", 1, &[]).unwrap();
    let messages = [0, 0, 1].map(|partition| Message::text("orders", partition, "value"));
    workload.produce(&[], &messages).unwrap();
    let offsets = [("orders", 0, 1, "né"), ("orders", 1, 1, "")];
    workload.commit("shop", &offsets).unwrap();
}

/// Settings of every kind that has any.
fn fill_everything(cluster: &KafkaCluster) {
    let broker = cluster.broker_id(0).to_string();
    let metrics = json!({
        "metrics": "org.apache.kafka.producer.", "interval.ms": "30000", "match": "client_id=app.*",
    });
    let configs = json!([
        set(
            "BROKER",
            "",
            &json!({ "log.cleaner.threads": "2", "message.max.bytes": "2000000" })
        ),
        set("BROKER", &broker, &json!({ "num.io.threads": "5" })),
        set(
            "GROUP",
            "shop",
            &json!({ "consumer.session.timeout.ms": "50000" })
        ),
        set(
            "GROUP",
            "not there yet",
            &json!({ "share.record.lock.duration.ms": "20000" })
        ),
        set("CLIENT_METRICS", "latency", &metrics),
    ]);
    fill_topics(&cluster.workload());
    fill(&cluster.workload(), &configs, &acls(), &quotas());
}

/// What Kafka's admin client tells, in one order.
fn told(cluster: &KafkaCluster) -> Value {
    let asked = json!({
        "authorizer": true, "groups": ["shop", "not there yet", "extra"],
        "client_metrics": ["latency", "extra"], "share_groups": [],
    });
    let told = cluster.oracle().surroundings(&asked).unwrap();
    let topics = cluster.oracle().topics().unwrap();
    json!({
        "configs": told["configs"],
        "features": told["features"],
        "acls": sorted(&told["acls"]),
        "quotas": sorted(&told["quotas"]),
        "topics": topics
            .iter()
            .map(|topic| format!("{} {} {:?}", topic.name, topic.partitions, topic.configs))
            .collect::<Vec<_>>(),
    })
}

/// What was changed, each on a line.
fn changes(document: &Value) -> Vec<String> {
    let changes = document["changes"].as_array().unwrap().iter();
    changes
        .map(|it| {
            let change = it.get("change").filter(|it| it.is_object()).unwrap_or(it);
            let text = |field: &str| change[field].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("change"), text("kind"), text("name"))
        })
        .collect()
}

fn diff(program: &Program, url: &str, words: &[&str]) -> Run {
    let mut arguments = vec!["diff", "--repository", url];
    arguments.extend(words);
    program.run(&arguments).unwrap()
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: each step begins where the last one ended"
)]
fn all_that_makes_a_cluster_is_restored_and_the_second_time_nothing_is_changed() {
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    scene.context.start_a(&guarded()).unwrap();
    scene.context.start_b(&guarded()).unwrap();
    let (a, b) = scene.context.both().unwrap();
    fill_everything(a);
    backup(&program, &url, &a.bootstrap(), &[]);
    let live = |cluster: &KafkaCluster, more: &[&str]| {
        let bootstrap = cluster.bootstrap();
        let words = ["latest", "live", "--bootstrap-servers", &bootstrap];
        diff(&program, &url, &[&words[..], more].concat())
    };
    let unchanged = live(a, &["--exit-code"]).expect_code(0).unwrap();
    assert!(
        unchanged.stdout.contains("nothing changed"),
        "{unchanged:?}"
    );
    let restore = |more: &[&str]| run_restore(&program, &url, &b.bootstrap(), &state, more);
    let (wanted, before) = (told(a), told(b));

    // a dry run tells everything and does nothing
    let planned = restore(&["--dry-run"]).expect_code(0).unwrap();
    let planned = planned.json().unwrap();
    let made = planned["cluster"]["made"].as_array().unwrap().len();
    assert!(made > 20, "{planned:#}");
    assert_eq!(told(b), before);

    let report = restore(&[]).expect_code(0).unwrap().json().unwrap();
    assert_eq!(report["changes"].as_array().unwrap().len(), made);
    assert_eq!(told(b), wanted);
    let equal = live(b, &["--exit-code", "--json"]).expect_code(0).unwrap();
    assert_eq!(
        equal.json().unwrap()["changes"],
        json!([]),
        "{}",
        equal.stdout
    );

    // again: nothing is changed, and that is said
    let only = ["--only", "configs,quotas,acls,topics"];
    let again = restore(&only).expect_code(0).unwrap().json().unwrap();
    assert_eq!(
        (&again["changes"], &again["topics"]),
        (&json!([]), &json!([]))
    );
    let bootstrap = b.bootstrap();
    let mut words = vec![
        "restore",
        "latest",
        "--repository",
        &url,
        "--state",
        &state,
        "--yes",
    ];
    words.extend(["--bootstrap-servers", &bootstrap]);
    words.extend(only);
    let said = program.run(&words).unwrap().expect_code(0).unwrap();
    assert!(said.stdout.contains("nothing to do"), "{}", said.stdout);
    assert_eq!(told(b), wanted);

    // what is more than the snapshot has stays, unless it is asked for
    let other = json!({ "log.cleaner.threads": "1", "log.cleaner.backoff.ms": "14999" });
    let extra = json!([
        set("BROKER", "", &other),
        set(
            "GROUP",
            "extra",
            &json!({ "consumer.session.timeout.ms": "46000" })
        ),
    ]);
    let more_rights = json!([{
        "resource_type": "TOPIC", "resource_name": "extra", "pattern_type": "LITERAL",
        "principal": "User:extra", "host": "*", "operation": "READ", "permission": "ALLOW",
    }]);
    let more_quotas =
        json!([{ "entity": { "user": "extra" }, "limits": { "producer_byte_rate": 1.0 } }]);
    b.workload().create_topic("extra", 1, &[]).unwrap();
    b.workload()
        .alter_configs(
            "orders",
            &[
                ("segment.ms", Some("99999")),
                ("retention.ms", Some("5000")),
            ],
        )
        .unwrap();
    fill(&b.workload(), &extra, &more_rights, &more_quotas);
    let only = ["--only", "configs,quotas,acls"];
    let kept = restore(&only).expect_code(0).unwrap().json().unwrap();
    assert_eq!(
        changes(&kept),
        [
            "changed config retention.ms",
            "changed config log.cleaner.threads"
        ]
    );
    // a removal is a question of its own: a no to it is a no to all
    let drifted = told(b);
    let bootstrap = b.bootstrap();
    let mut words = vec!["restore", "latest", "--repository", &url, "--state", &state];
    words.extend(["--bootstrap-servers", &bootstrap, "--prune-extra"]);
    words.extend(only);
    let mut terminal = program.spawn_on_terminal(&words, 150, 40).unwrap();
    for (question, answer) in [
        ("write this into cluster", "y\n"),
        ("remove these from", "n\n"),
    ] {
        terminal
            .wait_for(question, Duration::from_secs(60))
            .unwrap();
        terminal.type_text(answer).unwrap();
    }
    let run = terminal.wait().unwrap();
    assert!(
        run.stdout.contains("not agreed to: nothing was changed"),
        "{run:?}"
    );
    assert_eq!((run.code, told(b)), (Some(1), drifted));
    let pruned = restore(&[&only[..], &["--prune-extra"]].concat());
    let pruned = pruned.expect_code(0).unwrap().json().unwrap();
    assert_eq!(
        changes(&pruned),
        [
            "removed config segment.ms",
            "removed config log.cleaner.backoff.ms",
            "removed config consumer.session.timeout.ms",
            "removed quota producer_byte_rate",
            "removed acl ",
        ]
    );
    b.workload().delete_topics(&["extra"]).unwrap();
    assert_eq!(told(b), wanted);

    // groups by themselves, where their offsets mean the same
    let moved = [("orders", 0, 0, "elsewhere")];
    b.workload().commit("shop", &moved).unwrap();
    assert_ne!(b.oracle().groups().unwrap(), a.oracle().groups().unwrap());
    // not without a yes
    let asked = [
        "restore",
        "latest",
        "--only",
        "groups",
        "--repository",
        &url,
        "--state",
        &state,
        "--bootstrap-servers",
        &bootstrap,
    ];
    let before = b.oracle().groups().unwrap();
    let asked = program.run(&asked).unwrap().expect_code(2).unwrap();
    assert!(asked.stderr.contains("nobody is there"), "{}", asked.stderr);
    assert_eq!(b.oracle().groups().unwrap(), before);
    let groups = restore(&["--only", "groups"]).expect_code(0).unwrap();
    assert_eq!(groups.json().unwrap()["groups"][0]["committed"], 2);
    assert_eq!(b.oracle().groups().unwrap(), a.oracle().groups().unwrap());
    let groups = restore(&["--only", "groups"]).expect_code(0).unwrap();
    assert_eq!(groups.json().unwrap()["groups"], json!([]));

    // between two snapshots, what was done in between
    let rate = json!([{ "entity": { "user": null }, "limits": { "producer_byte_rate": 7.0 } }]);
    fill(&a.workload(), &json!([]), &json!([]), &rate);
    a.workload().create_topic("made", 3, &[]).unwrap();
    backup(&program, &url, &a.bootstrap(), &[]);
    let made = diff(&program, &url, &["latest~1", "latest", "--exit-code"]);
    let shown = made.expect_code(22).unwrap().stdout;
    for line in [
        "+ topic  made            3 partitions, rf 1",
        "~ quota  user (default)  producer_byte_rate 1048576 → 7",
        "2 changes: 1 added, 0 removed, 1 changed",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let topics = [
        "latest~1",
        "latest",
        "--only",
        "topics",
        "--topics",
        "o*",
        "--exit-code",
    ];
    diff(&program, &url, &topics).expect_code(0).unwrap();
}

#[test]
fn what_the_target_can_not_have_is_named_and_the_rest_is_restored() {
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    scene.context.start_a(&guarded()).unwrap();
    // none that could take ACLs, and other names of brokers
    scene
        .context
        .start_b(&KafkaCluster::builder().brokers(3).heap_megabytes(256))
        .unwrap();
    let (a, b) = scene.context.both().unwrap();
    fill_topics(&a.workload());
    let source = a.broker_id(0);
    let own = json!({
        "num.io.threads": "5", "listener.name.client.ssl.keystore.password": "hushhush",
    });
    let configs = json!([
        set("BROKER", &source.to_string(), &own),
        set("BROKER", "", &json!({ "log.cleaner.threads": "2" })),
    ]);
    fill(&a.workload(), &configs, &acls(), &quotas());
    backup(&program, &url, &a.bootstrap(), &[]);

    let last = b.broker_id(2);
    let map = format!("{source}={last}");
    let more = ["--assignment", "--broker-map", &map];
    let run = run_restore(&program, &url, &b.bootstrap(), &state, &more);
    let report = run.expect_code(3).unwrap().json().unwrap();
    let left_out = report["left_out"].as_array().unwrap();
    let reasons = |wanted: &str| {
        let reasons = left_out
            .iter()
            .filter(|it| it["reason"].as_str().unwrap().contains(wanted));
        reasons.count()
    };
    assert_eq!(reasons("no authorizer"), acls().as_array().unwrap().len());
    assert_eq!(reasons("sensitive"), 1);
    assert_eq!(
        left_out.len(),
        1 + acls().as_array().unwrap().len(),
        "{report:#}"
    );
    let asked = json!({
        "authorizer": false, "groups": [], "client_metrics": [], "share_groups": [],
    });
    let found = b.oracle().surroundings(&asked).unwrap();
    assert_eq!(sorted(&found["quotas"]), sorted(&quotas()));
    assert_eq!(found["configs"]["cluster"]["log.cleaner.threads"], "2");
    let of_broker = &found["configs"]["brokers"][last.to_string()];
    assert_eq!(*of_broker, json!({ "num.io.threads": "5" }));
    let leaders = b.oracle().leaders().unwrap();
    let orders: Vec<_> = leaders.iter().filter(|led| led.topic == "orders").collect();
    assert_eq!(orders.len(), 2);
    assert!(
        orders
            .iter()
            .all(|led| led.leader == last && led.replicas == 1),
        "{orders:?}"
    );

    // the same again: nothing to be done, and what is missing is named again
    let again = ["--only", "configs,quotas,acls", "--broker-map", &map];
    let run = run_restore(&program, &url, &b.bootstrap(), &state, &again);
    let report = run.expect_code(3).unwrap().json().unwrap();
    assert_eq!(report["changes"], json!([]), "{report:#}");
    // a broker that is not mapped has no place here
    let unmapped = ["--only", "configs", "--dry-run"];
    let run = run_restore(&program, &url, &b.bootstrap(), &state, &unmapped);
    let plan = run.expect_code(3).unwrap().json().unwrap();
    let there = (0..3).any(|index| b.broker_id(index) == source);
    let reasons = plan["cluster"]["left_out"].to_string();
    assert!(there || reasons.contains("--broker-map"), "{plan:#}");
    assert!(reasons.contains("sensitive"), "{plan:#}");
}

#[test]
fn a_new_cluster_begins_with_all_that_makes_a_cluster_at_its_first_start() {
    let mut scene = Scene::new();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let a = scene.context.start_a(&guarded()).unwrap();
    fill_everything(a);
    let wanted = told(a);
    backup(&program, &url, &a.bootstrap(), &[]);
    scene.context.destroy_a();

    let folder = scene.context.scratch().join("metadata");
    std::fs::create_dir(&folder).unwrap();
    let place = folder.display().to_string();
    let words = [
        "restore",
        "latest",
        "--repository",
        &url,
        "--json",
        "--bootstrap-checkpoint",
        &place,
    ];
    let run = program.run(&words).unwrap().expect_code(0).unwrap();
    let counts = run.json().unwrap()["counts"].clone();
    assert_eq!(counts["acls"], wanted["acls"].as_array().unwrap().len());

    let checkpoint = folder.join("bootstrap.checkpoint");
    let b = scene.context.start_b(&guarded().seed(&checkpoint)).unwrap();
    let found = told(b);
    for kind in ["configs", "features", "acls", "quotas"] {
        assert_eq!(found[kind], wanted[kind], "{kind}");
    }
}
