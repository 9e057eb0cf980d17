//! Certificates and keys, from every form that they are kept in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lifeboat_config::{
    Identity, IdentityPlace, Secret, Source, SourceText, Store, StoreKind, Trust,
};
use openssl::{
    error::ErrorStack,
    pkcs12::{ParsedPkcs12_2, Pkcs12},
    pkey::{PKey, Private},
    provider::Provider,
    x509::X509,
};

use crate::error::KafkaError;

/// A certificate with those that signed it, and its private key.
pub(crate) struct KeyPair {
    /// The property that named it.
    pub(crate) property: &'static str,
    pub(crate) chain: Vec<X509>,
    pub(crate) key: PKey<Private>,
}

impl KeyPair {
    /// Whose certificate it is, as Kafka writes it (RFC 2253): `CN=agent,O=Example`.
    pub(super) fn subject(&self) -> Option<String> {
        let mut parts = Vec::new();
        for entry in self.chain.first()?.subject_name().entries() {
            let name = entry.object().nid().short_name().ok()?;
            let value = entry.data().to_string().ok()?;
            let mut part = format!("{name}=");
            for letter in value.chars() {
                if matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
                    part.push('\\');
                }
                part.push(letter);
            }
            parts.push(part);
        }
        parts.reverse();
        Some(parts.join(","))
    }
}

/// The authorities and the property that named them; `None` where they are the system's.
pub(crate) fn load_trust(trust: &Trust) -> Result<Option<(Vec<X509>, &'static str)>, KafkaError> {
    let (certificates, property) = match trust {
        Trust::System => return Ok(None),
        Trust::Pem(source) => (certificates_of(source)?, source.property),
        Trust::File(store) if store.path.is_dir() => (folder(store)?, store.property),
        Trust::File(store) => (trusted(store)?, store.property),
    };
    Ok(Some((certificates, property)))
}

/// The client's certificate and its key.
pub(crate) fn load_identity(identity: &Identity) -> Result<KeyPair, KafkaError> {
    let password = identity.key_password.as_ref();
    let pair = match &identity.place {
        IdentityPlace::Apart { certificate, key } => {
            let text = read_source(key)?;
            KeyPair {
                property: certificate.property,
                chain: certificates_of(certificate)?,
                key: private_key(&text, password, key.property)?,
            }
        }
        IdentityPlace::Store(store) => stored_pair(store, password)?,
    };
    let matches = pair.chain.first().is_some_and(|certificate| {
        certificate
            .public_key()
            .is_ok_and(|public| public.public_eq(&pair.key))
    });
    if matches {
        Ok(pair)
    } else {
        Err(KafkaError::property(
            pair.property,
            "the private key is not the first certificate's",
            Some("the client's own certificate must stand first, followed by those that signed it"),
        ))
    }
}

fn stored_pair(store: &Store, key_password: Option<&Secret>) -> Result<KeyPair, KafkaError> {
    let bytes = read(store.property, &store.path)?;
    let property = store.property;
    if let Form::Pem(text) = form(store, &bytes)? {
        let chain = certificates(text.as_bytes(), property)?;
        let password = key_password.or(store.password.as_ref());
        let key = private_key(&text, password, property)?;
        return Ok(KeyPair {
            property,
            chain,
            key,
        });
    }
    let parsed = pkcs12(store, &bytes)?;
    let (Some(certificate), Some(key)) = (parsed.cert, parsed.pkey) else {
        return Err(KafkaError::property(
            property,
            format!(
                "{} holds no private key with its certificate",
                store.path.display()
            ),
            None,
        ));
    };
    let mut chain = vec![certificate];
    chain.extend(parsed.ca.into_iter().flatten());
    Ok(KeyPair {
        property,
        chain,
        key,
    })
}

