//! Where a repository is.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

use crate::StoreOptions;

/// A repository's address: `file:///var/backups/kafka`, just the absolute path, or `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryUrl {
    place: Place,
    text: String,
}

/// What a repository's address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder of the local file system.
    Folder(PathBuf),
    /// A part of an object store.
    Bucket(Bucket),
}

/// A part of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Whose store.
    pub provider: Provider,
    /// The bucket, or Azure's container.
    pub name: String,
    /// What all names begin with, without slashes around it; empty for the whole bucket.
    pub prefix: String,
}

/// The kinds of object stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Provider {
    /// Its URLs' scheme.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }

    /// What its options and, in upper case, its environment variables begin with.
    pub fn option_prefix(self) -> &'static str {
        match self {
            Self::S3 => "aws_",
            Self::Google => "google_",
            Self::Azure => "azure_",
        }
    }
}

/// A repository's address and what its store is told besides.
#[derive(Clone, Debug)]
pub struct RepositoryLocation {
    /// Where it is.
    pub url: RepositoryUrl,
    /// The store's options.
    pub options: StoreOptions,
}

impl From<RepositoryUrl> for RepositoryLocation {
    fn from(url: RepositoryUrl) -> Self {
        Self {
            url,
            options: StoreOptions::default(),
        }
    }
}

impl From<&RepositoryUrl> for RepositoryLocation {
    fn from(url: &RepositoryUrl) -> Self {
        url.clone().into()
    }
}

impl From<&RepositoryLocation> for RepositoryLocation {
    fn from(location: &RepositoryLocation) -> Self {
        location.clone()
    }
}

/// Why a text is not a repository's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither a URL nor an absolute path.
    #[error("{text:?} is neither a URL nor an absolute path")]
    NotAUrl {
        /// What was given.
        text: String,
    },
    /// A scheme that no store has.
    #[error("{scheme:?} is not a kind of repository; known are file://, s3://, gs:// and az://")]
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// A `file://` URL with a host, a query or a fragment, or none of an absolute path.
    #[error("{text:?} does not name a local folder: write file:///absolute/path")]
    NotLocal {
        /// What was given.
        text: String,
    },
    /// A store's URL with a user, a port, a query or a fragment, or without a bucket.
    #[error("not {scheme}://BUCKET or {scheme}://BUCKET/PREFIX: {problem}")]
    NotABucket {
        /// Its scheme.
        scheme: &'static str,
        /// What is wrong. Never the text itself, which may hold a key.
        problem: &'static str,
    },
    /// The path goes up.
    #[error("{text:?} holds \"..\": write the path that is meant")]
    GoesUp {
        /// What was given.
        text: String,
    },
}

impl RepositoryUrl {
    /// What it names.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The store that it is in; `None` for the local file system.
    pub fn provider(&self) -> Option<Provider> {
        match &self.place {
            Place::Folder(_) => None,
            Place::Bucket(bucket) => Some(bucket.provider),
        }
    }

    /// The repository in the local folder `path`, which must be absolute.
    pub fn from_local_path(path: &Path) -> Result<Self, UrlError> {
        let text = || path.display().to_string();
        if path.components().any(|part| part.as_os_str() == "..") {
            return Err(UrlError::GoesUp { text: text() });
        }
        // normalised: no `.`, no doubled and no trailing separators
        let path: PathBuf = path.components().collect();
        match Url::from_file_path(&path) {
            Ok(url) => Ok(Self {
                text: url.to_string(),
                place: Place::Folder(path),
            }),
            Err(()) => Err(UrlError::NotAUrl { text: text() }),
        }
    }

    fn from_bucket(provider: Provider, rest: &str) -> Result<Self, UrlError> {
        let scheme = provider.scheme();
        let wrong = |problem| UrlError::NotABucket { scheme, problem };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return Err(wrong("it names no bucket"));
        }
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !name.bytes().all(of_name) {
            return Err(wrong(
                "a bucket's name has letters, digits, '-', '_' and '.' only; keys and endpoints are options",
            ));
        }
        let parts: Vec<_> = prefix.split('/').filter(|part| !part.is_empty()).collect();
        let of_prefix = |byte: u8| of_name(byte) || b"=+@".contains(&byte);
        let plain =
            |part: &&str| part.bytes().all(of_prefix) && part.bytes().any(|byte| byte != b'.');
        if !parts.iter().all(plain) {
            return Err(wrong(
                "a prefix has letters, digits, '-', '_', '.', '=', '+', '@' and '/' only",
            ));
        }
        let bucket = Bucket {
            provider,
            name: name.to_owned(),
            prefix: parts.join("/"),
        };
        let text = if bucket.prefix.is_empty() {
            format!("{scheme}://{name}")
        } else {
            format!("{scheme}://{name}/{}", bucket.prefix)
        };
        Ok(Self {
            place: Place::Bucket(bucket),
            text,
        })
    }
}

