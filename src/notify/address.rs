//! Where an account's webhook may be: on the public internet, and nowhere near the gateway itself.
//!
//! Names are looked at when they are resolved, for the connection that is then made: a name that was
//! fine when it was given may point anywhere later.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

const URL_BYTES_MAX: usize = 2_048;

/// A text that is no place for messages: a clause that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL.
    #[error("is no URL: write one such as `https://example.com/hook`")]
    NotAUrl,
    /// Not by TLS.
    #[error("is not `https`")]
    NotTls,
    /// A user or a password in it.
    #[error("has a user or password: messages are signed instead")]
    User,
    /// A port that is none.
    #[error("has a port that is not 1 to 65535")]
    Port,
    /// Not on the public internet.
    #[error("is no public address")]
    NotPublic,
}

/// Where messages may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere.
    Everywhere,
    /// To the public internet only, and by TLS.
    Public,
}

impl Reach {
    /// Reads a URL, as far as that can be judged before its name is resolved.
    pub fn parse(self, text: &str) -> Result<Uri, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::NotAUrl)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(UrlError::NotAUrl)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_web || text.len() > URL_BYTES_MAX || text.contains('#') {
            return Err(UrlError::NotAUrl);
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        // The type takes any digits there, and then has no port.
        let port = authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
        if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
            return Err(UrlError::Port);
        }
        if self == Self::Public && uri.scheme_str() != Some("https") {
            return Err(UrlError::NotTls);
        }
        if self.allows_host(host) { Ok(uri) } else { Err(UrlError::NotPublic) }
    }

    /// Whether a URL's host may be asked: an address is judged here, as it is not resolved.
    pub fn allows_host(self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        address.map_or(true, |address| self.allows(address))
    }

    fn allows(self, address: IpAddr) -> bool {
        self == Self::Everywhere || is_public(address)
    }
}

/// Whether an address is one of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        // This network, shared address space, protocol assignments, benchmarks, reserved, broadcast.
        || first == 0
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (18..20).contains(&second))
        || first >= 240;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Of what is given out, 2000::/3, without protocol assignments, documentation, and the ways to IPv4
    // addresses (Teredo, 6to4), which may be any.
    let is_given_out = first & 0xe000 == 0x2000;
    let is_protocol = first == 0x2001 && second < 0x200;
    let is_documentation =
        (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    is_given_out && !is_protocol && !is_documentation && first != 0x2002
}

/// Resolves names, and leaves out addresses that may not be asked.
#[derive(Clone)]
pub(super) struct Resolver {
    inner: GaiResolver,
    reach: Reach,
}

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self { inner: GaiResolver::new(), reach }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (reach, resolving) = (self.reach, self.inner.call(name));
        Box::pin(async move {
            let found = resolving.await?;
            let allowed: Vec<_> = found.filter(|found| reach.allows(found.ip())).collect();
            if allowed.is_empty() {
                let why = "it has no public address";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            Ok(allowed.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_the_public_internet_is_public() {
        for public in
            ["1.1.1.1", "93.184.216.34", "100.63.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "2001:db8::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn a_url_of_an_account_is_https_and_public() {
        let parse = |text| Reach::Public.parse(text).err();
        assert_eq!(parse("https://example.com/hook?a=1"), None);
        assert_eq!(parse("https://example.com:8443"), None);
        assert_eq!(parse("http://example.com/"), Some(UrlError::NotTls));
        assert_eq!(parse("https://127.0.0.1/"), Some(UrlError::NotPublic));
        assert_eq!(parse("https://[::1]:8080/"), Some(UrlError::NotPublic));
        assert_eq!(parse("https://user:secret@example.com/"), Some(UrlError::User));
        for wrong in
            ["", "example", "ftp://example.com/", "https:///hook", "/hook", "https://a.example/#b"]
        {
            assert_eq!(parse(wrong), Some(UrlError::NotAUrl), "{wrong}");
        }
        assert!(Reach::Everywhere.parse("http://127.0.0.1:9/").is_ok());
        for wrong in [
            "http://127.0.0.1:99999/",
            "http://[::1]:65536/",
            "https://example.com:0/",
            "https://example.com:/",
        ] {
            assert_eq!(Reach::Everywhere.parse(wrong), Err(UrlError::Port), "{wrong}");
        }
        assert!(Reach::Everywhere.parse("http://[::1]:65535/").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = Resolver::new(Reach::Public).call(name()).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(Resolver::new(Reach::Everywhere).call(name()).await.is_ok());
    }
}
