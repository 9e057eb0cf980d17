//! `${VAR}` inside the strings of a configuration file.

/// Replaces every `${VAR}` by the variable and every `$${` by `${`; a variable that is not set is an error.
pub(super) fn expand(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        rest = &from[2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            continue;
        }
        expanded.push_str(before);
        let end = rest
            .find('}')
            .ok_or("\"${\" without \"}\"; write $${ for a literal ${")?;
        let name = &rest[..end];
        if !is_name(name) {
            return Err(format!(
                "${{{name}}} is not a variable's name; write $${{ for a literal ${{"
            ));
        }
        let value =
            variable(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
        expanded.push_str(&value);
        rest = &rest[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte == b'_' || byte.is_ascii_alphabetic();
    text.bytes().next().is_some_and(letter)
        && text
            .bytes()
            .all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        expand(text, &|name| match name {
            "HOST" => Some("kafka".to_owned()),
            "TRAP" => Some("${HOST}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_expanded_once_and_dollars_can_be_escaped() {
        assert_eq!(
            expanded("${HOST}:9092,${HOST}:9093").unwrap(),
            "kafka:9092,kafka:9093"
        );
        assert_eq!(
            expanded("$${HOST} $HOST $$ ${EMPTY}.").unwrap(),
            "${HOST} $HOST $$ ."
        );
        // what a variable holds is not looked at again
        assert_eq!(expanded("${TRAP}").unwrap(), "${HOST}");
    }

    #[test]
    fn an_unset_variable_is_an_error_that_names_it() {
        assert_eq!(
            expanded("x${NOPE}").unwrap_err(),
            "the environment variable NOPE is not set"
        );
        assert!(expanded("${HOST").unwrap_err().contains("without"));
        assert!(
            expanded("${HOST:-x}")
                .unwrap_err()
                .contains("not a variable's name")
        );
        assert!(expanded("${}").is_err());
    }
}
