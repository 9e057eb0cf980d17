//! What to do about a cluster that can't be reached, or does not let us in.

use lifeboat_kafka::{
    KafkaError,
    error::{AuthenticationProblem, TlsProblem, TokenProblem},
};

/// What to do about `error`, where that is known.
pub(super) fn hint(error: &KafkaError) -> Option<&'static str> {
    use KafkaError as E;
    Some(match error {
        E::Bootstrap(failures) => {
            // what a broker said tells more than that another one is silent
            let telling = failures
                .iter()
                .find(|(_, error)| !matches!(error, E::Connect { .. }));
            return match telling {
                Some((_, error)) => hint(error),
                None => Some(UNREACHABLE),
            };
        }
        E::Connect { .. } => UNREACHABLE,
        E::Tls { problem, .. } => return tls(problem),
        E::Authentication { problem, .. } => authentication(problem),
        E::Token { problem, .. } => token(problem),
        // the first question that is asked on a connection
        E::Disconnected {
            operation: "ApiVersions",
            ..
        } => "where the listener wants TLS, set security.protocol to SSL or SASL_SSL",
        E::Timeout { .. } | E::Disconnected { .. } => {
            "check the brokers' logs and the network; request.timeout.ms says how long is waited"
        }
        E::UnsupportedApi { .. } => "Kafka 3.6 and newer are supported",
        _ => return None,
    })
}

const UNREACHABLE: &str = "check the address (--bootstrap-servers), that the brokers listen there, and the network between";

fn tls(problem: &TlsProblem) -> Option<&'static str> {
    use TlsProblem as P;
    Some(match problem {
        P::Expired { .. } => "give the broker a new certificate, and check this machine's clock",
        P::NotYetValid { .. } => {
            "check the clocks of this machine and of the one that made the certificate"
        }
        P::Untrusted => {
            "name the authority that signed the brokers' certificates with ssl.ca.location (or ssl.truststore.location)"
        }
        P::WrongName { .. } => {
            "use a name that the certificate has, or give the broker a certificate with this one; \
             ssl.endpoint.identification.algorithm=none gives the check up"
        }
        P::BadCertificate(_) => "give the broker another certificate",
        P::WantsCertificate => {
            "give it one with ssl.keystore.location, or with ssl.certificate.location and ssl.key.location"
        }
        P::RefusesCertificate(_) => {
            "the brokers' trust store must hold the authority that signed this client's certificate, which must be valid"
        }
        P::NotTls | P::Closed(_) => {
            "check the port; where the listener is one without TLS, set security.protocol to PLAINTEXT or SASL_PLAINTEXT"
        }
        P::SpeaksTls => {
            "set security.protocol to SSL or SASL_SSL, or use the port of another listener"
        }
        P::Silent(_) => {
            "check the port, that its listener is one with TLS; socket.connection.setup.timeout.ms says how long is waited"
        }
        P::NothingInCommon(_) => "let the brokers speak TLS 1.2 or 1.3 (ssl.enabled.protocols)",
        P::Other(_) => return None,
    })
}

fn authentication(problem: &AuthenticationProblem) -> &'static str {
    use AuthenticationProblem as P;
    match problem {
        P::Refused {
            mechanism: "OAUTHBEARER",
            ..
        } => "check what the brokers expect of a token: issuer, audience, scope, and their clocks",
        P::Refused { .. } => {
            "check user and password (sasl.username and sasl.password, or sasl.jaas.config), and that the brokers know \
             the user with this mechanism"
        }
        P::UnknownMechanism { .. } => "set sasl.mechanism to one that it offers",
        P::NotWanted => {
            "set security.protocol to PLAINTEXT or SSL, or use the port of a listener with SASL"
        }
        P::Wanted => {
            "where the listener wants SASL, set security.protocol to SASL_SSL or SASL_PLAINTEXT; else see the brokers' logs"
        }
        P::Unproven { .. } => {
            "check that this is the right broker: it knows another password, or none and pretends to be it"
        }
        P::Malformed { .. } => "check that this is a Kafka broker, and its logs",
    }
}

fn token(problem: &TokenProblem) -> &'static str {
    match problem {
        TokenProblem::Unreachable(_) => {
            "check sasl.oauthbearer.token.endpoint.url and the network between"
        }
        TokenProblem::Tls(TlsProblem::Untrusted) => {
            "name the authority that signed its certificate with https.ca.location"
        }
        TokenProblem::Tls(_) => "check its certificate and sasl.oauthbearer.token.endpoint.url",
        TokenProblem::Refused { .. } => {
            "check sasl.oauthbearer.client.credentials.client.id and .client.secret, and the scope"
        }
        TokenProblem::Malformed(_) => {
            "check that sasl.oauthbearer.token.endpoint.url is the token endpoint itself"
        }
    }
}
