//! Which known word a mistyped one was meant to be. Pure.

/// Longer words are not compared: the cost is quadratic, and no word of ours is as long.
const CHARS_MAX: usize = 64;

/// The known word nearest to `word`, if one is near enough to be what was meant.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed: Vec<char> = word.chars().take(CHARS_MAX + 1).collect();
    if typed.len() > CHARS_MAX {
        return None;
    }
    let errors_max = (typed.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().take(CHARS_MAX + 1).collect();
            let errors = distance(&typed, &letters);
            (errors <= errors_max).then_some((errors, candidate))
        })
        .min_by_key(|&(errors, _)| errors)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that turn `a` into `b` (Levenshtein), one row at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (done, from) in a.iter().enumerate() {
        let mut diagonal = done;
        let mut left = done + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != to);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let known = ["listen", "head_timeout", "body_timeout", "tls"];
        for (typed, meant) in [
            ("lisen", Some("listen")),
            ("listne", Some("listen")),
            ("head_time_out", Some("head_timeout")),
            ("tsl", None),
            ("tl", Some("tls")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
        assert_eq!(nearest(&"x".repeat(1_000), known), None);
    }
}
