use super::*;

fn planned() -> Planned {
    Planned {
        at: Timestamp::from_millis(1_787_450_400_000),
        snapshot: "20260823T020000Z-k3fa".parse().unwrap(),
        manifest_sha256: Sha256Hex::of(b"manifest"),
        output_hash: Sha256Hex::of(b"output"),
        target_cluster_id: "target".to_owned(),
        topics: vec![PlannedTopic {
            topic: "orders".to_owned(),
            created: true,
            settings_before: BTreeMap::new(),
            final_changes: vec![SettingChange {
                name: "retention.ms".to_owned(),
                value: None,
            }],
            put_off: Vec::new(),
        }],
    }
}

fn prepared() -> Entry {
    Entry::Prepared(Prepared {
        producer: Producer { id: 7, epoch: 0 },
        topics: vec![PreparedTopic {
            topic: "orders".to_owned(),
            topic_id: TopicId([3; 16]),
            start_offsets: vec![0, 5],
        }],
    })
}

#[test]
fn the_plan_is_on_the_disk_before_anything_else_and_every_line_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::begin(&folder.path().join("a/b"), planned()).unwrap();
    assert_eq!(
        Journal::read(journal.path()).unwrap(),
        [Entry::Planned(planned())]
    );
    journal.append(&prepared()).unwrap();
    let at = Timestamp::from_millis(5);
    journal.append(&Entry::Finished { at }).unwrap();
    let lines = Journal::read(journal.path()).unwrap();
    assert_eq!(
        lines,
        [
            Entry::Planned(planned()),
            prepared(),
            Entry::Finished { at }
        ]
    );
}

#[test]
fn two_restores_of_one_second_have_a_journal_each() {
    let folder = tempfile::tempdir().unwrap();
    let journals = [(); 3].map(|()| Journal::begin(folder.path(), planned()).unwrap());
    for journal in &journals {
        let lines = Journal::read(journal.path()).unwrap();
        assert_eq!(lines, [Entry::Planned(planned())]);
    }
}

#[test]
fn a_line_that_a_crash_cut_off_is_passed_over_and_a_damaged_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::begin(folder.path(), planned()).unwrap();
    journal.append(&prepared()).unwrap();
    let bytes = std::fs::read(journal.path()).unwrap();
    for cut in (1..bytes.len()).step_by(7) {
        std::fs::write(journal.path(), &bytes[..cut]).unwrap();
        let whole = bytes[..cut].split(|&byte| byte == b'\n').count() - 1;
        assert_eq!(
            Journal::read(journal.path()).unwrap().len(),
            whole,
            "cut at {cut}"
        );
    }
    let mut damaged = bytes;
    damaged[3] = b'#';
    std::fs::write(journal.path(), &damaged).unwrap();
    assert!(matches!(
        Journal::read(journal.path()),
        Err(JournalError::Line { line: 1, .. })
    ));
}

#[test]
fn a_journal_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let first = Journal::begin(folder.path(), planned()).unwrap();
    first.append(&prepared()).unwrap();
    let second = Journal::begin(folder.path(), planned()).unwrap();
    assert_ne!(first.path(), second.path());
    let lines = Journal::read(first.path()).unwrap();
    assert_eq!(lines, [Entry::Planned(planned()), prepared()]);
}

#[test]
fn the_default_folder_is_the_users_state_folder() {
    let os = |text: &str| Some(OsString::from(text));
    let folder = |state: Option<OsString>, home| folder_from(state, home);
    assert_eq!(folder(os("/s"), os("/h")), Some("/s/lifeboat".into()));
    assert_eq!(
        folder(None, os("/h")),
        Some("/h/.local/state/lifeboat".into())
    );
    assert_eq!(folder(os(""), os("")), None);
}
