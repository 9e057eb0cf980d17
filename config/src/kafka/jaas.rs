//! `sasl.jaas.config`, as Kafka's own clients read it.

use std::{collections::BTreeMap, iter::Peekable, str::Chars};

use super::PropertyError;
use crate::Secret;

pub(super) const NAME: &str = "sasl.jaas.config";

/// Who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginModule {
    Plain,
    Scram,
    OAuthBearer,
}

/// A login module with its options, of which any may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) module: LoginModule,
    pub(super) options: BTreeMap<String, Secret>,
}

impl LoginModule {
    fn of(class: &str) -> Result<Self, PropertyError> {
        let known = "org.apache.kafka.common.security.";
        match class.strip_prefix(known) {
            Some("plain.PlainLoginModule") => Ok(Self::Plain),
            Some("scram.ScramLoginModule") => Ok(Self::Scram),
            Some("oauthbearer.OAuthBearerLoginModule") => Ok(Self::OAuthBearer),
            _ => Err(wrong(format!("{class} is not a login module that is known here")).hint(
                "PlainLoginModule, ScramLoginModule and OAuthBearerLoginModule of org.apache.kafka.common.security are",
            )),
        }
    }

    /// The options that are understood.
    fn takes(self, option: &str) -> bool {
        match self {
            Self::Plain | Self::Scram => ["username", "password"].contains(&option),
            Self::OAuthBearer => {
                ["clientId", "clientSecret", "scope"].contains(&option)
                    || option.starts_with(EXTENSION)
            }
        }
    }
}

/// Options of OAuthBearerLoginModule that go to the broker beside the token.
pub(super) const EXTENSION: &str = "extension_";

/// Reads `CLASS required option="value" …;`.
pub(super) fn parse(text: &str) -> Result<Login, PropertyError> {
    let mut tokens = Tokens(text.chars().peekable());
    let Some(Token::Text(class)) = tokens.next()? else {
        return Err(wrong("begins with no login module"));
    };
    let module = LoginModule::of(&class)?;
    match tokens.next()? {
        Some(Token::Text(flag)) if is_flag(&flag) => {}
        _ => return Err(wrong("the login module is not followed by `required`")),
    }
    let mut options = BTreeMap::new();
    loop {
        let option = match tokens.next()? {
            Some(Token::Text(option)) => option,
            Some(Token::Sign(';')) => break,
            None => return Err(wrong("does not end in a semicolon")),
            Some(Token::Sign(sign)) => {
                return Err(wrong(format!("{sign:?} stands where an option should")));
            }
        };
        // a misplaced quote makes a piece of a password look like an option
        let shown = if module.takes(&option) {
            option.clone()
        } else {
            "an option".to_owned()
        };
        if tokens.next()? != Some(Token::Sign('=')) {
            return Err(wrong(format!("{shown} has no value")).hint(QUOTES));
        }
        let Some(Token::Text(value)) = tokens.next()? else {
            return Err(wrong(format!("{shown} has no value")).hint(QUOTES));
        };
        if !module.takes(&option) {
            return Err(unknown(module, &option));
        }
        options.insert(option, Secret::new(value));
    }
    if tokens.next()?.is_some() {
        return Err(wrong(
            "has something behind the semicolon: one login module is taken",
        ));
    }
    Ok(Login { module, options })
}

const QUOTES: &str =
    "put values in double quotes, and write \\\" for a quote and \\\\ for a backslash in them";

fn is_flag(text: &str) -> bool {
    ["required", "requisite", "sufficient", "optional"]
        .iter()
        .any(|flag| flag.eq_ignore_ascii_case(text))
}

fn unknown(module: LoginModule, option: &str) -> PropertyError {
    let hint = match module {
        LoginModule::Plain | LoginModule::Scram => "username and password are",
        LoginModule::OAuthBearer if option.starts_with("ssl.") => {
            "say it with https.ca.location or https.ca.pem"
        }
        LoginModule::OAuthBearer => "clientId, clientSecret, scope and extension_NAME are",
    };
    // names are letters; anything else may be a secret with a quote at the wrong place
    let name = option
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    if name && option.len() <= 40 {
        wrong(format!("the option {option} is not understood")).hint(hint)
    } else {
        wrong("an option is not understood").hint(QUOTES)
    }
}

fn wrong(problem: impl Into<String>) -> PropertyError {
    PropertyError::new(NAME, problem)
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Sign(char),
}

