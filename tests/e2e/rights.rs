//! The rights that the README names are enough, and none of them is too much: without it, what lacks is told.

use std::{collections::BTreeSet, fs, process::Stdio, slice};

use lifeboat_tests::{
    Acl, ClusterBuilder, KafkaCluster, Message, Program, ReadOptions, Run, Scratch, Security,
    TestContext, compare,
};
use serde_json::{Value, json};

use crate::{
    docs::{commands, root},
    lifeboat::{backup, init},
};

fn guarded() -> ClusterBuilder {
    KafkaCluster::builder()
        .security(Security::SaslPlaintext)
        .sasl_mechanisms(&["SCRAM-SHA-512"])
        .users(&[("agent", "a"), ("restorer", "r")])
        .authorizer(true)
}

/// The README's commands for this principal of it.
fn granting(principal: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let granting = commands(&text)
        .into_iter()
        .filter(|command| command.starts_with("kafka-acls.sh") && command.contains(principal));
    granting
        .map(|command| {
            let words = command.split_whitespace().skip(1);
            words.map(|word| word.replace('\'', "")).collect()
        })
        .collect()
}

/// Runs them with Kafka's own tool on this cluster; the rights that they grant.
pub(crate) fn grant(cluster: &KafkaCluster, principal: &str) -> Vec<Acl> {
    let scratch = Scratch::new("acls").unwrap();
    let mut granted = Vec::new();
    for mut words in granting(principal) {
        let mut resource = ("", String::new());
        let mut operations = Vec::new();
        for at in 0..words.len() {
            match words[at].as_str() {
                "--bootstrap-server" => words[at + 1] = cluster.admin_bootstrap(),
                "--topic" => resource = ("TOPIC", words[at + 1].clone()),
                "--group" => resource = ("GROUP", words[at + 1].clone()),
                "--transactional-id" => {
                    resource = ("TRANSACTIONAL_ID", words[at + 1].clone());
                }
                "--cluster" => resource = ("CLUSTER", "kafka-cluster".to_owned()),
                "--operation" => operations.push(words[at + 1].clone()),
                _ => {}
            }
        }
        let said = cluster
            .home()
            .java(scratch.path())
            .unwrap()
            .arg("org.apache.kafka.tools.AclCommand")
            .args(&words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(said.status.success(), "{words:?}: {said:?}");
        let (kind, name) = resource;
        granted.extend(operations.iter().map(|operation| {
            let operation = match operation.as_str() {
                "DescribeConfigs" => "DESCRIBE_CONFIGS".to_owned(),
                "AlterConfigs" => "ALTER_CONFIGS".to_owned(),
                other => other.to_uppercase(),
            };
            Acl::allow(principal, &operation, kind, &name)
        }));
    }
    // known to the brokers, too, when this returns
    cluster.alter_acls(&granted, &[]).unwrap();
    granted
}

fn fill(cluster: &KafkaCluster) {
    let workload = cluster.workload();
    let kept = [("retention.ms", "-1")];
    for topic in ["orders", "payments"] {
        workload.create_topic(topic, 2, &kept).unwrap();
        let messages = [0, 1].map(|partition| Message::text(topic, partition, "value"));
        workload.produce(&[], &messages).unwrap();
    }
    let offsets = [("orders", 0, 1, "here"), ("payments", 1, 0, "")];
    workload.commit("shop", &offsets).unwrap();
    let config = json!({
        "type": "GROUP", "name": "shop", "configs": { "consumer.session.timeout.ms": "50000" },
    });
    workload
        .fill_surroundings(&json!({ "configs": [config], "acls": [], "quotas": [], "starts": [] }))
        .unwrap();
}

/// A verb of the program, as a user of a cluster.
struct Verb<'c> {
    program: Program,
    words: Vec<String>,
    cluster: &'c KafkaCluster,
    user: &'static str,
}

impl Verb<'_> {
    fn run(&self) -> Run {
        let file = self.cluster.directory().join("client.properties");
        let properties = self.cluster.client_properties(self.user).unwrap();
        fs::write(&file, properties).unwrap();
        let mut arguments = self.words.clone();
        arguments.extend([
            "--bootstrap-servers".to_owned(),
            self.cluster.bootstrap(),
            "--command-config".to_owned(),
            file.display().to_string(),
        ]);
        self.program.run(&arguments).unwrap()
    }

    /// That it ends so, and tells that its user lacks these rights.
    fn ends(&self, code: i32, lacks: &[&str]) -> Run {
        let run = self.run().expect_code(code).unwrap();
        let said = format!("{}{}", run.stdout, run.stderr);
        for right in lacks {
            let sentence = format!("User:{} lacks {right}", self.user);
            assert!(said.contains(&sentence), "not told: {sentence}\n{said}");
        }
        run
    }
}

