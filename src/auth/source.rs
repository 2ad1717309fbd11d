//! Reads the keys of the issuer from a file, or from the URL at which it publishes them.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use reqwest::{StatusCode, Url, redirect::Policy};
use thiserror::Error;

use super::KeySetError;
use crate::io::file::{self, UnreadableFile};

/// The time that the issuer has to send its keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set that is accepted.
const MAX_BYTES: usize = 1024 * 1024;

/// The location of the issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url(JwksUrl),
}

/// An `https` URL, or an `http` URL of this machine: whatever can change the keys on their way can forge any token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksUrl(Url);

/// The error for text that is not a URL that keys may be fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an https URL without userinfo; http is for localhost, 127.0.0.1 and [::1] only")]
pub struct InvalidJwksUrl;

impl FromStr for JwksUrl {
    type Err = InvalidJwksUrl;

    fn from_str(text: &str) -> Result<Self, InvalidJwksUrl> {
        let url = Url::parse(text).map_err(|_| InvalidJwksUrl)?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let secure = url.scheme() == "https" || url.scheme() == "http" && local;
        if secure && url.username().is_empty() && url.password().is_none() {
            Ok(Self(url))
        } else {
            Err(InvalidJwksUrl)
        }
    }
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            // The query may have credentials.
            Self::Url(JwksUrl(url)) => write!(f, "{}{}", url.origin().ascii_serialization(), url.path()),
        }
    }
}

/// An error while the keys were read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("the JWKS file cannot be read")]
    Read(#[from] UnreadableFile),
    /// The issuer cannot be reached, or the connection broke off.
    #[error("the JWKS URL cannot be fetched")]
    Fetch(#[source] reqwest::Error),
    /// The issuer did not respond with 200.
    #[error("the JWKS URL responded with the status {0}")]
    Status(StatusCode),
    /// The response is larger than a key set.
    #[error("the JWKS is larger than 1 MiB")]
    TooLarge,
    /// The document is not a usable key set.
    #[error("the JWKS cannot be used")]
    Keys(#[from] KeySetError),
}

impl From<reqwest::Error> for SourceError {
    fn from(error: reqwest::Error) -> Self {
        // The query may have credentials.
        Self::Fetch(error.without_url())
    }
}

/// Reads the document with the keys.
#[derive(Debug)]
pub(super) enum KeySource {
    File(PathBuf),
    Url { url: Url, http: reqwest::Client },
}

impl KeySource {
    pub(super) fn open(location: &KeyLocation) -> Result<Self, SourceError> {
        Ok(match location {
            KeyLocation::File(path) => Self::File(path.clone()),
            KeyLocation::Url(JwksUrl(url)) => Self::Url {
                url: url.clone(),
                http: client(url)?,
            },
        })
    }

    pub(super) async fn read(&self) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::File(path) => Ok(file::read(path).await?),
            Self::Url { url, http } => fetch(http, url).await,
        }
    }
}

fn client(url: &Url) -> reqwest::Result<reqwest::Client> {
    // A redirect could lead from https to http.
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .timeout(FETCH_TIMEOUT);
    // Plaintext does not leave this machine.
    let builder = if url.scheme() == "http" {
        builder.no_proxy()
    } else {
        builder
    };
    builder.build()
}

async fn fetch(http: &reqwest::Client, url: &Url) -> Result<Vec<u8>, SourceError> {
    let mut response = http.get(url.clone()).send().await?;
    if response.status() != StatusCode::OK {
        return Err(SourceError::Status(response.status()));
    }
    let mut document = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        document.extend_from_slice(&chunk);
        if document.len() > MAX_BYTES {
            return Err(SourceError::TooLarge);
        }
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for text in [
            "https://issuer.example/jwks",
            "http://localhost:8080/jwks",
            "http://127.0.0.1/jwks",
            "http://[::1]:1/jwks",
        ] {
            assert!(text.parse::<JwksUrl>().is_ok(), "{text}");
        }
        for text in [
            "",
            "issuer.example",
            "http://issuer.example/jwks",
            "http://localhost.example/jwks",
            "file:///etc/jwks.json",
            "https://user:password@issuer.example/jwks",
        ] {
            assert_eq!(text.parse::<JwksUrl>(), Err(InvalidJwksUrl), "{text}");
        }
    }
}
