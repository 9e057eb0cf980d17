//! Which settings a target refuses, found out with as few questions as possible (R25).

use std::collections::BTreeMap;

use lifeboat_kafka::{ErrorCode, KafkaError};

/// Somebody who can be asked about settings without changing anything.
pub(super) trait Asked {
    /// Whether all of these would be taken together.
    async fn would_take(&self, settings: &BTreeMap<String, String>) -> Result<(), KafkaError>;
}

/// What is left when the refused settings are out.
#[derive(Debug, Default)]
pub(super) struct Acceptable {
    /// Each refused setting with the target's own words.
    pub(super) refused: Vec<(String, String)>,
}

/// Takes settings out until the rest is taken.
///
/// The target's message nearly always names the culprit. Where it does not, each setting is asked for alone; and where
/// each alone is taken but all together are not, they are added one by one.
pub(super) async fn acceptable(
    mut settings: BTreeMap<String, String>,
    target: impl Asked,
) -> Result<Acceptable, KafkaError> {
    let mut acceptable = Acceptable::default();
    loop {
        let Err(error) = target.would_take(&settings).await else {
            return Ok(acceptable);
        };
        let words = refusal(&error).ok_or_else(|| error.clone())?;
        let Some(name) = culprit(&words, &settings) else {
            break;
        };
        settings.remove(&name);
        acceptable.refused.push((name, words));
    }
    let mut taken = BTreeMap::new();
    // without any setting it must be taken: else the settings are not to blame
    target.would_take(&taken).await?;
    for (name, value) in settings {
        taken.insert(name.clone(), value);
        if let Err(error) = target.would_take(&taken).await {
            let words = refusal(&error).ok_or(error)?;
            taken.remove(&name);
            acceptable.refused.push((name, words));
        }
    }
    Ok(acceptable)
}

/// The target's words, where it is the settings that it refuses.
fn refusal(error: &KafkaError) -> Option<String> {
    match error {
        KafkaError::Broker {
            code: code @ (ErrorCode::INVALID_CONFIG | ErrorCode::INVALID_REQUEST),
            message,
            ..
        } => Some(message.clone().unwrap_or_else(|| code.to_string())),
        _ => None,
    }
}

/// The setting that the words name first, as a whole word; the longest, where one name begins like another.
fn culprit(words: &str, settings: &BTreeMap<String, String>) -> Option<String> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let mentioned = words
        .split(|c: char| !of_name(c))
        .map(|word| word.trim_end_matches('.'));
    mentioned
        .into_iter()
        .find(|word| settings.contains_key(*word))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Target<F> {
        takes: F,
        questions: Cell<usize>,
    }

    impl<F: Fn(&BTreeMap<String, String>) -> Result<(), String>> Asked for &Target<F> {
        async fn would_take(&self, settings: &BTreeMap<String, String>) -> Result<(), KafkaError> {
            self.questions.set(self.questions.get() + 1);
            (self.takes)(settings).map_err(|message| KafkaError::Broker {
                operation: "CreateTopics",
                subject: "orders".to_owned(),
                code: ErrorCode::INVALID_CONFIG,
                message: Some(message),
            })
        }
    }

    fn settings(names: &[&str]) -> BTreeMap<String, String> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), "1".to_owned()))
            .collect()
    }

    async fn refused<F>(takes: F, names: &[&str]) -> (Vec<String>, usize)
    where
        F: Fn(&BTreeMap<String, String>) -> Result<(), String>,
    {
        let target = Target {
            takes,
            questions: Cell::new(0),
        };
        let found = acceptable(settings(names), &target).await.unwrap();
        let names = found.refused.into_iter().map(|(name, _)| name).collect();
        (names, target.questions.get())
    }

    #[tokio::test]
    async fn r25_settings_that_are_named_are_dropped_one_by_one() {
        let unknown = |settings: &BTreeMap<String, String>| match settings
            .keys()
            .find(|name| name.starts_with("confluent"))
        {
            None => Ok(()),
            Some(name) => Err(format!("Unknown topic config name: {name}")),
        };
        let names = ["confluent.tier.enable", "retention.ms", "confluent.x"];
        let (dropped, questions) = refused(unknown, &names).await;
        assert_eq!(dropped, ["confluent.tier.enable", "confluent.x"]);
        assert_eq!(questions, 3);
    }

    #[tokio::test]
    async fn r25_settings_that_are_not_named_are_found_by_trying() {
        let silent = |settings: &BTreeMap<String, String>| {
            if settings.contains_key("b") {
                Err("no".to_owned())
            } else {
                Ok(())
            }
        };
        assert_eq!(refused(silent, &["a", "b", "c"]).await.0, ["b"]);
        let together = |settings: &BTreeMap<String, String>| {
            let both = settings.contains_key("a") && settings.contains_key("c");
            if both { Err("no".to_owned()) } else { Ok(()) }
        };
        assert_eq!(refused(together, &["a", "b", "c"]).await.0, ["c"]);
    }

    #[tokio::test]
    async fn r25_a_refusal_that_is_not_about_settings_is_the_topics() {
        let never = |_: &BTreeMap<String, String>| Err("policy says no".to_owned());
        let target = Target {
            takes: never,
            questions: Cell::new(0),
        };
        assert!(acceptable(settings(&["a"]), &target).await.is_err());
    }

    #[test]
    fn a_name_is_found_as_a_whole_word() {
        let known = settings(&["retention.ms", "local.retention.ms"]);
        let words = "Invalid value 1 for configuration local.retention.ms: Value must be -2.";
        assert_eq!(
            culprit(words, &known).as_deref(),
            Some("local.retention.ms")
        );
        assert_eq!(culprit("Unknown topic config name: x.y", &known), None);
        assert_eq!(
            culprit("bad retention.ms.", &known).as_deref(),
            Some("retention.ms")
        );
    }
}
