use lifeboat_archive::documents::OpenTransaction;

use super::*;

const NONE: [i32; 0] = [];

fn told(id: &str, begun: i64, state: &str, partitions: &[i32]) -> ListedTransaction {
    let partitions = partitions.iter();
    ListedTransaction {
        transaction: OpenTransaction {
            transactional_id: id.to_owned(),
            producer_id: 7,
            state: state.to_owned(),
            start_timestamp_ms: Some(begun),
        },
        partitions: partitions
            .map(|&n| TopicPartition::new("orders", n))
            .collect(),
    }
}

fn ended(id: &str, begun: i64) -> ListedTransaction {
    told(id, begun, "CompleteCommit", &[])
}

/// A producer that has begun none yet.
fn idle(id: &str) -> ListedTransaction {
    let mut idle = told(id, 0, "Empty", &[]);
    idle.transaction.start_timestamp_ms = None;
    idle
}

fn all(told: &[&ListedTransaction]) -> Last {
    let by_id = |&one: &&ListedTransaction| (one.transaction.transactional_id.clone(), one.clone());
    told.iter().map(by_id).collect()
}

fn ours() -> BTreeSet<TopicPartition> {
    (0..3).map(|n| TopicPartition::new("orders", n)).collect()
}

fn cut(before: &[&ListedTransaction], after: &[&ListedTransaction]) -> Vec<i32> {
    let cut = cut_in_two(&all(before), &all(after), &ours());
    cut.partitions.into_iter().map(|tp| tp.partition).collect()
}

fn unseen(before: &[&ListedTransaction], after: &[&ListedTransaction]) -> usize {
    cut_in_two(&all(before), &all(after), &ours()).unseen.len()
}

#[test]
fn r15_a_transaction_that_ended_while_the_bounds_were_captured_may_be_cut_in_two() {
    let shop = told("shop", 1, "Ongoing", &[0, 1]);
    assert_eq!(cut(&[&shop], &[]), [0, 1]);
    assert_eq!(cut(&[&shop], &[&ended("shop", 1)]), [0, 1]);
    // the next one of the same producer
    let next = told("shop", 2, "Ongoing", &[2]);
    assert_eq!(cut(&[&shop], &[&next]), [0, 1]);
    // it goes on: nothing of it is inside
    assert_eq!(cut(&[&shop], &[&shop]), NONE);
    assert_eq!(cut(&[], &[&shop]), NONE);
    // it had ended before
    assert_eq!(cut(&[&ended("shop", 1)], &[&ended("shop", 1)]), NONE);
}

#[test]
fn r15_a_transaction_that_is_being_ended_may_be_cut_in_two() {
    let before = told("shop", 1, "Ongoing", &[0, 1]);
    // partition 0 is marked already
    let after = told("shop", 1, "PrepareCommit", &[1]);
    assert_eq!(cut(&[&before], &[&after]), [0, 1]);
    assert_eq!(cut(&[], &[&after]), [1]);
    // the one before it has ended as a whole
    let next = told("shop", 2, "PrepareCommit", &[2]);
    assert_eq!(cut(&[&ended("shop", 1)], &[&next]), [2]);
    assert_eq!(cut(&[&before], &[&next]), [0, 1, 2]);
    // while it is waited for, what it wrote to stays known
    let united = unite(all(&[&after]), &all(&[&before]));
    let gone = cut_in_two(&united, &all(&[&ended("shop", 1)]), &ours());
    assert_eq!(gone.partitions.len(), 2);
    // and no longer
    let over = unite(all(&[&ended("shop", 1)]), &united);
    assert_eq!(cut_in_two(&over, &over, &ours()), Cut::default());
    let aborted = told("shop", 1, "PrepareAbort", &[1]);
    assert_eq!(cut(&[&aborted], &[]), [1]);
}

#[test]
fn r15_partitions_that_joined_later_count_and_those_of_others_do_not() {
    let before = told("shop", 1, "Ongoing", &[0]);
    let joined = told("shop", 1, "PrepareCommit", &[0, 1]);
    assert_eq!(cut(&[&before], &[&joined]), [0, 1]);
    // only one of ours: it is inside, or it is not
    let with_others = told("shop", 1, "Ongoing", &[0, 50, 51]);
    assert_eq!(cut(&[&with_others], &[]), NONE);
    let of_others = told("shop", 1, "PrepareCommit", &[50, 51]);
    assert_eq!(cut(&[], &[&of_others]), NONE);
}

#[test]
fn r15_a_transaction_that_came_and_went_unseen_is_known_by_the_one_that_is_told_now() {
    let (first, second) = (ended("shop", 1), ended("shop", 2));
    assert_eq!(unseen(&[&first], &[&second]), 1);
    assert_eq!(unseen(&[&idle("shop")], &[&first]), 1);
    assert_eq!(unseen(&[], &[&first]), 1);
    // one that goes on now may have begun behind another
    let ongoing = told("shop", 3, "Ongoing", &[0, 1]);
    assert_eq!(unseen(&[&first], &[&ongoing]), 1);
    // nothing began
    assert_eq!(unseen(&[&first], &[&first]), 0);
    assert_eq!(unseen(&[&ongoing], &[&ongoing]), 0);
    assert_eq!(unseen(&[&ongoing], &[&ended("shop", 3)]), 0);
    assert_eq!(unseen(&[], &[&idle("shop")]), 0);
    assert_eq!(unseen(&[&idle("shop")], &[&idle("shop")]), 0);
    assert_eq!(unseen(&[&first], &[]), 0);
    // the coordinator gives another producer id when the epochs of one are used up
    let mut rolled = second;
    rolled.transaction.producer_id = 8;
    let found = cut_in_two(&all(&[&first]), &all(&[&rolled]), &ours()).unseen;
    assert_eq!(found, [BTreeSet::from([7, 8])]);
}

#[test]
fn r15_a_transaction_that_nobody_saw_may_be_cut_in_two_where_its_producer_wrote_to_several_partitions()
 {
    let tp = |n| TopicPartition::new("orders", n);
    let knows = |n, ids: &[i64]| (tp(n), Some(ids.iter().copied().collect()));
    let known = BTreeMap::from([knows(0, &[7, 9]), knows(1, &[7]), knows(2, &[9, 11])]);
    let shared = |ids: &[i64], known: &_| -> Vec<i32> {
        let unseen = [ids.iter().copied().collect()];
        let shared = shared_by(&unseen, known);
        shared.into_iter().map(|tp| tp.partition).collect()
    };
    assert_eq!(shared(&[7], &known), [0, 1]);
    assert_eq!(shared(&[9], &known), [0, 2]);
    assert_eq!(shared(&[11], &known), NONE);
    assert_eq!(shared(&[8], &known), NONE);
    // by two ids of one transactional id
    assert_eq!(shared(&[7, 11], &known), [0, 1, 2]);
    // whoever does not tell may know all of them
    let silent = BTreeMap::from([knows(0, &[7]), (tp(1), None)]);
    assert_eq!(shared(&[7], &silent), [0, 1]);
}
