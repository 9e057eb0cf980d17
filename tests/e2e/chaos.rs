//! Brokers die, come back and are restarted one after the other while a backup or a restore runs: nothing is lost and
//! nothing comes twice.

use std::time::Duration;

use lifeboat_tests::{
    Bulk, ClusterBuilder, Contents, KafkaCluster, ReadOptions, Running, Security, folder_size,
    segment_bytes,
};

use crate::lifeboat::{Scene, goes_on, verify};

const STORED_BYTES: u64 = 24_000_000;
/// A run goes on when it has stored so much more.
const STEP: u64 = 2_000_000;
const DEADLINE: Duration = Duration::from_secs(120);
const USER: &str = "lifeboat";
/// Producer state of such records is forgotten by the brokers while they are written.
const TEN_YEARS_AGO: i64 = 1_480_000_000_000;

fn three_brokers() -> ClusterBuilder {
    KafkaCluster::builder()
        .brokers(3)
        .heap_megabytes(320)
        .security(Security::SaslSsl)
        .sasl_mechanisms(&["SCRAM-SHA-512"])
        .users(&[(USER, "pass")])
        .setting("producer.id.expiration.check.interval.ms", "1000")
}

fn fill(a: &KafkaCluster) -> Contents {
    for (topic, start_timestamp) in [("orders", None), ("history", Some(TEN_YEARS_AGO))] {
        let bulk = Bulk::orders(topic);
        a.workload()
            .bulk(&Bulk {
                partitions: 12,
                replication_factor: 3,
                stored_bytes: STORED_BYTES / 2,
                start_timestamp: start_timestamp.unwrap_or(bulk.start_timestamp),
                ..bulk
            })
            .unwrap();
    }
    a.wait_until_in_sync().unwrap();
    a.oracle().read(&ReadOptions::default()).unwrap()
}

/// So slow that a run takes 45 s at least: a killed broker is missed after 9 s, and takes as long to come back on a busy
/// machine.
const RATE: &str = "512KiB";

/// What happens to a cluster while something runs on it.
type Trouble = fn(&mut KafkaCluster, &Watch<'_>);

/// The broker that leads most is killed, and comes back while the others go on.
fn killed(cluster: &mut KafkaCluster, watch: &Watch<'_>) {
    watch.goes_on();
    let index = cluster.leads_most().unwrap();
    cluster.kill_broker(index).unwrap();
    watch.goes_on();
    cluster.start_broker(index).unwrap();
    assert!(!watch.running.has_ended(), "too small for this test");
}

/// All three, one after the other, each as an operator does.
fn rolling_restart(cluster: &mut KafkaCluster, watch: &Watch<'_>) {
    watch.goes_on();
    for index in 0..3 {
        cluster.stop_broker(index).unwrap();
        cluster.start_broker(index).unwrap();
        cluster.wait_until_in_sync().unwrap();
    }
    assert!(!watch.running.has_ended(), "too small for this test");
}

/// Sees by what grows on the disk that a run goes on.
struct Watch<'r> {
    running: &'r Running,
    stored: &'r dyn Fn() -> u64,
}

impl Watch<'_> {
    fn goes_on(&self) {
        goes_on(self.running, DEADLINE, STEP, self.stored);
    }
}

fn start(scene: &Scene, cluster: &KafkaCluster, arguments: &[&str]) -> Running {
    let properties = cluster.client_properties(USER).unwrap();
    let properties = scene.file("client.properties", &properties);
    let bootstrap = cluster.bootstrap();
    let common = [
        "--repository",
        &scene.url,
        "--bootstrap-servers",
        &bootstrap,
        "--command-config",
        &properties,
        "--max-rate",
        RATE,
        "--json",
    ];
    let arguments = [arguments, &common].concat();
    scene.program.spawn(&arguments).unwrap()
}

