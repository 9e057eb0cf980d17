//! What can go wrong before a broker lets us in.

use std::time::Duration;

use lifeboat_archive::words::Timestamp;

/// Why a connection could not be encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// The certificate is too old.
    #[error("its certificate expired{}", on(" on ", *.since))]
    Expired {
        /// When it ended, where that is known.
        since: Option<Timestamp>,
    },
    /// The certificate is too new, or our clock is wrong.
    #[error("its certificate is not valid yet{}", on(", only from ", *.until))]
    NotYetValid {
        /// When it begins, where that is known.
        until: Option<Timestamp>,
    },
    /// Nobody whom we believe has signed the certificate.
    #[error("its certificate is not signed by an authority that is trusted here")]
    Untrusted,
    /// The certificate is another host's.
    #[error("its certificate is not for {expected}, {}", names(.presented))]
    WrongName {
        /// The host that was asked for.
        expected: String,
        /// The hosts that it is for.
        presented: Vec<String>,
    },
    /// The certificate can't be used for another reason.
    #[error("its certificate can't be used: {0}")]
    BadCertificate(String),
    /// We have shown no certificate.
    #[error("it wants a client certificate, and none is configured")]
    WantsCertificate,
    /// The certificate that we have shown is not believed.
    #[error("it refuses this client's certificate ({0})")]
    RefusesCertificate(String),
    /// What came back is not TLS.
    #[error("it does not speak TLS on this port")]
    NotTls,
    /// We do not speak TLS, and the other side does.
    #[error("it speaks TLS on this port, and this client does not")]
    SpeaksTls,
    /// The connection ended.
    #[error("it closed the connection during the TLS handshake ({0})")]
    Closed(String),
    /// Nothing came.
    #[error("no answer to the TLS handshake within {0:?}")]
    Silent(Duration),
    /// Versions and ciphers do not meet.
    #[error("it and this client have no TLS version or cipher in common ({0})")]
    NothingInCommon(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl TlsProblem {
    /// Whether it may heal by itself: a broker that stops looks like one that speaks no TLS.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Silent(_))
    }
}

/// Why a broker does not believe who we are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationProblem {
    /// User and password, or the token, do not fit.
    #[error("it refuses {mechanism} for {user}: {message}")]
    Refused {
        /// The mechanism.
        mechanism: &'static str,
        /// Who wanted to log in.
        user: String,
        /// The broker's own words.
        message: String,
    },
    /// The broker does not know the mechanism.
    #[error("it does not offer {mechanism}, only {}", list(.offered))]
    UnknownMechanism {
        /// The mechanism.
        mechanism: &'static str,
        /// What it offers.
        offered: Vec<String>,
    },
    /// The listener is one without SASL.
    #[error("its listener does not take SASL")]
    NotWanted,
    /// We have not said who we are, and the listener seems to be one with SASL.
    #[error("it closed the connection at the first question, as a listener does that wants SASL")]
    Wanted,
    /// The broker does not know the password either: it may not be the broker.
    #[error("it could not prove that it knows the password of {user}")]
    Unproven {
        /// Who wanted to log in.
        user: String,
    },
    /// What the broker says makes no sense in the mechanism.
    #[error("its {mechanism} messages are malformed: {detail}")]
    Malformed {
        /// The mechanism.
        mechanism: &'static str,
        /// What is wrong.
        detail: String,
    },
}

impl AuthenticationProblem {
    /// Whether it may heal by itself: a broker that stops looks like one that wants to know who we are.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Wanted)
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// The token endpoint does not answer.
    #[error("can't be reached: {0}")]
    Unreachable(String),
    /// No encrypted connection to it.
    #[error("{0}")]
    Tls(TlsProblem),
    /// It says no.
    #[error("answers {status}{}", in_words(.message.as_deref()))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its own words, where it gave any.
        message: Option<String>,
    },
    /// What it answers is no token.
    #[error("gives no usable token: {0}")]
    Malformed(String),
}

impl TokenProblem {
    /// Whether asking again may help.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Tls(problem) => problem.is_retriable(),
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Malformed(_) => false,
        }
    }
}

fn on(before: &str, time: Option<Timestamp>) -> String {
    time.map(|time| format!("{before}{time}"))
        .unwrap_or_default()
}

fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        "it has no subject alternative names at all".to_owned()
    } else {
        format!("only for {}", presented.join(", "))
    }
}

fn list(offered: &[String]) -> String {
    if offered.is_empty() {
        "none".to_owned()
    } else {
        offered.join(", ")
    }
}

fn in_words(message: Option<&str>) -> String {
    message.map(|text| format!(": {text}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_sentence() {
        let expired = TlsProblem::Expired {
            since: Some(Timestamp::from_millis(0)),
        };
        assert_eq!(
            expired.to_string(),
            "its certificate expired on 1970-01-01T00:00:00.000Z"
        );
        let wrong = TlsProblem::WrongName {
            expected: "a".to_owned(),
            presented: vec!["b".to_owned(), "c".to_owned()],
        };
        assert_eq!(
            wrong.to_string(),
            "its certificate is not for a, only for b, c"
        );
        let unknown = AuthenticationProblem::UnknownMechanism {
            mechanism: "PLAIN",
            offered: vec!["SCRAM-SHA-256".to_owned()],
        };
        assert_eq!(
            unknown.to_string(),
            "it does not offer PLAIN, only SCRAM-SHA-256"
        );
        let refused = TokenProblem::Refused {
            status: 401,
            message: Some("invalid_client".to_owned()),
        };
        assert_eq!(refused.to_string(), "answers 401: invalid_client");
        assert!(!refused.is_retriable());
    }
}
