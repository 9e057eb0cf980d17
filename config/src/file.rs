//! `lifeboat.yaml`: from text to a [`ResolvedConfig`], or to every problem with its place.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use lifeboat_archive::words::ByteSize;
use serde::de::DeserializeOwned;

use crate::{
    ExactCredentials, KafkaProperties, RepositoryLocation, RepositoryUrl, ResolvedConfig, Secret,
    StoreOptions,
    file::{
        expand::expand,
        shape::{
            BackupSection, EncryptionSection, ExactCredentialsSection, File, Pairs, Place, Placed,
            RepositorySection, Text,
        },
    },
    suggestion::closest,
};

mod expand;
mod shape;

/// What a configuration file may refer to, besides itself.
#[derive(Clone, Copy)]
pub struct Surroundings<'s> {
    /// Environment variables.
    pub variable: &'s dyn Fn(&str) -> Option<String>,
    /// Files with secrets.
    pub read_file: &'s dyn Fn(&Path) -> io::Result<String>,
}

impl Surroundings<'static> {
    /// The process's environment and the local files.
    pub fn system() -> Self {
        Self {
            variable: &|name| std::env::var(name).ok(),
            read_file: &|path| std::fs::read_to_string(path),
        }
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surroundings")
    }
}

/// One thing that is wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 where it is the file as a whole.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The key, `backup.memory`, or empty.
    pub key: String,
    /// What is wrong. Never holds the value of a secret.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

/// Why a configuration file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It can't be read at all.
    #[error("can't read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds mistakes; all that were found.
    #[error("{} is not a usable configuration", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, by line.
        problems: Vec<Problem>,
    },
}

/// Loads the configuration file at `path`.
pub fn load(path: &Path, surroundings: Surroundings<'_>) -> Result<ResolvedConfig, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder, surroundings).map_err(|problems| LoadError::Invalid {
        path: path.to_owned(),
        problems,
    })
}

/// Reads a configuration from `text`; relative paths in it start at `folder`.
pub fn parse(
    text: &str,
    folder: &Path,
    surroundings: Surroundings<'_>,
) -> Result<ResolvedConfig, Vec<Problem>> {
    let file: File = match read_yaml(text) {
        Ok(file) => file,
        Err(problem) => return Err(vec![*problem]),
    };
    let mut resolver = Resolver {
        folder,
        surroundings,
        problems: Vec::new(),
    };
    let config = resolver.config(file);
    let mut problems = resolver.problems;
    if problems.is_empty() {
        return Ok(config);
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(problems)
}

/// Reads YAML into its shape; the error says where and, for an unknown key, what was probably meant.
fn read_yaml<T: DeserializeOwned + Default>(text: &str) -> Result<T, Box<Problem>> {
    let options = serde_saphyr::options! {
        with_snippet: false,
    };
    // a file of comments only is an empty configuration
    match serde_saphyr::from_str_with_options::<Option<T>>(text, options) {
        Ok(file) => Ok(file.unwrap_or_default()),
        Err(error) => Err(Box::new(yaml_problem(&error))),
    }
}

fn yaml_problem(error: &serde_saphyr::Error) -> Problem {
    let error = error.without_snippet();
    let (line, column) = error
        .location()
        .map_or((0, 0), |place| (place.line(), place.column()));
    let (key, problem, hint) = match error {
        serde_saphyr::Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let hint = match closest(field, expected.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known here: {}", expected.join(", ")),
            };
            (field.clone(), "unknown key".to_owned(), Some(hint))
        }
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => (
            key.clone().unwrap_or_default(),
            "given twice".to_owned(),
            None,
        ),
        // the library's texts end in their own rendering of the place
        other => {
            let text = other.render();
            let cut = text.find(" at line ").unwrap_or(text.len());
            (String::new(), text[..cut].to_owned(), None)
        }
    };
    Problem {
        line,
        column,
        key,
        problem,
        hint,
    }
}

