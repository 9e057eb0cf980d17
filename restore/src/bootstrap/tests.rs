use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use lifeboat_archive::{
    batch::Batches,
    documents::{
        AclBinding, AclOperation, ConfigsDocument, FeaturesDocument, PatternType, PermissionType,
        Quota, ResourceType, ScramCredential, ScramKeys, ScramUser, SecretBytes, SecretText,
        UsersDocument,
    },
    records::records,
};

use super::*;

fn settings(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect()
}

fn keys(user: &str, mechanism: &str) -> ScramKeys {
    ScramKeys {
        user: user.to_owned(),
        mechanism: mechanism.to_owned(),
        iterations: 8192,
        salt: SecretBytes::new(b"salt"),
        stored_key: SecretBytes::new(b"stored"),
        server_key: SecretBytes::new(b"server"),
    }
}

fn source() -> Source {
    let user = |name: &str| ScramUser {
        user: name.to_owned(),
        credentials: vec![ScramCredential {
            mechanism: "SCRAM-SHA-512".to_owned(),
            iterations: 8192,
        }],
    };
    let levels = [
        ("metadata.version", 30),
        ("group.version", 1),
        ("kraft.version", 1),
        ("eligible.leader.replicas.version", 1),
    ];
    let levels = levels.map(|(name, level)| (name.to_owned(), level));
    let documents = Documents {
        features: Some(FeaturesDocument {
            finalized: levels.into(),
            supported: BTreeMap::new(),
        }),
        configs: Some(ConfigsDocument {
            cluster: Some(settings(&[("min.insync.replicas", Some("2"))])),
            brokers: [(1, Some(settings(&[("ssl.keystore.password", None)])))].into(),
            groups: Some([("g".to_owned(), Some(settings(&[("a", Some("1"))])))].into()),
            client_metrics: Some([("m".to_owned(), Some(settings(&[("b", Some("2"))])))].into()),
        }),
        acls: Some(AclsDocument {
            authorizer: true,
            acls: vec![AclBinding {
                resource_type: ResourceType(2),
                resource_name: "orders".to_owned(),
                pattern_type: PatternType(4),
                principal: "User:jörg".to_owned(),
                host: "*".to_owned(),
                operation: AclOperation(3),
                permission: PermissionType(2),
            }],
        }),
        quotas: Some(QuotasDocument {
            quotas: vec![Quota {
                entity: [("user".to_owned(), None)].into(),
                limits: [("producer_byte_rate".to_owned(), 1e6)].into(),
            }],
        }),
        users: Some(UsersDocument {
            users: vec![user("alice"), user("bob")],
        }),
        ..Documents::default()
    };
    Source {
        documents,
        credentials: Some(CredentialsDocument {
            scram: vec![keys("alice", "SCRAM-SHA-512")],
            broker_configs: [(
                "1".to_owned(),
                [("ssl.keystore.password".to_owned(), SecretText::new("hush"))].into(),
            )]
            .into(),
        }),
        parts: Parts::everything(),
    }
}

fn nothing_saved() -> Source {
    Source {
        documents: Documents::default(),
        credentials: None,
        parts: Parts::everything(),
    }
}

/// What a controller would read of it.
fn read(bytes: &[u8]) -> Vec<MetadataRecord> {
    let mut read = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        if !batch.header.is_control() {
            for record in records(&batch.header, &batch.bytes[61..]) {
                read.push(MetadataRecord::decode(record.unwrap().value.unwrap()).unwrap());
            }
        }
    }
    read
}

#[test]
fn a_checkpoint_holds_everything_and_names_what_it_does_not() {
    let made = checkpoint(&source(), None).unwrap();
    let records = read(&made.bytes);
    assert_eq!(
        records[0],
        MetadataRecord::FeatureLevel {
            name: "metadata.version".to_owned(),
            level: 30
        }
    );
    assert_eq!(
        made.counts,
        Counts {
            features: 3,
            configs: 4,
            credentials: 1,
            acls: 1,
            quotas: 1
        }
    );
    assert_eq!(records.len(), 10);
    let opened = MetadataRecord::Config {
        resource_type: BROKER,
        resource: "1".to_owned(),
        name: "ssl.keystore.password".to_owned(),
        value: Some(SecretText::new("hush")),
    };
    assert!(records.contains(&opened));
    let subjects: Vec<_> = made.left_out.iter().map(|left| &left.subject).collect();
    assert_eq!(subjects, ["SCRAM-SHA-512 of user bob"]);
    assert!(made.warnings[0].contains("min.insync.replicas=2"));
    // for each controller the same
    let again = checkpoint(&source(), None).unwrap();
    assert_eq!(made.bytes, again.bytes);
}

