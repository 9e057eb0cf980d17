//! SASL: who we are, said by single properties or by `sasl.jaas.config`.

use std::time::Duration;

use url::Url;

use super::{
    Credentials, KafkaProperties, OAuthBearer, PropertyError, RefreshWindow, Sasl, ScramHash,
};
use crate::{
    Secret,
    kafka::{
        jaas::{self, EXTENSION, Login, LoginModule},
        known::MECHANISMS,
    },
};

const MECHANISM: &str = "sasl.mechanism";
const CLIENT_ID: &str = "sasl.oauthbearer.client.credentials.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
const EXTENSIONS: &str = "sasl.oauthbearer.extensions";

pub(super) fn resolve(properties: &KafkaProperties) -> Result<Sasl, PropertyError> {
    let login = properties.get(jaas::NAME).map(jaas::parse).transpose()?;
    let given = Given { properties, login };
    let Some(mechanism) = properties.get(MECHANISM) else {
        return Err(PropertyError::new(
            MECHANISM,
            format!(
                "is not given, and security.protocol is {}",
                properties.security_protocol().name()
            ),
        )
        .hint(format!("set it to one of {}", MECHANISMS.join(", "))));
    };
    given.check_module(mechanism)?;
    given.check_others(mechanism)?;
    Ok(match mechanism {
        "OAUTHBEARER" => Sasl::OAuthBearer(Box::new(given.oauth_bearer()?)),
        "SCRAM-SHA-256" => Sasl::Scram(ScramHash::Sha256, given.credentials()?),
        "SCRAM-SHA-512" => Sasl::Scram(ScramHash::Sha512, given.credentials()?),
        _ => Sasl::Plain(given.credentials()?),
    })
}

struct Given<'p> {
    properties: &'p KafkaProperties,
    login: Option<Login>,
}

