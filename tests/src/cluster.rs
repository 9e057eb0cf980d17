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

use crate::{
    client::Client,
    home::KafkaHome,
    install::installed,
    oracle::Oracle,
    scratch::Scratch,
    security::{Certificate, Secured, Security, Wanted, properties_text},
    workload::Workload,
};
use acls::Acl;
use node::Node;

pub(crate) mod acls;
mod metadata;
mod node;
pub(crate) mod ports;

/// How long a start may take: a busy machine is slow, a broken broker says so at once.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// How a cluster shall be.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    brokers: usize,
    version: Option<String>,
    settings: BTreeMap<String, String>,
    heap_megabytes: u32,
    access: Wanted,
    seed: Option<PathBuf>,
    make_users: bool,
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

    /// Exactly this version, with a remote storage for tiered topics (KIP-405): a folder, as Kafka's own tests have it.
    pub fn tiered(self, version: &str, folder: &Path) -> Result<Self> {
        let jars = installed("kafka/tiered.sh", &[("LIFEBOAT_KAFKA_VERSION", version)])?;
        let storage = "org.apache.kafka.server.log.remote.storage.LocalTieredStorage";
        let settings = [
            ("remote.log.storage.system.enable", "true".to_owned()),
            ("remote.log.storage.manager.class.name", storage.to_owned()),
            (
                "remote.log.storage.manager.class.path",
                format!("{}/*", jars.display()),
            ),
            (
                "remote.log.storage.manager.impl.prefix",
                "rsm.config.".to_owned(),
            ),
            ("rsm.config.dir", folder.display().to_string()),
            (
                "remote.log.metadata.manager.impl.prefix",
                "rlmm.config.".to_owned(),
            ),
            (
                "rlmm.config.remote.log.metadata.topic.replication.factor",
                "1".to_owned(),
            ),
            (
                "remote.log.metadata.manager.listener.name",
                "INTERNAL".to_owned(),
            ),
            ("remote.log.manager.task.interval.ms", "500".to_owned()),
            ("log.retention.check.interval.ms", "500".to_owned()),
        ];
        let builder = self.version(version);
        let settings = settings.into_iter();
        Ok(settings.fold(builder, |builder, (name, value)| {
            builder.setting(name, value)
        }))
    }

    /// Heap of each node.
    pub fn heap_megabytes(mut self, megabytes: u32) -> Self {
        self.heap_megabytes = megabytes;
        self
    }

    /// What the clients' listener speaks; brokers and controllers among themselves always PLAINTEXT.
    pub fn security(mut self, security: Security) -> Self {
        self.access.security = security;
        self
    }

    /// Which SASL mechanisms it offers (PLAIN): PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER.
    pub fn sasl_mechanisms(mut self, mechanisms: &[&str]) -> Self {
        self.access.mechanisms = mechanisms.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Names and passwords, for every mechanism that is offered.
    pub fn users(mut self, users: &[(&str, &str)]) -> Self {
        let owned = |&(name, password): &(&str, &str)| (name.to_owned(), password.to_owned());
        self.access.users = users.iter().map(owned).collect();
        self
    }

    /// Begins with this `bootstrap.checkpoint` instead of an empty one; its users are made by nobody else.
    pub fn seed(mut self, checkpoint: &Path) -> Self {
        self.seed = Some(checkpoint.to_owned());
        self.without_making_users()
    }

    /// The users are known to clients only: SCRAM does not let them in yet.
    pub fn without_making_users(mut self) -> Self {
        self.make_users = false;
        self
    }

    /// A user who may do everything.
    pub fn super_user(mut self, name: &str) -> Self {
        self.access.super_users.push(name.to_owned());
        self
    }

    /// Whether it is checked what clients may do: then nobody may do what no ACL allows.
    pub fn authorizer(mut self, authorizer: bool) -> Self {
        self.access.authorizer = authorizer;
        self
    }

    /// What is wrong with the brokers' certificates.
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.access.certificate = certificate;
        self
    }

    /// How long the token endpoint's tokens hold (an hour).
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access.token_lifetime = lifetime;
        self
    }

    /// Starts it, and returns when every node knows all others and a client can work.
    pub fn start(&self) -> Result<KafkaCluster> {
        let home = match &self.version {
            Some(version) => KafkaHome::get_version(version)?,
            None => usual_home()?,
        };
        // it pays where a version is started often
        if self.version.is_none() {
            prepare_class_archive(&home);
        }
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
    secured: Secured,
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
            access: Wanted::default(),
            seed: None,
            make_users: true,
        }
    }

    /// All brokers' addresses for clients, separated by commas.
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

    /// The authority that signed the brokers' certificates and the client's, where clients speak TLS.
    pub fn ca_pem(&self) -> &Path {
        self.secured.ca()
    }

    /// A client's certificate (`CN=lifeboat`) and its key.
    pub fn client_certificate(&self) -> Result<(&Path, &Path)> {
        self.secured.client_certificate()
    }

    /// Where an OAUTHBEARER client gets its tokens, with a user's name and password as client id and secret.
    pub fn token_endpoint(&self) -> Result<&str> {
        self.secured.token_endpoint()
    }

    /// A client's `.properties` for this user, with the first SASL mechanism; all but `bootstrap.servers`.
    pub fn client_properties(&self, user: &str) -> Result<String> {
        let properties = self.secured.client_properties(user, None)?;
        Ok(properties_text(&properties))
    }

    /// The same, with this SASL mechanism.
    pub fn client_properties_with(&self, user: &str, mechanism: &str) -> Result<String> {
        let properties = self.secured.client_properties(user, Some(mechanism))?;
        Ok(properties_text(&properties))
    }

    /// The addresses for those who may do everything, whatever clients need to get in.
    pub fn admin_bootstrap(&self) -> String {
        self.inside().bootstrap
    }

    /// The controllers' own listener, which lets everybody in.
    pub fn controllers(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Node::controller_address).collect();
        addresses.join(",")
    }

    /// Makes SCRAM users with this mechanism, or gives them other passwords.
    pub fn add_users(&self, mechanism: &str, users: &[(&str, &str)]) -> Result<()> {
        let owned = |&(name, password): &(&str, &str)| (name.to_owned(), password.to_owned());
        let users: Vec<_> = users.iter().map(owned).collect();
        acls::add_users(&self.inside(), &[mechanism], &users)
    }

    /// Takes the credential of this mechanism from a user.
    pub fn remove_user(&self, user: &str, mechanism: &str) -> Result<()> {
        acls::remove_user(&self.inside(), user, mechanism)
    }

    /// A dynamic setting of one broker.
    pub fn set_broker(&self, broker: i32, name: &str, value: &str) -> Result<()> {
        acls::set_broker(&self.inside(), broker, name, value)
    }

    /// Logs in through the clients' listener with Kafka's own client, and asks for something.
    pub fn log_in(&self, user: &str, mechanism: &str, password: &str) -> Result<()> {
        let client = Client {
            bootstrap: self.bootstrap(),
            properties: self.secured.properties_of(user, password, mechanism)?,
        };
        Oracle::new(client).topics().map(drop)
    }

    /// Gives and takes rights, and returns when they hold.
    pub fn alter_acls(&self, add: &[Acl], remove: &[Acl]) -> Result<()> {
        acls::alter(&self.inside(), add, remove)
    }

    /// Limits what the brokers send to clients of this id, and returns when it holds.
    pub fn limit_client(&self, client_id: &str, bytes_per_second: u32) -> Result<()> {
        acls::limit(&self.inside(), client_id, bytes_per_second)
    }

    /// The producer of this cluster, who may do everything, whatever clients need to get in.
    pub fn workload(&self) -> Workload {
        Workload::new(self.inside())
    }

    /// The reader of this cluster, who may do everything, whatever clients need to get in.
    pub fn oracle(&self) -> Oracle {
        Oracle::new(self.inside())
    }

    /// The producer of this cluster as one of its users, through the clients' listener.
    pub fn workload_as(&self, user: &str, mechanism: Option<&str>) -> Result<Workload> {
        Ok(Workload::new(self.client(user, mechanism)?))
    }

    /// The reader of this cluster as one of its users, through the clients' listener.
    pub fn oracle_as(&self, user: &str, mechanism: Option<&str>) -> Result<Oracle> {
        Ok(Oracle::new(self.client(user, mechanism)?))
    }

    fn client(&self, user: &str, mechanism: Option<&str>) -> Result<Client> {
        Ok(Client {
            bootstrap: self.bootstrap(),
            properties: self.secured.client_properties(user, mechanism)?,
        })
    }

    fn inside(&self) -> Client {
        let addresses: Vec<_> = self.nodes.iter().map(Node::inside_address).collect();
        Client::of(&addresses.join(","))
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

    /// The node (from 0) that leads most partitions of ordinary topics.
    pub fn leads_most(&self) -> Result<usize> {
        let leaders = self.oracle().leaders()?;
        let led = |index: &usize| {
            let id = self.broker_id(*index);
            let ordinary = leaders.iter().filter(|led| !led.topic.starts_with("__"));
            ordinary.filter(|led| led.leader == id).count()
        };
        let most = (0..self.nodes.len()).max_by_key(led);
        most.context("no nodes")
    }

    /// Waits until every replica of every partition is in sync.
    pub fn wait_until_in_sync(&self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let leaders = self.oracle().leaders()?;
            let behind = leaders.iter().find(|led| led.in_sync.len() < led.replicas);
            match behind {
                None => return Ok(()),
                Some(behind) if Instant::now() > deadline => {
                    bail!(
                        "not in sync within {START_DEADLINE:?}: {behind:?}\n{}",
                        self.log_tail()
                    );
                }
                Some(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
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
        let secured = Secured::prepare(&wanted.access, &directory.join("secrets"))?;
        let nodes = Node::lay_out(directory.path(), home, &cluster_id, wanted, &secured)?;
        let mut cluster = Self {
            cluster_id,
            nodes,
            home: home.clone(),
            secured,
            directory,
        };
        cluster.start()?;
        let scram = cluster.secured.scram();
        if wanted.make_users && !scram.is_empty() {
            acls::add_users(&cluster.inside(), &scram, cluster.secured.users())?;
        }
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
            while metadata::live_brokers(&node.inside_address())
                .is_none_or(|brokers| brokers != running)
            {
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
    let wanted = KafkaCluster::builder();
    let secured = Secured::prepare(&wanted.access, &directory.join("secrets"))?;
    let cluster_id = new_cluster_id(directory.path());
    let nodes = Node::lay_out(directory.path(), home, &cluster_id, &wanted, &secured)?;
    let mut cluster = KafkaCluster {
        cluster_id,
        nodes,
        home: home.clone(),
        secured,
        directory,
    };
    let staged = archive.with_extension("staged");
    cluster.nodes[0].start_and_archive(home, &staged)?;
    cluster.wait_until_ready()?;
    cluster.stop()?;
    fs::rename(&staged, &archive).context("the class archive was not written")
}