#[test]
fn an_older_version_gets_what_it_can_hold_and_the_rest_is_named() {
    let made = checkpoint(&source(), Some(MetadataVersion(16))).unwrap();
    let subjects: Vec<_> = made
        .left_out
        .iter()
        .map(|left| left.subject.as_str())
        .collect();
    assert_eq!(
        subjects,
        [
            "feature eligible.leader.replicas.version",
            "feature group.version",
            "settings of client metrics",
            "settings of group",
            "SCRAM-SHA-512 of user bob",
        ]
    );
    let error = checkpoint(&source(), Some(MetadataVersion(10))).unwrap_err();
    assert!(error.to_string().contains("3.5-IV1 is too old"), "{error}");
}

#[test]
fn what_could_not_be_opened_is_named_and_nothing_is_made_up() {
    let without = Source {
        credentials: None,
        ..source()
    };
    let made = checkpoint(&without, None).unwrap();
    assert_eq!(made.counts.credentials, 0);
    let subjects: Vec<_> = made
        .left_out
        .iter()
        .map(|left| left.subject.as_str())
        .collect();
    assert_eq!(
        subjects,
        [
            "setting ssl.keystore.password of broker 1",
            "SCRAM-SHA-512 of user alice",
            "SCRAM-SHA-512 of user bob",
        ]
    );
    let nothing = checkpoint(&nothing_saved(), Some(MetadataVersion(21))).unwrap();
    assert_eq!(nothing.left_out.len(), 4);
    assert!(matches!(
        checkpoint(&nothing_saved(), None),
        Err(BootstrapError::NoVersion)
    ));
}

#[test]
fn a_checkpoint_is_for_its_owner_alone_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let made = checkpoint(&source(), None).unwrap();
    let node = NodeIdentity {
        cluster_id: "bGlmZWJvYXQtbGlmZWJvYQ".to_owned(),
        node_id: 3,
    };
    // what the formatting of a quorum that may change leaves behind
    fs::create_dir(path.join("__cluster_metadata-0")).unwrap();
    let voters = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";
    fs::write(path.join(voters), "voters").unwrap();
    let written = write(&made, path, Some(&node)).unwrap();
    assert!(written.has_meta_properties);
    assert_eq!(fs::read(&written.file).unwrap(), *made.bytes);
    let mode = fs::metadata(&written.file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        fs::read_to_string(path.join("meta.properties")).unwrap(),
        "version=1\ncluster.id=bGlmZWJvYXQtbGlmZWJvYQ\nnode.id=3\n"
    );
    let again = write(&made, path, None).unwrap_err();
    assert!(matches!(again, FolderError::Exists { .. }), "{again}");
    fs::remove_file(&written.file).unwrap();
    fs::write(
        path.join("__cluster_metadata-0/00000000000000000000.log"),
        "",
    )
    .unwrap();
    let used = write(&made, path, None).unwrap_err();
    assert!(matches!(used, FolderError::Used { .. }), "{used}");
    let wrong = NodeIdentity {
        cluster_id: "a\nb".to_owned(),
        ..node
    };
    let other = tempfile::tempdir().unwrap();
    let error = write(&made, other.path(), Some(&wrong)).unwrap_err();
    assert!(matches!(error, FolderError::ClusterId { .. }), "{error}");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
}

#[test]
fn only_what_is_asked_for_is_in_a_checkpoint_and_the_rest_is_not_missed() {
    let only = Source {
        parts: Parts::of([Part::Acls]),
        ..source()
    };
    let made = checkpoint(&only, None).unwrap();
    let counts = made.counts;
    assert_eq!(
        (
            counts.acls,
            counts.quotas,
            counts.configs,
            counts.credentials
        ),
        (1, 0, 0, 0)
    );
    let subjects = made.left_out.iter().map(|it| it.subject.as_str());
    assert_eq!(subjects.collect::<Vec<_>>(), Vec::<&str>::new());
}
