use super::*;
use crate::{
    names::Renames,
    plan::TopicAction,
    testing::plans::{NOW, plan, topic, topic_with_retention_put_off},
};

fn planned() -> Planned {
    let mut plan = plan(vec![topic("orders"), topic_with_retention_put_off("old")]);
    plan.topics[1].action = TopicAction::UseEmpty {
        topic_id: TopicId([4; 16]),
    };
    let limits = [("orders".to_owned(), [(1, 5)].into())];
    plan.selection.until_offsets = limits.into();
    plan.selection.partitions = [("orders".to_owned(), [0, 1].into())].into();
    plan.selection.until = Some(NOW);
    let mut options = Options::default();
    options.topics.include.push("o*".parse().unwrap());
    options.broker_map.insert(1, 4);
    let exact = [("orders".to_owned(), "dr.orders".to_owned())];
    let patterns = vec!["^o(.*)$=p$1".parse().unwrap()];
    options.naming.topics = Renames::new(exact, patterns, "x.").unwrap();
    Planned::of(&plan, &options, NOW)
}

fn begin(folder: &Path) -> Journal {
    let journal = Journal::create(folder, &planned()).unwrap();
    journal
        .append(&Entry::Planned(Box::new(planned())))
        .unwrap();
    journal
}

fn prepared() -> Entry {
    Entry::Prepared(Prepared {
        producer: Producer { id: 7, epoch: 0 },
        topics: vec![PreparedTopic {
            topic: "orders".to_owned(),
            target: "dr.orders".to_owned(),
            topic_id: TopicId([3; 16]),
            start_offsets: vec![0, 5],
            content: Sha256Hex::of(b"content"),
        }],
    })
}

#[test]
fn the_plan_is_on_the_disk_before_anything_else_and_every_line_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(&folder.path().join("a/b"));
    assert_eq!(
        Journal::read(journal.path()).unwrap(),
        [Entry::Planned(Box::new(planned()))]
    );
    journal.append(&prepared()).unwrap();
    let at = Timestamp::from_millis(5);
    journal.append(&Entry::Finished { at }).unwrap();
    let lines = Journal::read(journal.path()).unwrap();
    assert_eq!(
        lines,
        [
            Entry::Planned(Box::new(planned())),
            prepared(),
            Entry::Finished { at }
        ]
    );
}

#[test]
fn two_restores_of_one_second_have_a_journal_each() {
    let folder = tempfile::tempdir().unwrap();
    let journals = [(); 3].map(|()| begin(folder.path()));
    for journal in &journals {
        let lines = Journal::read(journal.path()).unwrap();
        assert_eq!(lines, [Entry::Planned(Box::new(planned()))]);
    }
}

#[test]
fn a_line_that_a_crash_cut_off_is_passed_over_and_a_damaged_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(folder.path());
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
    let first = begin(folder.path());
    first.append(&prepared()).unwrap();
    let second = begin(folder.path());
    assert_ne!(first.path(), second.path());
    let lines = Journal::read(first.path()).unwrap();
    assert_eq!(lines, [Entry::Planned(Box::new(planned())), prepared()]);
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

#[test]
fn the_first_line_holds_the_whole_plan_and_what_else_decides() {
    let folder = tempfile::tempdir().unwrap();
    let kept = KeptJournal::read(begin(folder.path()).path()).unwrap();
    let plan = planned().plan.unwrap();
    assert_eq!(kept.plan, plan);
    assert_eq!(kept.plan.output_hash(), kept.planned.output_hash);
    let now = Options {
        memory: lifeboat_archive::words::ByteSize::mib(7),
        ..Options::default()
    };
    let options = kept.planned.options.give_back(&kept.plan, now).unwrap();
    assert!(options.topics.choose("orders") && !options.topics.choose("clicks"));
    assert_eq!(options.broker_map[&1], 4);
    assert_eq!(KeptOptions::of(&options), kept.planned.options);
    assert_eq!(options.parts, plan.parts);
    assert_eq!(options.memory, lifeboat_archive::words::ByteSize::mib(7));
}

#[test]
fn a_cut_line_is_taken_away_before_another_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(folder.path());
    let whole = std::fs::read(journal.path()).unwrap().len();
    journal.append(&prepared()).unwrap();
    let bytes = std::fs::read(journal.path()).unwrap();
    for cut in [whole, whole + 1, bytes.len() - 1] {
        std::fs::write(journal.path(), &bytes[..cut]).unwrap();
        // cut before its end, it was never prepared
        let kept = KeptJournal::read(journal.path()).unwrap();
        assert_eq!(kept.past, Past::default());
        assert_eq!(kept.past.stage(&kept.plan), Stage::Preparing);
        let again = Journal::reopen(journal.path()).unwrap();
        again.append(&Entry::AllWritten).unwrap();
        let lines = Journal::read(journal.path()).unwrap();
        assert_eq!(lines.len(), 2, "cut at {cut}");
        assert_eq!(lines[1], Entry::AllWritten);
    }
}

#[test]
fn a_journal_without_the_plan_and_one_that_has_not_begun_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(folder.path());
    let old = Planned {
        plan: None,
        ..planned()
    };
    let mut line = json::to_vec(&Entry::Planned(Box::new(old)));
    line.push(b'\n');
    std::fs::write(journal.path(), line).unwrap();
    let error = KeptJournal::read(journal.path()).unwrap_err();
    assert!(matches!(error, JournalError::NoPlan { .. }), "{error}");
    std::fs::write(journal.path(), "").unwrap();
    let error = KeptJournal::read(journal.path()).unwrap_err();
    assert!(matches!(error, JournalError::NotBegun { .. }), "{error}");
}
