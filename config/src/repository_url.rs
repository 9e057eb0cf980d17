//! Where a repository is.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

/// A repository's address: `file:///var/backups/kafka`, or just the absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryUrl {
    path: PathBuf,
    url: Url,
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
    /// A store that this version does not know yet.
    #[error("{scheme}:// repositories are not supported yet, only file:// ones")]
    NotYet {
        /// Its scheme.
        scheme: String,
    },
    /// A scheme that no store has.
    #[error("{scheme:?} is not a kind of repository; known is file://")]
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
    /// The path goes up.
    #[error("{text:?} holds \"..\": write the path that is meant")]
    GoesUp {
        /// What was given.
        text: String,
    },
}

impl RepositoryUrl {
    /// The folder of a repository on the local file system.
    pub fn local_path(&self) -> &Path {
        &self.path
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
            Ok(url) => Ok(Self { path, url }),
            Err(()) => Err(UrlError::NotAUrl { text: text() }),
        }
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
            return Err(UrlError::GoesUp { text: text.into() });
        }
        let url = Url::parse(text).map_err(|_| UrlError::NotAUrl { text: text.into() })?;
        match url.scheme() {
            "file" => {}
            scheme @ ("s3" | "gs" | "az" | "abfs" | "abfss" | "http" | "https") => {
                return Err(UrlError::NotYet {
                    scheme: scheme.into(),
                });
            }
            scheme => {
                return Err(UrlError::UnknownScheme {
                    scheme: scheme.into(),
                });
            }
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

/// As a URL: `file:///var/backups/kafka`.
impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
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
            assert_eq!(url.local_path(), Path::new("/var/back ups/k"), "{text}");
            assert_eq!(url.to_string(), "file:///var/back%20ups/k");
        }
        let again = parse("file:///var/back%20ups/k").unwrap();
        assert_eq!(again.local_path(), Path::new("/var/back ups/k"));
    }

    #[test]
    fn other_stores_are_refused_by_name() {
        assert_eq!(
            parse("s3://bucket/prefix").unwrap_err().to_string(),
            "s3:// repositories are not supported yet, only file:// ones"
        );
        assert!(matches!(
            parse("ftp://x/y"),
            Err(UrlError::UnknownScheme { .. })
        ));
        assert!(matches!(
            parse("backups/kafka"),
            Err(UrlError::NotAUrl { .. })
        ));
        assert!(matches!(parse(""), Err(UrlError::NotAUrl { .. })));
    }

    #[test]
    fn a_host_a_query_or_a_way_up_is_refused() {
        assert!(matches!(
            parse("file://host/x"),
            Err(UrlError::NotLocal { .. })
        ));
        assert!(matches!(
            parse("file:relative"),
            Err(UrlError::NotLocal { .. })
        ));
        assert!(matches!(
            parse("file:///x?y=1"),
            Err(UrlError::NotLocal { .. })
        ));
        assert!(matches!(parse("/var/../etc"), Err(UrlError::GoesUp { .. })));
        assert!(matches!(
            parse("file:///var/../etc"),
            Err(UrlError::GoesUp { .. })
        ));
    }
}
