//! Where a key's requests may come from, as browsers say it: patterns on the origin of a page. Pure.
//!
//! A pattern is an origin such as `https://app.example.com` or `http://localhost:3000`. Without a scheme
//! it is for all of them; a host that begins with `*.` is for every name below it, and not for the name
//! itself; a port that is not named is the scheme's own, and `:*` is every port.

use std::sync::Arc;

/// What a request says of the page that it was made by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// There was no request to ask, so that this is not checked.
    #[default]
    Unchecked,
    /// It says nothing.
    Unsaid,
    /// This origin: a scheme, a host, and a port where that is not the scheme's own.
    Of(Arc<str>),
}

impl Origin {
    /// Whether one of `patterns`, if there are any, is for this.
    pub fn fits(&self, patterns: &[String]) -> bool {
        patterns.is_empty()
            || match self {
                Self::Unchecked => true,
                Self::Unsaid => false,
                Self::Of(origin) => patterns.iter().any(|pattern| is_for(pattern, origin)),
            }
    }
}

/// The origin of a `Referer`, or of an `Origin`, which is one already: all before the path.
pub fn origin_of(url: &str) -> &str {
    let rest = url.find("://").map_or(0, |at| at + "://".len());
    let behind = url.get(rest..).unwrap_or_default();
    let end = behind.find(['/', '?', '#']).map_or(url.len(), |at| rest + at);
    url.get(..end).unwrap_or_default()
}

/// Whether a text is a pattern of origins.
pub fn is_pattern(text: &str) -> bool {
    let (scheme, host, port) = parts(text);
    let names_scheme = |text: &str| !text.is_empty() && text.bytes().all(is_of_scheme);
    let labels = host.strip_prefix("*.").unwrap_or(host);
    let names_host = !labels.is_empty() && labels.bytes().all(is_of_host);
    let names_port = |port: &str| port == "*" || port.parse::<u16>().is_ok();
    scheme.is_none_or(names_scheme) && names_host && port.is_none_or(names_port)
}

fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte)
}

/// Whether `pattern` is for `origin`.
fn is_for(pattern: &str, origin: &str) -> bool {
    let (wanted, (scheme, host, port)) = (parts(pattern), parts(origin));
    wanted.0.is_none_or(|wanted| scheme.is_some_and(|is| is.eq_ignore_ascii_case(wanted)))
        && is_for_host(wanted.1, host)
        && (wanted.2 == Some("*") || wanted.2 == port)
}

fn is_for_host(wanted: &str, host: &str) -> bool {
    let Some(below) = wanted.strip_prefix('*') else { return wanted.eq_ignore_ascii_case(host) };
    // With its dot, so that `*.example.com` is not for `badexample.com`.
    let at = host.len().checked_sub(below.len()).filter(|at| *at > 0);
    at.and_then(|at| host.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(below))
}

/// The scheme, the host and the port of an origin.
fn parts(origin: &str) -> (Option<&str>, &str, Option<&str>) {
    let (scheme, rest) = match origin.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, origin),
    };
    // The colons of an IPv6 address are within its brackets.
    let from = rest.rfind(']').unwrap_or(0);
    match rest.get(from..).and_then(|end| end.rfind(':')) {
        Some(at) => {
            let (host, port) = rest.split_at(from + at);
            (scheme, host, port.get(1..))
        }
        None => (scheme, rest, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, origin: &str) -> bool {
        Origin::Of(origin_of(origin).into()).fits(&[pattern.to_owned()])
    }

    #[test]
    fn a_pattern_is_for_its_origin_and_a_star_for_what_is_below_a_name() {
        for (pattern, origin, expected) in [
            ("https://app.example.com", "https://app.example.com", true),
            ("https://app.example.com", "https://APP.example.com/page?q#f", true),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://app.example.com", "https://app.example.com:8443", false),
            ("https://app.example.com:*", "https://app.example.com:8443", true),
            ("https://app.example.com:8443", "https://app.example.com:8443/", true),
            ("app.example.com", "http://app.example.com", true),
            ("app.example.com", "app://app.example.com", true),
            ("*.example.com", "https://a.b.example.com", true),
            ("*.example.com", "https://example.com", false),
            ("*.example.com", "https://badexample.com", false),
            ("*.example.com", "https://app.example.com.evil.org", false),
            ("*.example.com", "https://evil.org/.example.com", false),
            ("*.example.com", "https://evil.org?.example.com", false),
            ("*.example.com", "https://evil.org#.example.com", false),
            ("*.example.com", "null", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://[::1]:3000", "http://[::1]:3000", true),
            ("http://[::1]", "http://[::1]:3000", false),
        ] {
            assert_eq!(fits(pattern, origin), expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn a_key_without_patterns_asks_nothing_and_one_with_them_asks_for_an_origin() {
        let pattern = ["*.example.com".to_owned()];
        assert!(Origin::Unsaid.fits(&[]) && Origin::Of("x".into()).fits(&[]));
        assert!(!Origin::Unsaid.fits(&pattern) && Origin::Unchecked.fits(&pattern));
    }

    #[test]
    fn what_is_no_pattern_is_known() {
        for wrong in ["", "*", "*.", "https://", "a b", "https://a.b/c", "a.b:x", "a.*.b", "://a"] {
            assert!(!is_pattern(wrong), "{wrong}");
        }
        for right in ["localhost", "*.a.b", "https://a.b:1", "a:*", "http://[::1]:80"] {
            assert!(is_pattern(right), "{right}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(url in "[a:/?#*.\\[\\]é]{0,16}", pattern in "[a:/*.\\[\\]é]{0,12}") {
            let origin = origin_of(&url);
            prop_assert!(url.starts_with(origin));
            // A pattern without a star is for no origin but its own.
            if is_pattern(&pattern) && !pattern.contains('*') && pattern.contains("://") {
                prop_assert_eq!(is_for(&pattern, origin), pattern.eq_ignore_ascii_case(origin));
            }
        }
    }
}
