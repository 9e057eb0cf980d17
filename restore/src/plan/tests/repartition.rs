use super::*;

fn spread(topic: &str, partitions: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([(topic.to_owned(), partitions)])
}

fn decided(target: &Target, repartition: &BTreeMap<String, usize>, existing: Existing) -> Plan {
    let snapshot = snapshot();
    let asked = Asked {
        existing,
        repartition: repartition.clone(),
        assignment: true,
        ..Asked::default()
    };
    snapshot.plan(target, &asked).unwrap()
}

#[test]
fn a_topic_that_gets_more_partitions_says_so_in_all_that_depends_on_it() {
    let as_it_was = decided(&target(), &BTreeMap::new(), Existing::Refuse);
    let plan = decided(&target(), &spread("orders", 5), Existing::Refuse);
    let orders = planned_topic(&plan, "orders");
    assert_eq!((orders.partition_count(), orders.partitions.len()), (5, 2));
    assert_eq!(orders.start_offsets(), [0; 5]);
    assert_eq!(orders.assignment, None);
    for told in ["offsets of groups", "where their replicas are"] {
        let told_of = |warning: &String| warning.contains(told);
        assert!(orders.warnings.iter().any(told_of), "{told}: {orders:?}");
    }
    // somebody who goes on must write exactly that
    assert_ne!(plan.output_hash(), as_it_was.output_hash());
    let six = decided(&target(), &spread("orders", 6), Existing::Refuse);
    assert_ne!(plan.output_hash(), six.output_hash());
    let content =
        |plan: &Plan| planned_topic(plan, "orders").content(&plan.manifest_sha256, &plan.selection);
    assert_ne!(content(&plan), content(&as_it_was));
    assert_ne!(content(&plan), content(&six));
    let again: Plan = serde_json::from_slice(&serde_json::to_vec(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
}

#[test]
fn groups_lose_only_their_offsets_of_what_is_spread() {
    let before = decided(&target(), &BTreeMap::new(), Existing::Refuse);
    let plan = decided(&target(), &spread("orders", 5), Existing::Refuse);
    let (one, other) = (&before.groups, &plan.groups);
    assert_eq!(one.len(), other.len());
    let of = |group: &PlannedGroup| (group.offsets, group.not_restored);
    let lost = one.iter().zip(other).filter(|(a, b)| of(a) != of(b));
    assert!(lost.count() > 0, "{other:?}");
    let of_orders = |it: &&PlannedGroup| it.offsets == 0 && it.group != "elsewhere";
    for group in other.iter().filter(of_orders) {
        let why = group.skipped.as_deref().unwrap();
        assert!(why.contains("another number of partitions"), "{why}");
    }
    assert!(!plan.is_partial(), "it was asked for");
}

#[test]
fn a_topic_that_is_there_is_spread_over_as_many_partitions_as_it_has() {
    let mut target = target();
    let there = existing(&[(8, 8), (3, 3), (0, 0)]);
    target.topics.insert("orders".to_owned(), there);
    let three = decided(&target, &spread("orders", 3), Existing::Refuse);
    let orders = planned_topic(&three, "orders");
    assert!(matches!(orders.action, TopicAction::UseEmpty { .. }));
    assert_eq!(orders.start_offsets(), [8, 3, 0]);
    for other in [2, 4] {
        let plan = decided(&target, &spread("orders", other), Existing::Refuse);
        let TopicAction::Refuse { reason, .. } = &planned_topic(&plan, "orders").action else {
            panic!("{other} of 3 partitions");
        };
        assert!(reason.contains("--repartition TOPIC=3"), "{reason}");
    }
    let there = existing(&[(0, 8), (0, 3), (0, 0)]);
    target.topics.insert("orders".to_owned(), there);
    let append = decided(&target, &spread("orders", 3), Existing::Append);
    let orders = planned_topic(&append, "orders");
    assert!(matches!(orders.action, TopicAction::Append { .. }));
    assert_eq!(orders.start_offsets(), [8, 3, 0]);
}

#[test]
fn batches_that_are_made_for_many_partitions_at_once_stay_small_together() {
    let most = BatchLimits {
        encoded_bytes: 1_032_192,
    };
    for partitions in [1, 2, 8, 100, 1_000] {
        let limits = most.spread_over(partitions);
        assert!(limits.encoded_bytes <= most.encoded_bytes);
        assert!(limits.spread_bytes(partitions) <= 16 << 20, "{partitions}");
    }
    assert_eq!(most.spread_over(10_000).encoded_bytes, 8 << 10);
}
