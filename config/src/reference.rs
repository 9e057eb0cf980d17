//! The text of `README.md`, from the same tables that the loader uses.

use std::fmt::Write;

use lifeboat_archive::words::ByteSize;

use crate::{BackupSettings, kafka, store_options};

/// A key of the file: section, key, default, what it is.
struct Key {
    section: &'static str,
    name: &'static str,
    default: String,
    about: &'static str,
}

fn key(section: &'static str, name: &'static str, default: &str, about: &'static str) -> Key {
    Key {
        section,
        name,
        default: default.to_owned(),
        about,
    }
}

fn keys() -> Vec<Key> {
    let mut keys = section_keys();
    keys.extend(backup_keys(&BackupSettings::default()));
    keys.extend(repository_keys());
    keys.extend(secret_keys());
    keys
}

/// The sections.
fn section_keys() -> Vec<Key> {
    vec![
        key(
            "",
            "kafka",
            "",
            "the protected cluster: Kafka properties, one a line (below)",
        ),
        key(
            "",
            "targets",
            "",
            "other clusters by name, each with Kafka properties; chosen by `--target NAME`",
        ),
        key("", "repository", "", "where the snapshots are"),
        key(
            "",
            "repositories",
            "",
            "other repositories by name, each with the keys of `repository`: `--to NAME` copies to it, `--repository NAME` \
             works with it",
        ),
        key("", "encryption", "", "to whom what is stored is encrypted"),
        key("", "backup", "", "how a backup is made"),
    ]
}

/// How a backup is made.
fn backup_keys(defaults: &BackupSettings) -> Vec<Key> {
    vec![
        key(
            "backup",
            "topics",
            "",
            "which topics are saved; those that Kafka marks internal never are",
        ),
        key(
            "backup",
            "memory",
            &mebibytes(defaults.memory),
            "the sum of all buffers; `--memory`",
        ),
        key(
            "backup",
            "segment-size",
            &mebibytes(defaults.segment_size),
            "a segment ends at this many bytes as Kafka stores them",
        ),
        key(
            "backup",
            "archive-size",
            &mebibytes(defaults.archive_size),
            "an archive ends at about this many compressed bytes",
        ),
        key(
            "backup",
            "compression-level",
            &defaults.compression_level.to_string(),
            "zstd's level, 1 to 19: 3 takes a fifth to a half longer, and archives are about as large",
        ),
        key(
            "backup",
            "batches",
            &defaults.batches.to_string(),
            "`verbatim`: as Kafka stores them; `repack`: without the compression of their own, which makes smaller archives \
             of topics compressed with lz4, snappy or gzip, takes more time, and is undone by restores; `--batches`",
        ),
        key(
            "backup",
            "max-rate",
            "no limit",
            "bytes read a second at most, as Kafka stores them, over all connections; `--max-rate`",
        ),
        key(
            "backup",
            "max-connections",
            &defaults.max_connections.to_string(),
            "connections to each broker that data are read by, 1 to 32; one more is for questions; `--max-connections`",
        ),
        key(
            "backup",
            "retry-deadline",
            &defaults.retry_deadline.to_string(),
            "how long a partition may be without a leader, or its leader behind, before the rest of it is a gap; \
             `--retry-deadline`",
        ),
        key(
            "backup",
            "progress-interval",
            &defaults.progress_interval.to_string(),
            "so often it is noted what is stored: the next backup goes on from there if this one does not finish; \
             `--progress-interval`",
        ),
        key(
            "backup",
            "exact-credentials",
            "not read",
            "where the keys of SCRAM users and sensitive settings of brokers are read; they are stored only sealed",
        ),
        key(
            "backup.topics",
            "include",
            "`[\"*\"]`",
            "patterns of which one must match the whole name; `--topics`",
        ),
        key(
            "backup.topics",
            "exclude",
            "`[]`",
            "patterns of which none may match; `--exclude`",
        ),
    ]
}

/// Where snapshots go.
fn repository_keys() -> Vec<Key> {
    vec![
        key(
            "repository",
            "url",
            "",
            "`file:///absolute/path`, or just the path; `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`; \
             `--repository`",
        ),
        key(
            "repository",
            "options",
            "",
            "what the store is told besides, one a line (below)",
        ),
        key(
            "repository",
            "storage-class",
            "the bucket's",
            "the class of archives, the large objects (`STANDARD_IA`, `GLACIER_IR`, `NEARLINE`, `Cool`); one that is read at once",
        ),
    ]
}

/// What is sealed, and to whom.
fn secret_keys() -> Vec<Key> {
    vec![
        key(
            "encryption",
            "recipients",
            "`[]`",
            "age recipients (`age1…`, what `age-keygen` prints), to each of whom records, documents and credentials are encrypted; \
             `--recipient`",
        ),
        key(
            "encryption",
            "data",
            "`true` with recipients",
            "`false`: only credentials are encrypted, records and documents stay readable; `--plain-data`",
        ),
        key(
            "encryption",
            "identities",
            "`[]`",
            "`{ file: PATH }` each, a file of `age-keygen`: what opens what is encrypted, where snapshots are restored and \
             verified; who backs up needs none; `--identity`",
        ),
        key(
            "backup.exact-credentials",
            "controllers",
            "",
            "from the controllers: `host:port,…` of their own listener, or `discover` to ask the brokers (Kafka 3.9 and newer); \
             takes ClusterAction on the cluster; `--controllers`",
        ),
        key(
            "backup.exact-credentials",
            "kafka",
            "",
            "Kafka properties for that listener, over those of `kafka`; `--controller-config`",
        ),
        key(
            "backup.exact-credentials",
            "metadata-dir",
            "",
            "from the disk of any node: its `metadata.log.dir` (or the first of `log.dirs`), mounted read-only; `--metadata-dir`",
        ),
    ]
}

