//! Azurite: Microsoft's own emulator of Azure Blob Storage.

use anyhow::Result;

use super::{Server, http::request, signing};

/// The account that every Azurite has.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// An Azurite server.
#[derive(Debug)]
pub struct Azurite {
    server: Server,
}

impl Azurite {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let server = Server::start("azurite-blob", &[], |port, data| {
            let arguments = [
                ("--blobHost", "127.0.0.1".to_owned()),
                ("--blobPort", port.to_string()),
                ("--location", data.display().to_string()),
            ];
            let flags = ["--skipApiVersionCheck", "--disableTelemetry"].map(str::to_owned);
            Ok(arguments
                .into_iter()
                .flat_map(|(name, value)| [name.to_owned(), value])
                .chain(flags)
                .collect())
        })?;
        Ok(Self { server })
    }

    /// Where the account is.
    pub fn endpoint(&self) -> String {
        format!("{}/{ACCOUNT}", self.server.endpoint())
    }

    /// The account's name and key.
    pub fn account(&self) -> (&'static str, &'static str) {
        (ACCOUNT, KEY)
    }

    /// Makes a container.
    pub fn make_container(&self, container: &str) -> Result<()> {
        let headers = signing::azure_container(ACCOUNT, KEY, container)?;
        let target = format!("/{ACCOUNT}/{container}?restype=container");
        request(self.server.port, "PUT", &target, &headers, "")?.expect_success()?;
        Ok(())
    }
}
