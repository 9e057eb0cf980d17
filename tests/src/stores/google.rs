//! Google Cloud Storage's XML API, which is S3's but for who asks and for what a condition is called: MinIO behind a
//! translator of headers. The emulators of it that can be had as packages speak the JSON API only.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use anyhow::Result;

use super::MinIo;

/// A store that speaks Google's XML API.
#[derive(Debug)]
pub struct GoogleXml {
    store: MinIo,
    port: u16,
}

impl GoogleXml {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let store = MinIo::start()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let behind = store.port();
        thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                // a client that goes away ends its own request only
                thread::spawn(move || drop(translate(client, behind)));
            }
        });
        Ok(Self { store, port })
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket in which everybody may do everything: tokens are not looked at.
    pub fn make_bucket(&self, bucket: &str) -> Result<()> {
        self.store.make_bucket(bucket)?;
        self.store.open_to_all(bucket)
    }
}

/// Hands one request on, and its answer back.
fn translate(client: TcpStream, behind: u16) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut server = TcpStream::connect(("127.0.0.1", behind))?;
    let mut length = 0;
    let mut first = true;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            // a token means nothing there, and a connection serves one request
            ("authorization" | "connection", _) if !first => continue,
            ("x-goog-if-generation-match", "0") => {
                server.write_all(b"If-None-Match: *\r\n")?;
                continue;
            }
            ("content-length", value) => length = value.parse().unwrap_or(0),
            _ => {}
        }
        if line == "\r\n" {
            server.write_all(b"Connection: close\r\n\r\n")?;
            break;
        }
        server.write_all(line.as_bytes())?;
        first = false;
    }
    io::copy(&mut reader.take(length), &mut server)?;
    let mut client = client;
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}
