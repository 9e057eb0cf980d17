//! What an object store is told besides its address.

use std::collections::BTreeMap;

use crate::{Provider, Secret, suggestion::closest};

mod known;

use known::{Kind, Known};

/// The options of object stores, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    given: BTreeMap<&'static str, Given>,
    storage_class: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    known: &'static Known,
    value: Secret,
    hidden: bool,
}

/// Why an option can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct OptionError {
    /// What is wrong with it. Never the value of a secret.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Objects of these classes must be ordered back, for hours, before anybody can read them.
const OFFLINE: [&str; 3] = ["GLACIER", "DEEP_ARCHIVE", "ARCHIVE"];

impl StoreOptions {
    /// Sets an option.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        self.put(name, Secret::new(value), false)
    }

    /// Sets an option whose value came from a file: it is never shown.
    pub fn set_secret(&mut self, name: &str, value: &Secret) -> Result<(), OptionError> {
        self.put(name, value.clone(), true)
    }

    fn put(&mut self, name: &str, value: Secret, hidden: bool) -> Result<(), OptionError> {
        let known = known::find(name).ok_or_else(|| unknown(name))?;
        let hidden = hidden || known.kind == Kind::Secret;
        let fine = match known.kind {
            Kind::Flag => matches!(value.expose(), "true" | "false"),
            Kind::OneOf(words) => words.contains(&value.expose()),
            Kind::Text | Kind::Secret | Kind::Path => !value.expose().is_empty(),
        };
        if !fine {
            return Err(OptionError {
                problem: format!("not {}", known.kind.expected()),
                hint: None,
            });
        }
        let given = Given {
            known,
            value,
            hidden,
        };
        self.given.insert(known.name, given);
        Ok(())
    }

    /// Sets the storage class of archives, the large objects.
    pub fn set_storage_class(&mut self, class: &str) -> Result<(), OptionError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if class.is_empty() || !class.bytes().all(plain) {
            return Err(OptionError {
                problem: format!("{class:?} is not the name of a storage class"),
                hint: Some("such as STANDARD_IA, GLACIER_IR, NEARLINE or Cool".to_owned()),
            });
        }
        // Google's ARCHIVE can be read at once; Azure writes its own as `Archive`
        let offline = OFFLINE.contains(&class) && class != "ARCHIVE" || class == "Archive";
        if offline {
            return Err(OptionError {
                problem: format!("objects of the class {class} can't be read when they are needed"),
                hint: Some(
                    "take one that is read at once: STANDARD_IA, GLACIER_IR, NEARLINE, Cool"
                        .to_owned(),
                ),
            });
        }
        self.storage_class = Some(class.to_owned());
        Ok(())
    }

    /// The storage class of archives.
    pub fn storage_class(&self) -> Option<&str> {
        self.storage_class.as_deref()
    }

    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|given| given.value.expose())
    }

    /// The options of that kind of store: name, value, and whether it is a part of who we are.
    pub fn of(&self, provider: Provider) -> impl Iterator<Item = (&'static str, &str, bool)> {
        self.given
            .values()
            .filter(move |given| given.known.is_of(provider))
            .map(|given| {
                (
                    given.known.name,
                    given.value.expose(),
                    given.known.credential,
                )
            })
    }

    /// Names and values as they may be shown.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.given.values().map(|given| {
            let value = if given.hidden {
                given.value.to_string()
            } else {
                given.value.expose().to_owned()
            };
            (given.known.name, value)
        })
    }

    /// Whether an option's value is a local path.
    pub(crate) fn is_path(name: &str) -> bool {
        known::find(name).is_some_and(|known| known.kind == Kind::Path)
    }

    /// Whether a store of that kind has that option; the local file system has none.
    pub(crate) fn fits(name: &str, provider: Option<Provider>) -> bool {
        let known = known::find(name);
        known.is_some_and(|known| provider.is_some_and(|provider| known.is_of(provider)))
    }
}

