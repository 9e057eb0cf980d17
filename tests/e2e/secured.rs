//! The testkit's secured clusters: Kafka's own clients come in as they should, and nobody else does.

use lifeboat_tests::{Acl, Certificate, KafkaCluster, Message, ReadOptions, Security, TestContext};

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

#[test]
fn every_mechanism_lets_a_user_in_to_what_its_acls_allow() {
    let mut context = TestContext::new().unwrap();
    let a = context
        .start_a(
            &KafkaCluster::builder()
                .security(Security::SaslSsl)
                .sasl_mechanisms(&MECHANISMS)
                .users(&[("alice", "quote\" and \\"), ("bob", "bob's"), ("root", "r")])
                .super_user("root")
                .authorizer(true),
        )
        .unwrap();
    a.workload().create_topic("kept", 1, &[]).unwrap();
    let message = [Message::text("kept", 0, "value")];
    for mechanism in MECHANISMS {
        let by_root = a.workload_as("root", Some(mechanism)).unwrap();
        by_root.produce(&[], &message).unwrap();
        let refused = a.workload_as("alice", Some(mechanism)).unwrap();
        let refused = refused.produce(&[], &message).unwrap_err().to_string();
        assert!(
            refused.contains("TopicAuthorizationException"),
            "{mechanism}: {refused}"
        );
    }

    let write = Acl::allow("User:alice", "WRITE", "TOPIC", "ke").prefixed();
    a.alter_acls(std::slice::from_ref(&write), &[]).unwrap();
    let alice = a.workload_as("alice", Some("SCRAM-SHA-512")).unwrap();
    alice.produce(&[], &message).unwrap();
    let bob = a.workload_as("bob", None).unwrap();
    bob.produce(&[], &message).unwrap_err();
    a.alter_acls(&[], &[write]).unwrap();
    alice.produce(&[], &message).unwrap_err();

    let read = a.oracle_as("root", None).unwrap();
    assert_eq!(read.read(&ReadOptions::default()).unwrap().records(), 5);
    assert_eq!(
        read.read(&ReadOptions::default()).unwrap(),
        a.oracle().read(&ReadOptions::default()).unwrap()
    );
}

#[test]
fn three_secured_brokers_work_together_and_the_client_is_its_certificate() {
    let mut context = TestContext::new().unwrap();
    let a = context
        .start_a(
            &KafkaCluster::builder()
                .brokers(3)
                .security(Security::Ssl { client_auth: true })
                .super_user("CN=lifeboat")
                .authorizer(true),
        )
        .unwrap();
    let client = a.workload_as("", None).unwrap();
    client.create_replicated_topic("kept", 3, 3, &[]).unwrap();
    let messages: Vec<_> = (0..3)
        .map(|partition| Message::text("kept", partition, "value"))
        .collect();
    client.produce(&[("acks", "all")], &messages).unwrap();
    let oracle = a.oracle_as("", None).unwrap();
    assert_eq!(oracle.read(&ReadOptions::default()).unwrap().records(), 3);
}

#[test]
fn a_bad_certificate_keeps_clients_out_and_the_testkit_in() {
    let mut context = TestContext::new().unwrap();
    for (certificate, reason) in [
        (Certificate::Expired, "NotAfter: "),
        (Certificate::OtherHost, "127.0.0.1"),
        (Certificate::OtherCa, "PKIX path"),
    ] {
        let a = context
            .start_a(
                &KafkaCluster::builder()
                    .security(Security::Ssl { client_auth: false })
                    .certificate(certificate),
            )
            .unwrap();
        a.workload().create_topic("kept", 1, &[]).unwrap();
        let refused = a.workload_as("", None).unwrap();
        let refused = refused.create_topic("not", 1, &[]).unwrap_err().to_string();
        assert!(
            refused.contains("SslAuthenticationException") && refused.contains(reason),
            "{certificate:?}: {refused}"
        );
        context.destroy_a();
    }
}
