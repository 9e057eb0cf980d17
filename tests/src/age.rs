//! age by its own authors: key pairs as users make them, and the proof that what is encrypted can be opened without us.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, bail};

use crate::install::installed;

/// A key pair of `age-keygen`.
#[derive(Clone, Debug)]
pub struct AgeKey {
    /// The public half: `age1…`.
    pub recipient: String,
    /// The file with the private half.
    pub identity: PathBuf,
}

impl AgeKey {
    /// Makes one, in a new file.
    pub fn generate(identity: impl Into<PathBuf>) -> Result<Self> {
        let identity = identity.into();
        let made = Command::new(home()?.join("age-keygen"))
            .arg("-o")
            .arg(&identity)
            .output()
            .context("can't run age-keygen")?;
        if !made.status.success() {
            bail!("age-keygen: {}", String::from_utf8_lossy(&made.stderr));
        }
        let text = fs::read_to_string(&identity)?;
        let public = text
            .lines()
            .find_map(|line| line.strip_prefix("# public key: "));
        Ok(Self {
            recipient: public.context("age-keygen names no recipient")?.to_owned(),
            identity,
        })
    }

    /// The private half, as it stands in its file.
    pub fn secret(&self) -> Result<String> {
        let text = fs::read_to_string(&self.identity)?;
        let secret = text.lines().find(|line| !line.starts_with('#'));
        Ok(secret.context("no identity")?.to_owned())
    }

    /// What `age -d -i IDENTITY FILE` prints.
    pub fn decrypt(&self, file: &Path) -> Result<Vec<u8>> {
        let opened = self.command(file)?.output().context("can't run age")?;
        if !opened.status.success() {
            bail!("age: {}", String::from_utf8_lossy(&opened.stderr));
        }
        Ok(opened.stdout)
    }

    /// What the README of a repository says: `age -d -i IDENTITY FILE | tar --zstd -x`.
    pub fn unpack(&self, file: &Path, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let mut age = self.command(file)?.stdout(Stdio::piped()).spawn()?;
        let tar = Command::new("tar")
            .args(["--zstd", "-x"])
            .current_dir(folder)
            .stdin(age.stdout.take().context("no output")?)
            .output()
            .context("can't run tar")?;
        let age = age.wait()?;
        if !(age.success() && tar.status.success() && tar.stderr.is_empty()) {
            bail!("age {age}, tar: {}", String::from_utf8_lossy(&tar.stderr));
        }
        Ok(())
    }

    fn command(&self, file: &Path) -> Result<Command> {
        let mut command = Command::new(home()?.join("age"));
        command.args(["-d", "-i"]).arg(&self.identity).arg(file);
        command.stdin(Stdio::null());
        Ok(command)
    }
}

/// Where the programs are; installs them where that was not done yet.
fn home() -> Result<PathBuf> {
    static HOME: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    HOME.get_or_init(|| installed("age/get.sh", &[]).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))
}
