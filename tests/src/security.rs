//! Secured clusters: how clients get into one, and what they need for it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use certificates::Certificates;
use tokens::TokenIssuer;

pub(crate) mod certificates;
mod tokens;

/// Who the brokers, the controllers and the testkit itself are (`InsidePrincipal.java`).
const INSIDE: &str = "User:testkit";
/// The prefix of the clients' listener.
const LISTENER: &str = "listener.name.client.";

/// What the clients' listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Neither TLS nor names: everybody is `User:ANONYMOUS`.
    #[default]
    Plaintext,
    /// TLS.
    Ssl {
        /// Whether a client must show a certificate: it is its name, too (`User:CN=lifeboat`).
        client_auth: bool,
    },
    /// TLS, and SASL inside.
    SaslSsl,
    /// SASL without TLS.
    SaslPlaintext,
}

impl Security {
    fn protocol(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl { .. } => "SSL",
            Self::SaslSsl => "SASL_SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
        }
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl { .. } | Self::SaslSsl)
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslSsl | Self::SaslPlaintext)
    }
}

/// What is wrong with the brokers' certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing.
    #[default]
    Good,
    /// Its time is over.
    Expired,
    /// It is another host's.
    OtherHost,
    /// Another authority signed it than the one that clients are told to trust.
    OtherCa,
}

/// How a cluster shall be secured.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) security: Security,
    pub(crate) mechanisms: Vec<String>,
    pub(crate) users: Vec<(String, String)>,
    pub(crate) super_users: Vec<String>,
    pub(crate) authorizer: bool,
    pub(crate) certificate: Certificate,
    pub(crate) token_lifetime: Duration,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            security: Security::default(),
            mechanisms: vec!["PLAIN".to_owned()],
            users: Vec::new(),
            super_users: Vec::new(),
            authorizer: false,
            certificate: Certificate::default(),
            token_lifetime: Duration::from_secs(3600),
        }
    }
}

/// The keys, certificates and names of one cluster.
#[derive(Debug)]
pub(crate) struct Secured {
    wanted: Wanted,
    ca: PathBuf,
    certificates: Option<Certificates>,
    tokens: Option<TokenIssuer>,
}

impl Secured {
    /// Makes what is needed, in `folder`.
    pub(crate) fn prepare(wanted: &Wanted, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let certificates = wanted
            .security
            .has_tls()
            .then(|| Certificates::make(folder, wanted.certificate))
            .transpose()?;
        let tokens = (wanted.security.has_sasl() && wanted.offers("OAUTHBEARER"))
            .then(|| TokenIssuer::start(folder, &wanted.users, wanted.token_lifetime))
            .transpose()?;
        Ok(Self {
            wanted: wanted.clone(),
            ca: folder.join(certificates::CA),
            certificates,
            tokens,
        })
    }

    /// What every broker's `server.properties` says about it.
    pub(crate) fn broker_settings(&self) -> Result<BTreeMap<String, String>> {
        let mut settings = BTreeMap::from([(
            "listener.security.protocol.map".to_owned(),
            format!(
                "CLIENT:{},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
                self.wanted.security.protocol()
            ),
        )]);
        if self.wanted.authorizer {
            self.authorizer_settings(&mut settings);
        }
        if let Some(certificates) = &self.certificates {
            self.tls_settings(certificates, &mut settings);
        }
        if self.wanted.security.has_sasl() {
            self.sasl_settings(&mut settings)?;
        }
        Ok(settings)
    }

    fn authorizer_settings(&self, settings: &mut BTreeMap<String, String>) {
        let named = self.wanted.super_users.iter();
        let mut super_users: Vec<_> = named.map(|name| format!("User:{name}")).collect();
        super_users.push(INSIDE.to_owned());
        for (name, value) in [
            (
                "authorizer.class.name",
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            ),
            ("allow.everyone.if.no.acl.found", "false"),
            ("super.users", &super_users.join(";")),
            (
                "listener.name.internal.principal.builder.class",
                "lifeboat.testkit.InsidePrincipal",
            ),
            (
                "listener.name.controller.principal.builder.class",
                "lifeboat.testkit.InsidePrincipal",
            ),
        ] {
            settings.insert(name.to_owned(), value.to_owned());
        }
    }