fn trusted(store: &Store) -> Result<Vec<X509>, KafkaError> {
    let bytes = read(store.property, &store.path)?;
    if let Form::Pem(text) = form(store, &bytes)? {
        return certificates(text.as_bytes(), store.property);
    }
    let parsed = pkcs12(store, &bytes)?;
    let found: Vec<X509> = parsed
        .cert
        .into_iter()
        .chain(parsed.ca.into_iter().flatten())
        .collect();
    if found.is_empty() {
        return Err(no_certificate(store.property, &store.path));
    }
    Ok(found)
}

/// All certificates of a folder's files, as `c_rehash` makes one.
fn folder(store: &Store) -> Result<Vec<X509>, KafkaError> {
    let unreadable = |error: &io::Error| cannot_read(store.property, &store.path, error);
    let mut paths: Vec<PathBuf> = fs::read_dir(&store.path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| unreadable(&error))?;
    paths.sort();
    let mut found: Vec<X509> = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let bytes = read(store.property, path)?;
        for certificate in X509::stack_from_pem(&bytes).unwrap_or_default() {
            // hashed names are links to the same files
            let known = found
                .iter()
                .any(|known| known.to_der().ok() == certificate.to_der().ok());
            if !known {
                found.push(certificate);
            }
        }
    }
    if found.is_empty() {
        return Err(no_certificate(store.property, &store.path));
    }
    Ok(found)
}

enum Form {
    Pem(String),
    Pkcs12,
}

/// What a file holds, whatever its name and Java's defaults say.
fn form(store: &Store, bytes: &[u8]) -> Result<Form, KafkaError> {
    const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
    const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
    if bytes.starts_with(&JKS) || bytes.starts_with(&JCEKS) {
        return Err(store.jks().into());
    }
    let wrong = |is: &str| {
        let problem = format!("{} is not {is}", store.path.display());
        KafkaError::property(store.property, problem, None)
    };
    // DER begins with a sequence
    let der = bytes.first() == Some(&0x30);
    match (store.kind, der) {
        (Some(StoreKind::Pem), true) => Err(wrong("PEM text")),
        (Some(StoreKind::Pkcs12), false) => Err(wrong("a PKCS#12 store")),
        (_, true) => Ok(Form::Pkcs12),
        (_, false) => {
            let text = String::from_utf8_lossy(bytes);
            if text.contains(BEGIN) {
                Ok(Form::Pem(text.into_owned()))
            } else {
                Err(wrong("PEM text or a PKCS#12 store"))
            }
        }
    }
}

fn pkcs12(store: &Store, bytes: &[u8]) -> Result<ParsedPkcs12_2, KafkaError> {
    let of_path = |problem: &str, hint: Option<&str>| {
        let problem = format!("{} {problem}", store.path.display());
        KafkaError::property(store.property, problem, hint)
    };
    let password = store.password.as_ref().map_or("", Secret::expose);
    if password.contains('\0') {
        return Err(of_path("can't have a password with a zero character", None));
    }
    let file = Pkcs12::from_der(bytes).map_err(|_| of_path("is not a PKCS#12 store", None))?;
    let error = match file.parse2(password) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    if reasons(&error).contains("unsupported") {
        // what keytool of Java 8 and openssl 1 wrote; newer libraries keep it apart
        let _legacy = Provider::try_load(None, "legacy", true);
        if let Ok(parsed) = file.parse2(password) {
            return Ok(parsed);
        }
        return Err(of_path(
            "is encrypted in an old way that OpenSSL does not read any more",
            Some(
                "write it anew: openssl pkcs12 -legacy -in OLD -nodes | openssl pkcs12 -export -out NEW",
            ),
        ));
    }
    let which = store.property.trim_end_matches(".location");
    let password = format!("{which}.password");
    Err(if store.password.is_some() {
        of_path(&format!("can't be opened with {password}"), None)
    } else {
        of_path("needs a password", Some(&format!("set {password}")))
    })
}

const BEGIN: &str = "-----BEGIN ";

fn certificates_of(source: &Source) -> Result<Vec<X509>, KafkaError> {
    certificates(read_source(source)?.as_bytes(), source.property)
}