/// What makes a snapshot partial, each kind once.
fn missing(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().unwrap().iter();
    let missing = problems.filter(|problem| problem["partial"] == true);
    let kinds: BTreeSet<_> = missing
        .map(|problem| problem["subject"].as_str().unwrap())
        .collect();
    kinds.into_iter().collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn a_backup_takes_the_rights_that_the_readme_names_and_tells_each_that_it_lacks() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let a = context.start_a(&guarded()).unwrap();
    fill(a);
    init(&program, &url);
    let back_up = Verb {
        program,
        words: words(&["backup", "--kind", "full", "--repository", &url, "--json"]),
        cluster: a,
        user: "agent",
    };
    let without = |lost: &[Acl], instead: &[Acl], lacks: &[&str]| {
        a.alter_acls(instead, lost).unwrap();
        let report = back_up.ends(3, lacks).json().unwrap();
        a.alter_acls(lost, instead).unwrap();
        report
    };

    // nothing is allowed, and nothing can be known: that is told too
    back_up.ends(3, &["Describe on the cluster"]);
    let granted = grant(a, "User:agent");
    let report = back_up.run().expect_code(0).unwrap().json().unwrap();
    let problems = report["problems"].as_array().map(Vec::len);
    assert_eq!(problems, Some(0), "{report:#}");
    let totals = &report["commit"]["totals"];
    assert_eq!(
        (&totals["records"], &totals["groups"]),
        (&4.into(), &1.into())
    );

    assert_eq!(granted.len(), 7);
    for acl in &granted {
        let (lacks, kinds): (&[&str], &[&str]) = match (acl.operation(), acl.resource()) {
            ("READ", "TOPIC") => (
                &["Read on topic orders", "Read on topic payments"],
                &["topic orders", "topic payments"],
            ),
            ("DESCRIBE_CONFIGS", "TOPIC") => (
                &["DescribeConfigs on topic orders"],
                &["topic orders", "topic payments"],
            ),
            ("DESCRIBE", "GROUP") => (&["Describe on group shop"], &["group shop"]),
            ("DESCRIBE_CONFIGS", "GROUP") => (
                &["DescribeConfigs on group shop"],
                &["configurations of group shop"],
            ),
            ("DESCRIBE", "CLUSTER") => (
                &["Describe on the cluster"],
                &["ACLs", "SCRAM users", "cluster", "partition reassignments"],
            ),
            ("DESCRIBE_CONFIGS", "CLUSTER") => (
                &["DescribeConfigs on the cluster"],
                &[
                    "client metrics subscriptions",
                    "client quotas",
                    "configurations of brokers",
                    "configurations of groups",
                ],
            ),
            ("DESCRIBE", "TRANSACTIONAL_ID") => {
                (&["Describe on transactional id *"], &["open transactions"])
            }
            other => panic!("nobody tests {other:?}"),
        };
        let report = without(slice::from_ref(acl), &[], lacks);
        assert_eq!(missing(&report), kinds, "{acl:?}");
        // the others are saved
        let totals = &report["commit"]["totals"];
        for (name, kind) in [
            ("acls", "ACLs"),
            ("quotas", "client quotas"),
            ("configs", "configurations of brokers"),
        ] {
            assert_eq!(
                totals[name].is_null(),
                kinds.contains(&kind),
                "{acl:?}: {totals}"
            );
        }
    }
    // one that can be seen and not read, one that can't even be seen
    let read = Acl::allow("User:agent", "READ", "TOPIC", "*");
    let see = Acl::allow("User:agent", "DESCRIBE", "TOPIC", "orders");
    let both = ["Read on topic orders", "Read on topic payments"];
    without(&[read], &[see], &both);
    let hide = Acl::allow("User:agent", "ALL", "TOPIC", "payments").denied();
    without(&[], &[hide], &["Read on topic payments"]);
    back_up.ends(0, &[]);

    // rights on some topics do for these
    let some = ["READ", "DESCRIBE_CONFIGS"];
    let some = some.map(|right| Acl::allow("User:agent", right, "TOPIC", "ord").prefixed());
    let of_topics = granted.iter().filter(|acl| acl.resource() == "TOPIC");
    a.alter_acls(&some, &of_topics.cloned().collect::<Vec<_>>())
        .unwrap();
    let mut chosen = back_up.words.clone();
    chosen.extend(words(&["--topics", "ord*"]));
    let chosen = Verb {
        words: chosen,
        ..back_up
    };
    chosen.ends(0, &[]);
}