    fn tls_settings(&self, certificates: &Certificates, settings: &mut BTreeMap<String, String>) {
        let required = self.wanted.security == Security::Ssl { client_auth: true };
        for (name, value) in [
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", shown(&certificates.broker)),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", shown(&self.ca)),
            (
                "ssl.client.auth",
                if required { "required" } else { "none" }.to_owned(),
            ),
        ] {
            settings.insert(format!("{LISTENER}{name}"), value);
        }
    }

    fn sasl_settings(&self, settings: &mut BTreeMap<String, String>) -> Result<()> {
        settings.insert(
            format!("{LISTENER}sasl.enabled.mechanisms"),
            self.wanted.mechanisms.join(","),
        );
        for mechanism in &self.wanted.mechanisms {
            let place = format!("{LISTENER}{}.", mechanism.to_ascii_lowercase());
            let mut users = String::new();
            if mechanism == "PLAIN" {
                for (name, password) in &self.wanted.users {
                    write!(users, " user_{name}=\"{}\"", escaped(password))?;
                }
            }
            let module = login_module(mechanism)?;
            settings.insert(
                format!("{place}sasl.jaas.config"),
                format!("{module} required{users};"),
            );
            if let Some(tokens) = self.tokens.as_ref().filter(|_| mechanism == "OAUTHBEARER") {
                for (name, value) in [
                    (
                        "sasl.server.callback.handler.class",
                        "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
                    ),
                    ("sasl.oauthbearer.jwks.endpoint.url", tokens.keys_url()),
                    ("sasl.oauthbearer.expected.audience", tokens::AUDIENCE),
                    ("sasl.oauthbearer.expected.issuer", tokens::ISSUER),
                ] {
                    settings.insert(format!("{place}{name}"), value.to_owned());
                }
            }
        }
        Ok(())
    }

    /// What a broker's Java machine must be told.
    pub(crate) fn java_options(&self) -> Vec<String> {
        self.tokens
            .iter()
            .map(|tokens| {
                format!(
                    "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}",
                    tokens.keys_url()
                )
            })
            .collect()
    }

    /// The SCRAM mechanisms that are offered: their users are made when the cluster runs.
    pub(crate) fn scram(&self) -> Vec<&str> {
        let offered = self.wanted.mechanisms.iter().map(String::as_str);
        offered
            .filter(|name| self.wanted.security.has_sasl() && name.starts_with("SCRAM-"))
            .collect()
    }

    pub(crate) fn users(&self) -> &[(String, String)] {
        &self.wanted.users
    }

    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }

    pub(crate) fn client_certificate(&self) -> Result<(&Path, &Path)> {
        let certificates = self.certificates.as_ref();
        let certificates = certificates.context("the cluster's listener speaks no TLS")?;
        Ok((&certificates.client_certificate, &certificates.client_key))
    }

    pub(crate) fn token_endpoint(&self) -> Result<&str> {
        let tokens = self.tokens.as_ref();
        Ok(tokens
            .context("the cluster's listener does not offer OAUTHBEARER")?
            .endpoint())
    }

    /// The properties of a Java client; `mechanism` or else the first one.
    pub(crate) fn client_properties(
        &self,
        user: &str,
        mechanism: Option<&str>,
    ) -> Result<BTreeMap<String, String>> {
        let mut properties = BTreeMap::new();
        let mut set = |name: &str, value: String| properties.insert(name.to_owned(), value);
        set(
            "security.protocol",
            self.wanted.security.protocol().to_owned(),
        );
        if let Some(certificates) = &self.certificates {
            set("ssl.truststore.type", "PEM".to_owned());
            set("ssl.truststore.location", shown(&self.ca));
            if self.wanted.security == (Security::Ssl { client_auth: true }) {
                set("ssl.keystore.type", "PEM".to_owned());
                set("ssl.keystore.location", shown(&certificates.client));
            }
        }
        if self.wanted.security.has_sasl() {
            let mechanism = mechanism
                .or(self.wanted.mechanisms.first().map(String::as_str))
                .context("no SASL mechanism")?;
            let password = self.password(user)?;
            properties.extend(self.sasl_properties(user, password, mechanism)?);
        }
        Ok(properties)
    }

    /// The properties of a Java client who says this password, right or wrong.
    pub(crate) fn properties_of(
        &self,
        user: &str,
        password: &str,
        mechanism: &str,
    ) -> Result<BTreeMap<String, String>> {
        let mut properties = self.sasl_properties(user, password, mechanism)?;
        let protocol = self.wanted.security.protocol().to_owned();
        properties.insert("security.protocol".to_owned(), protocol);
        Ok(properties)
    }

    fn password(&self, user: &str) -> Result<&str> {
        let mut users = self.wanted.users.iter();
        let found = users.find(|(name, _)| name == user);
        let (_, password) = found.with_context(|| format!("no such user: {user}"))?;
        Ok(password)
    }

    fn sasl_properties(
        &self,
        user: &str,
        password: &str,
        mechanism: &str,
    ) -> Result<BTreeMap<String, String>> {
        let (name, password) = (escaped(user), escaped(password));
        let module = login_module(mechanism)?;
        let mut properties = BTreeMap::from([("sasl.mechanism".to_owned(), mechanism.to_owned())]);
        let credentials = if mechanism == "OAUTHBEARER" {
            properties.extend([
                (
                    "sasl.login.callback.handler.class".to_owned(),
                    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler"
                        .to_owned(),
                ),
                (
                    "sasl.oauthbearer.token.endpoint.url".to_owned(),
                    self.token_endpoint()?.to_owned(),
                ),
            ]);
            format!("clientId=\"{name}\" clientSecret=\"{password}\"")
        } else {
            format!("username=\"{name}\" password=\"{password}\"")
        };
        properties.insert(
            "sasl.jaas.config".to_owned(),
            format!("{module} required {credentials};"),
        );
        Ok(properties)
    }
}

impl Wanted {
    fn offers(&self, mechanism: &str) -> bool {
        self.mechanisms.iter().any(|one| one == mechanism)
    }
}

fn login_module(mechanism: &str) -> Result<&'static str> {
    Ok(match mechanism {
        "PLAIN" => "org.apache.kafka.common.security.plain.PlainLoginModule",
        "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
            "org.apache.kafka.common.security.scram.ScramLoginModule"
        }
        "OAUTHBEARER" => "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
        other => bail!("no such SASL mechanism: {other}"),
    })
}

/// As it stands between quotes in a JAAS line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// As a `.properties` file has it: there a backslash escapes, too.
pub(crate) fn properties_text(properties: &BTreeMap<String, String>) -> String {
    properties
        .iter()
        .map(|(name, value)| [name, "=", &value.replace('\\', "\\\\"), "\n"].concat())
        .collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
