//! `lifeboat diff`: what changed between a snapshot and another one, or the cluster as it is now.

use lifeboat_archive::{
    documents::diff::{Change, Edit, Kind, Sign, diff},
    manifest::Problem,
    words::TopicGlobs,
};
use lifeboat_kafka::{capture, wire::Cluster};
use lifeboat_repository::{Catalog, ClusterRepository};

use crate::{
    answer::Answer,
    exit::Exit,
    failure::Failure,
    flags::{DiffFlags, TopicFlags},
    render::diff::{DiffDocument, NotCompared, Side},
    session::Session,
    settings::choose,
};

use unseen::{View, unread_settings, unseen};

mod unseen;

/// The word for the cluster as it is now.
const LIVE: &str = "live";

pub(crate) async fn run(flags: &DiffFlags, session: &Session) -> Result<Answer, Failure> {
    let topics = TopicFlags {
        topics: flags.topics.clone(),
        exclude: flags.exclude.clone(),
    };
    let topics = choose(TopicGlobs::default(), &topics)?;
    let repository = session
        .cluster(&flags.repository, &flags.choice, &flags.identities)
        .await?;
    let catalog = repository.catalog().await?;
    let (from, before) = stored(&repository, &catalog, &flags.snapshot).await?;
    let kinds = if flags.only.is_empty() {
        Kind::ALL.to_vec()
    } else {
        flags.only.clone()
    };
    let mut not_compared = Vec::new();
    let (to, after) = match flags.until.as_deref() {
        None | Some(LIVE) => live(flags, session, &kinds, &mut not_compared).await?,
        Some(reference) => stored(&repository, &catalog, reference).await?,
    };
    for kind in &kinds {
        let mut sides = [(&from, &before), (&to, &after)].into_iter();
        let unknown = sides.find(|(_, view)| !kind.is_known(&view.documents));
        let is_told = not_compared.iter().any(|it| it.kind == *kind);
        if let (Some((side, _)), false) = (unknown, is_told) {
            not_compared.push(NotCompared {
                kind: *kind,
                reason: format!("{side} does not hold them"),
                // who asks for them by name wants to know them
                partial: !flags.only.is_empty(),
            });
        }
    }
    let mut changes = diff(&before.documents, &after.documents);
    changes.retain(|change| kinds.contains(&change.kind()) && is_about(change, &topics));
    let mut hide = |kind: Kind, side: &Side, problem: &Problem| {
        // a live cluster's problems are told already
        let reason = capture::without_saving(problem);
        if !not_compared.iter().any(|it| it.reason.ends_with(&reason)) {
            not_compared.push(NotCompared {
                kind,
                reason: format!("{side}: {reason}"),
                partial: true,
            });
        }
    };
    changes.retain(|change| {
        let Some(problem) = unseen(change, &before, &after) else {
            return true;
        };
        let side = match change.sign() {
            Sign::Added => &from,
            _ => &to,
        };
        hide(change.kind(), side, problem);
        false
    });
    if kinds.contains(&Kind::Configs) {
        for (side, view, other) in [(&from, &before, &after), (&to, &after, &before)] {
            let unread = unread_settings(view, other).into_iter();
            for (_, problem) in unread.filter(|(topic, _)| topics.choose(topic)) {
                hide(Kind::Configs, side, &problem);
            }
        }
    }
    not_compared.sort_by_key(|it| it.kind);
    let document = DiffDocument {
        from,
        to,
        changes,
        not_compared,
    };
    let exit = exit_of(&document, flags.exit_code);
    let now = session.clock.now();
    Ok(Answer::new(session, exit, &document, |document| {
        document.render(now, session.paint)
    }))
}

fn exit_of(document: &DiffDocument, wanted: bool) -> Exit {
    if wanted && !document.changes.is_empty() {
        return Exit::Differs;
    }
    // "nothing changed" must not be said of what nobody could look at
    if document.not_compared.iter().any(|it| it.partial) {
        Exit::Partial
    } else {
        Exit::Ok
    }
}

/// Whether a change is about the chosen topics; where none are chosen, all changes are meant.
fn is_about(change: &Change, topics: &TopicGlobs) -> bool {
    if topics.include.is_empty() && topics.exclude.is_empty() {
        return true;
    }
    match change {
        Change::Group {
            edit: Edit::Added { to: group } | Edit::Removed { from: group },
        } => {
            if group.offsets.is_empty() {
                return topics.include.is_empty();
            }
            let mut offsets = group.offsets.iter();
            offsets.any(|offset| topics.choose(&offset.topic))
        }
        other => match other.topic() {
            Some(topic) => topics.choose(topic),
            // who only leaves topics out wants the rest
            None => topics.include.is_empty(),
        },
    }
}

async fn stored(
    repository: &ClusterRepository,
    catalog: &Catalog,
    reference: &str,
) -> Result<(Side, View), Failure> {
    let commit = repository.resolve(catalog, reference).await?;
    let manifest = repository.manifest(&commit).await?;
    let documents = repository.documents(&manifest).await?;
    let side = Side {
        snapshot: Some(commit.snapshot.clone()),
        cluster_id: commit.cluster_id.clone(),
        at: commit.bounds_at,
    };
    let problems = manifest.problems;
    Ok((
        side,
        View {
            documents,
            problems,
        },
    ))
}

async fn live(
    flags: &DiffFlags,
    session: &Session,
    kinds: &[Kind],
    not_compared: &mut Vec<NotCompared>,
) -> Result<(Side, View), Failure> {
    let properties = session.settings.source(&flags.source).map_err(|failure| {
        failure.hint(
            "name the cluster with --bootstrap-servers or in the file of --config, or name a second snapshot",
        )
    })?;
    let cluster = Cluster::connect(&properties).await?;
    let now = session.clock.now();
    // the settings of topics stand with the topics
    let mut read = kinds.to_vec();
    if read.contains(&Kind::Configs) && !read.contains(&Kind::Topics) {
        read.push(Kind::Topics);
    }
    let live = capture::live(&cluster, &read, now).await?;
    not_compared.extend(live.problems.iter().map(|(kind, problem)| NotCompared {
        kind: *kind,
        reason: capture::without_saving(problem),
        partial: problem.partial,
    }));
    let side = Side {
        snapshot: None,
        cluster_id: cluster.cluster_id().to_owned(),
        at: now,
    };
    let problems = live.problems.into_iter().map(|(_, problem)| problem);
    let view = View {
        documents: live.documents,
        problems: problems.collect(),
    };
    Ok((side, view))
}
