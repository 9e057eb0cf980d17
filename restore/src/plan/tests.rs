use lifeboat_archive::{
    documents::{CommittedOffset, GroupDocument, TopicDocument},
    lists::ObjectReference,
    manifest::{
        Gap, GapReason, ListReference, ManifestPartition, SnapshotKind, SnapshotState, Totals,
    },
};

use super::*;
use crate::{
    names::{Naming, Renames},
    testing::plans,
    users::UserOutcome,
};

mod repartition;
mod selecting;

const NOW: Timestamp = Timestamp::from_millis(1_787_450_400_000);

struct Snapshot {
    commit: Commit,
    manifest: Manifest,
    topics: TopicsDocument,
    groups: GroupsDocument,
    ages: BTreeMap<String, Vec<SegmentAge>>,
}

/// What is asked for: by default what is usual.
struct Asked {
    topics: TopicGlobs,
    names: Destinations,
    existing: Existing,
    parts: Parts,
    selection: Selection,
    repartition: BTreeMap<String, usize>,
    assignment: bool,
    broker_map: BTreeMap<i32, i32>,
    into_source: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            names: Destinations::default(),
            existing: Existing::Refuse,
            parts: Parts::everything(),
            selection: Selection::default(),
            repartition: BTreeMap::new(),
            assignment: false,
            broker_map: BTreeMap::new(),
            into_source: false,
        }
    }
}

impl Snapshot {
    fn plan(&self, target: &Target, asked: &Asked) -> Result<Plan, PlanError> {
        let source = Source {
            commit: &self.commit,
            manifest: &self.manifest,
            topics: &self.topics,
            groups: &self.groups,
            ages: &self.ages,
            unreadable: &BTreeMap::new(),
        };
        let choice = Choice {
            topics: &asked.topics,
            names: &asked.names,
            existing: asked.existing,
            parts: &asked.parts,
            selection: &asked.selection,
            salvage: false,
            repartition: &asked.repartition,
            assignment: asked.assignment,
            broker_map: &asked.broker_map,
            compare: Some(Depth::Batches),
            into_source: asked.into_source,
        };
        plan(source, target, choice, NOW)
    }
}

fn reference() -> ObjectReference {
    ObjectReference {
        object: "x".to_owned(),
        size: 1,
        sha256: Sha256Hex::of(b"x"),
    }
}

fn partition(partition: i32, records: i64, bytes: u64) -> ManifestPartition {
    ManifestPartition {
        partition,
        log_start_offset: 0,
        high_watermark: records,
        last_stable_offset: records,
        leader_epoch: 3,
        record_count: Some(records.unsigned_abs()),
        batch_count: 1,
        repacked_bytes: 0,
        raw_bytes: bytes,
        largest_batch_bytes: 1_000,
        max_timestamp_ms: Some(NOW.as_millis()),
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps: Vec::new(),
    }
}

fn topic(name: &str, partitions: Vec<ManifestPartition>) -> ManifestTopic {
    ManifestTopic {
        topic: name.to_owned(),
        topic_id: TopicId([7; 16]),
        list: ListReference {
            object: "lists".to_owned(),
            position: 0,
            length: 1,
            sha256: Sha256Hex::of(b"l"),
        },
        cleanup: None,
        partitions,
    }
}

fn document(name: &str, partition_count: i32, settings: &[(&str, &str)]) -> TopicDocument {
    TopicDocument {
        topic: name.to_owned(),
        topic_id: TopicId([7; 16]),
        partition_count,
        replication_factor: 3,
        assignment: Vec::new(),
        configs: Some(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
                .collect(),
        ),
    }
}

fn group(name: &str, group_type: &str, topics: &[&str]) -> GroupDocument {
    GroupDocument {
        group: name.to_owned(),
        group_type: group_type.to_owned(),
        protocol_type: "consumer".to_owned(),
        state: "Empty".to_owned(),
        offsets: topics
            .iter()
            .map(|topic| CommittedOffset {
                topic: (*topic).to_owned(),
                partition: 0,
                offset: 1,
                leader_epoch: 3,
                metadata: String::new(),
            })
            .collect(),
        members: Vec::new(),
    }
}

