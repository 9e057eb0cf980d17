use super::*;

fn run(first: i64, next: i64, before: u64) -> Run {
    Run {
        source: OffsetRange::new(first, next),
        before,
    }
}

fn map(folder: &Path, name: &str, format: MapFormat) -> MapFile {
    MapFile {
        path: folder.join(name),
        format,
    }
}

#[test]
fn consecutive_offsets_are_one_run() {
    let mut runs = Runs::default();
    runs.add(OffsetRange::new(10, 20), 0);
    runs.add(OffsetRange::new(20, 21), 10);
    assert_eq!(runs.ended().count(), 0);
    runs.add(OffsetRange::new(25, 30), 11);
    assert_eq!(runs.ended().collect::<Vec<_>>(), [run(10, 21, 0)]);
    assert_eq!(runs.finish(), [run(25, 30, 11)]);
    assert!(Runs::default().finish().is_empty());
}

#[test]
fn runs_of_many_partitions_wait_on_the_disk_and_come_out_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let csv = map(folder.path(), "map.csv", MapFormat::Csv);
    let waiting = Waiting::begin(&csv).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut partitions = [WaitingRuns::default(), WaitingRuns::default()];
    let many = 2 * BLOCK_RUNS + 5;
    for number in 0..many {
        let at = i64::try_from(number).unwrap();
        for (partition, runs) in (0..).zip(&mut partitions) {
            let first = 3 * at + partition;
            waiting
                .push(runs, run(first, first + 1, number as u64))
                .unwrap();
        }
    }
    for runs in &mut partitions {
        waiting.spill(runs).unwrap();
        assert_eq!(runs.blocks.len(), 3);
    }
    let mapped = |format: MapFormat, name| {
        let file = map(folder.path(), name, format);
        let partitions = (0..).zip(&partitions);
        let partitions = partitions.map(|(partition, runs)| MappedPartition {
            topic: "orders",
            target_topic: "restored.orders",
            partition,
            start_offset: 100,
            runs,
        });
        let written = write(&file, &waiting, partitions);
        assert_eq!((written.problem, written.runs), (None, 2 * many as u64));
        fs::read_to_string(file.path).unwrap()
    };
    let csv = mapped(MapFormat::Csv, "map.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * many);
    assert_eq!(lines[0].as_bytes(), &CSV_NAMES[..CSV_NAMES.len() - 1]);
    assert_eq!(lines[2], "orders,0,3,4,restored.orders,101,1");
    assert_eq!(lines[1 + many], "orders,1,1,2,restored.orders,100,1");
    let json: serde_json::Value =
        serde_json::from_str(&mapped(MapFormat::Json, "map.json")).unwrap();
    assert_eq!(json["format"], "lifeboat.offset-map");
    let lines: Vec<MapLine> = serde_json::from_value(json["runs"].clone()).unwrap();
    assert_eq!(lines.len(), 2 * many);
    assert_eq!(
        (lines[1].source_first_offset, lines[1].target_first_offset),
        (3, 101)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_map_of_nothing_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = map(folder.path(), "map.json", MapFormat::Json);
    let waiting = Waiting::begin(&file).unwrap();
    assert_eq!(write(&file, &waiting, []).problem, None);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(file.path).unwrap()).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn a_file_that_is_there_is_not_written_over_and_a_folder_that_is_not_there_is_known_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = map(folder.path(), "map.csv", MapFormat::Csv);
    let waiting = Waiting::begin(&file).unwrap();
    fs::write(&file.path, "mine").unwrap();
    assert!(matches!(Waiting::begin(&file), Err(MapError::Exists(_))));
    let written = write(&file, &waiting, []);
    assert!(written.problem.unwrap().contains("there already"));
    assert_eq!(fs::read_to_string(&file.path).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = map(&folder.path().join("no/such"), "map.csv", MapFormat::Csv);
    assert!(matches!(Waiting::begin(&nowhere), Err(MapError::Io { .. })));
}
