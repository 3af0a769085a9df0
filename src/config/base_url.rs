//! A provider's base URL, to which the paths of its API are appended. Pure.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// An `http` or `https` URL without query, such as `https://api.openai.com/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    uri: Uri,
    /// The path without a slash at its end; may be empty.
    prefix: String,
}

/// Why a text is no base URL: a clause that follows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL, or not one of these schemes.
    #[error("is no URL: write one such as \"https://api.openai.com/v1\"")]
    NotAUrl,
    /// A query or fragment.
    #[error("has a query or fragment: leave it out, paths are appended to the URL")]
    Query,
    /// A user or password.
    #[error("has a user or password: put them into `credentials`")]
    User,
}

impl BaseUrl {
    /// The URL as it was given.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether it is `https`.
    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The URL of `path`, which begins with a slash.
    pub fn join(&self, path: &str) -> Result<Uri, http::Error> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(format!("{}{path}", self.prefix).parse()?);
        Ok(Uri::from_parts(parts)?)
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        if text.contains(['?', '#']) {
            return Err(BaseUrlError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::NotAUrl)?;
        let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().ok_or(BaseUrlError::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(BaseUrlError::User);
        }
        // A port that is no number passes for part of an authority.
        let has_bad_port = authority.as_str() != authority.host() && authority.port_u16().is_none();
        if !has_scheme || authority.host().is_empty() || has_bad_port {
            return Err(BaseUrlError::NotAUrl);
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { uri, prefix })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_appended_to_a_base_url() {
        for (base, joined) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1/models"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/models"),
            ("http://[::1]:8000", "http://[::1]:8000/models"),
            ("http://localhost/", "http://localhost/models"),
        ] {
            let base: BaseUrl = base.parse().unwrap();
            assert_eq!(base.join("/models").unwrap().to_string(), joined);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for (text, error) in [
            ("", BaseUrlError::NotAUrl),
            ("api.openai.com", BaseUrlError::NotAUrl),
            ("/v1", BaseUrlError::NotAUrl),
            ("ftp://host/", BaseUrlError::NotAUrl),
            ("https://", BaseUrlError::NotAUrl),
            ("http://host:port/", BaseUrlError::NotAUrl),
            ("https://host/v1?key=1", BaseUrlError::Query),
            ("https://host/v1#a", BaseUrlError::Query),
            ("https://me:pw@host/v1", BaseUrlError::User),
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(error), "{text}");
        }
    }
}
