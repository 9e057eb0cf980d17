//! Archives of repacked batches (R27) are smaller, readable with stock tools, and restored as what they were.

use lifeboat_tests::{Bulk, Fidelity, KafkaCluster, dump_segments, segment_files};
use serde_json::Value;

use crate::{
    lifeboat::{Scene, backup, restore, verify},
    readable::{files, untar},
    roundtrip::{differences, not_compacted_any_more},
};

fn total(report: &Value, name: &str) -> u64 {
    report["commit"]["totals"][name].as_u64().unwrap_or(0)
}

/// What lies in the first broker's log folders of that name.
fn log_bytes(cluster: &KafkaCluster, name: &str) -> u64 {
    let logs = files(&cluster.data_dir(0), ".log");
    let of_name = logs
        .iter()
        .filter(|path| path.to_string_lossy().contains(name));
    of_name.map(|path| path.metadata().unwrap().len()).sum()
}

#[test]
fn r27_repacked_archives_are_smaller_and_everything_comes_back_compressed_as_it_was() {
    let mut scene = Scene::new();
    let a = scene.context.a().unwrap();
    let bootstrap = a.bootstrap();
    let written = a.workload().fidelity(&Fidelity::default()).unwrap();
    not_compacted_any_more(a);
    let load = Bulk {
        partitions: 2,
        records: 40_000,
        ..Bulk::orders("bulk")
    };
    a.workload().bulk(&load).unwrap();

    let (program, url) = (&scene.program, &scene.url);
    let only = ["--topics=bulk", "--kind=full"];
    let verbatim = backup(program, url, &bootstrap, &only);
    let repacked = backup(
        program,
        url,
        &bootstrap,
        &[&only[..], &["--batches=repack"]].concat(),
    );
    let (before, after) = (
        total(&verbatim, "stored_bytes"),
        total(&repacked, "stored_bytes"),
    );
    assert!(after * 10 < before * 9, "{before} bytes became {after}");
    assert_eq!(total(&verbatim, "repacked_bytes"), 0);
    assert_eq!(
        total(&repacked, "repacked_bytes"),
        total(&repacked, "raw_bytes")
    );
    // and then one that shares what is verbatim, and repacks the rest
    let report = backup(
        program,
        url,
        &bootstrap,
        &["--kind=full", "--batches=repack"],
    );
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    verify(program, url);
    let more = Bulk {
        records: 5_000,
        ..Bulk::orders("more")
    };
    a.workload().bulk(&more).unwrap();
    let report = backup(program, url, &bootstrap, &[]);
    assert_eq!(report["commit"]["kind"], "incremental");
    assert!(total(&report, "repacked_bytes") < total(&report, "raw_bytes"));
    verify(program, url);

    let folder = scene.context.scratch().join("unpacked");
    let data = files(&scene.context.repository(), ".tar.zst");
    for archive in data
        .iter()
        .filter(|path| path.to_string_lossy().contains("/data/"))
    {
        untar(archive, &folder.join(archive.file_stem().unwrap()));
    }
    let members = segment_files(&folder).unwrap();
    let dumped = dump_segments(scene.context.a().unwrap().home(), &members).unwrap();
    assert!(dumped.success);
    assert_eq!(dumped.complaints, Vec::<String>::new());

    let state = scene.context.scratch().join("state").display().to_string();
    let b = scene.context.b().unwrap().bootstrap();
    restore(
        &scene.program,
        &scene.url,
        &b,
        &state,
        &["--compare=records"],
    );
    let (a, b) = scene.context.both().unwrap();
    a.workload().settle(&written.open_transactions).unwrap();
    assert_eq!(differences(&a.oracle(), &b.oracle()), Vec::<String>::new());
    // compressed as producers had compressed it: about as large
    let (original, restored) = (log_bytes(a, "/bulk-"), log_bytes(b, "/bulk-"));
    assert!(
        restored < original * 6 / 5 && restored > original / 2,
        "{original} bytes became {restored}"
    );
}
