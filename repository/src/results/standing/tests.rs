use lifeboat_archive::results::{ChosenTopics, ProofCounts};

use super::*;

const HOUR: i64 = 3_600_000;

/// So many hours after the beginning.
fn verified(hours: i64, level: Level) -> ProofResult {
    let at = Timestamp::from_millis(1_787_450_400_000 + hours * HOUR);
    ProofResult {
        snapshot: "20260823T020000Z-k3fa".parse().unwrap(),
        cluster_id: "c".to_owned(),
        kind: ProofKind::Verify,
        outcome: ProofOutcome::Ok,
        level: Some(level),
        subset: None,
        topics: None,
        sample_percent: None,
        started_at: at,
        finished_at: at,
        counts: ProofCounts::default(),
        target_cluster_id: None,
        measured: None,
        created_by: "lifeboat test".to_owned(),
    }
}

fn with(outcome: ProofOutcome, result: ProofResult) -> ProofResult {
    ProofResult { outcome, ..result }
}

fn part(number: u32, of: u32, result: ProofResult) -> ProofResult {
    let subset = Some(Subset::new(number, of).unwrap());
    ProofResult { subset, ..result }
}

fn rehearsed(hours: i64) -> ProofResult {
    ProofResult {
        kind: ProofKind::Rehearse,
        level: None,
        ..verified(hours, Level::Objects)
    }
}

fn of_some_topics(result: ProofResult) -> ProofResult {
    let chosen = ChosenTopics {
        include: vec!["orders*".to_owned()],
        exclude: Vec::new(),
    };
    ProofResult {
        topics: Some(chosen),
        ..result
    }
}

/// Which of the results counts most, and whether the snapshot is verified by it.
fn told(results: &[ProofResult]) -> (Option<usize>, bool) {
    let standing = standing(results).unwrap();
    let at = results
        .iter()
        .position(|result| Standing::of(result, standing.verified) == standing);
    (at, standing.verified)
}

#[test]
fn nothing_is_said_where_nothing_was_looked_at() {
    assert_eq!(standing(&[]), None);
    let compared = ProofResult {
        kind: ProofKind::Compare,
        level: None,
        ..verified(0, Level::Objects)
    };
    assert_eq!(standing(&[compared]), None);
}

#[test]
fn the_newest_proof_of_everything_counts_and_shallower_or_narrower_ones_do_not_hide_it() {
    let results = [
        verified(1, Level::Batches),
        verified(5, Level::Records),
        rehearsed(3),
        verified(8, Level::Objects),
        of_some_topics(verified(9, Level::Batches)),
        part(1, 7, verified(10, Level::Records)),
        with(ProofOutcome::Incomplete, verified(11, Level::Batches)),
    ];
    assert_eq!(told(&results), (Some(1), true));
    assert_eq!(told(&results[2..]), (Some(0), true));
}

#[test]
fn what_was_not_looked_at_as_a_whole_is_no_proof() {
    for weak in [
        verified(1, Level::Objects),
        verified(1, Level::Hashes),
        of_some_topics(verified(1, Level::Records)),
        part(1, 2, verified(1, Level::Records)),
        with(ProofOutcome::Incomplete, verified(1, Level::Records)),
        ProofResult {
            sample_percent: Some(5),
            ..rehearsed(1)
        },
    ] {
        assert_eq!(
            told(std::slice::from_ref(&weak)),
            (Some(0), false),
            "{weak:?}"
        );
    }
}

#[test]
fn damage_holds_until_something_that_saw_as_much_finds_none() {
    use ProofOutcome::Damaged;
    let batches = || with(Damaged, verified(2, Level::Batches));
    let narrow = || with(Damaged, part(2, 7, verified(2, Level::Batches)));
    for (damaged, later, mended) in [
        (batches(), verified(1, Level::Records), false),
        (batches(), verified(3, Level::Batches), true),
        (batches(), verified(3, Level::Records), true),
        (batches(), verified(3, Level::Hashes), false),
        (
            batches(),
            of_some_topics(verified(3, Level::Batches)),
            false,
        ),
        (batches(), rehearsed(3), true),
        (narrow(), part(1, 7, verified(3, Level::Batches)), false),
        (narrow(), part(2, 7, verified(3, Level::Batches)), true),
        (narrow(), verified(3, Level::Batches), true),
    ] {
        let standing = standing(&[damaged.clone(), later.clone()]).unwrap();
        let is_damaged = standing.outcome == Damaged;
        assert_eq!(is_damaged, !mended, "{damaged:?} then {later:?}");
        assert!(!(is_damaged && standing.verified));
    }
}

#[test]
fn a_rehearsal_that_differs_is_no_proof_until_the_next_one() {
    let differs = with(ProofOutcome::Differs, rehearsed(2));
    let before = [verified(1, Level::Batches), differs.clone()];
    assert_eq!(told(&before), (Some(1), false));
    let after = [differs.clone(), rehearsed(3)];
    assert_eq!(told(&after), (Some(1), true));
    // nothing that only reads what is stored sees it
    let verified = [differs, verified(3, Level::Records)];
    assert_eq!(told(&verified), (Some(0), false));
}

/// A rehearsal of some topics that differed was passed over.
#[test]
fn a_rehearsal_of_a_part_that_differs_is_no_proof_of_the_whole_either() {
    let sampled = ProofResult {
        sample_percent: Some(5),
        ..with(ProofOutcome::Differs, rehearsed(2))
    };
    for differs in [
        of_some_topics(with(ProofOutcome::Differs, rehearsed(2))),
        sampled,
    ] {
        let results = [verified(1, Level::Records), differs.clone()];
        assert_eq!(told(&results), (Some(1), false));
        assert_eq!(told(&[differs, rehearsed(3)]), (Some(1), true));
    }
}

/// A verification of batches passed what a rehearsal could not decode.
#[test]
fn what_a_rehearsal_can_not_decode_is_mended_by_what_decodes_it() {
    let damaged = || with(ProofOutcome::Damaged, rehearsed(2));
    let batches = [damaged(), verified(3, Level::Batches)];
    assert_eq!(told(&batches), (Some(0), false));
    for later in [verified(3, Level::Records), rehearsed(3)] {
        assert_eq!(told(&[damaged(), later]), (Some(1), true));
    }
}

#[test]
fn parts_that_come_to_the_whole_are_a_proof_of_the_age_of_the_oldest() {
    let parts = |level| (1..=3).map(move |n| part(n, 3, verified(i64::from(n), level)));
    let mut results: Vec<_> = parts(Level::Records).collect();
    let whole = standing(&results).unwrap();
    assert!(whole.verified && whole.subset.is_none());
    assert_eq!(whole.at, results[0].finished_at);
    // of another split, or of another level, they are no whole
    results[1] = part(2, 4, verified(2, Level::Records));
    assert!(!standing(&results).unwrap().verified);
    let shallow: Vec<_> = parts(Level::Hashes).collect();
    assert!(!standing(&shallow).unwrap().verified);
    // the newest of each part counts
    let mut results: Vec<_> = parts(Level::Records).collect();
    results.push(with(
        ProofOutcome::Damaged,
        part(2, 3, verified(9, Level::Records)),
    ));
    assert_eq!(standing(&results).unwrap().outcome, ProofOutcome::Damaged);
    results.push(part(2, 3, verified(10, Level::Records)));
    assert!(standing(&results).unwrap().verified);
}
