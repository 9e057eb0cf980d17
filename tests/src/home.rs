//! Apache Kafka on this machine: fetched once, with the testkit's Java compiled against it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::install::installed;

/// The version that is used where `LIFEBOAT_KAFKA_VERSION` does not say another.
const DEFAULT_VERSION: &str = "4.3.1";

/// One version of Kafka, ready to be run.
#[derive(Clone, Debug)]
pub struct KafkaHome {
    version: String,
    home: PathBuf,
    compiled: PathBuf,
}

impl KafkaHome {
    /// The version that `LIFEBOAT_KAFKA_VERSION` names, or the usual one. Fetches and compiles what is missing.
    pub fn get() -> Result<Self> {
        Self::get_version(
            &env::var("LIFEBOAT_KAFKA_VERSION").unwrap_or_else(|_| DEFAULT_VERSION.to_owned()),
        )
    }

    /// Exactly this version.
    pub fn get_version(version: &str) -> Result<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let home = installed("kafka/get.sh", &[("LIFEBOAT_KAFKA_VERSION", version)])?;
        let compiled = compile(&tests.join("java"), &home, version)?;
        Ok(Self {
            version: version.to_owned(),
            home,
            compiled,
        })
    }

    /// Its version, such as `4.3.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its major version, such as 4.
    pub fn major(&self) -> u32 {
        self.version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(0)
    }

    /// What a first start finds in its metadata directory: the feature levels of this version.
    pub(crate) fn bootstrap_checkpoint(&self) -> PathBuf {
        self.home.join("bootstrap.checkpoint")
    }

    /// A Java machine with Kafka and the testkit on its class path; its main class and arguments are still to come.
    /// Native code of compressors is unpacked to `temporary` and left there by a machine that is killed.
    pub fn java(&self, temporary: &Path) -> Result<Command> {
        let mut command = Command::new("java");
        command
            // a broker's or client's own words go to its log, the machine's to nowhere
            .arg("-Xlog:disable")
            .arg("-XX:+UseSerialGC")
            // else it writes to the system's temporary folder, wherever ours is
            .arg("-XX:-UsePerfData")
            .arg(format!("-Djava.io.tmpdir={}", temporary.display()))
            .arg("-cp")
            .arg(class_path(&self.home, Some(&self.compiled))?);
        Ok(command)
    }

    /// Classes of a started broker, ready to be mapped: halves the time that a start takes. Made by the first start.
    pub(crate) fn class_archive(&self) -> PathBuf {
        self.compiled.join("broker.jsa")
    }
}

/// All jars, in an order that is always the same: a class archive holds for one class path only.
fn class_path(home: &Path, compiled: Option<&Path>) -> Result<OsString> {
    let mut jars = Vec::new();
    let libraries = home.join("libs");
    for entry in fs::read_dir(&libraries).with_context(|| libraries.display().to_string())? {
        jars.push(entry?.path());
    }
    jars.sort();
    jars.extend(compiled.map(|compiled| compiled.join("testkit.jar")));
    let mut path = OsString::new();
    for jar in jars {
        if !path.is_empty() {
            path.push(":");
        }
        path.push(jar);
    }
    Ok(path)
}

/// What older clients do not have.
const NEWEST: &str = "since-4.1";

fn has_newest_clients(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let (major, minor) = (numbers.next(), numbers.next());
    (major, minor) >= (Some(4), Some(1))
}

/// Compiles the Java sources once for their contents and this Kafka, and tells where the result lies.
fn compile(sources: &Path, home: &Path, version: &str) -> Result<PathBuf> {
    let mut files = Vec::new();
    java_files(sources, &mut files)?;
    if !has_newest_clients(version) {
        files.retain(|file| !file.starts_with(sources.join(NEWEST)));
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update(version);
    for file in &files {
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update(fs::read(file)?);
    }
    let key = hash.finalize();
    let name = key[..8]
        .iter()
        .fold(String::new(), |name, byte| format!("{name}{byte:02x}"));

    let cache = home
        .parent()
        .and_then(Path::parent)
        .context("the cache has no parent")?
        .join("java");
    let compiled = cache.join(&name);
    if compiled.is_dir() {
        return Ok(compiled);
    }
    fs::create_dir_all(&cache)?;
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    if compiled.is_dir() {
        return Ok(compiled);
    }
    let work = TempDir::new_in(&cache)?;
    let classes = work.path().join("classes");
    let staged = work.path().join("staged");
    fs::create_dir(&staged)?;
    // an annotation processor on Kafka's class path is none of ours, nor are its deprecations
    run(Command::new("javac")
        .args(["-proc:none", "-nowarn", "-Xlint:none", "--release", "17"])
        .arg("-d")
        .arg(&classes)
        .arg("-cp")
        .arg(class_path(home, None)?)
        .args(&files))?;
    run(Command::new("jar")
        .arg("--create")
        .arg("--file")
        .arg(staged.join("testkit.jar"))
        .arg("-C")
        .arg(&classes)
        .arg("."))?;
    fs::rename(&staged, &compiled)?;
    Ok(compiled)
}

fn java_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            java_files(&path, files)?;
        } else if path.extension() == Some(OsStr::new("java")) {
            files.push(path);
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("can't run {name}: is a JDK (17 or newer) installed?"))?;
    if !output.status.success() {
        bail!(
            "{name} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
