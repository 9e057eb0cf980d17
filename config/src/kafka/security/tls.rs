//! TLS: which of the many ways to name certificates and keys is meant.

use super::{
    Identity, IdentityPlace, KafkaProperties, PropertyError, Source, SourceText, Store, StoreKind,
    Tls, Trust,
};
use crate::Secret;

pub(super) fn resolve(properties: &KafkaProperties) -> Result<Tls, PropertyError> {
    let algorithm = properties.get("ssl.endpoint.identification.algorithm");
    Ok(Tls {
        trust: trust(properties)?,
        identity: identity(properties)?,
        verify_host_name: algorithm.is_none_or(|name| name.eq_ignore_ascii_case("https")),
    })
}

fn trust(properties: &KafkaProperties) -> Result<Trust, PropertyError> {
    let given = only_one(
        properties,
        &[
            "ssl.ca.location",
            "ssl.truststore.location",
            "ssl.truststore.certificates",
        ],
    )?;
    let kind = store_kind(properties, "ssl.truststore")?;
    if given != Some("ssl.truststore.location") {
        needs(
            properties,
            "ssl.truststore.password",
            "ssl.truststore.location",
        )?;
        if kind == Some(StoreKind::Pkcs12) {
            return Err(missing("ssl.truststore.type", "ssl.truststore.location"));
        }
    }
    Ok(match given {
        None => Trust::System,
        Some(property @ "ssl.truststore.certificates") => Trust::Pem(inline(properties, property)),
        Some("ssl.truststore.location") => Trust::File(store(properties, "ssl.truststore", kind)),
        Some(property) => Trust::File(Store {
            property,
            path: properties.get(property).unwrap_or_default().into(),
            kind: Some(StoreKind::Pem),
            password: None,
        }),
    })
}

fn identity(properties: &KafkaProperties) -> Result<Option<Identity>, PropertyError> {
    const CERTIFICATE: [&str; 2] = ["ssl.certificate.location", "ssl.keystore.certificate.chain"];
    const KEY: [&str; 2] = ["ssl.key.location", "ssl.keystore.key"];
    let certificate = only_one(
        properties,
        &["ssl.keystore.location", CERTIFICATE[0], CERTIFICATE[1]],
    )?;
    let key = only_one(properties, &["ssl.keystore.location", KEY[0], KEY[1]])?;
    let kind = store_kind(properties, "ssl.keystore")?;
    let key_password = properties.secret("ssl.key.password");
    let place = match (certificate, key) {
        (None, None) => {
            needs(properties, "ssl.key.password", "ssl.key.location")?;
            needs(properties, "ssl.keystore.password", "ssl.keystore.location")?;
            needs(properties, "ssl.keystore.type", "ssl.keystore.location")?;
            return Ok(None);
        }
        (Some("ssl.keystore.location"), _) => {
            IdentityPlace::Store(store(properties, "ssl.keystore", kind))
        }
        (Some(certificate), Some(key)) => {
            needs(properties, "ssl.keystore.password", "ssl.keystore.location")?;
            if kind == Some(StoreKind::Pkcs12) {
                return Err(missing("ssl.keystore.type", "ssl.keystore.location"));
            }
            IdentityPlace::Apart {
                certificate: source(properties, certificate),
                key: source(properties, key),
            }
        }
        (Some(certificate), None) => {
            return Err(missing(
                certificate,
                KEY[usize::from(certificate == CERTIFICATE[1])],
            ));
        }
        (None, Some(key)) => return Err(missing(key, CERTIFICATE[usize::from(key == KEY[1])])),
    };
    Ok(Some(Identity {
        place,
        key_password,
    }))
}

/// The one of these that is given; two are a contradiction.
fn only_one(
    properties: &KafkaProperties,
    names: &[&'static str],
) -> Result<Option<&'static str>, PropertyError> {
    let mut given = names.iter().filter(|name| properties.get(name).is_some());
    let first = given.next().copied();
    match (first, given.next()) {
        (Some(first), Some(second)) => Err(PropertyError::new(
            second,
            format!("contradicts {first}, which is given as well"),
        )
        .hint("give one of them")),
        _ => Ok(first),
    }
}

/// `name` says nothing without `other`.
fn needs(
    properties: &KafkaProperties,
    name: &'static str,
    other: &'static str,
) -> Result<(), PropertyError> {
    if properties.get(name).is_some() && properties.get(other).is_none() {
        return Err(missing(name, other));
    }
    Ok(())
}

fn missing(name: &str, other: &str) -> PropertyError {
    PropertyError::new(name, format!("is given without {other}"))
        .hint(format!("give {other} as well, or leave {name} out"))
}

fn store_kind(
    properties: &KafkaProperties,
    which: &'static str,
) -> Result<Option<StoreKind>, PropertyError> {
    let name = format!("{which}.type");
    let kind = properties.get(&name).map(str::to_ascii_uppercase);
    match kind.as_deref() {
        None => Ok(None),
        Some("PEM") => Ok(Some(StoreKind::Pem)),
        Some("PKCS12") => Ok(Some(StoreKind::Pkcs12)),
        Some(_) => {
            let location = properties.get(&format!("{which}.location"));
            Err(jks(&name, which, location.unwrap_or("STORE.jks")))
        }
    }
}

/// JKS is Java's own form; Java's own tool turns it into one that others read.
fn jks(name: &str, which: &str, location: &str) -> PropertyError {
    let converted = format!("{}.p12", location.trim_end_matches(".jks"));
    PropertyError::new(name, "a JKS store can't be read").hint(format!(
        "convert it: keytool -importkeystore -srckeystore {location} -destkeystore {converted} -deststoretype PKCS12; \
         then set {which}.location to {converted} and {which}.type to PKCS12"
    ))
}

impl Store {
    /// The error for a file that turns out to be a JKS store.
    pub fn jks(&self) -> PropertyError {
        let which = self.property.trim_end_matches(".location");
        jks(self.property, which, &self.path.display().to_string())
    }
}

fn store(properties: &KafkaProperties, which: &str, kind: Option<StoreKind>) -> Store {
    let property = if which == "ssl.keystore" {
        "ssl.keystore.location"
    } else {
        "ssl.truststore.location"
    };
    Store {
        property,
        path: properties.get(property).unwrap_or_default().into(),
        kind,
        password: properties.secret(&format!("{which}.password")),
    }
}

fn source(properties: &KafkaProperties, property: &'static str) -> Source {
    if property.ends_with(".location") {
        let path = properties.get(property).unwrap_or_default().into();
        return Source {
            property,
            text: SourceText::File(path),
        };
    }
    inline(properties, property)
}

fn inline(properties: &KafkaProperties, property: &'static str) -> Source {
    let text = properties.get(property).unwrap_or_default();
    Source {
        property,
        text: SourceText::Inline(Secret::new(text)),
    }
}