fn snapshot() -> Snapshot {
    let id = SnapshotId::generate(NOW);
    let totals = Totals::default();
    Snapshot {
        commit: Commit {
            sequence: 1,
            follows: None,
            snapshot: id.clone(),
            cluster_id: "source".to_owned(),
            kind: SnapshotKind::Full,
            state: SnapshotState::Complete,
            started_at: NOW,
            bounds_at: NOW,
            committed_at: NOW,
            manifest: reference(),
            totals,
        },
        manifest: Manifest {
            snapshot: id,
            cluster_id: "source".to_owned(),
            kind: SnapshotKind::Full,
            state: SnapshotState::Complete,
            started_at: NOW,
            bounds_at: NOW,
            finished_at: NOW,
            created_by: "lifeboat 0.1.0".to_owned(),
            topics: vec![
                topic(
                    "orders",
                    vec![partition(0, 100, 5_000), partition(1, 10, 500)],
                ),
                topic("audit", vec![partition(0, 1, 50)]),
            ],
            documents: reference(),
            totals,
            builds_on: None,
            problems: Vec::new(),
        },
        topics: TopicsDocument {
            topics: vec![
                document(
                    "orders",
                    2,
                    &[("min.insync.replicas", "2"), ("retention.ms", "-1")],
                ),
                document("audit", 1, &[("message.timestamp.type", "LogAppendTime")]),
            ],
        },
        groups: GroupsDocument {
            groups: vec![
                group("billing", "classic", &["orders", "gone"]),
                group("checkout", "consumer", &["orders"]),
                group("sharing", "share", &["orders"]),
                group("elsewhere", "classic", &["gone"]),
            ],
        },
        ages: BTreeMap::new(),
    }
}

fn target() -> Target {
    Target {
        cluster_id: "target".to_owned(),
        brokers: [1].into(),
        ..Target::default()
    }
}

fn existing(ranges: &[(i64, i64)]) -> ExistingTopic {
    ExistingTopic {
        topic_id: TopicId([9; 16]),
        partitions: ranges
            .iter()
            .map(|&(start, end)| OffsetRange::new(start, end))
            .collect(),
        replication_factor: 1,
        ..ExistingTopic::default()
    }
}

fn planned(
    snapshot: &Snapshot,
    target: &Target,
    globs: &[&str],
    into_source: bool,
) -> Result<Plan, PlanError> {
    named(snapshot, target, globs, into_source, &Naming::default())
}

fn named(
    snapshot: &Snapshot,
    target: &Target,
    globs: &[&str],
    into_source: bool,
    naming: &Naming,
) -> Result<Plan, PlanError> {
    let asked = (naming, Existing::Refuse);
    asked_for(snapshot, target, globs, into_source, asked)
}

fn asked_for(
    snapshot: &Snapshot,
    target: &Target,
    globs: &[&str],
    into_source: bool,
    (naming, existing): (&Naming, Existing),
) -> Result<Plan, PlanError> {
    let topics = TopicGlobs {
        include: globs.iter().map(|glob| glob.parse().unwrap()).collect(),
        exclude: Vec::new(),
    };
    let all = snapshot.manifest.topics.iter().map(|it| it.topic.as_str());
    let groups = snapshot.groups.groups.iter().map(|it| it.group.as_str());
    let asked = Asked {
        names: naming.decide(all, &topics, groups)?,
        topics,
        existing,
        into_source,
        ..Asked::default()
    };
    snapshot.plan(target, &asked)
}

fn planned_topic<'p>(plan: &'p Plan, name: &str) -> &'p PlannedTopic {
    plan.topics
        .iter()
        .find(|topic| topic.topic == name)
        .unwrap()
}

#[test]
fn a_plan_creates_what_is_not_there() {
    let plan = planned(&snapshot(), &target(), &[], false).unwrap();
    assert_eq!(plan.topics.len(), 2);
    let orders = planned_topic(&plan, "orders");
    assert_eq!(orders.action, TopicAction::Create);
    assert_eq!((orders.records, orders.bytes), (110, 5_500));
    assert_eq!(
        (plan.records, plan.bytes, plan.disk_bytes),
        (111, 5_550, 5_550)
    );
    assert!(plan.estimated_ms >= 2_000);
}

#[test]
fn r25_a_plan_caps_replicas_to_the_brokers_with_a_warning() {
    let plan = planned(&snapshot(), &target(), &[], false).unwrap();
    let orders = planned_topic(&plan, "orders");
    assert_eq!(orders.replication_factor, 1);
    assert_eq!(orders.settings.wanted["min.insync.replicas"], "1");
    assert_eq!(orders.warnings.len(), 2, "{:?}", orders.warnings);
    let three = Target {
        brokers: [1, 2, 3].into(),
        ..target()
    };
    let plan = planned(&snapshot(), &three, &[], false).unwrap();
    assert_eq!(planned_topic(&plan, "orders").replication_factor, 3);
    assert_eq!(plan.disk_bytes, 3 * 5_550);
}

