//! Every Kafka from 3.6 on is backed up and restored into the newest; and 3.9 into 3.6, backwards.

use lifeboat_tests::{CommittedOffset, Fidelity, KafkaCluster, ReadOptions, TestContext, compare};

use crate::{
    lifeboat::{backup, init, restore, run_restore, verify},
    roundtrip::{differences, not_compacted_any_more},
};

const OLDEST: &str = "3.6.2";

/// Fills a cluster A of this version and backs it up; the transactions that are open there.
fn back_up(context: &mut TestContext, version: &str, compaction: bool) -> Vec<String> {
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let a = context
        .start_a(&KafkaCluster::builder().version(version))
        .unwrap();
    let wanted = Fidelity {
        // waiting for the cleaner of one version is enough
        compaction,
        ..Fidelity::default()
    };
    let written = a.workload().fidelity(&wanted).unwrap();
    not_compacted_any_more(a);
    if version == "3.9.1" {
        // a setting that 3.6 does not know
        a.workload()
            .create_topic("newer", 1, &[("remote.log.copy.disable", "true")])
            .unwrap();
    }
    init(&program, &url);
    let report = backup(&program, &url, &a.bootstrap(), &[]);
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    verify(&program, &url);
    written.open_transactions
}

/// Restores it into a cluster B of the newest version, where nothing may be missing.
fn restore_into_the_newest(context: &mut TestContext, open_transactions: &[String]) {
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let state = context.scratch().join("state").display().to_string();
    restore(
        &program,
        &url,
        &context.b().unwrap().bootstrap(),
        &state,
        // the other comparison than that of the round trip
        &["--compare", "records"],
    );
    let (a, b) = context.both().unwrap();
    a.workload().settle(open_transactions).unwrap();
    assert_eq!(differences(&a.oracle(), &b.oracle()), Vec::<String>::new());
}

#[test]
fn kafka_3_6_is_restored_into_the_newest() {
    let mut context = TestContext::new().unwrap();
    let open = back_up(&mut context, OLDEST, true);
    restore_into_the_newest(&mut context, &open);
}

#[test]
fn kafka_3_7_is_restored_into_the_newest() {
    let mut context = TestContext::new().unwrap();
    let open = back_up(&mut context, "3.7.2", false);
    restore_into_the_newest(&mut context, &open);
}

#[test]
fn kafka_4_0_is_restored_into_the_newest() {
    let mut context = TestContext::new().unwrap();
    let open = back_up(&mut context, "4.0.2", false);
    restore_into_the_newest(&mut context, &open);
}

#[test]
fn r25_kafka_3_9_is_restored_into_the_newest_and_into_3_6_but_for_what_that_does_not_know() {
    let mut context = TestContext::new().unwrap();
    let open = back_up(&mut context, "3.9.1", false);
    restore_into_the_newest(&mut context, &open);

    context.destroy_b();
    let older = KafkaCluster::builder().version(OLDEST);
    let target = context.start_b(&older).unwrap().bootstrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let state = context.scratch().join("older").display().to_string();
    let run = run_restore(&program, &url, &target, &state, &[]);
    let report = run.expect_code(3).unwrap().json().unwrap();
    let told = report.to_string();
    assert!(
        told.contains("newer") && told.contains("remote.log.copy.disable"),
        "{report:#}"
    );
    let (a, b) = context.both().unwrap();
    let (a, b) = (a.oracle(), b.oracle());
    let everything = ReadOptions::default();
    assert_eq!(compare(&a, &b, &everything).unwrap(), Vec::<String>::new());
    let groups = CommittedOffset::differences(&a.groups().unwrap(), &b.groups().unwrap());
    assert_eq!(groups, Vec::<String>::new());
    for topic in b.topics().unwrap() {
        let mut before = a.topics().unwrap();
        before.retain(|before| before.name == topic.name);
        before[0].configs.remove("remote.log.copy.disable");
        assert_eq!(topic.configs, before[0].configs, "{}", topic.name);
    }
}
