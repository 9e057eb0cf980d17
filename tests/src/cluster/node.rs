//! One node of a cluster.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{ClusterBuilder, ports::free_port};
use crate::{
    home::KafkaHome,
    scratch::Scratch,
    security::{Secured, properties_text},
};

/// How long a node may take to stop: one that lost its controllers never does by itself.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const LOG_TAIL: usize = 60;

/// A broker and controller in one Java machine.
#[derive(Debug)]
pub(super) struct Node {
    id: i32,
    /// The clients' listener.
    port: u16,
    /// The listener of brokers and of the testkit: always without TLS and SASL.
    inside_port: u16,
    /// The controllers' listener, always without TLS and SASL.
    controller: String,
    directory: PathBuf,
    /// What vanishes with us, where we are killed.
    scratch: Option<PathBuf>,
    java_options: Vec<String>,
    process: Option<Child>,
}

impl Node {
    /// Writes what `count` nodes need to start as one cluster.
    pub(super) fn lay_out(
        directory: &Path,
        home: &KafkaHome,
        cluster_id: &str,
        wanted: &ClusterBuilder,
        secured: &Secured,
    ) -> Result<Vec<Self>> {
        let count = wanted.brokers;
        let mut java_options = secured.java_options();
        java_options.push(format!("-Xmx{}m", wanted.heap_megabytes));
        let mut nodes = Vec::new();
        let mut controllers = Vec::new();
        for id in 1..=i32::try_from(count)? {
            let controller = format!("127.0.0.1:{}", free_port()?);
            controllers.push((id, controller.clone()));
            nodes.push(Self {
                id,
                port: free_port()?,
                inside_port: free_port()?,
                controller,
                directory: directory.join(format!("node-{id}")),
                scratch: (!Scratch::is_kept()).then(|| directory.to_owned()),
                java_options: java_options.clone(),
                process: None,
            });
        }
        let voters: Vec<_> = controllers
            .iter()
            .map(|(id, address)| format!("{id}@{address}"))
            .collect();
        for (node, (_, controller)) in nodes.iter().zip(&controllers) {
            let listeners = format!(
                "CLIENT://{},INTERNAL://{}",
                node.address(),
                node.inside_address()
            );
            let mut properties = usual_settings(count);
            for (name, value) in [
                ("node.id", node.id.to_string()),
                ("controller.quorum.voters", voters.join(",")),
                (
                    "listeners",
                    format!("{listeners},CONTROLLER://{controller}"),
                ),
                ("advertised.listeners", listeners),
                ("log.dirs", node.data_dir().display().to_string()),
            ] {
                properties.insert(name.to_owned(), value);
            }
            properties.extend(secured.broker_settings()?);
            properties.extend(wanted.settings.clone());
            let seed = wanted.seed.clone();
            let seed = seed.unwrap_or_else(|| home.bootstrap_checkpoint());
            node.write(&seed, cluster_id, &properties)?;
        }
        Ok(nodes)
    }

    pub(super) fn id(&self) -> i32 {
        self.id
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn inside_address(&self) -> String {
        format!("127.0.0.1:{}", self.inside_port)
    }

    pub(super) fn controller_address(&self) -> &str {
        &self.controller
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn is_started(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn start(&mut self, home: &KafkaHome) -> Result<()> {
        let archive = home.class_archive();
        let options = if archive.is_file() {
            vec![format!("-XX:SharedArchiveFile={}", archive.display())]
        } else {
            Vec::new()
        };
        self.launch(home, &options)
    }

    /// Starts, and writes the loaded classes to `archive` when it stops.
    pub(super) fn start_and_archive(&mut self, home: &KafkaHome, archive: &Path) -> Result<()> {
        self.launch(
            home,
            &[format!("-XX:ArchiveClassesAtExit={}", archive.display())],
        )
    }

    fn launch(&mut self, home: &KafkaHome, options: &[String]) -> Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.directory.join("output.log"))?;
        // native code is unpacked there, and stays where the machine is killed
        let temporary = self.directory.join("tmp");
        fs::create_dir_all(&temporary)?;
        let child = home
            .java(&temporary)?
            .args(options)
            .args(&self.java_options)
            .arg(format!(
                "-Dlog4j2.configurationFile={}",
                self.directory.join("log4j2.properties").display()
            ))
            .arg(format!(
                "-Dlog4j.configuration=file:{}",
                self.directory.join("log4j.properties").display()
            ))
            .args(
                self.scratch
                    .iter()
                    .map(|scratch| format!("-Dlifeboat.scratch={}", scratch.display())),
            )
            .args(["lifeboat.testkit.Guard", "kafka.Kafka"])
            .arg(self.directory.join("server.properties"))
            // held open by us: the node ends with it (see Guard)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("can't run java: is a JDK (17 or newer) installed?")?;
        self.process = Some(child);
        Ok(())
    }

    /// An error when the process has ended.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.try_wait()?
        {
            self.process = None;
            bail!("node {} ended: {status}\n{}", self.id, self.log_tail());
        }
        Ok(())
    }