#[test]
fn r20_a_plan_says_that_log_append_time_becomes_create_time() {
    let plan = planned(&snapshot(), &target(), &[], false).unwrap();
    let audit = planned_topic(&plan, "audit");
    assert!(
        audit
            .warnings
            .iter()
            .any(|warning| warning.contains("CreateTime"))
    );
}

#[test]
fn a_plan_refuses_a_topic_that_holds_records_and_uses_an_empty_one() {
    let mut target = target();
    target
        .topics
        .insert("orders".to_owned(), existing(&[(5, 9), (0, 0)]));
    target
        .topics
        .insert("audit".to_owned(), existing(&[(8, 8)]));
    let plan = planned(&snapshot(), &target, &[], false).unwrap();
    assert!(matches!(
        planned_topic(&plan, "orders").action,
        TopicAction::Refuse { records: 4, .. }
    ));
    let audit = planned_topic(&plan, "audit");
    let topic_id = TopicId([9; 16]);
    assert_eq!(audit.action, TopicAction::UseEmpty { topic_id });
    assert_eq!(audit.partitions[0].start_offset, 8);
    assert_eq!(plan.records, 1);
    assert!(plan.is_partial());
}

#[test]
fn a_plan_refuses_a_topic_with_fewer_partitions() {
    let mut target = target();
    target
        .topics
        .insert("orders".to_owned(), existing(&[(0, 0)]));
    let plan = planned(&snapshot(), &target, &["orders"], false).unwrap();
    let orders = planned_topic(&plan, "orders");
    assert!(matches!(
        orders.action,
        TopicAction::Refuse { records: 0, .. }
    ));
}

#[test]
fn a_plan_keeps_the_place_of_a_partition_that_was_not_saved() {
    let mut snapshot = snapshot();
    snapshot.topics.topics[0].partition_count = 4;
    let plan = planned(&snapshot, &target(), &["orders"], false).unwrap();
    let orders = planned_topic(&plan, "orders");
    assert_eq!(orders.partitions.len(), 4);
    assert_eq!(orders.partitions[3].records, Some(0));
}

#[test]
fn a_plan_names_the_gaps_of_the_snapshot() {
    let mut snapshot = snapshot();
    snapshot.manifest.topics[0].partitions[1].gaps.push(Gap {
        range: OffsetRange::new(3, 8),
        reason: GapReason::Truncated,
    });
    let plan = planned(&snapshot, &target(), &["orders"], false).unwrap();
    let orders = planned_topic(&plan, "orders");
    assert_eq!(orders.partitions[1].gap_offsets, 5);
    assert!(
        orders
            .warnings
            .iter()
            .any(|warning| warning.contains("5 offsets"))
    );
}

#[test]
fn the_snapshots_own_cluster_is_refused_unless_it_is_asked_for() {
    let source = Target {
        cluster_id: "source".to_owned(),
        ..target()
    };
    let refused = planned(&snapshot(), &source, &[], false);
    assert!(matches!(refused, Err(PlanError::IntoSource { .. })));
    assert!(planned(&snapshot(), &source, &[], true).is_ok());
}

#[test]
fn a_choice_of_nothing_is_an_error() {
    let none = planned(&snapshot(), &target(), &["nope"], false);
    assert_eq!(none, Err(PlanError::NothingChosen { topics: 2 }));
}

#[test]
fn r18_groups_that_are_active_are_skipped_with_a_reason_and_share_groups_begin_before_what_they_acknowledged()
 {
    let mut target = target();
    target
        .groups
        .insert("billing".to_owned(), "Stable".to_owned());
    target
        .groups
        .insert("checkout".to_owned(), "Empty".to_owned());
    let plan = planned(&snapshot(), &target, &[], false).unwrap();
    let skipped: Vec<_> = plan
        .groups
        .iter()
        .filter(|group| group.skipped.is_some())
        .map(|group| group.group.as_str())
        .collect();
    assert_eq!(skipped, ["billing", "elsewhere"]);
    assert_eq!(
        (plan.groups[0].offsets, plan.groups[0].not_restored),
        (1, 1)
    );
    for told in ["KIP-848", "1 share groups start"] {
        let mut warnings = plan.warnings.iter();
        assert!(warnings.any(|warning| warning.contains(told)), "{told}");
    }
}

