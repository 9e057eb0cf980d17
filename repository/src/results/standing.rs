//! What the results of a snapshot come to. A pure function of them.

use std::collections::BTreeMap;

use lifeboat_archive::{
    results::{Level, ProofKind, ProofOutcome, ProofResult, Subset},
    words::Timestamp,
};
use serde::{Deserialize, Serialize};

/// How a snapshot stands by its results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether all of it was proven, by `verify --level batches` or deeper or by a rehearsal, and nothing worse was found
    /// since: what `latest-verified` goes by.
    pub verified: bool,
    /// What the result came to that says most about it.
    pub outcome: ProofOutcome,
    /// What was done.
    pub kind: ProofKind,
    /// How deep was looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Which archives were looked at; missing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// Only some topics, or a sample, were looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub some_topics: bool,
    /// When it ended; of parts that come to the whole, the oldest of them.
    pub at: Timestamp,
}

impl Standing {
    fn of(result: &ProofResult, verified: bool) -> Self {
        Self {
            verified,
            outcome: result.outcome,
            kind: result.kind,
            level: result.level,
            subset: result.subset,
            some_topics: result.topics.is_some() || result.sample_percent.is_some(),
            at: result.finished_at,
        }
    }
}

/// What `results` come to, in whatever order; `None` where there is none that says anything of the snapshot itself.
pub fn standing(results: &[ProofResult]) -> Option<Standing> {
    // a comparison says where a cluster stands, which goes on
    let mut proofs: Vec<_> = results
        .iter()
        .filter(|result| result.kind != ProofKind::Compare)
        .cloned()
        .collect();
    proofs.extend(wholes(&proofs));
    proofs.sort_by_key(|proof| std::cmp::Reverse(proof.finished_at));
    // however little was looked at: what is wrong there is wrong with the snapshot
    for worst in [ProofOutcome::Damaged, ProofOutcome::Differs] {
        let mut found = proofs.iter().filter(|proof| proof.outcome == worst);
        if let Some(found) = found.find(|proof| !is_mended(proof, &proofs)) {
            return Some(Standing::of(found, false));
        }
    }
    // what could not be looked at says nothing against what was seen before
    let decisive = proofs.iter().find(|proof| {
        proof.is_of_everything()
            && depth(proof) >= Level::Batches
            && proof.outcome != ProofOutcome::Incomplete
    });
    if let Some(decisive) = decisive {
        let verified = decisive.outcome == ProofOutcome::Ok;
        return Some(Standing::of(decisive, verified));
    }
    let good = proofs
        .iter()
        .find(|proof| proof.outcome == ProofOutcome::Ok);
    let told = good.or(proofs.first())?;
    Some(Standing::of(told, false))
}

/// A rehearsal checks all that it restores batch by batch.
fn depth(proof: &ProofResult) -> Level {
    proof.level.unwrap_or(match proof.kind {
        ProofKind::Rehearse => Level::Batches,
        ProofKind::Verify | ProofKind::Compare => Level::Objects,
    })
}

/// Whether a later proof that looked at the same or more, as deep or deeper, found nothing any more: objects can be put
/// back from a copy.
fn is_mended(found: &ProofResult, proofs: &[ProofResult]) -> bool {
    proofs.iter().any(|later| {
        let same = later.subset == found.subset && later.topics == found.topics;
        let same = same && later.sample_percent.is_none();
        later.outcome == ProofOutcome::Ok
            && later.finished_at > found.finished_at
            && looks_as_deep(later, found)
            && (same || later.is_of_everything())
    })
}

/// Whether what `found` came across would have come to light in `later` too.
fn looks_as_deep(later: &ProofResult, found: &ProofResult) -> bool {
    match (later.kind, found.kind) {
        (ProofKind::Rehearse, ProofKind::Rehearse) => true,
        // it decodes each record; and what differs once it is restored is not seen in what is stored
        (_, ProofKind::Rehearse) => {
            found.outcome == ProofOutcome::Damaged && depth(later) >= Level::Records
        }
        _ => depth(later) >= depth(found),
    }
}

/// Parts that together are the whole, as one proof of the age of the oldest of them.
fn wholes(proofs: &[ProofResult]) -> Vec<ProofResult> {
    let mut parts: BTreeMap<(Level, u32), BTreeMap<u32, &ProofResult>> = BTreeMap::new();
    for proof in proofs {
        let (Some(level), Some(subset)) = (proof.level, proof.subset) else {
            continue;
        };
        if proof.topics.is_some() || proof.outcome == ProofOutcome::Incomplete {
            continue;
        }
        let newest = parts.entry((level, subset.of())).or_default();
        let newest = newest.entry(subset.number()).or_insert(proof);
        if proof.finished_at > newest.finished_at {
            *newest = proof;
        }
    }
    let whole = |((_, of), parts): ((Level, u32), BTreeMap<u32, &ProofResult>)| {
        let all = parts.len() == of as usize;
        let sound = parts.values().all(|part| part.outcome == ProofOutcome::Ok);
        let oldest = parts.into_values().min_by_key(|part| part.finished_at)?;
        (all && sound).then(|| ProofResult {
            subset: None,
            ..oldest.clone()
        })
    };
    parts.into_iter().filter_map(whole).collect()
}

#[cfg(test)]
mod tests;
