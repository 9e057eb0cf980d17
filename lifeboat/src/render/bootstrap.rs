//! What a new cluster begins with.

use lifeboat_restore::bootstrap::{MetadataVersion, Report};

use super::{Paint, plural, safe};

/// For people.
pub(crate) fn render(report: &Report, paint: Paint) -> String {
    let done = if report.written {
        paint.good("written")
    } else {
        "would be written".to_owned()
    };
    let mut text = format!("{done} {}\n\n", report.file);
    let counts = report.counts;
    let version = MetadataVersion(report.metadata_version);
    for (name, value) in [
        ("snapshot", report.snapshot.to_string()),
        ("version", format!("metadata.version {version}")),
        ("users", plural(counts.credentials, "credential")),
        ("acls", counts.acls.to_string()),
        ("quotas", counts.quotas.to_string()),
        ("settings", counts.configs.to_string()),
        ("features", counts.features.to_string()),
    ] {
        text.push_str(&format!("  {name:<10}{value}\n"));
    }
    let notes = report.warnings.iter().map(|text| ("note", text.clone()));
    let missing = report
        .left_out
        .iter()
        .map(|left| ("missing", format!("{}: {}", left.subject, left.problem)));
    for (at, (kind, line)) in notes.chain(missing).enumerate() {
        if at == 0 {
            text.push('\n');
        }
        text.push_str(&format!("  {kind}  {}\n", safe(&line)));
    }
    if report.written && !report.has_meta_properties {
        text.push_str(
            "\nbeside it must stand a meta.properties, or formatting the folder overwrites the checkpoint \
             (--cluster-id and --node-id write it):\n\n  version=1\n  cluster.id=<the new cluster's id>\n  node.id=<the node's id>\n",
        );
    }
    if report.written {
        text.push_str(
            "\nit holds secrets and belongs to the user that runs Kafka; every controller of the new cluster needs the same\n",
        );
    }
    text
}

#[cfg(test)]
mod tests;
