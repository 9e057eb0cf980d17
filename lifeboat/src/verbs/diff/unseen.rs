//! What one side could not see was neither removed nor added.

use std::collections::HashSet;

use lifeboat_archive::{
    documents::{
        Documents, TopicDocument,
        diff::{Change, Sign},
    },
    manifest::Problem,
};
use lifeboat_kafka::capture::WITHOUT_COORDINATOR;

/// What one side shows, and what it could not be asked.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) documents: Documents,
    pub(super) problems: Vec<Problem>,
}

/// The problem for which a side lacks what the other one has, if it is that and no difference.
pub(super) fn unseen<'v>(
    change: &Change,
    before: &'v View,
    after: &'v View,
) -> Option<&'v Problem> {
    let side = match change.sign() {
        Sign::Added => before,
        Sign::Removed => after,
        Sign::Changed => return None,
    };
    let missing = || side.problems.iter().filter(|problem| problem.partial);
    let of = |subject: String| missing().find(|problem| problem.subject == subject);
    match change {
        Change::Topic { edit } => of(format!("topic {}", edit.either().topic)),
        Change::Group { edit } => of(format!("group {}", edit.either().group)).or_else(|| {
            // it may be one of those that this broker coordinates
            missing().find(|problem| {
                problem.subject.starts_with("broker ") || problem.subject == WITHOUT_COORDINATOR
            })
        }),
        Change::Offset { group, .. } => of(format!("group {group}")),
        _ => None,
    }
}

/// Topics that both sides have and whose settings could not be compared, and why.
pub(super) fn unread_settings<'v>(side: &'v View, other: &View) -> Vec<(&'v str, Problem)> {
    let there: HashSet<&str> = topics(other).map(|topic| topic.topic.as_str()).collect();
    topics(side)
        .filter(|topic| topic.configs.is_none() && there.contains(topic.topic.as_str()))
        .map(|topic| {
            let subject = format!("topic {}", topic.topic);
            let why = side.problems.iter().find(|it| it.subject == subject);
            let why = why.cloned().unwrap_or_else(|| Problem {
                subject,
                problem: "its configuration is not known".to_owned(),
                partial: true,
            });
            (topic.topic.as_str(), why)
        })
        .collect()
}

fn topics(side: &View) -> impl Iterator<Item = &TopicDocument> {
    let topics = side.documents.topics.iter();
    topics.flat_map(|document| &document.topics)
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::{
        documents::{GroupDocument, GroupsDocument, TopicsDocument, diff::diff},
        words::TopicId,
    };

    use super::*;

    fn topic(name: &str, settings: &[&str]) -> TopicDocument {
        let settings = settings.iter();
        let settings = settings.map(|key| ((*key).to_owned(), Some("1".to_owned())));
        TopicDocument {
            topic: name.to_owned(),
            topic_id: TopicId::ZERO,
            partition_count: 1,
            replication_factor: 1,
            assignment: vec![vec![0]],
            configs: Some(settings.collect()),
        }
    }

    fn group(name: &str) -> GroupDocument {
        GroupDocument {
            group: name.to_owned(),
            group_type: "classic".to_owned(),
            protocol_type: "consumer".to_owned(),
            state: "Empty".to_owned(),
            offsets: Vec::new(),
            members: Vec::new(),
        }
    }

    fn view(topics: Vec<TopicDocument>, groups: &[&str], problems: &[(&str, &str)]) -> View {
        let problem = |(subject, problem): &(&str, &str)| Problem {
            subject: (*subject).to_owned(),
            problem: (*problem).to_owned(),
            partial: true,
        };
        let groups = groups.iter().map(|name| group(name)).collect();
        View {
            documents: Documents {
                topics: Some(TopicsDocument { topics }),
                groups: Some(GroupsDocument { groups }),
                ..Documents::default()
            },
            problems: problems.iter().map(problem).collect(),
        }
    }

    /// The signs of the changes that remain, and the subjects of those that are hidden.
    fn seen(before: &View, after: &View) -> (Vec<Sign>, Vec<String>) {
        let mut signs = Vec::new();
        let mut subjects = Vec::new();
        for change in diff(&before.documents, &after.documents) {
            match unseen(&change, before, after) {
                Some(problem) => subjects.push(problem.subject.clone()),
                None => signs.push(change.sign()),
            }
        }
        (signs, subjects)
    }

    #[test]
    fn what_is_really_gone_or_new_is_a_difference() {
        let before = view(vec![topic("a", &["x"]), topic("b", &[])], &["g"], &[]);
        let after = view(
            vec![topic("a", &["y"])],
            &["h"],
            &[("group other", "denied")],
        );
        let (signs, hidden) = seen(&before, &after);
        assert_eq!(signs.len(), 5, "{signs:?}");
        assert!(hidden.is_empty());
    }

    #[test]
    fn a_topic_that_may_not_be_seen_was_neither_removed_nor_added() {
        let with = view(vec![topic("a", &[]), topic("b", &[])], &[], &[]);
        let without = view(vec![topic("b", &[])], &[], &[("topic a", "denied")]);
        let hidden = (vec![], vec!["topic a".to_owned()]);
        assert_eq!(seen(&with, &without), hidden);
        assert_eq!(seen(&without, &with), hidden);
    }

    #[test]
    fn settings_that_could_not_be_read_are_not_removed_but_told() {
        let with = view(vec![topic("a", &["x", "y"])], &[], &[]);
        let unread = TopicDocument {
            configs: None,
            ..topic("a", &[])
        };
        let without = view(
            vec![unread.clone(), topic("b", &[])],
            &[],
            &[("topic a", "denied")],
        );
        let new = (vec![Sign::Added], vec![]);
        assert_eq!(seen(&with, &without), new);
        let told = unread_settings(&without, &with);
        assert_eq!(told, [("a", without.problems[0].clone())]);
        assert_eq!(unread_settings(&with, &without), []);
        // of a topic whose settings were read, one that is gone is gone, whatever else is wrong with it
        let fewer = view(vec![topic("a", &["x"])], &[], &[("topic a", "a gap")]);
        assert_eq!(seen(&with, &fewer), (vec![Sign::Removed], vec![]));
    }

    #[test]
    fn a_group_is_not_missed_while_it_or_its_coordinator_could_not_be_asked() {
        let with = view(vec![], &["g"], &[]);
        for subject in ["group g", "broker 3", WITHOUT_COORDINATOR] {
            let without = view(vec![], &[], &[(subject, "denied")]);
            let hidden = (vec![], vec![subject.to_owned()]);
            assert_eq!(seen(&with, &without), hidden);
            assert_eq!(seen(&without, &with), hidden);
        }
    }

    #[test]
    fn what_may_be_hidden_in_the_whole_cluster_hides_no_difference() {
        let with = view(vec![topic("a", &[])], &["g"], &[]);
        let without = view(
            vec![],
            &[],
            &[("cluster", "it can't be told what is hidden")],
        );
        let (signs, hidden) = seen(&with, &without);
        assert_eq!(signs, [Sign::Removed, Sign::Removed]);
        assert!(hidden.is_empty());
    }
}
