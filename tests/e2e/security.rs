//! Lifeboat gets into secured clusters by every way that Kafka offers, says why where it is kept out, and never shows a
//! secret.

use std::{fs, path::PathBuf, time::Duration};

use lifeboat_tests::{
    Bulk, Certificate, ClusterBuilder, KafkaCluster, Message, Program, ReadOptions, Run, Security,
    TestContext, compare,
};

use crate::lifeboat::{backup, init, restore, verify};

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
const USER: &str = "backup";
/// With everything that has to be escaped somewhere: in JAAS, in `.properties`, in YAML.
const PASSWORD: &str = "s3cr3t \\ \"quoted\" = :#!' Pass";
/// Nothing else contains it.
const NEVER: &str = "s3cr3t";

fn secured(security: Security, mechanisms: &[&str]) -> ClusterBuilder {
    KafkaCluster::builder()
        .security(security)
        .sasl_mechanisms(mechanisms)
        .users(&[(USER, PASSWORD)])
}

/// A cluster with a little in it, what to run, and where.
struct Scene {
    context: TestContext,
    program: Program,
    url: String,
}

impl Scene {
    fn new() -> Self {
        let context = TestContext::new().unwrap();
        let (program, url) = (context.program().unwrap(), context.repository_url());
        init(&program, &url);
        Self {
            context,
            program,
            url,
        }
    }

    fn start(&mut self, wanted: &ClusterBuilder) {
        let a = self.context.start_a(wanted).unwrap();
        a.workload().create_topic("kept", 2, &[]).unwrap();
        let messages: Vec<_> = (0..50)
            .map(|n| Message::text("kept", n % 2, &format!("value {n}")))
            .collect();
        a.workload().produce(&[], &messages).unwrap();
    }

    fn a(&mut self) -> &mut KafkaCluster {
        self.context.a().unwrap()
    }

    fn bootstrap(&mut self) -> String {
        self.a().bootstrap()
    }

    /// A file of the test's own.
    fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.context.scratch().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A backup with these properties, which is refused; what it says, at every level of logging.
    fn refused(&mut self, bootstrap: &str, properties: &str) -> String {
        let file = self.file("refused.properties", properties);
        let run = self
            .program
            .run(&[
                "backup",
                "--repository",
                &self.url,
                "--bootstrap-servers",
                bootstrap,
                "--command-config",
                &file,
                "--log-level",
                "trace",
            ])
            .unwrap();
        shows_no_secret(&run);
        assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
        let at = run.stderr.find("error: ").unwrap();
        run.stderr[at..].to_owned()
    }
}

fn shows_no_secret(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(NEVER), "{text}");
        assert!(!text.contains("Bearer "), "{text}");
        // a JWT
        assert!(!text.contains("eyJ"), "{text}");
    }
}

#[test]
fn discovery() {
    let mut scene = Scene::new();
    scene.start(&secured(Security::SaslSsl, &MECHANISMS));
    let bootstrap = scene.bootstrap();
    let properties = scene
        .a()
        .client_properties_with(USER, "SCRAM-SHA-512")
        .unwrap();
    println!("{properties}");
    for mechanism in MECHANISMS {
        let properties = scene.a().client_properties_with(USER, mechanism).unwrap();
        let file = scene.file("client.properties", &properties);
        let run = scene
            .program
            .run(&[
                "backup",
                "--repository",
                &scene.url,
                "--bootstrap-servers",
                &bootstrap,
                "--command-config",
                &file,
                "--log-level",
                "trace",
            ])
            .unwrap();
        println!(
            "{mechanism} {:?}\n{}\n{}",
            run.code,
            run.stdout,
            run.stderr
                .lines()
                .filter(|l| !l.contains("TRACE mio"))
                .take(60)
                .collect::<Vec<_>>()
                .join("\n")
        );
        shows_no_secret(&run);
        println!(
            "wrong password: {}",
            scene.refused(&bootstrap, &properties.replace("Pass", "Wrong"))
        );
    }
    let ca = scene.a().ca_pem().display().to_string();
    for text in [
        String::new(),
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=backup\nsasl.password=s3cr3t".to_owned(),
        format!("security.protocol=SSL\nssl.ca.location={ca}"),
        "security.protocol=SSL\n".to_owned(),
        properties.replace("SCRAM-SHA-512", "PLAIN"),
        properties.replace("SASL_SSL", "SASL_PLAINTEXT"),
    ] {
        println!("{text}\n=> {}\n", scene.refused(&bootstrap, &text));
    }
    panic!("seen");
}