fn mebibytes(size: ByteSize) -> String {
    format!("{}MiB", size.0 >> 20)
}

const HEAD: &str = "\
# Configuration

Lifeboat reads one YAML file, named by `--config` or `LIFEBOAT_CONFIG`. Every command also runs without one: what can
be said by a flag needs no file, and flags win over `LIFEBOAT_*` variables, which win over the file.
`lifeboat config check` reads the file and tells everything that is wrong in it, with line and column;
`lifeboat config show` prints what a command would work with, secrets masked.

- A key that is not known is refused, never passed over.
- `${VAR}` in any value is replaced by the environment variable; one that is not set is an error. `$${` is a literal
  `${`.
- Wherever a Kafka property or a store's option takes a text, `{ file: PATH }` takes it from a file instead (a
  mounted secret), and the value is never shown. A relative path starts at the configuration file's folder.
- Sizes are written `64MiB` (powers of 1024), `64MB` (powers of 1000) or as a number of bytes.
- Patterns are globs over the whole topic name: `orders*`, `{orders,payments}-?`, `[a-c]*`.

`examples/` holds complete files; each is loaded by a test. This page is generated from the code
(`UPDATE_REFERENCE=1 cargo test -p lifeboat-config`).
";

const STORE_HEAD: &str = "
## Options of stores

`repository.options` takes those of the store that `repository.url` names; each of `repositories` has options of its own,
which count wherever its address is named, too. What is not said there is taken from the
environment: `AWS_*` (also `AWS_ENDPOINT_URL`, `AWS_DEFAULT_REGION` and what ECS and EKS set), `GOOGLE_*` and
`AZURE_*`, the same names in upper case. An option wins over its variable, and with one credential among the options no
credential of the environment counts. Without any, S3 asks the machine that it runs on (EC2, ECS, EKS), Google its
metadata server, Azure its managed identity; `~/.aws` and `AWS_PROFILE` are not read. Certificates are checked against
the system's authorities; `SSL_CERT_FILE` names others.

| option | what it is |
|---|---|
";

/// The reference of everything that a configuration file can say, as Markdown.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## Keys\n\n| key | default | what it is |\n|---|---|---|\n");
    for key in keys() {
        let dot = if key.section.is_empty() { "" } else { "." };
        let Key {
            section,
            name,
            default,
            about,
        } = key;
        writeln!(text, "| `{section}{dot}{name}` | {default} | {about} |")
            .expect("a string takes any text");
    }
    text.push_str(
        "\n## Kafka properties\n\nThe names of Kafka's own clients and librdkafka's names are both understood. A \
         property that Lifeboat could not honour is\nan error that names it. `--command-config FILE` takes the same properties \
         from a `.properties` file, as Kafka's own\ntools do. Paths start at the configuration file's folder; those of \
         a `.properties` file where Lifeboat runs.\n\n| property | also | what it is |\n|---|---|---|\n",
    );
    for (name, aliases, about) in kafka::reference() {
        let also: Vec<_> = aliases.iter().map(|alias| format!("`{alias}`")).collect();
        writeln!(text, "| `{name}` | {} | {about} |", also.join(", "))
            .expect("a string takes any text");
    }
    text.push_str(STORE_HEAD);
    for (name, about) in store_options::option_reference() {
        writeln!(text, "| `{name}` | {about} |").expect("a string takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Surroundings, load, parse};

    #[test]
    fn the_readme_is_the_generated_reference() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&path, reference()).unwrap();
        }
        let readme = std::fs::read_to_string(&path).unwrap();
        assert!(
            readme == reference(),
            "README.md is stale: run this test with UPDATE_REFERENCE=1"
        );
    }

    #[test]
    fn the_reference_lists_exactly_the_keys_that_are_read() {
        let wrong = "xxxxxxxxxxxx: 1";
        for (section, text) in [
            ("", wrong.to_owned()),
            ("repository", format!("repository: {{ {wrong} }}")),
            (
                "repository",
                format!("repositories: {{ x: {{ {wrong} }} }}"),
            ),
            ("encryption", format!("encryption: {{ {wrong} }}")),
            ("backup", format!("backup: {{ {wrong} }}")),
            (
                "backup.exact-credentials",
                format!("backup: {{ exact-credentials: {{ {wrong} }} }}"),
            ),
            (
                "backup.topics",
                format!("backup: {{ topics: {{ {wrong} }} }}"),
            ),
        ] {
            let problems = parse(&text, Path::new(""), Surroundings::system()).unwrap_err();
            let listed: Vec<_> = keys()
                .into_iter()
                .filter(|key| key.section == section)
                .map(|key| key.name)
                .collect();
            let known = format!("known here: {}", listed.join(", "));
            assert_eq!(
                problems[0].hint.as_deref(),
                Some(known.as_str()),
                "{section:?}"
            );
        }
    }

    #[test]
    fn every_example_loads() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let surroundings = Surroundings {
            variable: &|name| match name {
                "POD_NAMESPACE" => Some("kafka".to_owned()),
                "BACKUP_VOLUME" => Some("/backups".to_owned()),
                _ => None,
            },
            // mounted secrets
            read_file: &|_| Ok("hunter2".to_owned()),
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let config = load(&path, surroundings).unwrap_or_else(|error| panic!("{error:?}"));
                assert!(
                    config.kafka.is_some() && config.repository.is_some(),
                    "{}",
                    path.display()
                );
                for kafka in config.kafka.iter().chain(config.targets.values()) {
                    kafka.security().unwrap();
                }
                names.push(path);
            }
        }
        assert!(names.len() >= 3, "{names:?}");
    }
}
