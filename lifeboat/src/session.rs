//! What every verb works with.

use std::io::IsTerminal;

use indicatif::MultiProgress;
use lifeboat_archive::{manifest::Commit, words::Clock};
use lifeboat_repository::{ClusterRepository, Repository};

use crate::{
    failure::Failure,
    flags::{ClusterChoice, GlobalFlags, IdentityFlags, RepositoryFlags},
    interrupt::Interrupt,
    logging,
    progress::Display,
    render::Paint,
    settings::Settings,
};

/// The surroundings of one run.
#[derive(Debug)]
pub(crate) struct Session {
    /// Flags, environment and file.
    pub(crate) settings: Settings,
    /// Where the time comes from.
    pub(crate) clock: Clock,
    /// Whether stdout gets one JSON document.
    pub(crate) json: bool,
    /// How stdout is coloured.
    pub(crate) paint: Paint,
    /// Where progress is shown.
    pub(crate) progress: Display,
    /// Ctrl-C.
    pub(crate) interrupt: Interrupt,
}

impl Session {
    pub(crate) fn new(
        flags: GlobalFlags,
        interrupt: Interrupt,
        bars: MultiProgress,
    ) -> Result<Self, Failure> {
        logging::begin(&flags, &bars)?;
        Ok(Self {
            json: flags.json,
            settings: Settings::new(flags.config),
            clock: Clock::system(),
            paint: Paint::for_stream(std::io::stdout().is_terminal()),
            progress: Display::new(bars, std::io::stderr().is_terminal()),
            interrupt,
        })
    }

    /// The repository that the flags, the environment or the file name.
    pub(crate) async fn repository(&self, flags: &RepositoryFlags) -> Result<Repository, Failure> {
        let location = self.settings.repository(flags)?;
        Ok(Repository::open(location).await?)
    }

    /// The cluster in it that is meant, opened with the identities that were given.
    pub(crate) async fn cluster(
        &self,
        repository: &RepositoryFlags,
        choice: &ClusterChoice,
        identities: &IdentityFlags,
    ) -> Result<ClusterRepository, Failure> {
        // a wrong file is told before anything is asked for
        let identities = self.settings.identities(identities)?;
        let repository = self.repository(repository).await?;
        let repository = repository.opening_with(identities);
        Ok(repository.choose_cluster(choice.cluster.as_deref()).await?)
    }

    /// The snapshot in it that is meant.
    pub(crate) async fn snapshot(
        &self,
        repository: &RepositoryFlags,
        choice: &ClusterChoice,
        identities: &IdentityFlags,
        reference: &str,
    ) -> Result<(ClusterRepository, Commit), Failure> {
        let cluster = self.cluster(repository, choice, identities).await?;
        let catalog = cluster.catalog().await?;
        let commit = cluster.resolve(&catalog, reference).await?;
        Ok((cluster, commit))
    }
}
