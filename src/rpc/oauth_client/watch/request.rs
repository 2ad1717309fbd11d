//! The request of a stream.

use crate::{
    auth::Caller,
    domain::{
        ids::{ClientId, TenantId},
        resume_token::{InvalidResumeToken, Point, Stream},
    },
    pb::v1::{self, ErrorReason},
    rpc::failure::Failure,
    store::{Head, WatchScope},
};

/// The most clients of a stream, if it is not of all.
const MAX_CLIENTS: usize = 100;

/// A request to watch, by a caller of a tenant or of every tenant.
#[derive(Debug)]
pub(super) struct WatchRequest {
    tenant: TenantId,
    is_of_every_tenant: bool,
    clients: Option<Vec<ClientId>>,
    begin: Begin,
}

/// Where a stream begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With the changes from now on.
    Now,
    /// With the clients as they are.
    Initial,
    /// After a token.
    After(String),
}

impl WatchRequest {
    /// Parses the message of a caller.
    ///
    /// # Errors
    /// If a field breaks a rule.
    pub(super) fn parse(caller: &Caller, message: v1::WatchOAuthClientsRequest) -> Result<Self, Failure> {
        let v1::WatchOAuthClientsRequest {
            resume_token,
            send_initial,
            client_ids,
        } = message;
        let begin = match (resume_token.is_empty(), send_initial) {
            (true, false) => Begin::Now,
            (true, true) => Begin::Initial,
            (false, false) => Begin::After(resume_token),
            (false, true) => {
                let rule = "must not be set together with resumeToken";
                return Err(invalid("sendInitial", rule));
            }
        };
        Ok(Self {
            tenant: caller.tenant().clone(),
            is_of_every_tenant: caller.is_of_every_tenant(),
            clients: parse_ids(&client_ids)?,
            begin,
        })
    }

    pub(super) fn begin(&self) -> &Begin {
        &self.begin
    }

    /// Returns the clients that are watched.
    pub(super) fn scope(&self) -> WatchScope {
        WatchScope {
            tenant: (!self.is_of_every_tenant).then(|| self.tenant.clone()),
            clients: self.clients.as_deref().map(Into::into),
        }
    }

    /// Returns the stream of a database that is asked for.
    pub(super) fn stream(&self, head: &Head) -> Stream {
        Stream::new(
            head.key.clone(),
            head.incarnation,
            &self.tenant,
            self.clients.as_deref(),
        )
    }
}

fn parse_ids(texts: &[String]) -> Result<Option<Vec<ClientId>>, Failure> {
    if texts.len() > MAX_CLIENTS {
        return Err(invalid("clientIds", "must have at most 100 elements"));
    }
    let parse = |(index, text): (usize, &String)| {
        let field = || format!("clientIds[{index}]");
        ClientId::parse(text)
            .map_err(|_| Failure::field(ErrorReason::InvalidField, field(), "must be the id of a client"))
    };
    let ids: Vec<ClientId> = texts.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    Ok((!ids.is_empty()).then_some(ids))
}

fn invalid(field: &str, rule: &str) -> Failure {
    Failure::field(ErrorReason::InvalidField, field, rule)
}

/// Returns the point of a token.
///
/// # Errors
/// If the token is damaged, or of another stream or database.
pub(super) fn point(stream: &Stream, token: &str) -> Result<Point, Failure> {
    stream.point(token).map_err(|error| match error {
        InvalidResumeToken::Damaged | InvalidResumeToken::OtherClients => {
            Failure::field(ErrorReason::InvalidCursor, "resumeToken", error.to_string())
        }
        InvalidResumeToken::OtherDatabase | InvalidResumeToken::OtherTenant => expired(error.to_string()),
    })
}

/// Returns the failure of a token that no longer continues a stream.
pub(super) fn expired(detail: impl Into<String>) -> Failure {
    Failure::new(ErrorReason::ResumeTokenExpired, detail)
}
