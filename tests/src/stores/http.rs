//! As much of HTTP as it takes to make buckets and users.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    /// Itself, where it is a success.
    pub(super) fn expect_success(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        bail!("the store answered {}: {}", self.status, self.body);
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (there, value) = line.split_once(':')?;
            there
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }

    /// What stands in the first element of that name.
    pub(super) fn element(&self, name: &str) -> Result<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let (_, rest) = self.body.split_once(&open).context("no such element")?;
        let (text, _) = rest.split_once(&close).context("no end of the element")?;
        Ok(text.to_owned())
    }
}

/// Asks `127.0.0.1:port`. HTTP/1.0: the answer ends with the connection and comes in one piece.
pub(super) fn request(
    port: u16,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &str,
) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{method} {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n"
    )?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("not an answer of HTTP")?;
    let status = head.split(' ').nth(1).context("no status")?;
    Ok(Answer {
        status: status.parse()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
