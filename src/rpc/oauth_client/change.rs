//! The one shape of every change of a client.

use prost::Message;
use tonic::{Request, Response};

use super::{
    OAuthClients,
    retry::{Changed, RequestIds, Retryable},
};
use crate::{
    auth::Caller,
    domain::{
        change_type::ChangeType,
        client::{ChangeContext, ChangeError, Client},
        ids::ClientId,
    },
    pb::v1,
    rpc::{
        environment::{now, secret_seed},
        etag::Precondition,
        failure::Failure,
        request::{called_method, caller_and_message},
        stack::deadline::{EndsAt, deadline_exceeded},
    },
    store::Author,
};

/// A message that asks for a change of one client.
pub(super) trait ChangeRequest: Retryable + Send + 'static {
    /// Returns the id of the client, which may be malformed.
    fn client_id(&self) -> &str;

    /// Returns the etags of the states in which the client may be changed, which may be malformed.
    fn etag(&self) -> Option<&str>;
}

macro_rules! change_request {
    ($($message:ident),+ $(,)?) => {
        $(impl ChangeRequest for v1::$message {
            fn client_id(&self) -> &str {
                &self.client_id
            }

            fn etag(&self) -> Option<&str> {
                self.etag.as_deref()
            }
        }

        impl Retryable for v1::$message {
            fn take_request_id(&mut self) -> Option<String> {
                self.request_id.take()
            }
        })+
    };
}

change_request![
    PatchOAuthClientRequest,
    DeleteOAuthClientRequest,
    CreateClientSecretRequest,
    DeleteClientSecretRequest,
    DisableOAuthClientRequest,
    EnableOAuthClientRequest,
];

impl OAuthClients {
    /// Changes the client that a request names: `apply` changes it in memory and returns the response, within the
    /// transaction that stores the difference. The response has the new etag of the client. If the request was carried out
    /// before, with the same idempotency key, the response is the first one, whatever state the client is in by now.
    ///
    /// # Errors
    /// If the caller's tenant has no such client, it is in none of the states that the request names, `apply` rejects the change, or the store fails. Nothing is stored then.
    pub(super) async fn change<M, R>(
        &self,
        mut request: Request<M>,
        change_type: ChangeType,
        apply: impl FnOnce(&mut Client, M, &ChangeContext) -> Result<R, ChangeError> + Send + 'static,
    ) -> Result<Response<R>, Failure>
    where
        M: ChangeRequest,
        R: Message + Default + 'static,
    {
        let wait = self.store.fence_wait();
        let ends_at = request.extensions().get::<EndsAt>().copied();
        let is_late = move || ends_at.is_some_and(|ends_at| ends_at.left() < wait);
        if is_late() {
            return Err(deadline_exceeded());
        }
        let ids = RequestIds::take(&mut request)?;
        let method = called_method(&request)?;
        let (caller, message) = caller_and_message(request)?;
        let precondition = Precondition::parse(message.etag())?;
        let id = ClientId::parse(message.client_id())?;
        let context = change_context(&caller)?;
        let author = Author {
            actor: caller.subject().clone(),
            correlation_id: ids.correlation_id.clone(),
        };
        let once = ids.once(&caller, method, &message)?;
        let apply = move |client: &mut Client| {
            // The turn of this change may have come late.
            if is_late() {
                return Err(deadline_exceeded());
            }
            precondition.check(client)?;
            let message = apply(client, message, &context)?;
            Ok(Changed::new(message, &client.etag()))
        };
        let store = &self.store;
        let changed = store.update_client_once(caller.tenant(), &id, change_type, &author, once, apply);
        Ok(changed.await?.respond())
    }
}

/// Returns the circumstances of a change that a caller makes now.
pub(super) fn change_context(caller: &Caller) -> Result<ChangeContext, Failure> {
    Ok(ChangeContext {
        tenant: caller.tenant().clone(),
        actor: caller.subject().clone(),
        now: now(),
        seed: secret_seed()?,
    })
}
