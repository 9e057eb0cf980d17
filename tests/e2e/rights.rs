//! trial
use lifeboat_tests::{Acl, KafkaCluster, Message, TestContext};
use crate::lifeboat::init;

const ME: &str = "User:ANONYMOUS";

#[test]
fn trial() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let a = context.start_a(&KafkaCluster::builder().authorizer(true)).unwrap();
    a.workload().create_topic("orders", 2, &[("retention.ms","-1")]).unwrap();
    a.workload().create_topic("empty", 1, &[]).unwrap();
    a.workload().produce(&[], &[Message::text("orders", 0, "x"), Message::text("orders", 1, "y")]).unwrap();
    a.workload().commit("shop", &[("orders", 0, 1, "")]).unwrap();
    init(&program, &url);
    let all = [
        Acl::allow(ME, "READ", "TOPIC", "*"),
        Acl::allow(ME, "DESCRIBE_CONFIGS", "TOPIC", "*"),
        Acl::allow(ME, "DESCRIBE", "GROUP", "*"),
        Acl::allow(ME, "DESCRIBE", "CLUSTER", "kafka-cluster"),
    ];
    let servers = a.bootstrap();
    let run = |what: &str| {
        let t = std::time::Instant::now();
        let run = program.run(&["backup", "--repository", &url, "--bootstrap-servers", &servers]).unwrap();
        println!("=== {what}: {:?} in {:?}\n{}\n--\n{}", run.code, t.elapsed(), run.stdout, run.stderr);
    };
    a.alter_acls(&all, &[]).unwrap();
    run("all");
    for acl in &all {
        a.alter_acls(&[], std::slice::from_ref(acl)).unwrap();
        run(&format!("without {acl:?}"));
        a.alter_acls(std::slice::from_ref(acl), &[]).unwrap();
    }
    a.alter_acls(&[Acl::allow(ME, "READ", "TOPIC", "*").denied()], &[]).unwrap();
    a.alter_acls(&[Acl::allow(ME, "DESCRIBE", "TOPIC", "*")], &[Acl::allow(ME, "READ", "TOPIC", "*").denied(),Acl::allow(ME, "READ", "TOPIC", "*")]).unwrap();
    run("describe topic only");

    a.alter_acls(&all, &[Acl::allow(ME, "DESCRIBE", "TOPIC", "*")]).unwrap();
    let b = context.start_b(&KafkaCluster::builder().authorizer(true)).unwrap();
    let servers = b.bootstrap();
    let all = [
        Acl::allow(ME, "CREATE", "TOPIC", "*"),
        Acl::allow(ME, "READ", "TOPIC", "*"),
        Acl::allow(ME, "WRITE", "TOPIC", "*"),
        Acl::allow(ME, "ALTER_CONFIGS", "TOPIC", "*"),
        Acl::allow(ME, "DESCRIBE_CONFIGS", "TOPIC", "*"),
        Acl::allow(ME, "READ", "GROUP", "*"),
    ];
    b.alter_acls(&all, &[]).unwrap();
    let mut n = 0;
    let scratch = context.scratch().path().to_owned();
    let mut run = |what: &str| {
        n += 1;
        let t = std::time::Instant::now();
        let state = scratch.join(format!("state{n}")).display().to_string();
        let run = program.run(&["restore", "latest", "--repository", &url, "--bootstrap-servers", &servers, "--state", &state, "--yes"]).unwrap();
        println!("=== {what}: {:?} in {:?}\n{}\n--\n{}", run.code, t.elapsed(), run.stdout, run.stderr);
    };
    let b = context.b().unwrap();
    for acl in &all {
        b.alter_acls(&[], std::slice::from_ref(acl)).unwrap();
        run(&format!("restore without {acl:?}"));
        b.alter_acls(std::slice::from_ref(acl), &[]).unwrap();
        let names: Vec<_> = b.oracle().topics().unwrap().into_iter().map(|t| t.name).collect();
        println!("topics now {names:?}");
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        b.workload().delete_topics(&names).unwrap();
    }
    run("restore all");
}