#[test]
fn the_output_hash_changes_with_what_decides_the_output_and_with_nothing_else() {
    let snapshot = snapshot();
    let one = planned(&snapshot, &target(), &[], false).unwrap();
    let three = Target {
        brokers: [1, 2, 3].into(),
        ..target()
    };
    let other_cluster = planned(&snapshot, &three, &[], false).unwrap();
    assert_eq!(one.output_hash(), other_cluster.output_hash());
    let fewer = planned(&snapshot, &target(), &["orders"], false).unwrap();
    assert_ne!(one.output_hash(), fewer.output_hash());
    let mut limits = one.clone();
    limits.topics[0].limits.encoded_bytes -= 1;
    assert_ne!(one.output_hash(), limits.output_hash());
}

#[test]
fn a_plan_reads_back_from_its_json() {
    let plan = planned(&snapshot(), &target(), &[], false).unwrap();
    assert_eq!(json::from_slice::<Plan>(&plan.to_json()).unwrap(), plan);
}

fn renames(pairs: &[(&str, &str)], prefix: &str) -> Renames {
    let pairs = pairs
        .iter()
        .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
    Renames::new(pairs, Vec::new(), prefix).unwrap()
}

#[test]
fn a_renamed_topic_is_looked_for_by_its_new_name_and_the_original_is_not_touched() {
    let source = Target {
        cluster_id: "source".to_owned(),
        topics: [("dr.audit".to_owned(), existing(&[(0, 0)]))].into(),
        groups: [("billing".to_owned(), "Stable".to_owned())].into(),
        ..target()
    };
    let naming = Naming {
        topics: renames(&[], "dr."),
        groups: renames(&[("checkout", "till")], "dr."),
        group_globs: TopicGlobs {
            include: Vec::new(),
            exclude: vec!["shar*".parse().unwrap()],
        },
    };
    let refused = named(&snapshot(), &source, &[], false, &naming);
    assert!(matches!(refused, Err(PlanError::IntoSource { .. })));
    let plan = named(&snapshot(), &source, &[], true, &naming).unwrap();
    let orders = planned_topic(&plan, "orders");
    assert_eq!(orders.target_name(), "dr.orders");
    assert_eq!(orders.action, TopicAction::Create);
    let topic_id = TopicId([9; 16]);
    let audit = planned_topic(&plan, "audit");
    assert_eq!(audit.action, TopicAction::UseEmpty { topic_id });
    // the group of the new name is not active; offsets of orders go to dr.orders
    let groups: Vec<_> = plan
        .groups
        .iter()
        .map(|it| (it.target_name(), it.offsets, it.skipped.is_none()))
        .collect();
    let expected = [
        ("dr.billing", 1, true),
        ("dr.till", 1, true),
        ("dr.elsewhere", 0, false),
    ];
    assert_eq!(groups, expected);
    assert!(plan.warnings.iter().any(|it| it.contains("ACLs")));
    assert_eq!(json::from_slice::<Plan>(&plan.to_json()).unwrap(), plan);
    let same = planned(&snapshot(), &source, &[], true).unwrap();
    assert_eq!(same.output_hash(), plan.output_hash());
    assert!(
        !String::from_utf8(same.to_json())
            .unwrap()
            .contains("\"target\"")
    );
}

/// A target where orders is used: by billing, and not by checkout.
fn used() -> Target {
    let mut target = target();
    let own = [("cleanup.policy", "compact"), ("segment.ms", "7")];
    let orders = ExistingTopic {
        settings: own
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..existing(&[(5, 9), (0, 2), (0, 1)])
    };
    target.topics.insert("orders".to_owned(), orders);
    let reads = BTreeSet::from(["orders".to_owned()]);
    target.committed.insert("billing".to_owned(), reads);
    target
}

fn into(target: &Target, existing: Existing) -> Plan {
    let asked = (&Naming::default(), existing);
    asked_for(&snapshot(), target, &["orders"], false, asked).unwrap()
}

