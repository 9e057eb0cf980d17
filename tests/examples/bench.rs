//! `make bench`: how fast, with how much memory; raw fetch and a plain consumer beside it, on the same topic.
//!
//! `LIFEBOAT_BENCH=quick` leaves out the large data sets, `LIFEBOAT_BENCH=incremental` all but incremental backups;
//! the name of a data set, such as `orders-8GB`, leaves out all others.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::{env, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use lifeboat_tests::{
    Bulk, BulkReport, KafkaCluster, Message, Program, Run, Scratch, files_below, folder_size,
};

/// What a target is given first.
const WARM_UP: u64 = 400_000_000;

/// The data set that is restored once more, over other partitions.
const SPREAD: &str = "orders-1.5GB";

fn main() -> Result<()> {
    let mode = env::var("LIFEBOAT_BENCH").unwrap_or_default();
    let loads = match mode.as_str() {
        "" => loads(),
        "quick" => loads().into_iter().take(2).collect(),
        "incremental" => Vec::new(),
        name => {
            let load = loads().into_iter().find(|load| load.topic == name);
            return measure(&load.with_context(|| format!("no data set {name:?}"))?);
        }
    };
    for load in loads {
        measure(&load)?;
    }
    for thousands in [1, 10] {
        measure_incremental(thousands)?;
    }
    Ok(())
}

/// How often counting and backup run in turn, the pair in the middle being told: a machine that other programs share is not
/// equally fast for long.
fn pairs_of(load: &Bulk) -> usize {
    if load.stored_bytes > 2_000_000_000 {
        1
    } else {
        3
    }
}

/// The data sets; the first two are the quick ones.
fn loads() -> Vec<Bulk> {
    let sized = |topic: &str, stored_bytes: u64| Bulk {
        stored_bytes,
        ..Bulk::orders(topic)
    };
    vec![
        // records of 1 KB, as most benchmarks have them, and small ones, which cost most
        Bulk {
            kind: "documents".to_owned(),
            ..sized("documents-1.5GB", 1_500_000_000)
        },
        sized("orders-1.5GB", 1_500_000_000),
        Bulk {
            codec: "none".to_owned(),
            ..sized("plain-1.5GB", 1_500_000_000)
        },
        sized("orders-0.5GB", 500_000_000),
        sized("orders-2GB", 2_000_000_000),
        sized("orders-8GB", 8_000_000_000),
        Bulk {
            partitions: 1_000,
            ..sized("orders-1000-partitions", 1_000_000_000)
        },
        Bulk {
            one_record_per_batch: true,
            ..sized("one-record-per-batch", 100_000_000)
        },
    ]
}

/// What a snapshot costs when nothing, and when one of so many thousand partitions has changed.
fn measure_incremental(thousands: u32) -> Result<()> {
    let scratch = Scratch::new("bench")?;
    let folder = scratch.join("repository");
    let repository = format!("file://{}", folder.display());
    let program = Program::built()?;
    let cluster = KafkaCluster::builder().heap_megabytes(1_024).start()?;
    // a controller makes no more than that at once
    let load = |number: u32| Bulk {
        partitions: 1_000,
        stored_bytes: 20_000_000,
        ..Bulk::orders(&format!("orders-{number}"))
    };
    println!("\nincremental: {thousands} topics of 1,000 partitions");
    for number in 0..thousands {
        cluster.workload().bulk(&load(number))?;
    }
    println!(
        "  {:<24} {:>8} {:>9} {:>12}",
        "", "MB/s", "seconds", "peak memory"
    );
    program
        .run(&["init", "--repository", &repository])?
        .expect_code(0)?;
    let from = cluster.bootstrap();
    let backup = |what: &str| -> Result<()> {
        let before = files_below(&folder).len();
        let run = program
            .run(&[
                "backup",
                "--repository",
                &repository,
                "--bootstrap-servers",
                &from,
                "--json",
            ])?
            .expect_code(0)?;
        let read = &run.json()?["commit"]["totals"]["read_bytes"];
        let read = read.as_u64().context("no read_bytes in the report")?;
        let objects = files_below(&folder).len() - before;
        let more = format!("{read} bytes read, {objects} objects written");
        row(what, read, wall(&run), &run, &more);
        Ok(())
    };
    backup("full")?;
    backup("nothing has changed")?;
    let one = Message::text("orders-0", 7, "one more");
    cluster.workload().produce(&[], &[one])?;
    backup("one partition has")
}