impl Given<'_> {
    /// The login module must be the mechanism's.
    fn check_module(&self, mechanism: &str) -> Result<(), PropertyError> {
        let Some(login) = &self.login else {
            return Ok(());
        };
        let fits = match login.module {
            LoginModule::Plain => mechanism == "PLAIN",
            LoginModule::Scram => mechanism.starts_with("SCRAM-"),
            LoginModule::OAuthBearer => mechanism == "OAUTHBEARER",
        };
        if fits {
            return Ok(());
        }
        let module = login.module;
        Err(PropertyError::new(
            jaas::NAME,
            format!("its {module:?}LoginModule contradicts sasl.mechanism {mechanism}"),
        )
        .hint("change one of them"))
    }

    /// Properties of other mechanisms would have no effect.
    fn check_others(&self, mechanism: &str) -> Result<(), PropertyError> {
        let oauth = mechanism == "OAUTHBEARER";
        let idle = |name: &str| {
            let of_oauth = ["sasl.oauthbearer.", "sasl.login.", "https."]
                .iter()
                .any(|start| name.starts_with(start));
            let of_others = name == "sasl.username" || name == "sasl.password";
            of_oauth && !oauth || of_others && oauth
        };
        match self.properties.shown().find(|(name, _)| idle(name)) {
            None => Ok(()),
            Some((name, _)) => Err(PropertyError::new(
                name,
                format!("has no effect with sasl.mechanism {mechanism}"),
            )
            .hint("leave it out, or change sasl.mechanism")),
        }
    }

    /// What a property, or an option of the login module, says; it is an error if they differ.
    fn either(&self, property: &str, option: &str) -> Result<Option<Secret>, PropertyError> {
        let single = self.properties.secret(property);
        let login = self.login.as_ref();
        let grouped = login.and_then(|login| login.options.get(option)).cloned();
        match (single, grouped) {
            (Some(single), Some(grouped)) if single != grouped => Err(PropertyError::new(
                property,
                format!("contradicts {option} in {}", jaas::NAME),
            )
            .hint("give one of them")),
            (single, grouped) => Ok(single.or(grouped).filter(|text| !text.expose().is_empty())),
        }
    }

    fn required(&self, property: &str, option: &str) -> Result<Secret, PropertyError> {
        self.either(property, option)?.ok_or_else(|| {
            let mechanism = self.properties.get(MECHANISM).unwrap_or_default();
            PropertyError::new(property, format!("is not given, and {mechanism} needs it"))
                .hint(format!("set it, or {option} in {}", jaas::NAME))
        })
    }

    fn credentials(&self) -> Result<Credentials, PropertyError> {
        let credentials = Credentials {
            username: self
                .required("sasl.username", "username")?
                .expose()
                .to_owned(),
            password: self.required("sasl.password", "password")?,
        };
        let texts = [
            ("sasl.username", credentials.username.as_str()),
            ("sasl.password", credentials.password.expose()),
        ];
        for (name, text) in texts {
            if text.contains('\0') {
                return Err(PropertyError::new(name, "holds a zero character"));
            }
        }
        Ok(credentials)
    }

    fn oauth_bearer(&self) -> Result<OAuthBearer, PropertyError> {
        const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
        let properties = self.properties;
        let token_endpoint = properties
            .get(ENDPOINT)
            .and_then(|url| Url::parse(url).ok())
            .ok_or_else(|| {
                PropertyError::new(ENDPOINT, "is not given, and OAUTHBEARER needs it")
                    .hint("set it to the address where tokens are got with client credentials")
            })?;
        let client_id = self.required(CLIENT_ID, "clientId")?;
        let scope = self.either("sasl.oauthbearer.scope", "scope")?;
        let seconds = |name, default| {
            let given = properties.get(name).and_then(|text| text.parse().ok());
            Duration::from_secs(given.unwrap_or(default))
        };
        let fraction = |name, default| {
            let given = properties.get(name).and_then(|text| text.parse().ok());
            given.unwrap_or(default)
        };
        Ok(OAuthBearer {
            token_endpoint,
            client_id: client_id.expose().to_owned(),
            client_secret: self.required(CLIENT_SECRET, "clientSecret")?,
            encode_credentials: properties
                .get("sasl.oauthbearer.header.urlencode")
                .is_some_and(|flag| flag.eq_ignore_ascii_case("true")),
            scope: scope.map(|scope| scope.expose().to_owned()),
            extensions: self.extensions()?,
            trust: properties.https_trust()?,
            connect_timeout: properties.millis("sasl.login.connect.timeout.ms", 10_000),
            read_timeout: properties.millis("sasl.login.read.timeout.ms", 10_000),
            refresh: RefreshWindow {
                factor: fraction("sasl.login.refresh.window.factor", 0.8),
                jitter: fraction("sasl.login.refresh.window.jitter", 0.05),
                min_period: seconds("sasl.login.refresh.min.period.seconds", 60),
                buffer: seconds("sasl.login.refresh.buffer.seconds", 300),
            },
        })
    }

    fn extensions(&self) -> Result<Vec<(String, String)>, PropertyError> {
        let wrong = |property, problem: &str| {
            Err(PropertyError::new(property, problem)
                .hint("write name=value, separated by commas; names are letters, and not auth"))
        };
        let mut extensions = Vec::new();
        let single = self.properties.get(EXTENSIONS).unwrap_or_default();
        for pair in single
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
        {
            let Some((name, value)) = pair.split_once('=') else {
                return wrong(EXTENSIONS, "an extension has no value");
            };
            extensions.push((EXTENSIONS, name.to_owned(), value.to_owned()));
        }
        let options = self.login.iter().flat_map(|login| &login.options);
        for (name, value) in options {
            if let Some(name) = name.strip_prefix(EXTENSION) {
                extensions.push((jaas::NAME, name.to_owned(), value.expose().to_owned()));
            }
        }
        let mut good: Vec<(String, String)> = Vec::new();
        for (property, name, value) in extensions {
            let letters = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphabetic());
            if !letters || name == "auth" {
                return wrong(property, "an extension has a name that can't be sent");
            }
            // what RFC 7628 lets through
            if !value
                .bytes()
                .all(|c| matches!(c, 0x20..=0x7e | b'\t' | b'\r' | b'\n'))
            {
                return wrong(property, "an extension has a value that can't be sent");
            }
            match good.iter().find(|(known, _)| *known == name) {
                None => good.push((name, value)),
                Some((_, known)) if *known == value => {}
                Some(_) => {
                    return wrong(
                        property,
                        "an extension is given twice with different values",
                    );
                }
            }
        }
        Ok(good)
    }
}