fn certificates(text: &[u8], property: &'static str) -> Result<Vec<X509>, KafkaError> {
    let found = X509::stack_from_pem(text).map_err(|error| {
        let problem = format!("a certificate can't be read: {}", reasons(&error));
        KafkaError::property(property, problem, None)
    })?;
    if found.is_empty() {
        return Err(KafkaError::property(
            property,
            "holds no PEM certificate (-----BEGIN CERTIFICATE-----)",
            None,
        ));
    }
    Ok(found)
}

fn private_key(
    text: &str,
    password: Option<&Secret>,
    property: &'static str,
) -> Result<PKey<Private>, KafkaError> {
    let wrong =
        |problem: &str, hint: Option<&str>| Err(KafkaError::property(property, problem, hint));
    if !text.contains("PRIVATE KEY-----") {
        return wrong(
            "holds no PEM private key (-----BEGIN PRIVATE KEY-----)",
            None,
        );
    }
    let encrypted = text.contains("-----BEGIN ENCRYPTED") || text.contains(",ENCRYPTED");
    // without a password OpenSSL would ask for one on the terminal
    let given = password.map_or(&b""[..], |password| password.expose().as_bytes());
    match PKey::private_key_from_pem_passphrase(text.as_bytes(), given) {
        Ok(key) => Ok(key),
        Err(_) if encrypted && password.is_none() => {
            wrong("the private key is encrypted", Some("set ssl.key.password"))
        }
        Err(_) if encrypted => wrong(
            "the private key can't be decrypted with ssl.key.password",
            None,
        ),
        Err(error) => wrong(
            &format!("the private key can't be read: {}", reasons(&error)),
            None,
        ),
    }
}

fn read_source(source: &Source) -> Result<String, KafkaError> {
    let text = match &source.text {
        SourceText::Inline(text) => text.expose().to_owned(),
        SourceText::File(path) => {
            String::from_utf8_lossy(&read(source.property, path)?).into_owned()
        }
    };
    Ok(with_lines(&text))
}

/// PEM that was squeezed into one line, as Kafka takes it, gets its line ends back.
fn with_lines(text: &str) -> String {
    const END: &str = "-----END ";
    const DASHES: &str = "-----";
    if text.trim().contains('\n') {
        return text.to_owned();
    }
    let mut lines = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        rest = &rest[begin..];
        let Some(label) = rest[BEGIN.len()..].find(DASHES) else {
            break;
        };
        let head = BEGIN.len() + label + DASHES.len();
        // behind the label: the two may share their dashes
        let Some(end) = rest[head..].find(END).map(|end| head + end) else {
            break;
        };
        let Some(tail) = rest[end + END.len()..].find(DASHES) else {
            break;
        };
        let tail = end + END.len() + tail + DASHES.len();
        lines.push_str(&rest[..head]);
        let body = rest[head..end].chars().filter(|c| !c.is_whitespace());
        for (at, c) in body.enumerate() {
            if at % 64 == 0 {
                lines.push('\n');
            }
            lines.push(c);
        }
        lines.push('\n');
        lines.push_str(&rest[end..tail]);
        lines.push('\n');
        rest = &rest[tail..];
    }
    lines
}

fn read(property: &'static str, path: &Path) -> Result<Vec<u8>, KafkaError> {
    fs::read(path).map_err(|error| cannot_read(property, path, &error))
}

fn cannot_read(property: &'static str, path: &Path, error: &io::Error) -> KafkaError {
    let problem = format!("can't read {}: {error}", path.display());
    KafkaError::property(property, problem, None)
}

fn no_certificate(property: &'static str, path: &Path) -> KafkaError {
    let problem = format!("{} holds no certificate", path.display());
    KafkaError::property(property, problem, None)
}

/// What OpenSSL says, without its code numbers and places.
fn reasons(error: &ErrorStack) -> String {
    let texts: Vec<_> = error
        .errors()
        .iter()
        .filter_map(openssl::error::Error::reason)
        .collect();
    if texts.is_empty() {
        "unknown form".to_owned()
    } else {
        texts.join(", ")
    }
}

#[cfg(test)]
mod tests;
