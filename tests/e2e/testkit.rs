//! What all other tests stand on: the clusters start and end, and the independent producer and reader tell the truth.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{
    Bulk, CommittedOffset, Contents, Isolation, KafkaCluster, Message, ReadOptions, TestContext,
    TopicDescription, compare, dump_segments, fidelity_cluster, segment_files,
};

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_cluster_ends_with_the_process_that_started_it_even_if_that_is_killed() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testkit"))
        .arg("cluster")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = said.next().unwrap().unwrap().replace("bootstrap ", "");
    let directory = said.next().unwrap().unwrap().replace("directory ", "");
    assert!(TcpStream::connect(&address).is_ok());
    assert!(Path::new(&directory).is_dir());

    child.kill().unwrap();
    child.wait().unwrap();

    wait_until("the broker ended", || TcpStream::connect(&address).is_err());
    wait_until("its directory is gone", || !Path::new(&directory).is_dir());
}

#[test]
fn a_restarted_cluster_has_its_address_and_its_records() {
    let mut context = TestContext::new().unwrap();
    let a = context.a().unwrap();
    let (address, id) = (a.bootstrap(), a.cluster_id().to_owned());
    a.workload().create_topic("kept", 1, &[]).unwrap();
    a.workload()
        .produce(
            &[],
            &[
                Message::text("kept", 0, "one"),
                Message::text("kept", 0, "two"),
            ],
        )
        .unwrap();
    let before = a.oracle().read(&ReadOptions::default()).unwrap();

    a.restart().unwrap();
    assert_eq!(a.oracle().read(&ReadOptions::default()).unwrap(), before);
    a.kill_broker(0).unwrap();
    a.start_broker(0).unwrap();
    assert_eq!(a.oracle().read(&ReadOptions::default()).unwrap(), before);

    assert_eq!((a.bootstrap(), a.cluster_id()), (address, id.as_str()));
    assert_eq!(before.records(), 2);
}

#[test]
fn three_brokers_survive_the_loss_of_one() {
    let mut context = TestContext::new().unwrap();
    let a = context
        .start_a(&KafkaCluster::builder().brokers(3))
        .unwrap();
    assert_eq!(a.bootstrap().split(',').count(), 3);
    a.workload()
        .create_replicated_topic("kept", 6, 3, &[("min.insync.replicas", "2")])
        .unwrap();
    let send = |a: &KafkaCluster| {
        let messages: Vec<_> = (0..6)
            .map(|partition| Message::text("kept", partition, "value"))
            .collect();
        a.workload().produce(&[("acks", "all")], &messages).unwrap()
    };
    assert_eq!(send(a), [0; 6]);

    a.kill_broker(0).unwrap();
    assert_eq!(send(a), [1; 6]);
    a.start_broker(0).unwrap();
    assert_eq!(send(a), [2; 6]);

    assert_eq!(
        a.oracle().read(&ReadOptions::default()).unwrap().records(),
        18
    );
    let topics = a.oracle().topics().unwrap();
    assert_eq!((topics[0].partitions, topics[0].replication_factor), (6, 3));
    assert_eq!(
        topics[0].configs,
        BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())])
    );
}

#[test]
fn the_fidelity_data_set_holds_what_it_promises() {
    let (cluster, report) = fidelity_cluster().unwrap();
    let contents = cluster.oracle().read(&ReadOptions::default()).unwrap();
    let partition = |topic: &str, partition| contents.partition(topic, partition).unwrap();
    let shown = |topic: &str, partition| {
        cluster
            .oracle()
            .records(topic, partition, Isolation::ReadCommitted, 0, 10_000)
            .unwrap()
    };
    assert_eq!(
        contents
            .partitions
            .iter()
            .filter(|one| one.topic == "wide")
            .count(),
        100
    );
    assert_eq!(
        contents.records(),
        contents
            .partitions
            .iter()
            .map(|one| one.records)
            .sum::<u64>()
    );
    assert!(
        contents.records() < report.records,
        "aborted, compacted and open ones are not seen"
    );

    // the log begins late, in the middle of a batch too; gaps
    assert_eq!(
        (
            partition("trimmed", 0).start,
            partition("trimmed", 0).records
        ),
        (77, 123)
    );
    assert_eq!(
        (
            partition("trimmed", 1).start,
            partition("trimmed", 1).records
        ),
        (200, 0)
    );
    for (topic, number) in [
        ("compacted", 0),
        ("compacted", 1),
        ("compacted.transactional", 0),
    ] {
        assert!(
            partition(topic, number).records < 300,
            "{topic} has no gaps"
        );
        assert!(partition(topic, number).end >= 1_000);
    }
    // nothing at all, and one batch each
    assert_eq!(partition("empty", 2).end, 0);
    assert_eq!(partition("singles", 0).records, 500);

    let records = shown("codec.zstd", 0);
    for (what, found) in [
        (
            "a null key",
            records.iter().any(|record| record.key.is_none()),
        ),
        (
            "an empty key",
            records
                .iter()
                .any(|record| record.key.as_deref() == Some("")),
        ),
        (
            "a null value",
            records.iter().any(|record| record.value.is_none()),
        ),
        (
            "an empty value",
            records
                .iter()
                .any(|record| record.value.as_deref() == Some("")),
        ),
        (
            "binary",
            records.iter().any(|record| {
                record
                    .value
                    .as_ref()
                    .is_some_and(|value| value.starts_with("0x"))
            }),
        ),
    ] {
        assert!(found, "{what} is missing");
    }
    let headers: Vec<_> = shown("headers", 0)
        .into_iter()
        .flat_map(|record| record.headers)
        .collect();
    for header in ["ключ=null", "größe=", "名前=null", "dup=null", "=null"] {
        assert!(
            headers.iter().any(|one| one == header),
            "{header} is missing"
        );
    }
}