#[test]
fn what_is_appended_begins_at_the_ends_under_r22_and_the_topic_gets_its_own_settings_back() {
    let plan = into(&used(), Existing::Append);
    let orders = planned_topic(&plan, "orders");
    let starts: Vec<i64> = orders.partitions.iter().map(|it| it.start_offset).collect();
    assert_eq!(starts, [9, 2]);
    let settings = &orders.settings;
    assert_eq!(settings.wanted, orders.existing_settings);
    assert_eq!(settings.while_writing["cleanup.policy"], "delete");
    assert_eq!(settings.while_writing["retention.ms"], "-1");
    let back: Vec<_> = settings
        .final_changes()
        .into_iter()
        .filter_map(|change| Some((change.name, change.value?)))
        .collect();
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        back,
        [own("cleanup.policy", "compact"), own("segment.ms", "7")]
    );
    let told = orders.warnings.join("\n");
    for word in [
        "compacted",
        "3 partitions",
        "min.insync.replicas, retention.ms",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn who_reads_a_topic_that_is_appended_to_keeps_its_offsets_and_nobody_does_where_it_is_replaced() {
    let groups = |existing| {
        let plan = into(&used(), existing);
        let groups = plan.groups.into_iter().map(|it| {
            let skipped = it.skipped.is_some();
            (it.group, it.offsets, it.not_restored, it.kept, skipped)
        });
        groups.take(2).collect::<Vec<_>>()
    };
    let (billing, checkout) = ("billing".to_owned(), "checkout".to_owned());
    let orders = vec!["orders".to_owned()];
    assert_eq!(
        groups(Existing::Append),
        [
            (billing.clone(), 0, 1, orders, true),
            (checkout.clone(), 1, 0, Vec::new(), false)
        ]
    );
    assert_eq!(
        groups(Existing::Replace),
        [
            (billing, 1, 1, Vec::new(), false),
            (checkout, 1, 0, Vec::new(), false)
        ]
    );
}

#[test]
fn a_plan_of_what_is_there_already_is_nothing_and_lacks_nothing() {
    let mut target = used();
    let first = into(&target, Existing::Append);
    let written = [(0, OffsetRange::new(9, 109)), (1, OffsetRange::new(2, 12))];
    let earlier = Earlier {
        at: NOW,
        topic_id: TopicId([9; 16]),
        content: planned_topic(&first, "orders").content(&first.manifest_sha256, &first.selection),
        written: written.into(),
        journal: "journal".into(),
        left_out: BTreeSet::new(),
    };
    target.earlier.insert("orders".to_owned(), earlier);
    let appended = existing(&[(5, 109), (0, 12), (0, 1)]);
    target.topics.insert("orders".to_owned(), appended);
    // it is told by its end: the third partition is none of the snapshot's
    assert!(into(&target, Existing::Append).is_nothing());
    let again = into(&target, Existing::Append);
    let orders = planned_topic(&again, "orders");
    assert_eq!(orders.warnings, [] as [&str; 0]);
    assert!(!again.is_partial() && !again.changes_anything());
    assert_eq!((again.records, again.disk_bytes), (0, 0));
    assert!(again.groups.iter().all(|group| group.skipped.is_some()));
    // a group that was left out then can be had from that restore
    let left_out = BTreeSet::from(["billing".to_owned()]);
    target.earlier.get_mut("orders").unwrap().left_out = left_out;
    let lacking = into(&target, Existing::Append);
    assert!(lacking.is_partial() && !lacking.changes_anything());
    let billing = lacking.groups.iter().find(|it| it.group == "billing");
    let why = billing.unwrap().skipped.as_deref().unwrap();
    assert!(why.contains("--resume --journal journal"), "{why}");
    // another choice of records is something else
    target.earlier.get_mut("orders").unwrap().content = Sha256Hex::of(b"some of them");
    assert!(into(&target, Existing::Append).changes_anything());
}

fn decide(parts: &Parts, assignment: bool, map: &[(i32, i32)]) -> Result<Plan, PlanError> {
    let mut snapshot = snapshot();
    for topic in &mut snapshot.topics.topics {
        let partitions = usize::try_from(topic.partition_count).unwrap();
        topic.assignment = vec![vec![1, 2]; partitions];
    }
    let target = Target {
        brokers: [2, 4].into(),
        ..target()
    };
    let asked = Asked {
        parts: parts.clone(),
        assignment,
        broker_map: map.iter().copied().collect(),
        ..Asked::default()
    };
    snapshot.plan(&target, &asked)
}

#[test]
fn an_assignment_is_restored_on_request_by_the_targets_names_of_the_brokers() {
    let parts = Parts::everything();
    let as_saved = decide(&parts, true, &[(1, 4)]).unwrap();
    let new = as_saved
        .topics
        .iter()
        .filter(|t| t.action == TopicAction::Create);
    let assigned: Vec<_> = new.map(|topic| topic.assignment.clone().unwrap()).collect();
    assert!(!assigned.is_empty());
    assert!(
        assigned
            .iter()
            .flatten()
            .all(|replicas| *replicas == [4, 2]),
        "{assigned:?}"
    );
    let counted = decide(&parts, false, &[]).unwrap();
    assert!(
        counted
            .topics
            .iter()
            .all(|topic| topic.assignment.is_none())
    );
    assert!(matches!(
        decide(&parts, true, &[]),
        Err(PlanError::NoBroker { broker: 1, .. })
    ));
    assert!(matches!(
        decide(&parts, true, &[(1, 2)]),
        Err(PlanError::BrokersMerged { broker: 2 })
    ));
}

#[test]
fn without_data_no_topic_that_is_there_is_touched_and_new_ones_are_made_as_they_shall_be() {
    let alone = decide(&Parts::of([Part::Acls]), false, &[]).unwrap();
    assert_eq!((alone.topics.len(), alone.groups.len()), (0, 0));
    assert!(alone.is_nothing());
    let topics = decide(&Parts::of([Part::Topics]), false, &[]).unwrap();
    assert!(!topics.topics.is_empty());
    for topic in &topics.topics {
        assert_eq!(topic.action, TopicAction::Create);
        assert_eq!(topic.settings.final_changes(), []);
        assert_eq!((topic.records, topic.bytes), (0, 0));
    }
}

#[test]
fn r17_without_data_groups_get_the_offsets_that_mean_the_same_there_and_the_others_are_missing() {
    let mut snapshot = snapshot();
    let whole = vec![partition(0, 10, 100)];
    let mut cut = partition(0, 10, 100);
    cut.last_stable_offset = 9;
    snapshot.manifest.topics = vec![topic("whole", whole), topic("cut", vec![cut])];
    snapshot.groups.groups = vec![
        group("same", "classic", &["whole"]),
        group("half", "classic", &["whole", "cut"]),
        group("none", "classic", &["cut"]),
    ];
    let there = |end: i64| ExistingTopic {
        partitions: vec![OffsetRange::new(0, end)],
        ..ExistingTopic::default()
    };
    let decide = |end: i64| {
        let target = Target {
            topics: [
                ("whole".to_owned(), there(end)),
                ("cut".to_owned(), there(end)),
            ]
            .into(),
            ..target()
        };
        let asked = Asked {
            parts: Parts::of([Part::Groups]),
            ..Asked::default()
        };
        snapshot.plan(&target, &asked).unwrap()
    };
    let made = decide(10);
    let told: Vec<_> = made
        .groups
        .iter()
        .map(|it| {
            (
                it.group.as_str(),
                it.offsets,
                it.not_restored,
                it.skipped.is_some(),
            )
        })
        .collect();
    let expected = [
        ("same", 1, 0, false),
        ("half", 1, 1, false),
        ("none", 0, 1, true),
    ];
    assert_eq!(told, expected);
    assert!(made.topics.is_empty() && made.is_partial() && !made.is_nothing());
    // a topic that holds less is another one
    assert!(decide(9).groups.iter().all(|group| group.skipped.is_some()));
}

#[test]
fn whatever_becomes_another_has_to_be_agreed_to() {
    let mut plan = decide(&Parts::of([Part::Acls]), false, &[]).unwrap();
    assert!(plan.is_nothing() && !plan.changes_anything());
    let group = |skipped: Option<&str>| plans::group("shop", 1, skipped);
    plan.groups = vec![group(Some("it is active"))];
    assert!(plan.is_nothing() && !plan.changes_anything());
    plan.groups.push(group(None));
    assert!(!plan.is_nothing() && plan.changes_anything());

    plan.groups.clear();
    let user = |outcome| RestoredUser {
        user: "alice".to_owned(),
        mechanism: "SCRAM-SHA-256".to_owned(),
        outcome,
        note: None,
    };
    plan.users = vec![user(UserOutcome::Unchanged), user(UserOutcome::NotRestored)];
    assert!(plan.is_nothing() && !plan.changes_anything());
    plan.users.push(user(UserOutcome::Restored));
    assert!(!plan.is_nothing() && plan.changes_anything());
}
