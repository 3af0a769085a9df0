//! `${NAME}` in a text becomes the environment's value, `$$` a dollar sign. Pure.

/// The process's environment, or a test's.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Why a text could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// Variables that are not set, or empty.
    Missing(Vec<String>),
    /// A dollar sign that starts neither `${NAME}` nor `$$`.
    LoneDollar,
}

/// Fills in `text`. An empty variable counts as one that is not set: that is how people unset one
/// in a compose file or a unit file.
pub(super) fn fill(text: &str, environment: Environment<'_>) -> Result<String, Problem> {
    let mut filled = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let named = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let Some((name, after)) = named.filter(|(name, _)| is_name(name)) else {
            return Err(Problem::LoneDollar);
        };
        match environment(name).filter(|value| !value.is_empty()) {
            Some(value) => filled.push_str(&value),
            None => missing.push(name.to_owned()),
        }
        rest = after;
    }
    filled.push_str(rest);
    if missing.is_empty() { Ok(filled) } else { Err(Problem::Missing(missing)) }
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("sk-1".to_owned()),
            "TRICKY" => Some("${KEY}$".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_filled_in_once() {
        let missing = |names: &[&str]| {
            Err(Problem::Missing(names.iter().map(|&name| name.to_owned()).collect()))
        };
        let text = |text: &str| Ok(text.to_owned());
        for (written, filled) in [
            ("plain", text("plain")),
            ("${KEY}", text("sk-1")),
            ("a${KEY}b${KEY}", text("ask-1bsk-1")),
            ("${TRICKY}", text("${KEY}$")),
            ("$$ and $${KEY}", text("$ and ${KEY}")),
            ("${NONE}${EMPTY}", missing(&["NONE", "EMPTY"])),
            ("$KEY", Err(Problem::LoneDollar)),
            ("${KEY", Err(Problem::LoneDollar)),
            ("${}", Err(Problem::LoneDollar)),
            ("${9A}", Err(Problem::LoneDollar)),
            ("5$", Err(Problem::LoneDollar)),
        ] {
            assert_eq!(fill(written, &environment), filled, "{written}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_comes_back_as_it_was(text in any::<String>()) {
            prop_assert_eq!(fill(&text.replace('$', "$$"), &|_| None), Ok(text));
        }
    }
}
