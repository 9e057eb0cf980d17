//! Patterns over topic names.

use std::{fmt, str::FromStr};

use globset::{Candidate, GlobBuilder, GlobMatcher};

/// A pattern over a whole topic name: `orders`, `orders*`, `{orders,payments}-?`, `[a-c]*`.
#[derive(Clone, Debug)]
pub struct TopicGlob(GlobMatcher);

/// A pattern that can't be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not a topic pattern: {0}")]
pub struct GlobError(#[from] globset::Error);

impl TopicGlob {
    /// Whether the whole of `topic` matches.
    pub fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }

    /// Whether the whole of some bytes matches: of a record's key, say, which may be no text.
    pub fn matches_bytes(&self, bytes: &[u8]) -> bool {
        self.0.is_match_candidate(&Candidate::from_bytes(bytes))
    }
}

impl FromStr for TopicGlob {
    type Err = GlobError;

    fn from_str(pattern: &str) -> Result<Self, GlobError> {
        // topic names hold no separator: '*' spans everything
        let glob = GlobBuilder::new(pattern)
            .literal_separator(false)
            .backslash_escape(true)
            .build()?;
        Ok(Self(glob.compile_matcher()))
    }
}

impl fmt::Display for TopicGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob().glob())
    }
}

/// What is chosen: a topic that matches any of `include` (all, where it is empty) and none of `exclude`.
#[derive(Clone, Debug, Default)]
pub struct TopicGlobs {
    /// Patterns of which one must match; empty means every topic.
    pub include: Vec<TopicGlob>,
    /// Patterns of which none may match.
    pub exclude: Vec<TopicGlob>,
}

impl TopicGlobs {
    /// Whether `topic` is chosen.
    pub fn choose(&self, topic: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|g| g.matches(topic));
        included && !self.exclude.iter().any(|g| g.matches(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_the_whole_name_only() {
        let glob: TopicGlob = "orders*".parse().unwrap();
        assert!(glob.matches("orders.eu-1"));
        assert!(!glob.matches("all-orders"));
        assert!("[".parse::<TopicGlob>().is_err());
    }

    #[test]
    fn exclusion_wins_and_an_empty_choice_is_everything() {
        let everything = TopicGlobs::default();
        assert!(everything.choose("x"));
        let some = TopicGlobs {
            include: vec!["a*".parse().unwrap()],
            exclude: vec!["*.tmp".parse().unwrap()],
        };
        assert!(some.choose("a"));
        assert!(!some.choose("a.tmp"));
        assert!(!some.choose("b"));
    }
}
