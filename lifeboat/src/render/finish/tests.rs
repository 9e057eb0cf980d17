use lifeboat_archive::words::Timestamp;
use lifeboat_restore::{
    finish::{Deletion, FinishPlan, OpenRestore, OpenTopic},
    journal::Stage,
    settings::SettingChange,
};

use super::*;

fn change(name: &str, value: Option<&str>) -> SettingChange {
    SettingChange {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    }
}

fn plan() -> FinishPlan {
    let at = Timestamp::from_millis(1_787_450_400_000);
    let restore = OpenRestore {
        journal: "/state/restore-1.jsonl".into(),
        snapshot: "20260823T020000Z-k3fa".parse().unwrap(),
        begun_at: at,
        stage: Stage::Finished,
        given_up: false,
        topics: vec![OpenTopic {
            topic: "old".to_owned(),
            target: "old".to_owned(),
            changes: vec![change("retention.ms", Some("3600000"))],
            deletes: Deletion {
                records: 12_345,
                bytes: 3 << 20,
            },
            ..OpenTopic::default()
        }],
        skipped: None,
    };
    let interrupted = OpenRestore {
        journal: "/state/restore-2.jsonl".into(),
        stage: Stage::Writing,
        given_up: true,
        topics: vec![OpenTopic {
            topic: "orders".to_owned(),
            target: "orders".to_owned(),
            changes: vec![change("segment.ms", None)],
            left: vec!["retention.ms is 5: somebody has changed it".to_owned()],
            ..OpenTopic::default()
        }],
        ..restore.clone()
    };
    FinishPlan {
        target_cluster_id: "target".to_owned(),
        planned_at: at,
        done: false,
        restores: vec![restore, interrupted],
    }
}

#[test]
fn it_is_shown_what_is_set_what_goes_at_once_and_what_can_not_be_resumed_any_more() {
    insta::assert_snapshot!(render_finish(&plan(), Paint::never()));
}

#[test]
fn what_was_done_and_what_was_not_is_told_and_a_second_time_there_is_nothing() {
    let mut done = plan();
    done.done = true;
    done.restores[0].topics[0].refused = Some("POLICY_VIOLATION".to_owned());
    done.restores[1].skipped = Some("somebody else works on it".to_owned());
    assert!(done.is_partial());
    let mut nothing = plan();
    nothing.restores.clear();
    let nothing = render_finish(&nothing, Paint::never());
    let shown = format!("{}---\n{nothing}", render_finish(&done, Paint::never()));
    insta::assert_snapshot!(shown);
}