struct Resolver<'r> {
    folder: &'r Path,
    surroundings: Surroundings<'r>,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn config(&mut self, file: File) -> ResolvedConfig {
        let mut config = ResolvedConfig::default();
        if let Some(section) = file.kafka {
            config.kafka = Some(self.kafka("kafka", section));
        }
        for (name, section) in file.targets.unwrap_or_default() {
            let properties = self.kafka(&format!("targets.{name}"), section);
            config.targets.insert(name, properties);
        }
        if let Some(section) = file.repository {
            (config.repository, config.store) = self.repository("repository", section);
        }
        for (name, section) in file.repositories.unwrap_or_default() {
            let location = self.named_repository(&name, section);
            config
                .repositories
                .extend(location.map(|there| (name, there)));
        }
        if let Some(section) = file.encryption {
            self.encryption(section, &mut config);
        }
        if let Some(mut section) = file.backup {
            if let Some(exact) = section.exact_credentials.take() {
                config.backup.exact_credentials = self.exact_credentials(exact);
            }
            self.backup(&section, &mut config);
        }
        config
    }

    fn encryption(&mut self, section: EncryptionSection, config: &mut ResolvedConfig) {
        let recipients = section.recipients.as_deref();
        config.recipients = self.list("encryption.recipients", recipients);
        config.seal_data = section.data.map(|data| data.value);
        for identity in section.identities.unwrap_or_default() {
            let path = match &identity.value {
                Text::File(path) => expand(path, self.surroundings.variable),
                Text::Plain(_) => {
                    Err("not { file: PATH }: an identity stands in a file of its own".to_owned())
                }
            };
            match path {
                // not read here: who backs up has the same file of settings, and no identity
                Ok(path) => config.identities.push(self.folder.join(path)),
                Err(problem) => {
                    self.problem(identity.place, "encryption.identities", problem, None);
                }
            }
        }
    }

    fn named_repository(
        &mut self,
        name: &str,
        section: Placed<RepositorySection>,
    ) -> Option<RepositoryLocation> {
        let at = format!("repositories.{name}");
        // a name must not be taken for an address, nor an address for a name
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            let problem = "a name has letters, digits, '-', '_' and '.' only".to_owned();
            self.problem(section.place, &at, problem, None);
        }
        if section.value.url.is_none() {
            let hint = Some("say where it is: url: s3://BUCKET/PREFIX".to_owned());
            self.problem(section.place, &at, "no url".to_owned(), hint);
        }
        let (url, options) = self.repository(&at, section.value);
        Some(RepositoryLocation { url: url?, options })
    }

    /// A repository's address, and what its store is told besides.
    fn repository(
        &mut self,
        at: &str,
        section: RepositorySection,
    ) -> (Option<RepositoryUrl>, StoreOptions) {
        let mut store = StoreOptions::default();
        let url = section.url;
        let url = url.and_then(|url| self.parsed::<RepositoryUrl>(&format!("{at}.url"), &url));
        if let Some(class) = section.storage_class {
            let set = expand(&class.value, self.surroundings.variable)
                .map_err(|problem| (problem, None))
                .and_then(|text| {
                    let set = store.set_storage_class(&text);
                    set.map_err(|error| (error.problem, error.hint))
                });
            if let Err((problem, hint)) = set {
                self.problem(class.place, &format!("{at}.storage-class"), problem, hint);
            }
        }
        for (name, value) in section.options.map(|pairs| pairs.0).unwrap_or_default() {
            let key = format!("{at}.options.{}", name.value);
            let is_path = StoreOptions::is_path(&name.value);
            let Some((text, hidden)) = self.value(&key, &value, is_path) else {
                continue;
            };
            let set = if hidden {
                store.set_secret(&name.value, &Secret::new(text))
            } else {
                store.set(&name.value, &text)
            };
            if let Err(error) = set {
                self.problem(name.place, &key, error.problem, error.hint);
                continue;
            }
            let of = url.as_ref().map(RepositoryUrl::provider);
            if let Some(provider) = of
                && !StoreOptions::fits(&name.value, provider)
            {
                let problem = format!("not an option of the store that {at}.url names");
                self.problem(name.place, &key, problem, None);
            }
        }
        (url, store)
    }

    /// The text of a value, and whether it must not be shown; `None` where it can't be had, which is told.
    fn value(&mut self, key: &str, value: &Placed<Text>, is_path: bool) -> Option<(String, bool)> {
        let text = match &value.value {
            Text::Plain(text) => expand(text, self.surroundings.variable)
                .map(|text| (self.placed(is_path, text), false)),
            Text::File(path) => self
                .secret(path)
                .map(|secret| (secret.expose().to_owned(), true)),
        };
        match text {
            Ok(text) => Some(text),
            Err(problem) => {
                self.problem(value.place, key, problem, None);
                None
            }
        }
    }

    fn kafka(&mut self, at: &str, section: Pairs) -> KafkaProperties {
        let mut properties = KafkaProperties::default();
        for (name, value) in section.0 {
            let key = format!("{at}.{}", name.value);
            let name_of = &name.value;
            let is_path = KafkaProperties::is_path(name_of);
            let Some((text, hidden)) = self.value(&key, &value, is_path) else {
                continue;
            };
            let set = properties.check_spelling(name_of, &text).and_then(|()| {
                if hidden {
                    properties.set_secret(name_of, &Secret::new(text))
                } else {
                    properties.set(name_of, &text)
                }
            });
            if let Err(error) = set {
                self.problem(name.place, &key, error.problem, error.hint);
            }
        }
        properties
    }

    /// Paths start at the configuration file's folder.
    fn placed(&self, is_path: bool, text: String) -> String {
        if is_path && !text.trim().is_empty() {
            self.folder.join(text.trim()).display().to_string()
        } else {
            text
        }
    }

    fn secret(&self, path: &str) -> Result<Secret, String> {
        let path = self.folder.join(expand(path, self.surroundings.variable)?);
        let text = (self.surroundings.read_file)(&path)
            .map_err(|error| format!("can't read {}: {error}", path.display()))?;
        // editors and `kubectl create secret` differ on a last line end; no secret ends in one
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Err(format!("{} is empty", path.display()));
        }
        Ok(Secret::new(text))
    }

    fn backup(&mut self, section: &BackupSection, config: &mut ResolvedConfig) {
        let backup = &mut config.backup;
        if let Some(topics) = &section.topics {
            backup.topics.include = self.list("backup.topics.include", topics.include.as_deref());
            backup.topics.exclude = self.list("backup.topics.exclude", topics.exclude.as_deref());
        }
        let mut size = |key: &str, given: &Option<Placed<String>>, setting: &mut ByteSize| {
            if let Some(size) = given.as_ref().and_then(|text| self.parsed(key, text)) {
                *setting = size;
            }
        };
        size("backup.memory", &section.memory, &mut backup.memory);
        size(
            "backup.segment-size",
            &section.segment_size,
            &mut backup.segment_size,
        );
        size(
            "backup.archive-size",
            &section.archive_size,
            &mut backup.archive_size,
        );
        if let Some(text) = &section.max_rate {
            backup.max_rate = self.parsed("backup.max-rate", text);
        }
        if let Some(text) = &section.retry_deadline
            && let Some(span) = self.parsed("backup.retry-deadline", text)
        {
            backup.retry_deadline = span;
        }
        if let Some(text) = &section.progress_interval
            && let Some(span) = self.parsed("backup.progress-interval", text)
        {
            backup.progress_interval = span;
        }
        if let Some(number) = &section.max_connections {
            backup.max_connections = number.value;
        }
        if let Some(text) = &section.batches
            && let Some(keeping) = self.parsed("backup.batches", text)
        {
            backup.batches = keeping;
        }
        if let Some(level) = &section.compression_level {
            backup.compression_level = level.value;
        }
        for (key, problem) in config.backup.problems() {
            let place = section.place_of(key);
            self.problem(place, &format!("backup.{key}"), problem, None);
        }
    }

    fn exact_credentials(&mut self, section: ExactCredentialsSection) -> ExactCredentials {
        let at = "backup.exact-credentials";
        if let (Some(_), Some(folder)) = (&section.controllers, &section.metadata_dir) {
            let problem = "contradicts controllers: one of them is enough".to_owned();
            self.problem(folder.place, &format!("{at}.metadata-dir"), problem, None);
        }
        let folder = section.metadata_dir;
        let folder = folder.and_then(|text| {
            self.parsed::<PathBuf>(&format!("{at}.metadata-dir"), &text)
                .map(|path| self.folder.join(path))
        });
        let controllers = section.controllers;
        ExactCredentials {
            controllers: controllers
                .and_then(|text| self.parsed(&format!("{at}.controllers"), &text)),
            kafka: section
                .kafka
                .map(|section| self.kafka(&format!("{at}.kafka"), section))
                .unwrap_or_default(),
            metadata_dir: folder,
        }
    }

    fn list<T>(&mut self, key: &str, texts: Option<&[Placed<String>]>) -> Vec<T>
    where
        T: std::str::FromStr<Err: fmt::Display>,
    {
        let texts = texts.unwrap_or_default();
        texts
            .iter()
            .filter_map(|text| self.parsed(key, text))
            .collect()
    }

    /// Expands and parses a text; `None` where that is a problem.
    fn parsed<T>(&mut self, key: &str, text: &Placed<String>) -> Option<T>
    where
        T: std::str::FromStr<Err: fmt::Display>,
    {
        let parsed = expand(&text.value, self.surroundings.variable)
            .and_then(|text| text.parse().map_err(|error: T::Err| error.to_string()));
        parsed
            .map_err(|problem| self.problem(text.place, key, problem, None))
            .ok()
    }

    fn problem(&mut self, place: Place, key: &str, problem: String, hint: Option<String>) {
        self.problems.push(Problem {
            line: place.line,
            column: place.column,
            key: key.to_owned(),
            problem,
            hint,
        });
    }
}

#[cfg(test)]
mod tests;
