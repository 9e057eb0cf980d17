//! Texts that others wrote, made harmless for a terminal.

/// `text` with its control characters spelled out: a group's metadata must not move the cursor.
pub(crate) fn safe(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            harmless.extend(c.escape_debug());
        } else {
            harmless.push(c);
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(safe("ü\x1b[2J\n\u{9b}\t"), "ü\\u{1b}[2J\\n\\u{9b}\\t");
    }
}
