//! What the tests need besides Kafka is installed by scripts of this folder, once for a machine.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Runs such a script, which prints the folder that it installed into, or had installed into before.
pub(crate) fn installed(script: &str, environment: &[(&str, &str)]) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(path)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("can't run tests/{script}"))?;
    if !output.status.success() {
        bail!("tests/{script} failed {environment:?}");
    }
    let folder = String::from_utf8(output.stdout);
    let folder = folder.with_context(|| format!("tests/{script} printed no path"))?;
    Ok(PathBuf::from(folder.trim()))
}