impl FromStr for RepositoryUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.starts_with('/') {
            return Self::from_local_path(Path::new(text));
        }
        // before parsing: a URL parser resolves `..` silently
        if text.split('/').any(|part| part == "..") {
            // without what may be a key behind it
            let shown = text.split(['?', '#']).next().unwrap_or_default();
            return Err(UrlError::GoesUp {
                text: shown.to_owned(),
            });
        }
        for provider in [Provider::S3, Provider::Google, Provider::Azure] {
            let scheme = provider.scheme();
            let rest = text.strip_prefix(scheme);
            if let Some(rest) = rest.and_then(|rest| rest.strip_prefix("://")) {
                return Self::from_bucket(provider, rest);
            }
        }
        let url = Url::parse(text).map_err(|_| UrlError::NotAUrl { text: text.into() })?;
        if url.scheme() != "file" {
            return Err(UrlError::UnknownScheme {
                scheme: url.scheme().into(),
            });
        }
        let not_local = || UrlError::NotLocal { text: text.into() };
        let rooted = text["file:".len()..].starts_with('/');
        if !rooted || url.query().is_some() || url.fragment().is_some() {
            return Err(not_local());
        }
        let path = url.to_file_path().map_err(|()| not_local())?;
        Self::from_local_path(&path)
    }
}

/// As a URL: `file:///var/backups/kafka`, `s3://bucket/prefix`.
impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RepositoryUrl, UrlError> {
        text.parse()
    }

    #[test]
    fn a_bare_absolute_path_is_a_file_url() {
        for text in [
            "file:///var/back ups/k",
            "/var/back ups/k",
            "/var//back ups/./k/",
        ] {
            let url = parse(text).unwrap();
            let folder = Place::Folder("/var/back ups/k".into());
            assert_eq!(url.place(), &folder, "{text}");
            assert_eq!(url.to_string(), "file:///var/back%20ups/k");
        }
        let again = parse("file:///var/back%20ups/k").unwrap();
        assert_eq!(again, parse("/var/back ups/k").unwrap());
    }

    #[test]
    fn a_bucket_and_a_prefix_are_read_from_every_kind_of_store() {
        for (text, provider, prefix, shown) in [
            ("s3://b-1/x/y", Provider::S3, "x/y", "s3://b-1/x/y"),
            ("s3://b-1//x//y/", Provider::S3, "x/y", "s3://b-1/x/y"),
            ("gs://b-1", Provider::Google, "", "gs://b-1"),
            ("az://b-1/", Provider::Azure, "", "az://b-1"),
        ] {
            let url = parse(text).unwrap();
            let bucket = Bucket {
                provider,
                name: "b-1".to_owned(),
                prefix: prefix.to_owned(),
            };
            assert_eq!(url.place(), &Place::Bucket(bucket), "{text}");
            assert_eq!(url.to_string(), shown);
            assert_eq!(parse(shown).unwrap(), url);
        }
    }

    #[test]
    fn what_is_no_bucket_is_refused_and_a_key_in_it_is_not_shown() {
        for text in [
            "s3://",
            "s3:///prefix",
            "s3://AKIA:hunter2@bucket/x",
            "az://bucket/x?sig=hunter2",
            "gs://bucket:9000/x#hunter2",
            "s3://bucket/./x",
            "s3://bucket/x y",
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, UrlError::NotABucket { .. }),
                "{text}: {error}"
            );
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn other_schemes_are_refused_by_name() {
        for text in ["ftp://x/y", "https://bucket.s3.amazonaws.com", "S3://x"] {
            assert!(
                matches!(parse(text), Err(UrlError::UnknownScheme { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            parse("backups/kafka"),
            Err(UrlError::NotAUrl { .. })
        ));
        assert!(matches!(parse(""), Err(UrlError::NotAUrl { .. })));
    }

    #[test]
    fn a_host_a_query_or_a_way_up_is_refused() {
        for text in ["file://host/x", "file:relative", "file:///x?y=1"] {
            assert!(
                matches!(parse(text), Err(UrlError::NotLocal { .. })),
                "{text}"
            );
        }
        for text in ["/var/../etc", "file:///var/../etc", "s3://b/x/../y"] {
            assert!(
                matches!(parse(text), Err(UrlError::GoesUp { .. })),
                "{text}"
            );
        }
    }
}