    pub(super) fn terminate(&self) -> Result<()> {
        if let Some(process) = &self.process {
            kill(Pid::from_raw(i32::try_from(process.id())?), Signal::SIGTERM)?;
        }
        Ok(())
    }

    pub(super) fn wait_for_end(&mut self) -> Result<()> {
        let deadline = Instant::now() + STOP_DEADLINE;
        while let Some(process) = &mut self.process {
            if process.try_wait()?.is_some() {
                self.process = None;
            } else if Instant::now() > deadline {
                return self.kill();
            } else {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// The newest lines of what it said.
    pub(super) fn log_tail(&self) -> String {
        let mut text = String::new();
        for name in ["output.log", "server.log"] {
            let log = fs::read_to_string(self.directory.join(name)).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
            if !tail.is_empty() {
                text += &[
                    &format!("node {}, {name}:", self.id),
                    tail.join("\n").as_str(),
                    "",
                ]
                .join("\n");
            }
        }
        text
    }

    fn write(
        &self,
        seed: &Path,
        cluster_id: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let data = self.data_dir();
        fs::create_dir_all(&data)?;
        // what `kafka-storage format` does, without a second Java machine
        fs::write(
            data.join("meta.properties"),
            format!("version=1\ncluster.id={cluster_id}\nnode.id={}\n", self.id),
        )?;
        fs::copy(seed, data.join("bootstrap.checkpoint"))?;
        fs::write(
            self.directory.join("server.properties"),
            properties_text(properties),
        )?;
        let log = self.directory.join("server.log");
        let log = log.display();
        fs::write(
            self.directory.join("log4j2.properties"),
            format!(
                "status=off\nappender.file.type=File\nappender.file.name=file\nappender.file.fileName={log}\n\
                 appender.file.layout.type=PatternLayout\n\
                 appender.file.layout.pattern=%d{{HH:mm:ss.SSS}} %p %m (%c)%n%throwable\n\
                 rootLogger.level=warn\nrootLogger.appenderRef.file.ref=file\n"
            ),
        )?;
        // Kafka 3 has the older logger
        fs::write(
            self.directory.join("log4j.properties"),
            format!(
                "log4j.rootLogger=WARN, file\nlog4j.appender.file=org.apache.log4j.FileAppender\n\
                 log4j.appender.file.File={log}\nlog4j.appender.file.layout=org.apache.log4j.PatternLayout\n\
                 log4j.appender.file.layout.ConversionPattern=%d{{HH:mm:ss,SSS}} %p %m (%c)%n\n"
            ),
        )?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// What makes a small machine's cluster start and react quickly; everything else is Kafka's own default.
fn usual_settings(nodes: usize) -> BTreeMap<String, String> {
    let replication = nodes.to_string();
    let in_sync = nodes.min(2).to_string();
    // a dead broker is noticed soon; one that is alone is not, lest a busy machine takes it for dead: but a killed one
    // can't come back before
    let session = if nodes == 1 { "9000" } else { "5000" };
    let mut settings = BTreeMap::new();
    for (name, value) in [
        ("process.roles", "broker,controller"),
        ("controller.listener.names", "CONTROLLER"),
        ("inter.broker.listener.name", "INTERNAL"),
        ("auto.create.topics.enable", "false"),
        ("offsets.topic.num.partitions", "4"),
        ("offsets.topic.replication.factor", &replication),
        ("transaction.state.log.num.partitions", "4"),
        ("transaction.state.log.replication.factor", &replication),
        ("transaction.state.log.min.isr", &in_sync),
        ("share.coordinator.state.topic.num.partitions", "4"),
        (
            "share.coordinator.state.topic.replication.factor",
            &replication,
        ),
        ("share.coordinator.state.topic.min.isr", &in_sync),
        ("group.initial.rebalance.delay.ms", "0"),
        ("broker.heartbeat.interval.ms", "300"),
        ("broker.session.timeout.ms", session),
        // the cleaner looks every 15 s else, and wants 128 MB
        ("log.cleaner.backoff.ms", "100"),
        ("log.cleaner.dedupe.buffer.size", "4194304"),
        ("log.segment.delete.delay.ms", "1000"),
    ] {
        settings.insert(name.to_owned(), value.to_owned());
    }
    settings
}
