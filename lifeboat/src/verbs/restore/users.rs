//! The SCRAM users of a restore.

use std::path::Path;

use lifeboat_archive::{
    documents::{CredentialsDocument, Documents, UsersDocument},
    json,
    seal::{Identities, open},
};
use lifeboat_kafka::wire::Cluster;
use lifeboat_restore::users::{
    self, Options, Passwords, RestoredUser, UserOutcome, write_passwords,
};
use tokio_util::sync::CancellationToken;

use crate::{failure::Failure, flags::UserFlags};

/// What was sealed, where there is an identity to open it.
pub(super) fn credentials(
    documents: &Documents,
    identities: Option<&Identities>,
) -> Result<Option<CredentialsDocument>, Failure> {
    let (Some(identities), Some(sealed)) = (identities, &documents.sealed) else {
        return Ok(None);
    };
    let failed = |error: &dyn std::error::Error| {
        Failure::usage("the sealed credentials can't be opened")
            .because(error)
            .hint("give the identity of one of the snapshot's recipients, or none to restore without credentials")
    };
    let plain = open(identities, sealed).map_err(|error| failed(&error))?;
    json::from_slice(&plain)
        .map(Some)
        .map_err(|error| failed(&error))
}

/// Everything that restoring users takes, read and checked before anything is written.
#[derive(Debug)]
pub(super) struct Users<'f> {
    saved: UsersDocument,
    exact: Option<CredentialsDocument>,
    passwords: Passwords,
    generate: Option<&'f Path>,
}

impl<'f> Users<'f> {
    pub(super) fn read(
        flags: &'f UserFlags,
        identities: Option<&Identities>,
        documents: &Documents,
    ) -> Result<Self, Failure> {
        let exact = credentials(documents, identities)?;
        let passwords = match &flags.passwords {
            None => Passwords::default(),
            Some(path) => Passwords::read(path)
                .map_err(|error| Failure::usage(format!("--passwords: {error}")))?,
        };
        let generate = flags.generate_passwords.as_deref();
        if let Some(path) = generate.filter(|path| matches!(path.try_exists(), Ok(true))) {
            return Err(Failure::usage(format!(
                "--generate-passwords: {} is there already",
                path.display()
            ))
            .hint("name a file that does not exist: nothing is overwritten"));
        }
        // known only after hours else
        if let Some(folder) = generate.and_then(Path::parent)
            && !folder.as_os_str().is_empty()
            && !folder.is_dir()
        {
            let folder = folder.display();
            return Err(Failure::usage(format!(
                "--generate-passwords: there is no folder {folder}"
            ))
            .hint("make it: the passwords are written there before they are set"));
        }
        let saved = documents.users.clone().unwrap_or_default();
        let known = |user: &str| saved.users.iter().any(|saved| saved.user == user);
        let unknown: Vec<_> = passwords.users().filter(|user| !known(user)).collect();
        if !unknown.is_empty() {
            tracing::warn!(
                users = unknown.join(", "),
                "passwords of users that are not in the snapshot"
            );
        }
        Ok(Self {
            saved,
            exact,
            passwords,
            generate,
        })
    }

    async fn plan(&self, cluster: &Cluster) -> Result<Option<users::Plan>, Failure> {
        if self.saved.users.is_empty() {
            return Ok(None);
        }
        let options = Options {
            saved: &self.saved,
            exact: self.exact.as_ref(),
            passwords: &self.passwords,
            generate: self.generate.is_some(),
        };
        Ok(Some(users::plan(cluster, &options).await?))
    }

    /// What is to become of each credential. Users that can't be planned are no reason to leave out the rest.
    pub(super) async fn planned(&self, cluster: &Cluster) -> Vec<RestoredUser> {
        match self.plan(cluster).await {
            Ok(plan) => plan.iter().flat_map(users::Plan::users).cloned().collect(),
            Err(failure) => self.none(&failure.of_principal(cluster.principal()).line()),
        }
    }

    /// Gives them back. What fails is told user by user: everything else is restored already.
    pub(super) async fn restore(
        &self,
        cluster: &Cluster,
        cancel: &CancellationToken,
    ) -> Vec<RestoredUser> {
        let plan = match self.plan(cluster).await {
            Ok(None) => return Vec::new(),
            Ok(Some(plan)) => plan,
            Err(failure) => {
                return self.none(&failure.of_principal(cluster.principal()).line());
            }
        };
        let new = plan.new_passwords();
        // on the disk first: a password that only the cluster knows is lost
        if let (Some(path), false) = (self.generate, new.is_empty())
            && let Err(error) = write_passwords(path, &new)
        {
            return self.none(&error.to_string());
        }
        plan.apply(cluster, &new, cancel).await
    }

    fn none(&self, why: &str) -> Vec<RestoredUser> {
        let users = self.saved.users.iter();
        let credentials = users.flat_map(|user| {
            let each = user.credentials.iter();
            each.map(|credential| (user.user.clone(), credential.mechanism.clone()))
        });
        credentials
            .map(|(user, mechanism)| RestoredUser {
                user,
                mechanism,
                outcome: UserOutcome::NotRestored,
                note: Some(why.to_owned()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_new_passwords_can_not_be_written_nothing_is_begun() {
        let flags = UserFlags {
            generate_passwords: Some("/no/such/folder/new".into()),
            ..UserFlags::default()
        };
        let refused = Users::read(&flags, None, &Documents::default()).unwrap_err();
        let line = refused.line();
        assert!(
            line.contains("there is no folder /no/such/folder"),
            "{line}"
        );
        let flags = UserFlags {
            generate_passwords: Some("a-file-of-this-folder".into()),
            ..UserFlags::default()
        };
        Users::read(&flags, None, &Documents::default()).unwrap();
    }
}
