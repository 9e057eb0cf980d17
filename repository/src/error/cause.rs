//! What lay at the bottom of a store's failure.

use std::{error::Error, fmt, io};

use object_store::client::{HttpError, HttpErrorKind};

/// What lay at the bottom of a store's failure.
#[derive(Debug)]
pub struct Cause {
    error: Box<dyn Error + Send + Sync>,
    // in a box: errors are returned by everything
    answer: Option<Box<StoreAnswer>>,
    /// The places were asked in vain where a machine in a cloud gets its credentials.
    of_metadata_service: bool,
}

/// An answer of a store that was no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// The store's own word for it: `AccessDenied`.
    pub code: Option<String>,
    /// What it says to people.
    pub message: Option<String>,
}

/// Codes by which stores say that they do not know us.
const BAD_CREDENTIALS: [&str; 11] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "InvalidTokenId",
    "InvalidClientTokenId",
    "TokenRefreshRequired",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
    "InvalidSecurity",
];

impl Cause {
    pub(crate) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let text = error.to_string();
        Self {
            error,
            answer: StoreAnswer::of(&text).map(Box::new),
            of_metadata_service: is_of_metadata_service(&text),
        }
    }

    /// The same of a machine that has credentials, and got no new ones.
    pub(super) fn of_renewal(self) -> Self {
        Self {
            of_metadata_service: false,
            ..self
        }
    }

    /// The operating system's error, where it was one.
    pub fn io(&self) -> Option<&io::Error> {
        innermost_io(self.error.as_ref())
    }

    /// The store's answer, where it gave one.
    pub fn answer(&self) -> Option<&StoreAnswer> {
        self.answer.as_deref()
    }

    /// The store's own word for it.
    pub fn code(&self) -> Option<&str> {
        self.answer.as_ref()?.code.as_deref()
    }

    pub(super) fn is_no_bucket(&self) -> bool {
        let Some(answer) = &self.answer else {
            return false;
        };
        let code = answer.code.as_deref();
        let says = |message: &String| message.contains("bucket does not exist");
        answer.status == 404
            && (matches!(code, Some("NoSuchBucket" | "ContainerNotFound"))
                || answer.message.as_ref().is_some_and(says))
    }

    pub(super) fn is_bad_credentials(&self) -> bool {
        self.code()
            .is_some_and(|code| BAD_CREDENTIALS.contains(&code))
    }

    pub(super) fn is_of_metadata_service(&self) -> bool {
        self.of_metadata_service
    }

    pub(super) fn is_unreachable(&self) -> bool {
        let kind = http(self.error.as_ref()).map(HttpError::kind);
        matches!(kind, Some(HttpErrorKind::Connect | HttpErrorKind::Timeout))
    }
}

// The store's own wrapping repeats the innermost text, with addresses: that text alone says it all.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_of_metadata_service() {
            return f.write_str("none were given, and this machine has none of its own");
        }
        if let Some(error) = self.io() {
            return error.fmt(f);
        }
        if let Some(answer) = &self.answer {
            return answer.fmt(f);
        }
        match http(self.error.as_ref()) {
            Some(error) => fmt::Display::fmt(innermost(error), f),
            None => fmt::Display::fmt(&self.error, f),
        }
    }
}

impl Error for Cause {}

/// `the store answered 403 AccessDenied: Access Denied.`
impl fmt::Display for StoreAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl StoreAnswer {
    /// object_store keeps status and body to itself, and tells them in its text only.
    fn of(text: &str) -> Option<Self> {
        let bare_redirect = "an incorrectly configured region";
        if text.contains(bare_redirect) {
            return Some(Self {
                status: 301,
                code: Some("PermanentRedirect".to_owned()),
                message: Some("the bucket is in another region".to_owned()),
            });
        }
        let at = text.find("non-2xx status code: ")? + "non-2xx status code: ".len();
        let rest = &text[at..];
        let status = rest.get(..3)?.parse().ok()?;
        let body = rest.split_once(':').map_or("", |(_, body)| body.trim());
        Some(Self {
            status,
            code: between(body, "<Code>", "</Code>"),
            message: between(body, "<Message>", "</Message>")
                .or_else(|| between(body, "\"message\":\"", "\""))
                .or_else(|| between(body, "\"message\": \"", "\""))
                .or_else(|| between(body, "<Details>", "</Details>")),
        })
    }
}

