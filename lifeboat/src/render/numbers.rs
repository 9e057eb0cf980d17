//! Numbers for people that `archive::words` does not have.

/// With commas between the thousands: `88,120,003`.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    if number < 0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long ago something was, coarse: `40 s`, `2 h`, `7 d`. What lies ahead is `now`.
pub(crate) fn age(millis: i64) -> String {
    match millis / 1_000 {
        ..1 => "now".to_owned(),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// How long ago something was: `2 h ago`, `just now`.
pub(crate) fn ago(millis: i64) -> String {
    match age(millis).as_str() {
        "now" => "just now".to_owned(),
        age => format!("{age} ago"),
    }
}

/// `1 topic`, `2 topics`.
pub(crate) fn plural(count: u64, word: &str) -> String {
    let number = grouped(i64::try_from(count).unwrap_or(i64::MAX));
    match (count, word.strip_suffix('y')) {
        (1, _) => format!("{number} {word}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_words_counted() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(-1_234), "-1,234");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(grouped(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(plural(1, "topic"), "1 topic");
        assert_eq!(plural(1_000, "topic"), "1,000 topics");
        assert_eq!(plural(0, "repository"), "0 repositories");
    }

    #[test]
    fn an_age_has_one_unit() {
        assert_eq!(age(-5), "now");
        assert_eq!(ago(-5), "just now");
        assert_eq!(ago(40_000), "40 s ago");
        assert_eq!(age(40_000), "40 s");
        assert_eq!(age(7_260_000), "2 h");
        assert_eq!(age(14 * 86_400_000), "14 d");
    }
}
