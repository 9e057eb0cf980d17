//! Beside production traffic: who is told to be slow is slow, and misses nothing.

use std::time::Duration;

use lifeboat_tests::{Bulk, KafkaCluster, TestContext};

use crate::lifeboat::{backup, init, verify};

const MEGABYTE: u32 = 1_000_000;

#[test]
fn a_backup_under_a_quota_is_slower_and_never_incomplete() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    // Kafka counts over a quarter of its usual time: the quota is felt early
    let quick = KafkaCluster::builder().setting("quota.window.num", "3");
    let a = context.start_a(&quick).unwrap();
    let load = Bulk {
        codec: "none".to_owned(),
        bytes: 16_000_000,
        ..Bulk::orders("orders")
    };
    let written = a.workload().bulk(&load).unwrap();
    a.limit_client("lifeboat", 2 * MEGABYTE).unwrap();

    init(&program, &url);
    let report = backup(&program, &url, &a.bootstrap(), &[]);
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    assert_eq!(report["commit"]["totals"]["records"], written.records);
    let elapsed = Duration::from_millis(report["elapsed_ms"].as_u64().unwrap());
    assert!(
        elapsed > Duration::from_secs(3),
        "not slowed down: {elapsed:?}"
    );
    verify(&program, &url);
}
