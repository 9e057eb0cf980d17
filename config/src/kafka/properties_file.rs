//! Java's `.properties` format, as `java.util.Properties.load` reads it.

use super::PropertyError;

/// The pairs of the file with the line that each begins on.
pub(super) fn parse(text: &str) -> Result<Vec<(usize, String, String)>, PropertyError> {
    let mut pairs = Vec::new();
    let mut lines = natural_lines(text).enumerate();
    while let Some((at, line)) = lines.next() {
        let line = line.trim_start_matches(BLANK);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        // an odd number of backslashes at the end joins the next line, less its leading blanks
        while trailing_backslashes(&logical) % 2 == 1 {
            logical.pop();
            match lines.next() {
                Some((_, more)) => logical.push_str(more.trim_start_matches(BLANK)),
                None => break,
            }
        }
        let (name, value) = split(&logical);
        let name = unescape(name, at + 1, name)?;
        let value = unescape(value, at + 1, &name)?;
        pairs.push((at + 1, name, value));
    }
    Ok(pairs)
}

const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

/// Lines ended by `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let here = rest?;
        match here.find(['\n', '\r']) {
            None => {
                rest = None;
                Some(here)
            }
            Some(end) => {
                let length = if here[end..].starts_with("\r\n") {
                    2
                } else {
                    1
                };
                rest = Some(&here[end + length..]);
                Some(&here[..end])
            }
        }
    })
}

fn trailing_backslashes(line: &str) -> usize {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count()
}

/// Splits at the first separator that is not escaped: `=`, `:` or blanks.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|&(_, c)| {
            let separates = !escaped && (c == '=' || c == ':' || BLANK.contains(&c));
            escaped = !escaped && c == '\\';
            separates
        })
        .map_or(line.len(), |(at, _)| at);
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(BLANK);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (name, rest.trim_start_matches(BLANK))
}

fn unescape(text: &str, line: usize, name: &str) -> Result<String, PropertyError> {
    let mut plain = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    let bad_unicode = || PropertyError {
        name: name.to_owned(),
        problem: format!("line {line} holds a malformed \\uXXXX escape"),
        hint: None,
    };
    while let Some(c) = chars.next() {
        let unescaped = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let all_hex =
                        digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| all_hex);
                    units.push(unit.ok_or_else(bad_unicode)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        flush(&mut units, &mut plain).ok_or_else(bad_unicode)?;
        plain.push(unescaped);
    }
    flush(&mut units, &mut plain).ok_or_else(bad_unicode)?;
    Ok(plain)
}

/// Java escapes are UTF-16 units: characters beyond the first plane come as two.
fn flush(units: &mut Vec<u16>, plain: &mut String) -> Option<()> {
    if !units.is_empty() {
        plain.push_str(&String::from_utf16(units).ok()?);
        units.clear();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let parsed = parse(text).unwrap();
        parsed
            .into_iter()
            .map(|(_, name, value)| (name, value))
            .collect()
    }

    fn pair(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{text:?}: {all:?}");
        all.remove(0)
    }

    #[test]
    fn separators_comments_and_blanks_read_as_java_reads_them() {
        let truth = ("Truth".to_owned(), "Beauty".to_owned());
        for text in [
            "Truth = Beauty",
            "  Truth:Beauty",
            "Truth\t\t\t:Beauty",
            "Truth Beauty",
            "Truth\u{c}=Beauty",
        ] {
            assert_eq!(pair(text), truth, "{text:?}");
        }
        assert_eq!(pairs("# a=b\n\n  ! c=d\r\n \t\n"), []);
        assert_eq!(pair("cheeses"), ("cheeses".into(), String::new()));
        assert_eq!(pair("a==b"), ("a".into(), "=b".into()));
        assert_eq!(
            pair("a=b # no comment"),
            ("a".into(), "b # no comment".into())
        );
    }

    #[test]
    fn a_line_goes_on_behind_an_odd_number_of_backslashes() {
        let text = "fruits apple, banana, pear, \\\n        cantaloupe, \\\r\n\tkiwi";
        assert_eq!(pair(text).1, "apple, banana, pear, cantaloupe, kiwi");
        assert_eq!(
            pairs("a=b\\\\\nc=d"),
            [("a".into(), "b\\".into()), ("c".into(), "d".into())]
        );
        assert_eq!(pair("a=b\\"), ("a".into(), "b".into()));
        // a comment can't be continued
        assert_eq!(pairs("# x\\\na=b").len(), 1);
    }

    #[test]
    fn escapes_are_undone_in_names_and_values() {
        assert_eq!(
            pair(r"a\:b\=c\ d=x\ty\nz\q"),
            ("a:b=c d".into(), "x\ty\nzq".into())
        );
        assert_eq!(pair(r"k=\u00fc\uD83D\uDE00!").1, "ü😀!");
        assert!(parse(r"k=\u12").is_err());
        assert!(parse(r"k=\uD83Dx").is_err());
        assert!(parse(r"k=\u+123").is_err());
    }

    #[test]
    fn lines_are_counted_where_a_pair_begins() {
        let parsed = parse("# one\n\na=1\\\n2\nb=3").unwrap();
        assert_eq!(parsed.iter().map(|pair| pair.0).collect::<Vec<_>>(), [3, 5]);
    }
}