/// Backs up a cluster in trouble, restores into another one in the same trouble; everything must be there once.
fn everything_comes_back_in(trouble: Trouble, compare: &str) {
    let scene = Scene::hurried();
    let mut a = three_brokers().start().unwrap();
    let original = fill(&a);
    let running = start(&scene, &a, &["backup"]);
    let repository = scene.context.repository();
    let watch = Watch {
        running: &running,
        stored: &|| folder_size(&repository).unwrap_or(0),
    };
    trouble(&mut a, &watch);
    let report = running.wait().unwrap().expect_code(0).unwrap();
    let report = report.json().unwrap();
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    verify(&scene.program, &scene.url);
    drop(a);

    let mut b = three_brokers().start().unwrap();
    let folders = [0, 1, 2].map(|index| b.data_dir(index));
    let state = scene.context.scratch().join("state").display().to_string();
    let restore = ["restore", "latest", "--yes", "--state", &state];
    let restore = [&restore[..], &["--compare", compare]].concat();
    let running = start(&scene, &b, &restore);
    let watch = Watch {
        running: &running,
        stored: &|| folders.iter().map(|folder| segment_bytes(folder)).sum(),
    };
    trouble(&mut b, &watch);
    running.wait().unwrap().expect_code(0).unwrap();
    let restored = b.oracle().read(&ReadOptions::default()).unwrap();
    assert_eq!(original.differences(&restored), Vec::<String>::new());
    assert_eq!(original.records(), restored.records());
}

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_neither_a_record_nor_gives_one_twice() {
    everything_comes_back_in(killed, "batches");
}

#[test]
fn a_rolling_restart_costs_neither_a_record_nor_gives_one_twice() {
    everything_comes_back_in(rolling_restart, "records");
}

/// On 3.9, where the brokers do not say which of them are down.
#[test]
fn groups_and_settings_of_a_broker_that_is_lost_are_told_and_not_taken_for_none() {
    let mut scene = Scene::new();
    let wanted = KafkaCluster::builder()
        .brokers(3)
        .heap_megabytes(320)
        .version("3.9.1")
        .setting("offsets.topic.replication.factor", "1");
    let a = scene.context.start_a(&wanted).unwrap();
    let workload = a.workload();
    workload
        .create_replicated_topic("orders", 1, 3, &[])
        .unwrap();
    let groups: Vec<String> = (0..12).map(|number| format!("group-{number}")).collect();
    for group in &groups {
        workload.commit(group, &[("orders", 0, 0, "")]).unwrap();
    }
    let leaders = a.oracle().leaders().unwrap();
    let mut of_groups = leaders.iter();
    let lost = of_groups.find(|led| led.topic == "__consumer_offsets");
    let lost = lost.unwrap().leader;
    a.set_broker(lost, "log.cleaner.threads", "2").unwrap();
    let index = (0..3).find(|&index| a.broker_id(index) == lost).unwrap();
    a.kill_broker(index).unwrap();

    let bootstrap = a.bootstrap();
    let run = ["backup", "--repository", &scene.url, "--json"];
    let run = [&run[..], &["--bootstrap-servers", &bootstrap]].concat();
    let run = scene.program.run(&run).unwrap().expect_code(3).unwrap();
    let report = run.json().unwrap();
    let problems = report["problems"].as_array().unwrap();
    let told = |subject: &str| {
        let mut problems = problems.iter();
        let found = problems.find(|problem| problem["subject"] == subject);
        found.unwrap_or_else(|| panic!("{subject}: {report:#}"))["problem"].to_string()
    };
    let without = told("groups without a coordinator");
    assert!(
        without.contains("of __consumer_offsets have no leader"),
        "{without}"
    );
    let settings = told(&format!("configurations of broker {lost}"));
    assert!(settings.contains("the broker is down"), "{settings}");
    // the others are there
    let saved = report["commit"]["totals"]["groups"].as_u64().unwrap();
    assert!((1..12).contains(&saved), "{saved}");
}
