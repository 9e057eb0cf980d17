//! What opens what is encrypted: the files of `--identity`, the variable, or the files that the configuration names.

use std::path::Path;

use lifeboat_archive::seal::{Identities, IdentityError};
use lifeboat_config::ResolvedConfig;
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    flags::{IDENTITY_VARIABLE, IdentityFlags},
};

/// What an identity begins with.
const BEGINNING: &str = "AGE-SECRET-KEY-";

/// Reads the identities, of one place only: flags win over the variable, which wins over the file. None where there is
/// none.
pub(crate) fn read(
    flags: &IdentityFlags,
    file: &ResolvedConfig,
) -> Result<Option<Identities>, Failure> {
    let mut all: Option<Identities> = None;
    let mut add = |identities: Identities| {
        all = Some(match all.take() {
            None => identities,
            Some(before) => before.and(identities),
        });
    };
    for place in &flags.identity {
        match place.0.to_str().filter(|text| text.contains(BEGINNING)) {
            None => add(of_file("--identity", Path::new(&place.0))?),
            Some(text) if from_variable(flags) => {
                let identities = Identities::parse(text);
                add(identities.map_err(|error| refused(IDENTITY_VARIABLE, error))?);
            }
            Some(_) => {
                return Err(Failure::usage("--identity takes a file, and not an identity").hint(
                    "what stands on the command line is seen by everybody: put it into a file, and make a new one",
                ));
            }
        }
    }
    if flags.identity.is_empty() {
        for path in &file.identities {
            add(of_file("encryption.identities", path)?);
        }
    }
    Ok(all)
}

/// Whether it is the variable that was given, and not a flag.
fn from_variable(flags: &IdentityFlags) -> bool {
    let variable = std::env::var_os(IDENTITY_VARIABLE);
    matches!(flags.identity.as_slice(), [only] if variable.as_ref() == Some(&only.0))
}

fn of_file(what: &str, path: &Path) -> Result<Identities, Failure> {
    let what = format!("{what} {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| {
        let failure = Failure::usage(&what).because(&error);
        failure.hint("name a file of age-keygen")
    })?;
    Identities::parse(&Zeroizing::new(text)).map_err(|error| refused(&what, error))
}

fn refused(what: &str, error: IdentityError) -> Failure {
    Failure::usage(what).because(&error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flags::IdentityPlace, render::Paint};

    const IDENTITY: &str =
        "AGE-SECRET-KEY-15076M9F0RNLXP4WVNEHZMMG3KNL0DTXX4JUYXYQH6SVYEDJLDDGQHEDJ76";

    fn flags(places: &[&str]) -> IdentityFlags {
        let places = places.iter();
        IdentityFlags {
            identity: places.map(|place| IdentityPlace((*place).into())).collect(),
        }
    }

    #[test]
    fn files_of_flags_win_over_those_of_the_configuration_and_all_of_them_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("# {name}\n{IDENTITY}\n")).unwrap();
            path
        };
        let (one, two) = (file("one"), file("two"));
        let config = ResolvedConfig {
            identities: vec![one.clone()],
            ..ResolvedConfig::default()
        };
        let count = |flags: &IdentityFlags| {
            let read = read(flags, &config).unwrap();
            read.map_or(0, |identities| identities.recipients().len())
        };
        assert_eq!(count(&flags(&[])), 1);
        let both = [one.to_str().unwrap(), two.to_str().unwrap()];
        assert_eq!(count(&flags(&both)), 2);
        assert!(
            read(&flags(&[]), &ResolvedConfig::default())
                .unwrap()
                .is_none()
        );
        let missing = ResolvedConfig {
            identities: vec![folder.path().join("missing")],
            ..ResolvedConfig::default()
        };
        let told = read(&flags(&[]), &missing)
            .unwrap_err()
            .render(Paint::never());
        assert!(
            told.contains("encryption.identities") && told.contains("missing"),
            "{told}"
        );
    }

    #[test]
    fn an_identity_on_the_command_line_is_refused_and_never_shown() {
        let refused = read(&flags(&[IDENTITY]), &ResolvedConfig::default()).unwrap_err();
        let told = refused.render(Paint::never());
        assert!(told.contains("takes a file"), "{told}");
        assert!(!told.contains("15076M"), "{told}");
        assert!(!format!("{:?}", flags(&[IDENTITY])).contains("15076M"));
    }
}