fn is_of_metadata_service(text: &str) -> bool {
    [
        "//169.254.169.254",
        "//169.254.170.",
        "//metadata.google.internal",
    ]
    .iter()
    .any(|host| text.contains(host))
}

/// Whether the connection ended before the store had answered.
pub(crate) fn is_unanswered(error: &object_store::Error) -> bool {
    unanswered(error).is_some()
}

/// Whether nobody knows what became of a request: its answer was lost, or the end of it.
pub(crate) fn is_lost_on_the_way(error: &object_store::Error) -> bool {
    // what was never sent was tried again already, for as long as it makes sense
    let sent = |kind| !matches!(kind, HttpErrorKind::Connect | HttpErrorKind::Request);
    unanswered(error).is_some_and(|error| sent(error.kind()))
}

/// Why a request to the store itself has no answer.
fn unanswered(error: &object_store::Error) -> Option<&HttpError> {
    http(error).filter(|_| !is_of_metadata_service(&error.to_string()))
}

/// Whether somebody writes the same object right now, which is no answer to whether it is there.
pub(crate) fn is_conflict(error: &object_store::Error) -> bool {
    let object_store::Error::AlreadyExists { source, .. } = error else {
        return false;
    };
    let code = StoreAnswer::of(&source.to_string()).and_then(|answer| answer.code);
    matches!(
        code.as_deref(),
        Some("ConditionalRequestConflict" | "OperationAborted")
    )
}

/// What stands there, its first line, no longer than a line.
fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let from = text.find(before)? + before.len();
    let to = text[from..].find(after)?;
    let found = text[from..from + to].lines().next().unwrap_or_default();
    Some(found.trim().chars().take(200).collect())
}

type AnyError<'e> = &'e (dyn Error + 'static);

fn chain<'e>(error: AnyError<'e>) -> impl Iterator<Item = AnyError<'e>> {
    std::iter::successors(Some(error), |&error: &AnyError<'e>| error.source())
}

fn http(error: AnyError<'_>) -> Option<&HttpError> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn innermost(error: AnyError<'_>) -> AnyError<'_> {
    chain(error).last().unwrap_or(error)
}

fn innermost_io(error: AnyError<'_>) -> Option<&io::Error> {
    let io = chain(error).filter_map(|error| error.downcast_ref::<io::Error>());
    let last = io.last()?;
    // an io::Error may itself only wrap another one
    let inner = last.get_ref().and_then(|inner| innermost_io(inner));
    Some(inner.unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> StoreAnswer {
        let text = format!(
            "Generic S3 error: Error performing GET http://x/y?z in 3ms - Server returned non-2xx status code: \
             {status}: {body}"
        );
        StoreAnswer::of(&text).unwrap()
    }

    #[test]
    fn what_each_store_says_is_told_in_a_line() {
        let s3 = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
        let s3 = answer("403 Forbidden", s3);
        assert_eq!(
            s3.to_string(),
            "the store answered 403 AccessDenied: Access Denied."
        );
        let google = answer(
            "404 Not Found",
            "{\"error\":{\"code\":404,\"message\":\"Not Found\"}}",
        );
        assert_eq!(google.to_string(), "the store answered 404: Not Found");
        let none = answer("500 Internal Server Error", "");
        assert_eq!(none.to_string(), "the store answered 500");
    }

    #[test]
    fn a_missing_bucket_is_no_missing_object() {
        let body = "<Error><Code>NoSuchBucket</Code></Error>";
        let text = format!("non-2xx status code: 404 Not Found: {body}");
        assert!(Cause::new(text).is_no_bucket());
        let text = "non-2xx status code: 404 Not Found: <Error><Code>NoSuchKey</Code></Error>";
        assert!(!Cause::new(text).is_no_bucket());
    }
}
