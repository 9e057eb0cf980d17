//! SCRAM users of a restore.

use lifeboat_restore::users::{RestoredUser, UserOutcome};

use super::safe;

/// A line for each credential; nothing where there is none.
pub(crate) fn render_users<'u>(users: impl IntoIterator<Item = &'u RestoredUser>) -> String {
    let mut text = String::new();
    for user in users {
        if text.is_empty() {
            text.push_str("\n  users\n");
        }
        let note = user.note.as_deref();
        let note = note.map(|note| format!(": {}", safe(note)));
        text.push_str(&format!(
            "  {} {} ({}) {}{}\n",
            sign(user.outcome),
            safe(&user.user),
            safe(&user.mechanism),
            word(user.outcome),
            note.unwrap_or_default()
        ));
    }
    text
}

fn sign(outcome: UserOutcome) -> char {
    match outcome {
        UserOutcome::Unchanged => '=',
        UserOutcome::Restored | UserOutcome::Set | UserOutcome::Generated => '+',
        UserOutcome::NotRestored => '!',
    }
}

fn word(outcome: UserOutcome) -> &'static str {
    match outcome {
        UserOutcome::Unchanged => "is there already",
        UserOutcome::Restored => "as it was",
        UserOutcome::Set => "with the password that was given",
        UserOutcome::Generated => "with a new password",
        UserOutcome::NotRestored => "NOT RESTORED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_credential_has_a_line_that_says_what_became_of_it() {
        let user = |user: &str, outcome, note: Option<&str>| RestoredUser {
            user: user.to_owned(),
            mechanism: "SCRAM-SHA-256".to_owned(),
            outcome,
            note: note.map(str::to_owned),
        };
        let text = render_users(&[
            user("alice", UserOutcome::Restored, None),
            user(
                "bob",
                UserOutcome::NotRestored,
                Some("its password is not known"),
            ),
        ]);
        assert_eq!(
            text,
            "\n  users\n  + alice (SCRAM-SHA-256) as it was\n  \
             ! bob (SCRAM-SHA-256) NOT RESTORED: its password is not known\n"
        );
        assert_eq!(render_users(&[]), "");
    }
}