#[test]
fn a_certificate_is_named_as_kafka_names_it() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let certified = KafkaCluster::builder()
        .security(Security::Ssl { client_auth: true })
        .authorizer(true);
    let a = context.start_a(&certified).unwrap();
    fill(a);
    init(&program, &url);
    let back_up = Verb {
        program,
        words: words(&["backup", "--repository", &url]),
        cluster: a,
        user: "CN=lifeboat",
    };
    back_up.ends(3, &["Describe on the cluster"]);
    let granted = [
        ("READ", "TOPIC", "*"),
        ("DESCRIBE_CONFIGS", "TOPIC", "*"),
        ("DESCRIBE", "GROUP", "*"),
        ("DESCRIBE_CONFIGS", "GROUP", "*"),
        ("DESCRIBE", "CLUSTER", "kafka-cluster"),
        ("DESCRIBE_CONFIGS", "CLUSTER", "kafka-cluster"),
        ("DESCRIBE", "TRANSACTIONAL_ID", "*"),
    ]
    .map(|(right, kind, name)| Acl::allow("User:CN=lifeboat", right, kind, name));
    a.alter_acls(&granted, &[]).unwrap();
    back_up.ends(0, &[]);
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: each step begins where the last one ended"
)]
fn a_restore_takes_the_rights_that_the_readme_names_and_tells_each_that_it_lacks() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let state = context.scratch().join("state").display().to_string();
    context.start_a(&guarded()).unwrap();
    context.start_b(&guarded()).unwrap();
    let (a, b) = context.both().unwrap();
    fill(a);
    // one of each kind besides
    let shop = Acl::allow("User:shop", "READ", "TOPIC", "orders");
    let around = |threads: Option<&str>, rate: Option<f64>, timeout: Option<&str>| {
        let cluster =
            json!({ "type": "BROKER", "name": "", "configs": { "log.cleaner.threads": threads } });
        let group = json!({ "consumer.session.timeout.ms": timeout });
        let group = json!({ "type": "GROUP", "name": "shop", "configs": group });
        let quota =
            json!({ "entity": { "user": "shop" }, "limits": { "producer_byte_rate": rate } });
        json!({ "configs": [cluster, group], "acls": [], "quotas": [quota], "starts": [] })
    };
    a.workload()
        .fill_surroundings(&around(Some("2"), Some(9.0), Some("50000")))
        .unwrap();
    a.alter_acls(slice::from_ref(&shop), &[]).unwrap();
    init(&program, &url);
    backup(&program, &url, &a.admin_bootstrap(), &[]);
    let restore = Verb {
        program,
        words: words(&[
            "restore",
            "latest",
            "--repository",
            &url,
            "--state",
            &state,
            "--yes",
        ]),
        cluster: b,
        user: "restorer",
    };
    let records = || b.oracle().read(&ReadOptions::default()).unwrap().records();
    // one that is there and empty, one that is not
    let begin_anew = || {
        let there: Vec<_> = b
            .oracle()
            .topics()
            .unwrap()
            .into_iter()
            .map(|topic| topic.name)
            .collect();
        let there: Vec<_> = there.iter().map(String::as_str).collect();
        b.workload().delete_topics(&there).unwrap();
        b.workload().create_topic("payments", 2, &[]).unwrap();
        b.workload()
            .fill_surroundings(&around(None, None, None))
            .unwrap();
        b.alter_acls(&[], slice::from_ref(&shop)).unwrap();
    };

    let granted = grant(b, "User:restorer");
    assert_eq!(granted.len(), 8);
    for acl in &granted {
        begin_anew();
        let (code, lacks): (i32, &[&str]) = match (acl.operation(), acl.resource()) {
            ("CREATE", "TOPIC") => (3, &["Create on topic orders"]),
            ("WRITE", "TOPIC") => (1, &["Write on topic orders"]),
            ("READ", "TOPIC") => (1, &["Read on topic orders"]),
            ("ALTER_CONFIGS", "TOPIC") => (1, &["AlterConfigs on topic payments"]),
            ("READ", "GROUP") => (3, &["Read on group shop"]),
            ("ALTER_CONFIGS", "GROUP") => (3, &["AlterConfigs on group shop"]),
            // what may not be seen is not changed either
            ("ALTER", "CLUSTER") => (3, &["Describe on the cluster"]),
            ("ALTER_CONFIGS", "CLUSTER") => (3, &["DescribeConfigs on the cluster"]),
            other => panic!("nobody tests {other:?}"),
        };
        b.alter_acls(&[], slice::from_ref(acl)).unwrap();
        restore.ends(code, lacks);
        if code == 1 {
            assert_eq!(records(), 0, "{acl:?}");
        }
        b.alter_acls(slice::from_ref(acl), &[]).unwrap();
    }

    // what may be seen and not be changed is named, and nothing else is missing
    for (changing, seeing, missing) in [
        ("ALTER", "DESCRIBE", vec!["acl"]),
        ("ALTER_CONFIGS", "DESCRIBE_CONFIGS", vec!["config", "quota"]),
    ] {
        begin_anew();
        let of_cluster =
            |right: &str| Acl::allow("User:restorer", right, "CLUSTER", "kafka-cluster");
        b.alter_acls(&[of_cluster(seeing)], &[of_cluster(changing)])
            .unwrap();
        let mut words = restore.words.clone();
        words.push("--json".to_owned());
        let telling = Verb {
            words,
            program: restore.program.clone(),
            ..restore
        };
        let report = telling.run().expect_code(3).unwrap().json().unwrap();
        let changes = report["changes"].as_array().unwrap().iter();
        let refused = changes.filter(|it| it["refused"].is_string());
        let kinds: Vec<_> = refused
            .map(|it| it["change"]["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, missing, "{report:#}");
        assert_eq!(report["changes"].as_array().unwrap().len(), 4);
        b.alter_acls(&[of_cluster(changing)], &[of_cluster(seeing)])
            .unwrap();
    }

    begin_anew();
    restore.ends(0, &[]);
    let found = compare(&a.oracle(), &b.oracle(), &ReadOptions::default()).unwrap();
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(b.oracle().groups().unwrap().len(), 2);
}
