//! Real Kafka clusters: KRaft, one or three nodes, each of them broker and controller.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{home::KafkaHome, oracle::Oracle, scratch::Scratch, workload::Workload};
use node::Node;

mod metadata;
mod node;
mod ports;

/// How long a start may take: a busy machine is slow, a broken broker says so at once.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// How a cluster shall be.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    brokers: usize,
    version: Option<String>,
    settings: BTreeMap<String, String>,
    heap_megabytes: u32,
}

impl ClusterBuilder {
    /// How many nodes: 1 or 3.
    pub fn brokers(mut self, brokers: usize) -> Self {
        self.brokers = brokers;
        self
    }

    /// Which Kafka; else `LIFEBOAT_KAFKA_VERSION` or the usual one.
    pub fn version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned());
        self
    }

    /// A property of every broker; it wins over the testkit's own.
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Heap of each node.
    pub fn heap_megabytes(mut self, megabytes: u32) -> Self {
        self.heap_megabytes = megabytes;
        self
    }

    /// Starts it, and returns when every node knows all others and a client can work.
    pub fn start(&self) -> Result<KafkaCluster> {
        let home = match &self.version {
            Some(version) => KafkaHome::get_version(version)?,
            None => usual_home()?,
        };
        prepare_class_archive(&home);
        // a port that was free may be taken by the time that Kafka binds it
        let mut last = None;
        for _ in 0..3 {
            match KafkaCluster::start_new(self, &home) {
                Err(error) if format!("{error:#}").contains("Address already in use") => {
                    last = Some(error);
                }
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| anyhow!("no free ports")))
    }
}

/// A running cluster; it ends, and its data with it, when it is dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    cluster_id: String,
    // before the directory: no node may write while that is removed
    nodes: Vec<Node>,
    home: KafkaHome,
    directory: Scratch,
}

impl KafkaCluster {
    /// One node of the usual version, unless told otherwise.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            brokers: 1,
            version: None,
            settings: BTreeMap::new(),
            heap_megabytes: 512,
        }
    }

    /// All brokers' addresses, separated by commas.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Node::address).collect();
        addresses.join(",")
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Which Kafka it runs.
    pub fn home(&self) -> &KafkaHome {
        &self.home
    }

    /// The log directory of node `index` (from 0), which holds `topic-partition` folders.
    pub fn data_dir(&self, index: usize) -> PathBuf {
        self.nodes[index].data_dir()
    }

    /// The broker id of node `index`.
    pub fn broker_id(&self, index: usize) -> i32 {
        self.nodes[index].id()
    }

    /// Where the cluster's directories are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The producer of this cluster.
    pub fn workload(&self) -> Workload {
        Workload::new(self.bootstrap())
    }

    /// The reader of this cluster.
    pub fn oracle(&self) -> Oracle {
        Oracle::new(self.bootstrap())
    }

    /// Stops all nodes as an operator does; they can be started again.
    pub fn stop(&mut self) -> Result<()> {
        // at once: a node that waits for a controller that is gone waits long
        for node in &self.nodes {
            node.terminate()?;
        }
        for node in &mut self.nodes {
            node.wait_for_end()?;
        }
        Ok(())
    }

    /// Starts all nodes that do not run.
    pub fn start(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.start(&self.home)?;
        }
        self.wait_until_ready()
    }

    /// Stops and starts all nodes.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    /// Kills node `index` in the middle of whatever it does.
    pub fn kill_broker(&mut self, index: usize) -> Result<()> {
        self.nodes[index].kill()
    }

    /// Stops node `index` as an operator does.
    pub fn stop_broker(&mut self, index: usize) -> Result<()> {
        self.nodes[index].terminate()?;
        self.nodes[index].wait_for_end()
    }

    /// Starts node `index` again.
    pub fn start_broker(&mut self, index: usize) -> Result<()> {
        self.nodes[index].start(&self.home)?;
        self.wait_until_ready()
    }

    /// The warnings and errors that the nodes logged, newest last.
    pub fn log_tail(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            text.push_str(&node.log_tail());
        }
        text
    }

    fn start_new(wanted: &ClusterBuilder, home: &KafkaHome) -> Result<Self> {
        if ![1, 3].contains(&wanted.brokers) {
            bail!("a cluster has 1 or 3 nodes, not {}", wanted.brokers);
        }
        let directory = Scratch::new("kafka")?;
        // any 16 bytes; Kafka prints them as URL-safe base64, which a scratch directory's name can't give
        let cluster_id = new_cluster_id(directory.path());
        let nodes = Node::lay_out(
            directory.path(),
            home,
            &cluster_id,
            wanted.brokers,
            &wanted.settings,
            wanted.heap_megabytes,
        )?;
        let mut cluster = Self {
            cluster_id,
            nodes,
            home: home.clone(),
            directory,
        };
        cluster.start()?;
        Ok(cluster)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        let running = self.nodes.iter().filter(|node| node.is_started()).count();
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            if !node.is_started() {
                continue;
            }
            while metadata::live_brokers(&node.address()).is_none_or(|brokers| brokers != running) {
                node.check_alive()?;
                if Instant::now() > deadline {
                    bail!(
                        "node {} is not ready within {START_DEADLINE:?}\n{}",
                        node.id(),
                        node.log_tail()
                    );
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

impl Drop for KafkaCluster {
    fn drop(&mut self) {
        if thread::panicking() {
            #[expect(
                clippy::print_stderr,
                reason = "the test failed: what the brokers said belongs to it"
            )]
            {
                eprintln!("{}", self.log_tail());
            }
        }
    }
}

fn usual_home() -> Result<KafkaHome> {
    static HOME: OnceLock<Result<KafkaHome, String>> = OnceLock::new();
    HOME.get_or_init(|| KafkaHome::get().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))
}

/// 22 characters of URL-safe base64, different for each directory.
fn new_cluster_id(directory: &Path) -> String {
    use sha2::{Digest, Sha256};
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
    let mut id: String = digest
        .iter()
        .take(21)
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect();
    // 16 bytes are 21 characters and one that holds only two bits
    id.push('A');
    id
}

/// Makes the class archive of this Kafka where there is none: one start more, once. Without it all works, but slower.
fn prepare_class_archive(home: &KafkaHome) {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        if home.class_archive().is_file() {
            return;
        }
        drop(make_class_archive(home));
    });
}

fn make_class_archive(home: &KafkaHome) -> Result<()> {
    let archive = home.class_archive();
    let lock = fs::File::create(archive.with_extension("lock"))?;
    lock.lock()?;
    if archive.is_file() {
        return Ok(());
    }
    let directory = Scratch::new("classes")?;
    let nodes = Node::lay_out(
        directory.path(),
        home,
        &new_cluster_id(directory.path()),
        1,
        &BTreeMap::new(),
        512,
    )?;
    let mut cluster = KafkaCluster {
        cluster_id: String::new(),
        nodes,
        home: home.clone(),
        directory,
    };
    let staged = archive.with_extension("staged");
    cluster.nodes[0].start_and_archive(home, &staged)?;
    cluster.wait_until_ready()?;
    cluster.stop()?;
    fs::rename(&staged, &archive).context("the class archive was not written")
}