/// One data set on a cluster of its own, restored into another one.
fn measure(load: &Bulk) -> Result<()> {
    let scratch = Scratch::new("bench")?;
    let repository = format!("file://{}", scratch.join("repository").display());
    let state = scratch.join("state").display().to_string();
    let program = Program::built()?;
    let a = KafkaCluster::builder().start()?;
    let filled = a.workload().bulk(load)?;
    heading(load, &filled);

    let from = a.bootstrap();
    let fetch = beside("raw_fetch")?
        .run(&[&from, &load.topic])?
        .expect_code(0)?;
    let (seconds, raw_bytes) = figures(&fetch)?;
    row("raw fetch to nowhere", raw_bytes, seconds, &fetch, "");
    let source = [
        "--repository",
        &repository,
        "--bootstrap-servers",
        &from,
        "--topics",
        &load.topic,
    ];
    let counter = beside("count_records")?;
    let count = || counter.run(&[&from, &load.topic])?.expect_code(0);
    // each into a repository of its own, and none stays beside the next: it would take memory that a virtual machine may
    // have to ask for first
    let backup = || {
        let folder = scratch.join("repository");
        if folder.try_exists()? {
            fs::remove_dir_all(&folder)?;
        }
        let init = ["init", "--repository", &repository];
        program.run(&init)?.expect_code(0)?;
        let full = ["backup", "--kind", "full"];
        program.run(&[&full, &source[..]].concat())?.expect_code(0)
    };
    let mut pairs = Vec::new();
    for _ in 0..pairs_of(load) {
        let count = count()?;
        pairs.push((figures(&count)?.0, count, backup()?));
    }
    let stored = folder_size(&scratch.join("repository"))?;
    let faster = |(counting, _, backup): &(f64, Run, Run)| counting / wall(backup);
    pairs.sort_by(|one, other| faster(one).total_cmp(&faster(other)));
    let (slowest, fastest) = (faster(&pairs[0]), faster(&pairs[pairs.len() - 1]));
    let middle = pairs.swap_remove(pairs.len() / 2);
    let (counting, count, backup) = &middle;
    row("rdkafka, only counting", raw_bytes, *counting, count, "");
    let archive = format!("{:.0} MB stored", stored as f64 / 1e6);
    row("lifeboat backup", raw_bytes, wall(backup), backup, &archive);
    println!(
        "  {:<24} {:>8.2} ×  {slowest:.2} to {fastest:.2}",
        "  against counting",
        faster(&middle)
    );
    let verify = program
        .run(&["verify", "latest", "--repository", &repository])?
        .expect_code(0)?;
    row("lifeboat verify", raw_bytes, wall(&verify), &verify, "");
    // one broker at a time: the machine is as large for the restore as for the backup
    drop(a);

    let b = KafkaCluster::builder().start()?;
    // brokers in use are warm: a fresh one would compile its own code while it is measured
    b.workload().bulk(&Bulk {
        stored_bytes: WARM_UP,
        topic: "warm-up".to_owned(),
        ..load.clone()
    })?;
    let into = b.bootstrap();
    let target = ["--repository", &repository, "--bootstrap-servers", &into];
    let run = ["--state", &state, "--yes", "--json"];
    let restored = |name: &str, more: &[&str]| -> Result<()> {
        let arguments = [&["restore", "latest"], more, &target, &run].concat();
        let restore = program.run(&arguments)?.expect_code(0)?;
        let report = restore.json()?;
        let phase = |name: &str| report[name].as_u64().unwrap_or(0) as f64 / 1e3;
        let phases = format!(
            "{:.1} s writing, {:.1} s comparing",
            phase("writing_ms"),
            phase("comparing_ms")
        );
        row(name, raw_bytes, wall(&restore), &restore, &phases);
        Ok(())
    };
    restored("lifeboat restore", &[])?;
    if load.topic == SPREAD {
        let beside = ["--prefix", "beside.", "--repartition", "100"];
        restored("  into 100 partitions", &beside)?;
    }
    Ok(())
}

/// A program that was built with this one.
fn beside(name: &str) -> Result<Program> {
    let path = env::current_exe()?.with_file_name(name);
    ensure!(
        path.try_exists()?,
        "{} is not built: run `make bench`",
        path.display()
    );
    Ok(Program::at(path))
}

/// `SECONDS NUMBER …`, as the small programs print them.
fn figures(run: &Run) -> Result<(f64, u64)> {
    let mut words = run.stdout.split_whitespace();
    let seconds = words.next().context("no seconds")?.parse()?;
    Ok((seconds, words.next().context("no number")?.parse()?))
}

fn wall(run: &Run) -> f64 {
    run.elapsed.max(Duration::from_millis(1)).as_secs_f64()
}

fn heading(load: &Bulk, filled: &BulkReport) {
    println!(
        "\n{}: {} records in {} partitions, {}",
        load.topic, filled.records, load.partitions, load.codec
    );
    columns();
}

fn columns() {
    println!(
        "  {:<24} {:>8} {:>9} {:>12}",
        "", "MB/s", "seconds", "peak memory"
    );
}

fn row(what: &str, raw_bytes: u64, seconds: f64, run: &Run, more: &str) {
    println!(
        "  {what:<24} {:>8.0} {seconds:>9.2} {:>9.1} MB  {more}",
        raw_bytes as f64 / 1e6 / seconds,
        run.peak_memory as f64 / 1e6
    );
}
