//! The task that owns a connection's socket.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, IoSlice},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use crate::{error::KafkaError, wire::tls::looks_like_alert};

/// Why a connection can't be used any more.
#[derive(Debug)]
pub(super) enum Breakage {
    /// Reading or writing failed.
    Socket(io::Error),
    /// The other side answers in TLS, and was asked in plain text.
    SpeaksTls,
    /// What came is not what was asked for; or who we are is no longer believed.
    Other(String),
}

impl fmt::Display for Breakage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the broker closed it")
            }
            Self::Socket(error) => error.fmt(f),
            Self::SpeaksTls => f.write_str("the broker speaks TLS on this port"),
            Self::Other(detail) => f.write_str(detail),
        }
    }
}

impl From<io::Error> for Breakage {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

type AnswerSender = oneshot::Sender<Result<Bytes, KafkaError>>;

/// A request on its way out.
pub(super) struct Outgoing {
    pub(super) operation: &'static str,
    pub(super) correlation: i32,
    pub(super) parts: VecDeque<Bytes>,
    pub(super) answer_limit: usize,
    pub(super) expected: usize,
    pub(super) answer: AnswerSender,
}

/// A request that was sent. Kafka answers in order, so the oldest is answered next.
struct Waiting {
    operation: &'static str,
    correlation: i32,
    answer_limit: usize,
    expected: usize,
    answer: AnswerSender,
}

type Line = Mutex<VecDeque<Waiting>>;

/// Sends and receives until something breaks; then all that wait learn of it by their dropped senders.
///
/// One task for both directions: a caller that goes away can't leave half a request on the wire.
pub(super) async fn drive(
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    mut requests: mpsc::Receiver<Outgoing>,
    broken: Arc<OnceLock<Breakage>>,
    stop: CancellationToken,
) {
    let line = Line::default();
    let cause = tokio::select! {
        () = stop.cancelled() => None,
        Err(error) = send(write, &mut requests, &line) => Some(Breakage::Socket(error)),
        cause = receive(read, &line) => Some(cause),
    };
    if let Some(cause) = cause {
        tracing::debug!(%cause, "connection broke");
        // nobody else sets it, or there is a cause already
        drop(broken.set(cause));
    }
    stop.cancel();
}

async fn send(
    mut socket: impl AsyncWrite + Unpin,
    requests: &mut mpsc::Receiver<Outgoing>,
    line: &Line,
) -> io::Result<std::convert::Infallible> {
    while let Some(request) = requests.recv().await {
        line.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(Waiting {
                operation: request.operation,
                correlation: request.correlation,
                answer_limit: request.answer_limit,
                expected: request.expected,
                answer: request.answer,
            });
        socket.write_all_buf(&mut Parts(request.parts)).await?;
        socket.flush().await?;
    }
    Err(io::Error::other("closed"))
}

async fn receive(mut socket: impl AsyncRead + Unpin, line: &Line) -> Breakage {
    let spare = Spare::default();
    loop {
        let (length, correlation) = match head(&mut socket).await {
            Ok(head) => head,
            Err(breakage) => return breakage,
        };
        let next = line
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(waiting) = next else {
            let detail =
                format!("an answer with correlation id {correlation} that nobody waits for");
            return Breakage::Other(detail);
        };
        let length = match check(length, correlation, &waiting) {
            Ok(length) => length,
            Err(_) if looks_like_alert(&length.to_be_bytes()) => return Breakage::SpeaksTls,
            Err(detail) => {
                let error = KafkaError::Malformed {
                    operation: waiting.operation,
                    detail: detail.clone(),
                };
                // the caller may have gone
                drop(waiting.answer.send(Err(error)));
                return Breakage::Other(detail);
            }
        };
        match body(&mut socket, length, waiting.expected, &spare).await {
            Ok(body) => drop(waiting.answer.send(Ok(body))),
            Err(error) => return error.into(),
        }
    }
}

async fn head(socket: &mut (impl AsyncRead + Unpin)) -> Result<(i32, i32), Breakage> {
    let mut head = [0; 8];
    let mut filled = 0;
    while filled < head.len() {
        match socket.read(&mut head[filled..]).await? {
            // a TLS alert is shorter than this head
            0 if looks_like_alert(&head[..filled]) => return Err(Breakage::SpeaksTls),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            read => filled += read,
        }
    }
    let mut head = &head[..];
    Ok((head.get_i32(), head.get_i32()))
}

/// How many bytes follow the correlation id.
fn check(length: i32, correlation: i32, waiting: &Waiting) -> Result<usize, String> {
    let body = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4))
        .filter(|&body| body <= waiting.answer_limit)
        .ok_or_else(|| {
            format!(
                "an answer of {length} bytes announced, at most {} are taken: is it the right kind of listener?",
                waiting.answer_limit
            )
        })?;
    if correlation != waiting.correlation {
        return Err(format!(
            "an answer with correlation id {correlation} instead of {}",
            waiting.correlation
        ));
    }
    Ok(body)
}

