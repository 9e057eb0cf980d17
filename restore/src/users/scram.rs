//! The keys that a cluster makes of a password (RFC 5802, section 3).

use std::num::NonZeroU32;

use lifeboat_archive::documents::{ScramKeys, SecretBytes};
use lifeboat_kafka::wire::ScramMechanism;
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

/// Kafka's own limit is 16384; a damaged document must not keep us busy for days.
const MOST_ITERATIONS: u32 = 1 << 20;

/// Why keys can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// No cluster has as many, or as few.
    #[error("{0} iterations are not between 1 and {MOST_ITERATIONS}")]
    Iterations(i32),
}

struct Algorithms {
    pbkdf2: pbkdf2::Algorithm,
    hmac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
}

fn algorithms(mechanism: ScramMechanism) -> Algorithms {
    match mechanism {
        ScramMechanism::Sha256 => Algorithms {
            pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256,
            hmac: hmac::HMAC_SHA256,
            digest: &digest::SHA256,
        },
        ScramMechanism::Sha512 => Algorithms {
            pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512,
            hmac: hmac::HMAC_SHA512,
            digest: &digest::SHA512,
        },
    }
}

/// `SaltedPassword`: what a client sends instead of the password. As Kafka does, the password is taken as it is (no
/// SASLprep).
pub fn salt_password(
    mechanism: ScramMechanism,
    password: &str,
    salt: &[u8],
    iterations: i32,
) -> Result<SecretBytes, ScramError> {
    let rounds = u32::try_from(iterations).ok();
    let rounds = rounds
        .filter(|rounds| *rounds <= MOST_ITERATIONS)
        .and_then(NonZeroU32::new);
    let rounds = rounds.ok_or(ScramError::Iterations(iterations))?;
    let algorithms = algorithms(mechanism);
    let mut salted = Zeroizing::new(vec![0; algorithms.digest.output_len()]);
    pbkdf2::derive(
        algorithms.pbkdf2,
        rounds,
        salt,
        password.as_bytes(),
        &mut salted,
    );
    Ok(SecretBytes::new(&salted))
}

/// Whether `password` is the one that these keys were made of.
pub fn proves(password: &str, keys: &ScramKeys) -> bool {
    let Some(mechanism) = ScramMechanism::from_name(&keys.mechanism) else {
        return false;
    };
    let salted = salt_password(mechanism, password, keys.salt.expose(), keys.iterations);
    let Ok(salted) = salted else {
        return false;
    };
    let (stored_key, server_key) = keys_of(mechanism, &salted);
    stored_key == keys.stored_key && server_key == keys.server_key
}

/// `StoredKey` and `ServerKey`.
fn keys_of(mechanism: ScramMechanism, salted: &SecretBytes) -> (SecretBytes, SecretBytes) {
    let algorithms = algorithms(mechanism);
    let key = hmac::Key::new(algorithms.hmac, salted.expose());
    let client_key = hmac::sign(&key, b"Client Key");
    let stored_key = digest::digest(algorithms.digest, client_key.as_ref());
    let server_key = hmac::sign(&key, b"Server Key");
    (
        SecretBytes::new(stored_key.as_ref()),
        SecretBytes::new(server_key.as_ref()),
    )
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn keys(mechanism: ScramMechanism, password: &str, salt: &[u8], iterations: i32) -> ScramKeys {
        let salted = salt_password(mechanism, password, salt, iterations).unwrap();
        let (stored_key, server_key) = keys_of(mechanism, &salted);
        ScramKeys {
            user: "alice".to_owned(),
            mechanism: mechanism.to_string(),
            iterations,
            salt: SecretBytes::new(salt),
            stored_key,
            server_key,
        }
    }

    /// RFC 7677, section 3: user "user", password "pencil".
    #[test]
    fn the_keys_are_those_of_the_rfcs_example() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = keys(ScramMechanism::Sha256, "pencil", &salt, 4096);
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let server = hmac::Key::new(hmac::HMAC_SHA256, keys.server_key.expose());
        assert_eq!(
            STANDARD.encode(hmac::sign(&server, message)),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        // the client's proof gives the client key, whose hash is the stored key
        let stored = hmac::Key::new(hmac::HMAC_SHA256, keys.stored_key.expose());
        let signature = hmac::sign(&stored, message);
        let proof = STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let client_key: Vec<_> = proof
            .iter()
            .zip(signature.as_ref())
            .map(|(one, other)| one ^ other)
            .collect();
        let hashed = digest::digest(&digest::SHA256, &client_key);
        assert_eq!(hashed.as_ref(), keys.stored_key.expose());
    }

    #[test]
    fn only_the_right_password_is_proven() {
        for mechanism in [ScramMechanism::Sha256, ScramMechanism::Sha512] {
            let mut keys = keys(mechanism, "pässword", b"0123456789", 4096);
            assert!(proves("pässword", &keys));
            assert!(!proves("passwort", &keys) && !proves("", &keys));
            keys.server_key = SecretBytes::new(b"another");
            assert!(!proves("pässword", &keys), "both keys must fit");
        }
    }

    #[test]
    fn impossible_iterations_are_refused_at_once() {
        for iterations in [0, -1, i32::MAX] {
            let salted = salt_password(ScramMechanism::Sha256, "x", b"salt", iterations);
            assert_eq!(salted, Err(ScramError::Iterations(iterations)));
        }
    }
}
