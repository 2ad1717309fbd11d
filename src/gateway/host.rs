//! The host that a request is for (RFC 9112 section 3.2, RFC 9113 section 8.3.1).

use fluent_uri::UriRef;
use http::{HeaderValue, Request, Version, header::HOST};
use thiserror::Error;

use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// A request that does not name one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum InvalidHost {
    #[error("is required")]
    Missing,
    #[error("must not be repeated")]
    Repeated,
    #[error("must be a host, with or without a port")]
    Malformed,
    #[error("differs from the authority")]
    Different,
}

impl From<InvalidHost> for Failure {
    fn from(error: InvalidHost) -> Self {
        Self::field(ErrorReason::InvalidField, HOST.as_str(), error.to_string())
    }
}

/// Requires that a request names the host that it is for, once. It decides nothing here, but proxies in front of the server
/// decide by it, and must not have read another one.
pub(crate) fn require_host<B>(request: &Request<B>) -> Result<(), InvalidHost> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(InvalidHost::Repeated);
    }
    if host.is_some_and(|host| !is_host(host)) {
        return Err(InvalidHost::Malformed);
    }
    let authority = request.uri().authority();
    match (request.version(), host, authority) {
        (Version::HTTP_2, None, None) | (Version::HTTP_11, None, _) => Err(InvalidHost::Missing),
        (Version::HTTP_2, Some(host), Some(authority))
            if !authority
                .as_str()
                .as_bytes()
                .eq_ignore_ascii_case(host.as_bytes()) =>
        {
            Err(InvalidHost::Different)
        }
        _ => Ok(()),
    }
}

/// Returns `true` for an authority without userinfo (RFC 3986 section 3.2). It may be empty.
fn is_host(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else {
        return false;
    };
    let reference = format!("//{host}");
    let Ok(reference) = UriRef::parse(reference.as_str()) else {
        return false;
    };
    reference
        .authority()
        .is_some_and(|authority| authority.as_str() == host && authority.userinfo().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(version: Version, uri: &str, hosts: &[&str]) -> Option<InvalidHost> {
        let request = Request::builder().version(version).uri(uri);
        let request = hosts
            .iter()
            .fold(request, |request, host| request.header(HOST, *host));
        require_host(&request.body(()).unwrap()).err()
    }

    #[test]
    fn a_request_of_http2_has_an_authority_or_a_host() {
        let (path, absolute) = ("/a", "http://a.example:80/a");
        for (uri, hosts, error) in [
            (absolute, &[][..], None),
            (path, &["a.example"], None),
            (absolute, &["A.example:80"], None),
            (path, &[], Some(InvalidHost::Missing)),
            (absolute, &["b.example:80"], Some(InvalidHost::Different)),
            (absolute, &["a.example:80"; 2], Some(InvalidHost::Repeated)),
        ] {
            assert_eq!(refused(Version::HTTP_2, uri, hosts), error, "{uri} {hosts:?}");
        }
    }

    #[test]
    fn a_request_of_http1_has_a_host() {
        for (version, hosts, error) in [
            (Version::HTTP_11, &["a"][..], None),
            (Version::HTTP_11, &[], Some(InvalidHost::Missing)),
            (Version::HTTP_11, &["a", "a"], Some(InvalidHost::Repeated)),
            (Version::HTTP_11, &["a/b"], Some(InvalidHost::Malformed)),
            (Version::HTTP_10, &[], None),
            (Version::HTTP_10, &["a", "b"], Some(InvalidHost::Repeated)),
        ] {
            assert_eq!(refused(version, "/a", hosts), error, "{version:?} {hosts:?}");
        }
    }
}
