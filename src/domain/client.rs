//! A client as a whole, and the ways in which it changes.

use thiserror::Error;

use super::{
    app_type::AppType,
    auth_method::AuthMethod,
    consent_method::ConsentMethod,
    ids::{ClientId, Subject, TenantId},
    metadata::{ClientDraft, Metadata},
    patch::Patch,
    revision::{Etag, Revision},
    secret::{ClientSecret, Hint, SecretSeed, StoredSecret},
    text,
    timestamp::Timestamp,
    violation::{Rule, Violations},
};

/// An OAuth 2.0 client of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The identifier.
    pub id: ClientId,
    /// The number of this state, which grows by one with each change.
    pub revision: Revision,
    /// The metadata that an administrator maintains.
    pub metadata: Metadata,
    /// The secrets, oldest first.
    pub secrets: Vec<StoredSecret>,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last change, which strictly grows with each change.
    pub updated_at: Timestamp,
    /// The time of deletion.
    pub deleted_at: Option<Timestamp>,
    /// The reason for which the client is disabled.
    pub disable_tag: Option<String>,
}

/// The circumstances of a change: by whom, when, and with which random bytes.
#[derive(Debug)]
pub struct ChangeContext {
    /// The tenant that owns the client.
    pub tenant: TenantId,
    /// The subject that makes the change.
    pub actor: Subject,
    /// The time of the change.
    pub now: Timestamp,
    /// Random bytes for a secret, in case the change generates one.
    pub seed: SecretSeed,
}

/// A secret that was just generated, in the clear.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// The name within the client.
    pub hint: Hint,
    /// The secret.
    pub secret: ClientSecret,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The subject that created it.
    pub created_by: Subject,
}

/// The reason for which a client cannot be changed as requested.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// The request breaks rules.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// The client would be too large.
    #[error(
        "the client has {bytes} bytes encoded without its state and secrets: at most {MAX_CLIENT_BYTES} are allowed"
    )]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// The client has the maximum number of secrets.
    #[error("the client has {MAX_SECRETS} secrets, the maximum: delete one first")]
    SecretLimitReached,
    /// The client does not authenticate with secrets.
    #[error(
        "only a client whose appType is {} and whose allowedAuthMethods has {} can have secrets",
        AppType::Web,
        AuthMethod::ClientSecret
    )]
    SecretsNotSupported,
    /// The client is not in a state that the request names.
    #[error("the client is in another state: its etag is not one of those that the request names")]
    EtagMismatch,
    /// The client does not have the secret.
    #[error("the client has no secret with this hint")]
    SecretNotFound,
}

/// The maximum size of a client as an encoded message without its state and secrets, in bytes.
pub const MAX_CLIENT_BYTES: usize = 256 * 1024;
/// The maximum number of secrets of a client.
pub const MAX_SECRETS: usize = 5;

/// The consent methods that a new client can state.
const CONSENT_ON_CREATION: &[&str] = &[ConsentMethod::Trusted.as_str()];

impl Client {
    /// Registers a client. One that authenticates with secrets gets its first secret.
    ///
    /// # Errors
    /// Returns all rules that the draft breaks.
    pub fn register(
        id: ClientId,
        mut draft: ClientDraft,
        context: &ChangeContext,
    ) -> Result<(Self, Option<NewSecret>), ChangeError> {
        let found = check_consent_on_creation(&mut draft);
        if draft.app_type == AppType::Web.as_str() && draft.allowed_auth_methods.is_empty() {
            draft
                .allowed_auth_methods
                .push(AuthMethod::ClientSecret.as_str().to_owned());
        }
        let mut client = Self {
            id,
            revision: Revision::FIRST,
            metadata: draft.verify_after(found)?,
            secrets: Vec::new(),
            created_at: context.now,
            updated_at: context.now,
            deleted_at: None,
            disable_tag: None,
        };
        let secret = if client.supports_secrets() {
            Some(client.add_secret(context)?)
        } else {
            None
        };
        Ok((client, secret))
    }

