//! What a selection makes of a plan.

use std::collections::BTreeMap;

use super::*;
use crate::selection::Wanted;

fn selected(wanted: &Wanted, ages: BTreeMap<String, Vec<SegmentAge>>) -> Plan {
    let snapshot = Snapshot { ages, ..snapshot() };
    let chosen = BTreeMap::from([("orders", 2), ("audit", 1)]);
    let selection = wanted.resolve(NOW, &chosen).unwrap();
    let asked = Asked {
        selection,
        ..Asked::default()
    };
    snapshot.plan(&target(), &asked).unwrap()
}

fn age(partition: i32, records: u64, bytes: u64) -> SegmentAge {
    SegmentAge {
        partition,
        max_timestamp_ms: Some(NOW.as_millis()),
        records,
        bytes,
        largest_batch_bytes: 1_000,
    }
}

#[test]
fn partitions_that_are_not_selected_are_made_and_nothing_of_them_is_read() {
    let wanted = Wanted {
        partitions: vec!["orders:1".parse().unwrap()],
        ..Wanted::default()
    };
    let ages = BTreeMap::from([("orders".to_owned(), vec![age(1, 10, 500)])]);
    let plan = selected(&wanted, ages);
    let orders = planned_topic(&plan, "orders");
    assert_eq!(orders.partitions.len(), 2);
    assert_eq!(orders.partitions[0].records, Some(0));
    assert_eq!((orders.records, orders.bytes), (10, 500));
    assert_eq!(planned_topic(&plan, "audit").records, 1);
    let unread = Unread {
        records: 100,
        bytes: 5_000,
    };
    assert_eq!(plan.unread, unread);
    // a group keeps what it has where nothing is written
    let billing = plan.groups.iter().find(|group| group.group == "billing");
    let billing = billing.unwrap();
    assert_eq!((billing.offsets, billing.not_restored), (0, 2));
}

#[test]
fn a_plan_counts_the_segments_that_are_read() {
    let wanted = Wanted {
        from: Some("-1h".parse().unwrap()),
        ..Wanted::default()
    };
    let ages = BTreeMap::from([("orders".to_owned(), vec![age(0, 30, 1_500)])]);
    let plan = selected(&wanted, ages);
    assert_eq!((plan.records, plan.bytes), (30, 1_500));
    assert_eq!((plan.unread.records, plan.unread.bytes), (81, 4_050));
    assert_eq!(plan.selection.to_string(), "from 2026-08-23 01:00:00Z");
}

#[test]
fn the_output_hash_goes_by_what_is_selected() {
    let everything = selected(&Wanted::default(), BTreeMap::new());
    let from = |time: &str| {
        let wanted = Wanted {
            from: Some(time.parse().unwrap()),
            ..Wanted::default()
        };
        selected(&wanted, BTreeMap::new()).output_hash()
    };
    assert_ne!(everything.output_hash(), from("-1h"));
    assert_ne!(from("-2h"), from("-1h"));
    assert_eq!(from("2026-08-23T01:00Z"), from("-1h"));
}
