//! From what the libraries say to what is wrong.

use std::{error::Error, io};

use lifeboat_archive::words::Timestamp;
use rustls::{AlertDescription, CertificateError, Error as TlsError, pki_types::UnixTime};

use crate::error::TlsProblem;

/// Whether these bytes are how a TLS server begins to complain about a client that speaks something else.
pub(crate) fn looks_like_alert(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15, 0x03, ..])
}

/// The TLS error somewhere behind `error`, by its cause.
pub(crate) fn find_problem(
    error: &(dyn Error + 'static),
    shows_certificate: bool,
) -> Option<TlsProblem> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TlsError>() {
            return Some(problem(found, shows_certificate));
        }
        // io::Error shows its inner error's source, and not the inner error
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn problem(error: &TlsError, shows_certificate: bool) -> TlsProblem {
    match error {
        TlsError::InvalidCertificate(problem) => certificate(problem),
        TlsError::AlertReceived(alert) => received(*alert, shows_certificate),
        TlsError::InvalidMessage(_) => TlsProblem::NotTls,
        TlsError::PeerIncompatible(detail) => TlsProblem::NothingInCommon(format!("{detail:?}")),
        other => TlsProblem::Other(other.to_string()),
    }
}

fn certificate(problem: &CertificateError) -> TlsProblem {
    use CertificateError as E;
    match problem {
        E::Expired => TlsProblem::Expired { since: None },
        E::ExpiredContext { not_after, .. } => TlsProblem::Expired {
            since: timestamp(*not_after),
        },
        E::NotValidYet => TlsProblem::NotYetValid { until: None },
        E::NotValidYetContext { not_before, .. } => TlsProblem::NotYetValid {
            until: timestamp(*not_before),
        },
        // a broker's own certificate that signed itself is as unknown as any other
        E::UnknownIssuer | E::BadSignature => TlsProblem::Untrusted,
        E::NotValidForNameContext {
            expected,
            presented,
        } => TlsProblem::WrongName {
            expected: expected.to_str().into_owned(),
            presented: presented.iter().map(|name| bare(name)).collect(),
        },
        other => TlsProblem::BadCertificate(plain(&other.to_string())),
    }
}

/// `DnsName("a")` and `IpAddress(1.2.3.4)` → `a`, `1.2.3.4`
fn bare(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

fn plain(text: &str) -> String {
    if text.contains("CaUsedAsEndEntity") {
        "it is an authority's, not a server's".to_owned()
    } else if text.contains("UnsupportedCertVersion") {
        "it is not of X.509 version 3".to_owned()
    } else {
        text.to_owned()
    }
}

fn received(alert: AlertDescription, shows_certificate: bool) -> TlsProblem {
    use AlertDescription as A;
    let about_certificate = matches!(
        alert,
        A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
    );
    match alert {
        A::CertificateRequired | A::NoCertificate => TlsProblem::WantsCertificate,
        _ if about_certificate && !shows_certificate => TlsProblem::WantsCertificate,
        _ if about_certificate => TlsProblem::RefusesCertificate(format!("{alert:?}")),
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => {
            TlsProblem::NothingInCommon(format!("{alert:?}"))
        }
        _ => TlsProblem::Other(format!("it breaks off with the TLS alert {alert:?}")),
    }
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    let millis = i64::try_from(time.as_secs()).ok()?.checked_mul(1000)?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_however_deep_it_lies() {
        let expired = TlsError::InvalidCertificate(CertificateError::Expired);
        let inner = io::Error::new(io::ErrorKind::InvalidData, expired);
        let outer = io::Error::other(io::Error::other(inner));
        assert_eq!(
            find_problem(&outer, false),
            Some(TlsProblem::Expired { since: None })
        );
        assert_eq!(find_problem(&io::Error::other("else"), false), None);
    }

    #[test]
    fn an_alert_about_certificates_means_ours() {
        let alert = AlertDescription::BadCertificate;
        assert_eq!(received(alert, false), TlsProblem::WantsCertificate);
        assert!(matches!(
            received(alert, true),
            TlsProblem::RefusesCertificate(_)
        ));
        assert_eq!(
            received(AlertDescription::CertificateRequired, true),
            TlsProblem::WantsCertificate
        );
    }

    #[test]
    fn names_are_shown_bare() {
        assert_eq!(bare("DnsName(\"kafka\")"), "kafka");
        assert_eq!(bare("IpAddress(10.0.0.1)"), "10.0.0.1");
        assert_eq!(bare("kafka"), "kafka");
    }
}