/// What Java's StreamTokenizer makes of it, as Kafka sets it up.
struct Tokens<'t>(Peekable<Chars<'t>>);

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, PropertyError> {
        loop {
            let Some(first) = self.0.next() else {
                return Ok(None);
            };
            match first {
                blank if blank <= ' ' => {}
                '/' if self.0.peek() == Some(&'/') => {
                    while self.0.next().is_some_and(|c| c != '\n' && c != '\r') {}
                }
                '/' if self.0.peek() == Some(&'*') => self.skip_comment(),
                '"' | '\'' => return self.quoted(first).map(Some),
                letter if is_word(letter) => return Ok(Some(self.word(letter))),
                sign => return Ok(Some(Token::Sign(sign))),
            }
        }
    }

    fn skip_comment(&mut self) {
        let mut last = '\0';
        // its own star does not end it
        self.0.next();
        for c in self.0.by_ref() {
            if last == '*' && c == '/' {
                break;
            }
            last = c;
        }
    }

    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        while let Some(letter) = self.0.next_if(|&c| is_word(c)) {
            word.push(letter);
        }
        Token::Text(word)
    }

    fn quoted(&mut self, quote: char) -> Result<Token, PropertyError> {
        let mut text = String::new();
        loop {
            match self.0.next() {
                None | Some('\n' | '\r') => {
                    return Err(wrong("a quote is not closed on its line").hint(QUOTES));
                }
                Some('\\') => text.extend(self.escaped()),
                Some(c) if c == quote => return Ok(Token::Text(text)),
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.0.next()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            first @ '0'..='7' => {
                // up to three octal digits, the first of three at most 3
                let mut code = first.to_digit(8)?;
                for digits in 1..3 {
                    if digits == 2 && first > '3' {
                        break;
                    }
                    let Some(digit) = self.0.next_if(|c| c.is_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit.to_digit(8)?;
                }
                char::from_u32(code)?
            }
            other => other,
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_$.".contains(c) || c >= '\u{a0}'
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

    fn options(text: &str) -> BTreeMap<String, String> {
        let login = parse(text).unwrap();
        let shown = |(name, value): (String, Secret)| (name, value.expose().to_owned());
        login.options.into_iter().map(shown).collect()
    }

    fn password(quoted: &str) -> String {
        let text = format!("{SCRAM} required username=\"backup\" password={quoted};");
        options(&text).remove("password").unwrap()
    }

    #[test]
    fn modules_and_options_are_read_as_java_reads_them() {
        let login = parse(&format!(
            "\n{SCRAM} required // who we are\n username=backup /* and\n */ password='it is';\n"
        ))
        .unwrap();
        assert_eq!(login.module, LoginModule::Scram);
        assert_eq!(login.options["username"].expose(), "backup");
        assert_eq!(login.options["password"].expose(), "it is");
        let text = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                    clientId=\"a\" clientSecret=\"b\" extension_logicalCluster=\"lkc-1\";";
        assert_eq!(options(text)["extension_logicalCluster"], "lkc-1");
    }

    #[test]
    fn quotes_and_escapes_in_a_password_are_undone() {
        assert_eq!(password(r#""a\"b\\c""#), r#"a"b\c"#);
        assert_eq!(password("'a\"b; = // c'"), "a\"b; = // c");
        assert_eq!(password(r#""\101\7\u41\t""#), "A\u{7}u41\t");
        assert_eq!(password(r#""\477""#), "'7");
        assert_eq!(password("\"pässwörd€\""), "pässwörd€");
    }

    #[test]
    fn a_mistake_is_named_without_what_may_be_a_secret() {
        for (text, problem) in [
            ("", "no login module"),
            (
                "software.amazon.msk.auth.iam.IAMLoginModule required;",
                "not a login module",
            ),
            (SCRAM, "not followed by `required`"),
            (
                &format!("{SCRAM} required username=\"hunter2\""),
                "semicolon",
            ),
            (
                &format!("{SCRAM} required password=\"hunter2\" token=\"hunter2\";"),
                "the option token",
            ),
            (
                &format!("{SCRAM} required password=\"hun\"ter2\";"),
                "not closed",
            ),
            (
                &format!("{SCRAM} required password=\"\"hunter2\"\";"),
                "an option has no value",
            ),
            (
                &format!("{SCRAM} required password=hun=ter2;"),
                "where an option should",
            ),
            (
                &format!("{SCRAM} required username=\"a\" password;"),
                "password has no value",
            ),
            (
                &format!("{SCRAM} required username=\"a\" \"hunter2!\"=\"x\";"),
                "an option is not understood",
            ),
            (
                &format!("{SCRAM} required username=\"a\"; {SCRAM}"),
                "behind the semicolon",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.problem.contains(problem), "{text}: {error}");
            assert!(!format!("{error:?}").contains("ter2"), "{error:?}");
        }
    }
}