/// Whether `name` is an option of that kind of store which says who we are.
pub fn is_credential_option(provider: Provider, name: &str) -> bool {
    known::find(name).is_some_and(|known| known.is_of(provider) && known.credential)
}

/// The names of all options of that kind of store.
pub fn store_option_names(provider: Provider) -> impl Iterator<Item = &'static str> {
    known::KNOWN
        .iter()
        .filter(move |known| known.is_of(provider))
        .map(|known| known.name)
}

pub(crate) fn option_reference() -> impl Iterator<Item = (&'static str, &'static str)> {
    known::KNOWN.iter().map(|known| (known.name, known.about))
}

fn unknown(name: &str) -> OptionError {
    let near = closest(name, known::KNOWN.iter().map(|known| known.name));
    OptionError {
        problem: "not an option of a store that Lifeboat knows".to_owned(),
        hint: Some(match near {
            Some(near) => format!("did you mean {near}?"),
            None => "config/README.md lists them".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_what_came_from_a_file_are_masked() {
        let mut options = StoreOptions::default();
        options
            .set("aws_secret_access_key", "hunter2hunter2")
            .unwrap();
        options
            .set_secret("aws_access_key_id", &Secret::new("AKIA-of-a-file"))
            .unwrap();
        options
            .set("aws_endpoint", "https://minio.example:9000")
            .unwrap();
        let shown: Vec<_> = options.shown().collect();
        assert_eq!(
            shown,
            [
                ("aws_access_key_id", "***".to_owned()),
                ("aws_endpoint", "https://minio.example:9000".to_owned()),
                ("aws_secret_access_key", "***".to_owned()),
            ]
        );
        let debug = format!("{options:?}");
        assert!(
            !debug.contains("hunter2") && !debug.contains("AKIA"),
            "{debug}"
        );
        assert_eq!(options.get("aws_secret_access_key"), Some("hunter2hunter2"));
    }

    #[test]
    fn what_looks_like_a_secret_is_one() {
        for known in known::KNOWN.iter() {
            let telling = ["secret", "_token", "_key", "password", "proxy_url"];
            let named = telling.iter().any(|word| known.name.ends_with(word));
            assert!(
                !named || known.kind == Kind::Secret,
                "{} would be shown",
                known.name
            );
        }
    }

    #[test]
    fn an_option_of_another_store_is_strange() {
        let mut options = StoreOptions::default();
        options.set("azure_allow_http", "true").unwrap();
        let fits = |provider| StoreOptions::fits("azure_allow_http", provider);
        assert!(fits(Some(Provider::Azure)));
        assert!(!fits(Some(Provider::S3)) && !fits(None));
        assert_eq!(options.of(Provider::Azure).count(), 1);
        assert_eq!(options.of(Provider::S3).count(), 0);
    }

    #[test]
    fn wrong_options_are_refused_with_what_was_meant() {
        let mut options = StoreOptions::default();
        let mut refused = |name: &str, value: &str| options.set(name, value).unwrap_err();
        let hint = refused("aws_endpont", "x").hint;
        assert_eq!(hint.as_deref(), Some("did you mean aws_endpoint?"));
        assert_eq!(
            refused("aws_allow_http", "yes").problem,
            "not true or false"
        );
        assert_eq!(
            refused("aws_checksum_algorithm", "md5").problem,
            "not one of sha256, crc64nvme, none"
        );
        assert_eq!(refused("aws_region", "").problem, "not a text");
    }

    #[test]
    fn a_storage_class_that_can_not_be_read_at_once_is_refused() {
        let mut options = StoreOptions::default();
        for class in ["GLACIER", "DEEP_ARCHIVE", "Archive", "", "a b"] {
            assert!(options.set_storage_class(class).is_err(), "{class}");
        }
        for class in ["STANDARD_IA", "GLACIER_IR", "ARCHIVE", "Cool"] {
            options.set_storage_class(class).unwrap();
            assert_eq!(options.storage_class(), Some(class));
        }
    }
}