async fn body(
    socket: &mut (impl AsyncRead + Unpin),
    length: usize,
    expected: usize,
    spare: &Spare,
) -> io::Result<Bytes> {
    if length < WORTH_KEEPING {
        let mut body = BytesMut::with_capacity(length);
        fill(socket, &mut body, length).await?;
        return Ok(body.freeze());
    }
    let mut body = spare.take(length, expected);
    fill(socket, &mut body.bytes, length).await?;
    Ok(Bytes::from_owner(body))
}

async fn fill(
    socket: &mut (impl AsyncRead + Unpin),
    body: &mut impl BufMut,
    length: usize,
) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        match socket.read_buf(&mut (&mut *body).limit(left)).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => left -= read,
        }
    }
    Ok(())
}

/// Smaller answers come and go without being noticed.
const WORTH_KEEPING: usize = 256 << 10;

/// The memory of one large answer, kept for the next: asking the system for it anew each time costs a page fault per
/// 4 KiB, and leaves holes behind.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Option<Vec<u8>>>>);

impl Spare {
    /// Memory for `length` bytes; new memory is taken such that it does for answers up to `expected` later.
    fn take(&self, length: usize, expected: usize) -> Kept {
        let kept = self.lock().take().filter(|kept| kept.capacity() >= length);
        let bytes = kept.unwrap_or_else(|| Vec::with_capacity(length.max(expected)));
        Kept {
            bytes,
            home: Arc::downgrade(&self.0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that goes back to its connection when the last slice of the answer is dropped.
struct Kept {
    bytes: Vec<u8>,
    home: Weak<Mutex<Option<Vec<u8>>>>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            *home.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        }
    }
}

/// Parts that go out one after the other without being copied together.
struct Parts(VecDeque<Bytes>);

impl Buf for Parts {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        for (slice, part) in slices.iter_mut().zip(&self.0) {
            *slice = IoSlice::new(part);
            used += 1;
        }
        used
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(part) = self.0.front_mut() {
            if count < part.len() {
                part.advance(count);
                return;
            }
            count -= part.len();
            self.0.pop_front();
        }
        assert_eq!(count, 0, "advanced beyond the last part");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_an_answer_is_used_again_once_the_last_slice_is_gone() {
        let spare = Spare::default();
        let mut first = spare.take(4, 8);
        first.bytes.extend_from_slice(b"abcd");
        let first = Bytes::from_owner(first);
        let slice = first.slice(1..3);
        drop(first);
        assert!(spare.lock().is_none());
        let place = slice.as_ptr();
        assert_eq!(slice, "bc");
        drop(slice);
        let second = spare.take(8, 8);
        assert_eq!(second.bytes.as_ptr().wrapping_add(1), place);
        assert!(second.bytes.is_empty());
    }

    #[test]
    fn parts_read_as_one() {
        let mut parts = Parts(["ab", "", "cde"].map(Bytes::from).into());
        assert_eq!(parts.remaining(), 5);
        assert_eq!(parts.copy_to_bytes(3), "abc");
        assert_eq!(parts.chunk(), b"de");
        parts.advance(2);
        assert!(!parts.has_remaining());
    }
}
