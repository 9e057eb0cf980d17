//! What topics and groups are called in the target, out of the flags.

use lifeboat_archive::words::TopicGlobs;
use lifeboat_restore::names::{Naming, RenameError, Renames};

use super::globs;
use crate::{
    failure::Failure,
    flags::{NameFlags, Rename},
};

pub(super) fn naming(flags: &NameFlags) -> Result<Naming, Failure> {
    let pairs = |renames: &[Rename]| -> Vec<(String, String)> {
        let renames = renames.iter();
        renames.map(|it| (it.from.clone(), it.to.clone())).collect()
    };
    let wrong =
        |flag: &'static str| move |error: RenameError| Failure::usage(format!("{flag}: {error}"));
    let patterns = flags.rename_regex.clone();
    let topics = Renames::new(pairs(&flags.rename), patterns, &flags.prefix);
    let groups = Renames::new(pairs(&flags.rename_group), Vec::new(), &flags.group_prefix);
    Ok(Naming {
        topics: topics.map_err(wrong("--rename"))?,
        group_globs: TopicGlobs {
            include: globs("--groups", &flags.groups)?,
            exclude: globs("--exclude-groups", &flags.exclude_groups)?,
        },
        groups: groups.map_err(wrong("--rename-group"))?,
    })
}
