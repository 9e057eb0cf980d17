use lifeboat_archive::results::{ChosenTopics, Level, Measured, ProofCounts};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_320_000_000);

fn result(hours_ago: i64, with: impl FnOnce(&mut ProofResult)) -> ProofResult {
    let at = |hours: i64| Timestamp::from_millis(NOW.as_millis() - hours * 3_600_000);
    let mut result = ProofResult {
        snapshot: "20261122T020000Z-k3fd".parse().unwrap(),
        cluster_id: "NrI2".to_owned(),
        kind: ProofKind::Verify,
        outcome: ProofOutcome::Ok,
        level: Some(Level::Batches),
        subset: None,
        topics: None,
        sample_percent: None,
        started_at: at(hours_ago + 1),
        finished_at: at(hours_ago),
        counts: ProofCounts::default(),
        target_cluster_id: None,
        measured: None,
        created_by: "lifeboat test".to_owned(),
    };
    with(&mut result);
    result
}

#[test]
fn results_tell_what_was_looked_at_and_what_a_rehearsal_measured() {
    let results = [
        result(1, |result| {
            result.kind = ProofKind::Rehearse;
            result.level = None;
            result.sample_percent = Some(5);
            result.measured = Some(Measured {
                rto_ms: 2_460_000,
                rpo_ms: 7_200_000,
                records: 1,
                bytes: 1,
            });
        }),
        result(2, |result| {
            result.level = Some(Level::Records);
            result.subset = "3/7".parse().ok();
            result.outcome = ProofOutcome::Damaged;
        }),
        result(30, |result| {
            result.kind = ProofKind::Compare;
            result.level = None;
            result.outcome = ProofOutcome::Differs;
            result.topics = Some(ChosenTopics {
                include: vec!["orders*".to_owned()],
                exclude: vec!["*.tmp".to_owned()],
            });
        }),
        result(50, |_| {}),
    ];
    insta::assert_snapshot!(results_table(&results, NOW, Paint::never()).unwrap());
    assert_eq!(results_table(&[], NOW, Paint::never()), None);
}

#[test]
fn only_the_newest_of_many_are_shown() {
    let many: Vec<_> = (0..15).map(|hours| result(hours, |_| {})).collect();
    let text = results_table(&many, NOW, Paint::never()).unwrap();
    assert_eq!(text.lines().count(), 1 + MOST_SHOWN + 1);
    assert!(text.contains("and 5 more (--json lists them)"), "{text}");
}