#[test]
fn the_fidelity_data_set_has_times_of_all_kinds() {
    let (cluster, _) = fidelity_cluster().unwrap();
    let shown = |topic: &str, partition| {
        cluster
            .oracle()
            .records(topic, partition, Isolation::ReadCommitted, 0, 10_000)
            .unwrap()
    };
    let now = shown("codec.zstd", 0)[0].timestamp;
    let ten_years = 10 * 365 * 24 * 3_600_000;
    let times: Vec<_> = shown("timestamps", 0)
        .iter()
        .map(|record| record.timestamp)
        .collect();
    assert!(times.contains(&0) && !times.is_sorted());
    assert!(
        times
            .iter()
            .any(|time| (1..now - ten_years + 60_000).contains(time))
    );
    assert!(times.iter().any(|time| *time > now + 1_700_000));
    for record in shown("append-time", 0) {
        assert_eq!(record.timestamp_type, "LogAppendTime");
        assert!(
            (record.timestamp - now).abs() < 120_000,
            "the broker's time, not the producer's"
        );
    }
}

#[test]
fn transactions_that_are_open_or_aborted_are_not_visible() {
    let mut context = TestContext::new().unwrap();
    let a = context.a().unwrap();
    let fidelity = lifeboat_tests::Fidelity {
        compaction: false,
        ..Default::default()
    };
    let report = a.workload().fidelity(&fidelity).unwrap();
    assert_eq!(report.open_transactions, ["open-1", "open-2"]);
    assert_eq!(a.workload().transactions().unwrap()["open-1"], "Ongoing");
    let keys = |isolation| -> Vec<String> {
        let records = a
            .oracle()
            .records("transactions", 1, isolation, 0, 10_000)
            .unwrap();
        records
            .into_iter()
            .filter_map(|record| record.key)
            .collect()
    };
    let seen = keys(Isolation::ReadCommitted);
    let all = keys(Isolation::ReadUncommitted);
    assert!(
        all.len() > seen.len() + 25,
        "aborted ones, the open one, and what lies behind it"
    );
    assert!(!seen.iter().any(|key| key == "open" || key == "behind"));

    a.workload().settle(&report.open_transactions).unwrap();

    assert_ne!(a.workload().transactions().unwrap()["open-1"], "Ongoing");
    let seen = keys(Isolation::ReadCommitted);
    assert!(!seen.iter().any(|key| key == "open"));
    assert_eq!(seen.iter().filter(|key| *key == "behind").count(), 20);
}

#[test]
fn groups_stand_wherever_a_group_can_stand() {
    let (cluster, _) = fidelity_cluster().unwrap();
    let groups = cluster.oracle().groups().unwrap();
    let one = |group: &str, topic: &str| -> &CommittedOffset {
        groups
            .iter()
            .find(|one| one.group == group && one.topic == topic && one.partition == 0)
            .unwrap()
    };
    assert_eq!(one("at-start", "codec.lz4").index, 0);
    assert_eq!(
        (
            one("at-end", "codec.lz4").read.as_str(),
            &one("at-end", "codec.lz4").next
        ),
        ("end", &None)
    );
    assert_eq!(one("behind-log-start", "trimmed").read, "out of range");
    assert_eq!(one("beyond-end", "headers").read, "out of range");
    assert_eq!(
        one("in-the-middle", "singles").metadata,
        "{\"host\":\"größe-名前\"}"
    );
    let gap = one("in-gaps", "compacted");
    assert!(gap.index < u64::try_from(gap.offset).unwrap());
    for group in groups.iter().filter(|one| one.read != "out of range") {
        assert_eq!(
            group.read,
            group.next.as_deref().unwrap_or("end"),
            "{group:?}"
        );
    }
    assert!(
        groups
            .iter()
            .any(|one| one.group == "consumed" && one.leader_epoch == Some(0))
    );
    assert!(
        CommittedOffset::differences(&groups, &groups)
            .iter()
            .all(|text| text.contains("out of range"))
    );
}

