//! `make demo`: a lifelike cluster is backed up, destroyed, restored into a fresh one, and compared by Kafka's own client.

#![expect(clippy::print_stdout, reason = "it is there to be watched")]

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Result, bail, ensure};
use lifeboat_tests::{
    Bulk, CommittedOffset, Contents, Fidelity, KafkaCluster, Oracle, Program, ReadOptions, Scratch,
    TopicDescription, Workload, folder_size,
};

/// What is read of a cluster by Kafka's own clients.
struct Seen {
    contents: Contents,
    groups: Vec<CommittedOffset>,
    topics: Vec<TopicDescription>,
}

impl Seen {
    fn of(oracle: &Oracle) -> Result<Self> {
        Ok(Self {
            contents: oracle.read(&ReadOptions::default())?,
            groups: oracle.groups()?,
            topics: oracle.topics()?,
        })
    }

    fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = self.contents.differences(&now.contents);
        found.extend(CommittedOffset::differences(&self.groups, &now.groups));
        found.extend(TopicDescription::differences(&self.topics, &now.topics));
        found
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(differences) if differences.is_empty() => ExitCode::SUCCESS,
        Ok(differences) => {
            heading("NOT the same");
            for difference in differences {
                println!("{difference}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("\nthe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Vec<String>> {
    let scratch = Scratch::new("demo")?;
    let program = Program::built()?;
    // what is shown is what it takes, not what building it took
    let began = Instant::now();
    let repository = format!("file://{}", scratch.join("repository").display());

    heading("1  a Kafka cluster at work");
    let a = KafkaCluster::builder().start()?;
    say(&format!(
        "cluster A {} at {}",
        a.cluster_id(),
        a.bootstrap()
    ));
    let open = fill(&a.workload())?;

    heading("2  a snapshot of it");
    perform(&program, &["init", "--repository", &repository])?;
    let from = ["--bootstrap-servers", &a.bootstrap()];
    perform(
        &program,
        &[&["backup", "--repository", &repository], &from[..]].concat(),
    )?;
    perform(&program, &["verify", "latest", "--repository", &repository])?;
    say(&format!(
        "what is stored: {} in plain archives; tar --zstd -xf reads them",
        megabytes(folder_size(&scratch.join("repository"))?)
    ));

    heading("3  disaster: cluster A is gone");
    // what was open when the snapshot was taken is aborted, as it will be for every reader of the restored cluster
    a.workload().settle(&open)?;
    let before = Seen::of(&a.oracle())?;
    let (records, groups) = (before.contents.records(), before.groups.len());
    drop(a);
    say(&format!(
        "it held {records} committed records and {groups} group offsets; its disk is deleted"
    ));

    heading("4  a fresh cluster, and the snapshot into it");
    let b = KafkaCluster::builder().start()?;
    say(&format!(
        "cluster B {} at {}",
        b.cluster_id(),
        b.bootstrap()
    ));
    let state = scratch.join("state").display().to_string();
    let into = [
        "--bootstrap-servers",
        &b.bootstrap(),
        "--state",
        &state,
        "--yes",
    ];
    perform(
        &program,
        &[
            &["restore", "latest", "--repository", &repository],
            &into[..],
        ]
        .concat(),
    )?;

    heading("5  what Kafka's own Java consumer reads");
    let now = Seen::of(&b.oracle())?;
    let differences = before.differences(&now);
    if differences.is_empty() {
        table(&before, &now);
        heading(&format!(
            "the same: {records} records, {groups} group offsets, {} topics, in {:.0} s all in all",
            now.topics.len(),
            began.elapsed().as_secs_f64()
        ));
    }
    Ok(differences)
}

/// Over a million records in topics of every kind. Gives the transactions that are left open.
fn fill(workload: &Workload) -> Result<Vec<String>> {
    let began = Instant::now();
    let never_compacted = (
        "min.compaction.lag.ms".to_owned(),
        "9000000000000000".to_owned(),
    );
    let kept = ("retention.ms".to_owned(), "-1".to_owned());
    let orders = Bulk {
        records: 500_000,
        ..Bulk::orders("orders")
    };
    let clicks = Bulk {
        kind: "clicks".to_owned(),
        codec: "zstd".to_owned(),
        partitions: 12,
        records: 400_000,
        ..Bulk::orders("clicks")
    };
    let payments = Bulk {
        codec: "snappy".to_owned(),
        records: 150_000,
        records_per_transaction: 500,
        abort_every: 7,
        ..Bulk::orders("payments")
    };
    let customers = Bulk {
        codec: "none".to_owned(),
        records: 60_000,
        keys: 20_000,
        partitions: 3,
        configs: [
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            never_compacted.clone(),
            kept,
        ]
        .into_iter()
        .collect(),
        ..Bulk::orders("customers")
    };
    let mut records = 0;
    for bulk in [&orders, &clicks, &payments, &customers] {
        let report = workload.bulk(bulk)?;
        records += report.records;
        say(&format!(
            "{:<10} {:>7} records, {:>2} partitions, {:<6} {}{}",
            bulk.topic,
            report.records,
            bulk.partitions,
            bulk.codec,
            megabytes(report.stored_bytes),
            match report.aborted {
                0 => String::new(),
                aborted => format!(", {aborted} of them in aborted transactions"),
            }
        ));
    }
    let oddities = workload.fidelity(&Fidelity::default())?;
    for topic in ["compacted", "compacted.transactional"] {
        let (name, value) = &never_compacted;
        workload.alter_configs(topic, &[(name.as_str(), Some(value.as_str()))])?;
    }
    records += oddities.records;
    say(&format!(
        "{} more topics with {} oddities: nulls, odd headers and times, gaps, open transactions, 100 partitions",
        oddities.topics.len(),
        oddities.records
    ));
    workload.commit(
        "checkout",
        &[("orders", 0, 1_234, "batch 7"), ("orders", 3, 40_000, "")],
    )?;
    workload.commit(
        "fraud",
        &[("payments", 1, 9_999, "model v3"), ("clicks", 11, 0, "")],
    )?;
    ensure!(records >= 1_000_000, "only {records} records");
    say(&format!(
        "{records} records written by Kafka's own Java producer in {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(oddities.open_transactions)
}

/// Runs the program as a user does, its screen on ours.
fn perform(program: &Program, arguments: &[&str]) -> Result<()> {
    println!("\n  $ lifeboat {}", arguments.join(" "));
    io::stdout().flush()?;
    let code = program.perform(arguments)?;
    match code {
        Some(0) => Ok(()),
        code => bail!("lifeboat {} ended with exit code {code:?}", arguments[0]),
    }
}

fn table(before: &Seen, now: &Seen) {
    println!(
        "  {:<28} {:>10} {:>10} {:>10}  digest",
        "topic", "partitions", "records", "groups"
    );
    for topic in &now.topics {
        let of_topic = || {
            now.contents
                .partitions
                .iter()
                .filter(|one| one.topic == topic.name)
        };
        let records: u64 = of_topic().map(|one| one.records).sum();
        let groups = before
            .groups
            .iter()
            .filter(|one| one.topic == topic.name)
            .count();
        let digest = of_topic()
            .next()
            .map_or("", |one| &one.digest[..12.min(one.digest.len())]);
        println!(
            "  {:<28} {:>10} {:>10} {:>10}  {digest}…  equal",
            shortened(&topic.name),
            topic.partitions,
            records,
            groups
        );
    }
}

fn shortened(name: &str) -> String {
    if name.len() <= 28 {
        return name.to_owned();
    }
    format!("{}…", name.chars().take(27).collect::<String>())
}

fn heading(text: &str) {
    if io::stdout().is_terminal() {
        println!("\n\x1b[1m{text}\x1b[0m");
    } else {
        println!("\n{text}");
    }
}

fn say(text: &str) {
    println!("  {text}");
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
