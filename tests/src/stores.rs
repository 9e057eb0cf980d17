//! Object stores as they are: MinIO and Azurite, each a process of its own.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{cluster::ports::free_port, install::installed, scratch::Scratch};

mod azurite;
mod faults;
mod google;
mod http;
mod minio;
mod signing;

pub use azurite::Azurite;
pub use faults::{FaultProxy, Loss, Storm, Weather};
pub use google::GoogleXml;
pub use minio::{Keys, MinIo, ObjectProperties};

/// A server that takes longer to answer never will.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Ends the server when standard input does: with the test, even where that is killed. Then its folder goes too.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -9 $server; } 2>/dev/null &
wait $server
[ -n "$LIFEBOAT_KEEP" ] || rm -rf "$LIFEBOAT_SCRATCH"
"#;

/// A server on a free port with a folder of its own.
#[derive(Debug)]
struct Server {
    process: Child,
    scratch: Scratch,
    port: u16,
}

impl Server {
    /// Starts `program`; `arguments` is told its port and its folder.
    fn start(
        program: &str,
        environment: &[(&str, &str)],
        arguments: impl FnOnce(u16, &Path) -> Result<Vec<String>>,
    ) -> Result<Self> {
        let home = home()?;
        let scratch = Scratch::new(program)?;
        let port = free_port()?;
        let output = fs::File::create(scratch.join("output.log"))?;
        let data = scratch.join("data");
        fs::create_dir(&data)?;
        let process = Command::new("bash")
            .args(["-c", GUARD, "guard"])
            .arg(home.join(program))
            .args(arguments(port, &data)?)
            .env("LIFEBOAT_SCRATCH", scratch.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("can't run bash")?;
        let mut server = Self {
            process,
            scratch,
            port,
        };
        server.wait_until_it_listens(program)?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self, program: &str) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.process.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.scratch.join("output.log")).unwrap_or_default();
                bail!("{program} does not start:\n{log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // the guard ends it
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

/// Where the programs are; installs them where that was not done yet.
fn home() -> Result<PathBuf> {
    static HOME: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    HOME.get_or_init(|| installed("stores/get.sh", &[]).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))
}
