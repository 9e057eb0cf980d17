//! What a test needs around it.

use std::{path::PathBuf, sync::OnceLock};

use anyhow::{Result, anyhow};

use crate::{
    cluster::{ClusterBuilder, KafkaCluster},
    program::Program,
    scratch::Scratch,
    turns::Turn,
    workload::{Fidelity, FidelityReport},
};

/// A scratch directory, a cluster A, a cluster B, and the program. Clusters start when they are first asked for and end
/// with the test.
#[derive(Debug)]
pub struct TestContext {
    a: Option<KafkaCluster>,
    b: Option<KafkaCluster>,
    scratch: Scratch,
    // last: the next test begins when everything has ended
    _turn: Turn<'static>,
}

impl TestContext {
    /// Waits for its turn.
    pub fn new() -> Result<Self> {
        Self::at(Turn::wait(1))
    }

    /// Waits for a turn that counts as two: for a test whose brokers must be back before a run ends.
    pub fn hurried() -> Result<Self> {
        Self::at(Turn::wait(2))
    }

    fn at(turn: Turn<'static>) -> Result<Self> {
        Ok(Self {
            a: None,
            b: None,
            scratch: Scratch::new("context")?,
            _turn: turn,
        })
    }

    /// The cluster that is backed up.
    pub fn a(&mut self) -> Result<&mut KafkaCluster> {
        started(&mut self.a, &KafkaCluster::builder())
    }

    /// The cluster that it is restored into.
    pub fn b(&mut self) -> Result<&mut KafkaCluster> {
        started(&mut self.b, &KafkaCluster::builder())
    }

    /// Starts cluster A otherwise than as usual.
    pub fn start_a(&mut self, wanted: &ClusterBuilder) -> Result<&mut KafkaCluster> {
        Ok(self.a.insert(wanted.start()?))
    }

    /// Starts cluster B otherwise than as usual.
    pub fn start_b(&mut self, wanted: &ClusterBuilder) -> Result<&mut KafkaCluster> {
        Ok(self.b.insert(wanted.start()?))
    }

    /// Both at once: their starts are mostly waiting.
    pub fn both(&mut self) -> Result<(&mut KafkaCluster, &mut KafkaCluster)> {
        self.a()?;
        self.b()?;
        match (&mut self.a, &mut self.b) {
            (Some(a), Some(b)) => Ok((a, b)),
            _ => Err(anyhow!("no clusters")),
        }
    }

    /// Ends cluster A for good.
    pub fn destroy_a(&mut self) {
        self.a = None;
    }

    /// Ends cluster B for good.
    pub fn destroy_b(&mut self) {
        self.b = None;
    }

    /// The program.
    pub fn program(&self) -> Result<Program> {
        Program::built()
    }

    /// The scratch directory.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Where the repository is: a folder that does not exist yet.
    pub fn repository(&self) -> PathBuf {
        self.scratch.join("repository")
    }

    /// Its URL.
    pub fn repository_url(&self) -> String {
        format!("file://{}", self.repository().display())
    }
}

fn started<'a>(
    cluster: &'a mut Option<KafkaCluster>,
    wanted: &ClusterBuilder,
) -> Result<&'a mut KafkaCluster> {
    match cluster {
        Some(cluster) => Ok(cluster),
        none => Ok(none.insert(wanted.start()?)),
    }
}

/// One cluster for all tests of a binary, filled with the fidelity data set: to be read, never changed.
pub fn fidelity_cluster() -> Result<&'static (KafkaCluster, FidelityReport)> {
    static SHARED: OnceLock<Result<(KafkaCluster, FidelityReport), String>> = OnceLock::new();
    SHARED
        .get_or_init(|| filled_cluster().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow!(error.clone()))
}

fn filled_cluster() -> Result<(KafkaCluster, FidelityReport)> {
    let cluster = KafkaCluster::builder().start()?;
    let report = cluster.workload().fidelity(&Fidelity::default())?;
    Ok((cluster, report))
}