    /// Applies a patch as a whole. Allowing `client_secret` generates a secret; disallowing it deletes all secrets.
    ///
    /// # Errors
    /// Returns all operations that cannot be applied and all rules that the result breaks. The client is unchanged then.
    pub fn patch(
        &mut self,
        patch: &Patch,
        context: &ChangeContext,
    ) -> Result<Option<NewSecret>, ChangeError> {
        let mut draft = self.metadata.clone_draft();
        let found = patch.apply(&mut draft, context.now);
        let metadata = draft.verify_after(found)?;
        if metadata == self.metadata {
            return Ok(None);
        }
        let supported_secrets = self.supports_secrets();
        self.metadata = metadata;
        self.touch(context.now);
        match (supported_secrets, self.supports_secrets()) {
            (false, true) => self.add_secret(context).map(Some),
            (true, false) => {
                self.secrets.clear();
                Ok(None)
            }
            (true, true) | (false, false) => Ok(None),
        }
    }

    /// Generates another secret.
    ///
    /// # Errors
    /// If the client does not authenticate with secrets, or has the maximum number of them.
    pub fn create_secret(&mut self, context: &ChangeContext) -> Result<NewSecret, ChangeError> {
        if !self.supports_secrets() {
            return Err(ChangeError::SecretsNotSupported);
        }
        self.touch(context.now);
        self.add_secret(context)
    }

    /// Deletes the secret with a hint.
    ///
    /// # Errors
    /// If the client has no such secret.
    pub fn delete_secret(&mut self, hint: &str, now: Timestamp) -> Result<(), ChangeError> {
        let count = self.secrets.len();
        self.secrets.retain(|secret| secret.hint.as_str() != hint);
        if self.secrets.len() == count {
            return Err(ChangeError::SecretNotFound);
        }
        self.touch(now);
        Ok(())
    }

    /// Disables the client, or changes the reason for which it is disabled.
    ///
    /// # Errors
    /// Returns all rules that the reason breaks, which are those of a name.
    pub fn disable(&mut self, reason: &str, now: Timestamp) -> Result<(), ChangeError> {
        let mut found = Violations::default();
        found.extend("reason", text::check_name(reason));
        found.into_result()?;
        if self.disable_tag.as_deref() != Some(reason) {
            self.touch(now);
            self.disable_tag = Some(reason.to_owned());
        }
        Ok(())
    }

    /// Enables the client. Changes nothing if it is not disabled.
    pub fn enable(&mut self, now: Timestamp) {
        if self.disable_tag.is_some() {
            self.touch(now);
            self.disable_tag = None;
        }
    }

    /// Deletes the client and its secrets.
    pub fn delete(&mut self, now: Timestamp) {
        self.touch(now);
        self.deleted_at = Some(self.updated_at);
        self.secrets.clear();
    }

    fn supports_secrets(&self) -> bool {
        self.metadata.app_type() == AppType::Web && self.metadata.allows(AuthMethod::ClientSecret)
    }

    fn add_secret(&mut self, context: &ChangeContext) -> Result<NewSecret, ChangeError> {
        if self.secrets.len() >= MAX_SECRETS {
            return Err(ChangeError::SecretLimitReached);
        }
        let taken = |hint: &Hint| self.secrets.iter().any(|secret| secret.hint == *hint);
        let (hint, secret) =
            ClientSecret::generate(&context.seed, taken).ok_or(ChangeError::SecretLimitReached)?;
        self.secrets.push(StoredSecret {
            hint: hint.clone(),
            hash: secret.hash(&context.tenant, &self.id, &hint),
            created_at: self.updated_at,
            created_by: context.actor.clone(),
        });
        Ok(NewSecret {
            hint,
            secret,
            created_at: self.updated_at,
            created_by: context.actor.clone(),
        })
    }

    /// Returns the name of this state.
    pub fn etag(&self) -> Etag {
        Etag::new(&self.id, self.revision, self.updated_at)
    }

    /// Begins a change, once for each: counts it, and sets the time of the last change, which grows even if the clock does
    /// not.
    fn touch(&mut self, now: Timestamp) {
        self.revision = self.revision.next();
        self.updated_at = now.max(self.updated_at.next());
    }
}

/// Checks the consent method of a new client. A wrong one is removed, so that it is not reported twice.
fn check_consent_on_creation(draft: &mut ClientDraft) -> Violations {
    let mut found = Violations::default();
    let allowed = CONSENT_ON_CREATION;
    let wrong = draft
        .consent_method
        .take_if(|method| !allowed.contains(&method.as_str()));
    if wrong.is_some() {
        found.push("connectionConfig.consentMethod", Rule::NotOneOf { allowed });
    }
    found
}
