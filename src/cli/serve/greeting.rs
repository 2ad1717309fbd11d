//! The greeting of `serve --dev`: where the server listens, and how to send it a request.

use std::{
    fmt,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use crate::{
    auth::dev_key::{DevKey, DevKeyError, DevToken, all_scopes},
    config::TlsFiles,
    io::bounded::{self, OUTPUT_LIMIT},
    server::Server,
};

const TENANT: &str = "dev";
const TOKEN_LIFETIME: Duration = Duration::from_hours(24);

/// The greeting. Its `Display` is its text.
pub(super) struct Greeting {
    grpc: SocketAddr,
    rest: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    tls: Option<TlsFiles>,
    token: String,
}

impl Greeting {
    pub(super) fn new(server: &Server, tls: Option<TlsFiles>, data_dir: &Path) -> Result<Self, DevKeyError> {
        let token = DevKey::load_or_create(data_dir)?.sign(&DevToken {
            tenant: TENANT,
            subject: "developer",
            scope: all_scopes(),
            lifetime: TOKEN_LIFETIME,
        })?;
        Ok(Self {
            grpc: server.grpc_addr(),
            rest: server.rest_addr(),
            metrics: server.metrics_addr(),
            tls,
            token,
        })
    }

    /// Prints the greeting. If standard output is not read, the server serves all the same.
    pub(super) fn print(&self) -> io::Result<()> {
        let text = self.to_string();
        let print = move || {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()
        };
        bounded::within(OUTPUT_LIMIT, print).unwrap_or_else(|| {
            tracing::warn!("standard output blocked, greeting not printed");
            Ok(())
        })
    }
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grpc, token, .. } = self;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let rest = self.rest.map(|addr| format!("{scheme}://{addr}"));
        let tools = ToolFlags::of(self.tls.as_ref());
        let hours = TOKEN_LIFETIME.as_secs() / 3600;
        writeln!(f, "gRPC on {grpc}")?;
        if let Some(rest) = &rest {
            writeln!(f, "REST on {rest}")?;
        }
        if let Some(metrics) = self.metrics {
            writeln!(f, "Metrics on http://{metrics}/metrics")?;
        }
        writeln!(
            f,
            "\nA token of the tenant \"{TENANT}\" with every scope, valid for {hours} hours:\n\nexport TOKEN={token}\n"
        )?;
        if let Some(rest) = &rest {
            writeln!(
                f,
                "curl {}-H \"Authorization: Bearer $TOKEN\" {rest}/api/core/oauth-clients",
                tools.curl
            )?;
        }
        writeln!(
            f,
            "grpcurl {}-H \"Authorization: Bearer $TOKEN\" {grpc} oauth_clients.v1.OAuthClientService/ListOAuthClients\n",
            tools.grpcurl
        )
    }
}

/// The flags with which curl and grpcurl connect to the server, each followed by a space.
struct ToolFlags {
    curl: String,
    grpcurl: String,
}

impl ToolFlags {
    fn of(tls: Option<&TlsFiles>) -> Self {
        let Some(tls) = tls else {
            return Self {
                curl: String::new(),
                grpcurl: "-plaintext ".to_owned(),
            };
        };
        let cert = tls.cert.display();
        let client = |dash| match tls.client_ca {
            Some(_) => format!("{dash}cert CLIENT.pem {dash}key CLIENT-KEY.pem "),
            None => String::new(),
        };
        Self {
            curl: format!("--cacert {cert} {}", client("--")),
            grpcurl: format!("-cacert {cert} {}", client("-")),
        }
    }
}
