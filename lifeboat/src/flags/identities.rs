//! What opens what is encrypted.

use std::{ffi::OsString, fmt};

use clap::Args;

/// The variable that [`IdentityFlags`] are filled from.
pub(crate) const IDENTITY_VARIABLE: &str = "LIFEBOAT_IDENTITY";

#[derive(Debug, Default, Args)]
pub(crate) struct IdentityFlags {
    /// Opens what is encrypted: a file of age-keygen, repeated for more; the variable takes its text, too
    #[arg(long, value_name = "FILE", env = IDENTITY_VARIABLE, hide_env_values = true)]
    pub(crate) identity: Vec<IdentityPlace>,
}

/// A path; of the variable, perhaps an identity itself.
#[derive(Clone)]
pub(crate) struct IdentityPlace(pub(crate) OsString);

impl From<OsString> for IdentityPlace {
    fn from(text: OsString) -> Self {
        Self(text)
    }
}

// it may be a secret
impl fmt::Debug for IdentityPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
