//! `lifeboat restore --bootstrap-checkpoint`: what a new cluster finds at its first start.

use std::path::Path;

use lifeboat_restore::{
    bootstrap::{self, BootstrapError, FolderError, NodeIdentity, Report, Source},
    parts::Part,
};

use super::users::credentials;
use crate::{
    answer::Answer, exit::Exit, failure::Failure, flags::RestoreFlags, render::bootstrap::render,
    session::Session, settings::restored_parts,
};

/// The parts that a checkpoint can hold.
const IN_A_CHECKPOINT: [Part; 4] = [Part::Configs, Part::Quotas, Part::Acls, Part::Users];

pub(super) async fn run(
    flags: &RestoreFlags,
    folder: &Path,
    session: &Session,
) -> Result<Answer, Failure> {
    let version = flags.users.metadata_version.as_deref();
    let version = version
        .map(|text| {
            text.parse()
                .map_err(|error| Failure::usage(format!("--metadata-version: {error}")))
        })
        .transpose()?;
    let parts = restored_parts(flags)?;
    if !IN_A_CHECKPOINT.iter().any(|part| parts.has(*part)) {
        return Err(Failure::usage(
            "none of the parts that --only names can be in a bootstrap checkpoint",
        )
        .hint("it holds configs, quotas, acls and users: name some of them, or leave out --only"));
    }
    let (repository, commit) = session
        .snapshot(
            &flags.repository,
            &flags.choice,
            &flags.identities,
            flags.snapshot(),
        )
        .await?;
    let manifest = repository.manifest(&commit).await?;
    let documents = repository.documents(&manifest).await?;
    let identities = session.settings.identities(&flags.identities)?;
    let source = Source {
        credentials: credentials(&documents, identities.as_ref())?,
        documents,
        parts,
    };
    let checkpoint = bootstrap::checkpoint(&source, version)?;
    let identity = flags.users.cluster_id.clone().zip(flags.users.node_id);
    let identity = identity.map(|(cluster_id, node_id)| NodeIdentity {
        cluster_id,
        node_id,
    });
    if flags.dry_run {
        bootstrap::check(folder, identity.as_ref()).map_err(BootstrapError::from)?;
    }
    let written = if flags.dry_run {
        None
    } else {
        let written = bootstrap::write(&checkpoint, folder, identity.as_ref());
        Some(written.map_err(BootstrapError::from)?)
    };
    let report = Report {
        snapshot: commit.snapshot,
        file: bootstrap::checkpoint_in(folder).display().to_string(),
        metadata_version: checkpoint.metadata_version.0,
        counts: checkpoint.counts,
        left_out: checkpoint.left_out,
        warnings: checkpoint.warnings,
        written: written.is_some(),
        has_meta_properties: written.is_some_and(|written| written.has_meta_properties),
    };
    let exit = if report.left_out.is_empty() {
        Exit::Ok
    } else {
        Exit::Partial
    };
    Ok(Answer::new(session, exit, &report, |report| {
        render(report, session.paint)
    }))
}

impl From<BootstrapError> for Failure {
    fn from(error: BootstrapError) -> Self {
        use BootstrapError as E;
        let (exit, hint) = match &error {
            E::NoVersion => (Exit::Usage, "give --metadata-version, such as 3.9-IV0"),
            E::TooOld(_) => (Exit::Usage, "choose a later --metadata-version"),
            E::Folder(FolderError::Exists { .. }) => (
                Exit::Error,
                "nothing is overwritten: name the metadata folder of a node that never ran, or remove the file",
            ),
            E::Folder(FolderError::Used { .. }) => (
                Exit::Error,
                "a node reads the checkpoint at its first start only: name a new node's metadata folder",
            ),
            E::Folder(FolderError::ClusterId { .. }) => (
                Exit::Usage,
                "`kafka-storage.sh random-uuid` makes one; every node of the cluster has the same",
            ),
            E::Folder(FolderError::Unwritable { .. }) => {
                (Exit::Error, "make the folder, as the user that runs Kafka")
            }
            E::Encode(_) => return Self::new(Exit::Error, error.to_string()),
        };
        Self::new(exit, error.to_string()).hint(hint)
    }
}
