use lifeboat_restore::bootstrap::{Counts, LeftOut};

use super::*;

fn report() -> Report {
    Report {
        snapshot: "20261122T020000Z-k3fa".parse().unwrap(),
        file: "/data/bootstrap.checkpoint".to_owned(),
        metadata_version: 21,
        counts: Counts {
            features: 1,
            configs: 2,
            credentials: 3,
            acls: 4,
            quotas: 5,
        },
        left_out: vec![LeftOut {
            subject: "SCRAM-SHA-512 of user bob\u{1b}".to_owned(),
            problem: "was not saved".to_owned(),
        }],
        warnings: vec!["mind the gap".to_owned()],
        written: true,
        has_meta_properties: false,
    }
}

#[test]
fn it_says_what_is_there_what_is_missing_and_what_must_stand_beside_it() {
    let text = render(&report(), Paint::never());
    for part in [
        "written /data/bootstrap.checkpoint\n",
        "metadata.version 3.9-IV0",
        "3 credentials",
        "note  mind the gap",
        "missing  SCRAM-SHA-512 of user bob\\u{1b}: was not saved",
        "cluster.id=<the new cluster's id>",
        "every controller",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let planned = Report {
        written: false,
        ..report()
    };
    let text = render(&planned, Paint::never());
    assert!(text.starts_with("would be written /data"), "{text}");
    assert!(!text.contains("meta.properties"), "{text}");
}
