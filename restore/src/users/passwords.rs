//! Passwords from files, and new ones into a file.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use lifeboat_config::{Secret, properties_pairs};
use rand::RngExt;
use zeroize::Zeroizing;

use crate::new_file;

/// The key of a password in a Secret of Strimzi's, and of most others.
const KEY: &str = "password";
/// 24 of 62: 143 bits.
const NEW_LENGTH: usize = 24;
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The passwords of users.
#[derive(Clone, Default)]
pub struct Passwords(BTreeMap<String, Secret>);

// of whom they are is nobody's business either
impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passwords", self.0.len())
    }
}

/// Why passwords can't be read or written. Never shows one.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Something can't be read.
    #[error("can't read {}: {source}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not one of passwords.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1; 0 where it is the file as a whole.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// There is none.
    #[error("{} holds no password", path.display())]
    None {
        /// Where.
        path: PathBuf,
    },
    /// The new file can't be made.
    #[error("can't write {}: {source}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Passwords {
    /// Reads a file of `user=password` lines, as Java's `.properties` files are written; or a folder of mounted Kubernetes
    /// Secrets: `<user>/password`, as Strimzi has them, or `<user>`.
    pub fn read(path: &Path) -> Result<Self, PasswordError> {
        let kind = fs::metadata(path).map_err(|source| unreadable(path, source))?;
        let passwords = if kind.is_dir() {
            folder(path)?
        } else {
            file(path)?
        };
        if passwords.is_empty() {
            return Err(PasswordError::None {
                path: path.to_owned(),
            });
        }
        Ok(Self(passwords))
    }

    /// The password of a user.
    pub fn get(&self, user: &str) -> Option<&Secret> {
        self.0.get(user)
    }

    /// Those whose passwords they are.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, Secret)> for Passwords {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

fn unreadable(path: &Path, source: io::Error) -> PasswordError {
    PasswordError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn file(path: &Path) -> Result<BTreeMap<String, Secret>, PasswordError> {
    let wrong = |line, problem| PasswordError::Line {
        path: path.to_owned(),
        line,
        problem,
    };
    let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    let pairs = properties_pairs(&text).map_err(|_| wrong(0, "not a file of properties"))?;
    let mut passwords = BTreeMap::new();
    for pair in pairs {
        if pair.value.expose().is_empty() {
            return Err(wrong(pair.line, "a user without a password"));
        }
        if passwords.insert(pair.name, pair.value).is_some() {
            return Err(wrong(pair.line, "a user who has a password already"));
        }
    }
    Ok(passwords)
}

fn folder(path: &Path) -> Result<BTreeMap<String, Secret>, PasswordError> {
    let mut passwords = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(|source| unreadable(path, source))? {
        let entry = entry.map_err(|source| unreadable(path, source))?;
        let name = entry.file_name();
        // what a mount itself is made of: ..data, ..2026_11_22
        let Some(user) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let mut place = entry.path();
        // links are followed: a mounted key is one
        let kind = fs::metadata(&place).map_err(|source| unreadable(&place, source))?;
        if kind.is_dir() {
            place.push(KEY);
        }
        let text = fs::read_to_string(&place).map_err(|source| unreadable(&place, source))?;
        // editors and `kubectl create secret` differ on a last line end; no password ends in one
        let password = Secret::new(text.trim_end_matches(['\n', '\r']));
        if password.expose().is_empty() {
            return Err(PasswordError::None { path: place });
        }
        passwords.insert(user.to_owned(), password);
    }
    Ok(passwords)
}

/// A new password, of letters and digits.
pub fn generate_password() -> Secret {
    let mut random = rand::rng();
    let letter = |_| char::from(LETTERS[random.random_range(0..LETTERS.len())]);
    Secret::new((0..NEW_LENGTH).map(letter).collect::<String>())
}

/// Writes `user=password` lines into a new file that only its owner can read; it is on the disk when this returns.
pub fn write_passwords(
    path: &Path,
    passwords: &BTreeMap<String, Secret>,
) -> Result<(), PasswordError> {
    let mut lines = Zeroizing::new(String::new());
    for (user, password) in passwords {
        lines.push_str(&escaped(user));
        lines.push('=');
        lines.push_str(&escaped(password.expose()));
        lines.push('\n');
    }
    new_file::create(path, 0o600, lines.as_bytes()).map_err(|source| PasswordError::Unwritable {
        path: path.to_owned(),
        source,
    })
}

/// As a `.properties` file has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, ' ' | '=' | ':' | '#' | '!' | '\\') {
            escaped.push('\\');
        }
        match letter {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn pairs(passwords: &Passwords) -> Vec<(&str, &str)> {
        let pairs = passwords.0.iter();
        pairs
            .map(|(user, password)| (user.as_str(), password.expose()))
            .collect()
    }

    #[test]
    fn a_file_holds_a_user_and_a_password_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        fs::write(&path, "# mine\nalice=pa=ss \\#1\nCN\\=bob,\\ x = hush\n").unwrap();
        let passwords = Passwords::read(&path).unwrap();
        assert_eq!(
            pairs(&passwords),
            [("CN=bob, x", "hush"), ("alice", "pa=ss #1")]
        );
        assert_eq!(format!("{passwords:?}"), "2 passwords");
    }

    #[test]
    fn a_file_with_a_mistake_is_refused_by_its_line_and_without_its_contents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        for (text, told) in [
            ("a=s3cr3t\nb=\n", "line 2: a user without a password"),
            ("a=s3cr3t\na=other\n", "line 2: a user who has"),
            ("a=\\us3cr3t\n", "line 0: not a file of properties"),
            ("# nothing\n", "holds no password"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Passwords::read(&path).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn a_folder_holds_secrets_as_kubernetes_mounts_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("alice/..data")).unwrap();
        fs::write(at("alice/..data/password"), "one\n").unwrap();
        symlink("..data/password", at("alice/password")).unwrap();
        fs::write(at("alice/sasl.jaas.config"), "whatever").unwrap();
        fs::create_dir_all(at("..2026")).unwrap();
        fs::write(at("bob"), "two ").unwrap();
        let passwords = Passwords::read(folder.path()).unwrap();
        assert_eq!(pairs(&passwords), [("alice", "one"), ("bob", "two ")]);
        fs::create_dir(at("carol")).unwrap();
        let error = Passwords::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("carol/password"), "{error}");
    }

    #[test]
    fn new_passwords_are_written_once_for_their_owner_alone_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let password = generate_password();
        assert_eq!(password.expose().len(), NEW_LENGTH);
        assert_ne!(password, generate_password());
        let passwords = BTreeMap::from([
            ("CN=al ice:#\\".to_owned(), password),
            ("ünder".to_owned(), Secret::new(" x y\t")),
        ]);
        write_passwords(&path, &passwords).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Passwords::read(&path).unwrap().0, passwords);
        let error = write_passwords(&path, &passwords).unwrap_err();
        assert!(error.to_string().contains("exists"), "{error}");
    }
}
