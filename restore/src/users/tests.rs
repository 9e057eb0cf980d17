use lifeboat_archive::documents::ScramUser;

use super::*;

const MECHANISM: ScramMechanism = ScramMechanism::Sha256;

fn saved(mechanism: &str) -> UsersDocument {
    UsersDocument {
        users: vec![ScramUser {
            user: "alice".to_owned(),
            credentials: vec![ScramCredential {
                mechanism: mechanism.to_owned(),
                iterations: 4096,
            }],
        }],
    }
}

/// Keys of the password `right`, with an own salt.
fn exact() -> CredentialsDocument {
    let salt = b"a salt of 1952";
    let salted = salt_password(MECHANISM, "right", salt, 4096).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, salted.expose());
    let client = ring::hmac::sign(&key, b"Client Key");
    let stored = ring::digest::digest(&ring::digest::SHA256, client.as_ref());
    CredentialsDocument {
        scram: vec![ScramKeys {
            user: "alice".to_owned(),
            mechanism: MECHANISM.to_string(),
            iterations: 4096,
            salt: SecretBytes::new(salt),
            stored_key: SecretBytes::new(stored.as_ref()),
            server_key: SecretBytes::new(ring::hmac::sign(&key, b"Server Key").as_ref()),
        }],
        ..CredentialsDocument::default()
    }
}

struct Given {
    exact: Option<CredentialsDocument>,
    password: Option<&'static str>,
    generate: bool,
    there: Option<i32>,
    login: Option<bool>,
}

const NOTHING: Given = Given {
    exact: None,
    password: None,
    generate: false,
    there: None,
    login: None,
};

fn decided(given: &Given) -> Step {
    let saved = saved("SCRAM-SHA-256");
    let password = given.password.map(Secret::new);
    let passwords: Passwords = password
        .map(|p| ("alice".to_owned(), p))
        .into_iter()
        .collect();
    let options = Options {
        saved: &saved,
        exact: given.exact.as_ref(),
        passwords: &passwords,
        generate: given.generate,
    };
    let user = &saved.users[0];
    let case = Case::new(&user.user, &user.credentials[0], &options, |_| given.there);
    case.decide(given.login)
}

#[test]
fn the_right_password_is_set_with_the_original_salt_and_iterations() {
    let step = decided(&Given {
        exact: Some(exact()),
        password: Some("right"),
        ..NOTHING
    });
    assert_eq!(step.result.outcome, UserOutcome::Restored);
    let change = step.change.unwrap();
    assert_eq!(change.salt.expose(), b"a salt of 1952");
    assert_eq!(change.iterations, 4096);
}

#[test]
fn a_password_that_is_not_the_saved_one_is_named_and_never_set() {
    for there in [None, Some(4096), Some(8192)] {
        let step = decided(&Given {
            exact: Some(exact()),
            password: Some("wrong"),
            generate: true,
            there,
            login: Some(false),
        });
        assert_eq!(step.result.outcome, UserOutcome::NotRestored);
        assert!(step.change.is_none());
        let note = step.result.note.unwrap();
        assert!(note.contains("not the one that was saved"), "{note}");
        assert!(!note.contains("wrong"), "{note}");
    }
}

#[test]
fn what_is_there_and_equal_as_far_as_can_be_known_is_not_touched() {
    for (password, login) in [
        (Some("right"), Some(true)),
        (Some("right"), None),
        (None, None),
    ] {
        let step = decided(&Given {
            exact: Some(exact()),
            password,
            generate: true,
            there: Some(4096),
            login,
        });
        assert_eq!(step.result.outcome, UserOutcome::Unchanged);
        assert!(step.change.is_none());
    }
}

#[test]
fn one_that_is_there_with_another_password_is_set_only_where_the_password_is_known() {
    let with = |password, there, login| {
        decided(&Given {
            exact: Some(exact()),
            password,
            generate: true,
            there,
            login,
        })
    };
    let step = with(Some("right"), Some(4096), Some(false));
    assert_eq!(step.result.outcome, UserOutcome::Restored);
    let step = with(Some("right"), Some(8192), None);
    assert_eq!(step.result.outcome, UserOutcome::Restored);
    let step = with(None, Some(8192), None);
    assert_eq!(step.result.outcome, UserOutcome::NotRestored);
    assert!(step.change.is_none());
}

#[test]
fn without_saved_keys_a_password_is_set_as_it_is_with_a_salt_of_its_own() {
    let with = |password| Given {
        password,
        generate: true,
        ..NOTHING
    };
    let step = decided(&with(Some("any")));
    assert_eq!(step.result.outcome, UserOutcome::Set);
    let change = step.change.unwrap();
    assert_eq!(change.salt.expose().len(), SALT_BYTES);
    let step = decided(&with(None));
    assert_eq!(step.result.outcome, UserOutcome::Generated);
    let plan = Plan { steps: vec![step] };
    let new: Vec<_> = plan.new_passwords().into_keys().collect();
    assert_eq!(new, ["alice"]);
    let step = decided(&NOTHING);
    assert_eq!(step.result.outcome, UserOutcome::NotRestored);
}

#[test]
fn a_mechanism_that_is_not_known_is_named() {
    let saved = saved("SCRAM-SHA-3");
    let options = Options {
        saved: &saved,
        exact: None,
        passwords: &Passwords::default(),
        generate: true,
    };
    let user = &saved.users[0];
    let case = Case::new(&user.user, &user.credentials[0], &options, |_| None);
    assert_eq!(case.decide(None).result.outcome, UserOutcome::NotRestored);
}
