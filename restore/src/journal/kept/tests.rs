use super::*;
use crate::{
    restore::Options,
    testing::plans::{NOW, plan, topic},
};

fn begin(folder: &Path, seconds: i64, target: &str, snapshot: &str) -> PathBuf {
    let mut plan = plan(vec![topic("orders")]);
    plan.target_cluster_id = target.to_owned();
    plan.snapshot = snapshot.parse().unwrap();
    let at = lifeboat_archive::words::Timestamp::from_millis(NOW.as_millis() + seconds * 1_000);
    let planned = Planned::of(&plan, &Options::default(), at);
    let journal = Journal::create(folder, &planned).unwrap();
    journal.append(&Entry::Planned(Box::new(planned))).unwrap();
    journal.path().to_owned()
}

const ONE: &str = "20260823T020000Z-k3fa";
const OTHER: &str = "20260824T020000Z-k3fa";

#[test]
fn the_journals_of_a_snapshot_and_a_target_are_found_the_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = begin(folder, 0, "target", ONE);
    let third = begin(folder, 7_200, "target", ONE);
    let second = begin(folder, 3_600, "target", OTHER);
    begin(folder, 9_000, "target-2", ONE);
    // neither a journal, nor one that has begun, nor one that can be read
    fs::write(
        folder.join(format!("restore-{ONE}-target-x.jsonl.lease")),
        "{}",
    )
    .unwrap();
    fs::write(folder.join(format!("restore-{ONE}-target-y.jsonl")), "").unwrap();
    fs::write(folder.join(format!("restore-{ONE}-target-z.jsonl")), "{}\n").unwrap();
    let found = |snapshot: Option<&str>| -> Vec<PathBuf> {
        let snapshot = snapshot.map(|id| id.parse().unwrap());
        let kept = kept_in(folder, snapshot.as_ref(), "target").unwrap();
        kept.into_iter().map(|kept| kept.path).collect()
    };
    assert_eq!(found(Some(ONE)), [third.clone(), first.clone()]);
    assert_eq!(found(None), [third, second, first]);
}

#[test]
fn a_folder_that_is_not_there_holds_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(kept_in(&missing, None, "target").unwrap().is_empty());
}

/// Who went on with a restore got no offset map, and was not told.
#[test]
fn the_offset_map_is_written_where_it_was_wanted_unless_another_place_is_named() {
    let file = |path: &str| MapFile {
        path: path.into(),
        format: crate::offset_map::MapFormat::Csv,
    };
    let begun = Options {
        offset_map: Some(file("/maps/orders.csv")),
        ..Options::default()
    };
    let kept = KeptOptions::of(&begun);
    let plan = plan(vec![topic("orders")]);
    let back = |options| kept.give_back(&plan, options).unwrap().offset_map;
    assert_eq!(back(Options::default()), begun.offset_map);
    let other = Options {
        offset_map: Some(file("/maps/again.csv")),
        ..Options::default()
    };
    assert_eq!(back(other.clone()), other.offset_map);
    let begun = Options {
        offset_map: Some(file("orders.csv")),
        ..Options::default()
    };
    let kept = KeptOptions::of(&begun).offset_map.unwrap();
    assert!(kept.path.is_absolute() && kept.path.ends_with("orders.csv"));
}