#[test]
fn a_comparison_names_the_first_record_that_differs() {
    let mut context = TestContext::new().unwrap();
    let (a, b) = context.both().unwrap();
    let messages = |last: &str| -> Vec<_> {
        (0..2_500)
            .map(|number| Message {
                timestamp: Some(1_790_000_000_000 + number),
                headers: vec![("name".to_owned(), None)],
                ..Message::text("same", 0, if number == 2_100 { last } else { "value" })
            })
            .collect()
    };
    for cluster in [&*a, &*b] {
        cluster.workload().create_topic("same", 2, &[]).unwrap();
    }
    a.workload().produce(&[], &messages("here")).unwrap();
    b.workload()
        .produce(&[("compression.type", "gzip")], &messages("here"))
        .unwrap();
    let everything = ReadOptions::default();
    assert_eq!(
        compare(&a.oracle(), &b.oracle(), &everything).unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(
        TopicDescription::differences(&a.oracle().topics().unwrap(), &b.oracle().topics().unwrap()),
        Vec::<String>::new()
    );

    for cluster in [&*a, &*b] {
        cluster.workload().delete_topics(&["same"]).unwrap();
        cluster.workload().create_topic("other", 1, &[]).unwrap();
    }
    let renamed = |last: &str| -> Vec<_> {
        messages(last)
            .into_iter()
            .map(|message| Message {
                topic: "other".to_owned(),
                ..message
            })
            .collect()
    };
    a.workload().produce(&[], &renamed("here")).unwrap();
    b.workload().produce(&[], &renamed("there")).unwrap();
    b.workload().create_topic("surplus", 1, &[]).unwrap();

    let differences = compare(&a.oracle(), &b.oracle(), &everything)
        .unwrap()
        .join("\n");
    assert!(
        differences.contains("surplus-0 was not there before"),
        "{differences}"
    );
    assert!(differences.contains("after record 2000"), "{differences}");
    assert!(
        differences.contains("index: 2100") && differences.contains("there"),
        "{differences}"
    );
}

#[test]
fn the_type_of_the_timestamp_counts_only_where_it_is_asked_for() {
    let (cluster, _) = fidelity_cluster().unwrap();
    let read = |timestamp_type| -> Contents {
        let options = ReadOptions {
            topics: vec!["append-time".to_owned()],
            timestamp_type,
            ..ReadOptions::default()
        };
        cluster.oracle().read(&options).unwrap()
    };
    assert_eq!(read(false), read(false));
    assert_ne!(
        read(false).partitions[0].digest,
        read(true).partitions[0].digest
    );
}

#[test]
fn bulk_data_are_as_many_as_were_asked_for() {
    let mut context = TestContext::new().unwrap();
    let a = context.a().unwrap();
    let orders = Bulk {
        records: 20_000,
        records_per_transaction: 1_000,
        abort_every: 5,
        ..Bulk::orders("orders")
    };
    let report = a.workload().bulk(&orders).unwrap();
    assert_eq!((report.records, report.aborted), (20_000, 4_000));
    assert!(
        report.stored_bytes < report.bytes / 2,
        "they compress as real ones: {report:?}"
    );
    let clicks = Bulk {
        kind: "clicks".to_owned(),
        one_record_per_batch: true,
        records: 3_000,
        partitions: 2,
        ..Bulk::orders("clicks")
    };
    a.workload().bulk(&clicks).unwrap();

    let contents = a.oracle().read(&ReadOptions::default()).unwrap();
    assert_eq!(contents.records(), 16_000 + 3_000);
    assert!(
        contents
            .partitions
            .iter()
            .all(|partition| partition.records > 1_000),
        "every partition has its share"
    );
    let dumped = dump_segments(a.home(), &segment_files(&a.data_dir(0)).unwrap()).unwrap();
    let batches: u64 = dumped
        .files
        .iter()
        .filter(|(file, _)| file.to_string_lossy().contains("clicks"))
        .map(|(_, facts)| facts.batches)
        .sum();
    assert_eq!(batches, 3_000);
}

#[test]
fn kafkas_own_tool_accepts_its_segments_and_names_a_damaged_one() {
    let (cluster, _) = fidelity_cluster().unwrap();
    let files = segment_files(&cluster.data_dir(0)).unwrap();
    assert!(files.len() > 120);
    let dumped = dump_segments(cluster.home(), &files).unwrap();
    assert!(dumped.success);
    assert_eq!(dumped.complaints, Vec::<String>::new());
    assert_eq!(dumped.files.len(), files.len());
    let records = |name: &str| -> u64 {
        dumped
            .files
            .iter()
            .filter(|(file, _)| file.to_string_lossy().contains(name))
            .map(|(_, facts)| facts.records)
            .sum()
    };
    assert_eq!(records("singles-"), 1_000);
    for (file, facts) in &dumped.files {
        let compacted = file.to_string_lossy().contains("compacted");
        assert!(
            facts.jumps.is_empty() || compacted,
            "{}: {:?}",
            file.display(),
            facts.jumps
        );
    }

    let scratch = lifeboat_tests::Scratch::new("damaged").unwrap();
    let damaged = scratch.join("00000000000000000000.log");
    let whole = files
        .iter()
        .find(|file| file.to_string_lossy().contains("codec.none-0/"))
        .unwrap();
    let mut bytes = fs::read(whole).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    assert!(
        !dump_segments(cluster.home(), &[damaged])
            .unwrap()
            .complaints
            .is_empty()
    );
}
