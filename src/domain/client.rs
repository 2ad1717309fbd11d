//! A client as a whole: its metadata, its secrets, its times, and the ways in which it changes.

use thiserror::Error;

use super::{
    ids::{ClientId, Subject, TenantId},
    metadata::{AppType, AuthMethod, ClientDraft, Metadata},
    patch::Patch,
    secret::{ClientSecret, Hint, SecretSeed, StoredSecret},
    text,
    timestamp::Timestamp,
    violation::{Rule, Violations},
};

/// An OAuth 2.0 client of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// What is said about it.
    pub metadata: Metadata,
    /// Its secrets, oldest first.
    pub secrets: Vec<StoredSecret>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed. It grows with each change.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// Why it is disabled.
    pub disable_tag: Option<String>,
}

/// What a change needs from outside: who changes, when, and what is random about it.
#[derive(Debug)]
pub struct Change {
    /// The tenant that owns the client.
    pub tenant: TenantId,
    /// Who changes it.
    pub by: Subject,
    /// When.
    pub now: Timestamp,
    /// Randomness for a secret, should one be made.
    pub seed: SecretSeed,
}

/// A secret that was just made, in the clear.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// Its name within the client.
    pub hint: Hint,
    /// The secret.
    pub secret: ClientSecret,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a client cannot change so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// Rules are broken.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// It has the most secrets that a client can have.
    #[error("the client has {MAX_SECRETS} secrets, the most a client can have: delete one first")]
    SecretLimitReached,
    /// It cannot have secrets.
    #[error("only a client whose appType is web and whose allowedAuthMethods has client_secret has secrets")]
    SecretsNotSupported,
    /// It has no such secret.
    #[error("the client has no secret with this hint")]
    SecretNotFound,
}

/// The most secrets of a client.
pub const MAX_SECRETS: usize = 5;

impl Client {
    /// Registers a client. One that authenticates with secrets gets its first.
    ///
    /// # Errors
    /// All rules that the draft breaks.
    pub fn register(
        id: ClientId,
        mut draft: ClientDraft,
        change: &Change,
    ) -> Result<(Self, Option<NewSecret>), ChangeError> {
        let mut found = Violations::default();
        if draft
            .consent_method
            .as_deref()
            .is_some_and(|method| method != "trusted")
        {
            draft.consent_method = None;
            let allowed = "trusted";
            found.push("connectionConfig.consentMethod", Rule::NotOneOf { allowed });
        }
        if draft.app_type == AppType::Web.as_str() && draft.allowed_auth_methods.is_empty() {
            draft
                .allowed_auth_methods
                .push(AuthMethod::ClientSecret.as_str().to_owned());
        }
        let metadata = match draft.verify() {
            Ok(metadata) => found.or(metadata)?,
            Err(others) => {
                found.append(others);
                return Err(found.into());
            }
        };
        let mut client = Self {
            id,
            metadata,
            secrets: Vec::new(),
            created_at: change.now,
            updated_at: change.now,
            deleted_at: None,
            disable_tag: None,
        };
        let secret = if client.has_secrets() {
            Some(client.add_secret(change)?)
        } else {
            None
        };
        Ok((client, secret))
    }

    /// Applies a patch, all of it or nothing. Allowing `client_secret` makes a secret; no longer allowing it deletes
    /// them all.
    ///
    /// # Errors
    /// All operations that cannot be applied, and all rules that the end state breaks.
    pub fn patch(&mut self, patch: &Patch, change: &Change) -> Result<Option<NewSecret>, ChangeError> {
        let mut draft = self.metadata.clone_draft();
        let mut found = patch.apply(&mut draft, change.now);
        let metadata = match draft.verify() {
            Ok(metadata) => found.or(metadata)?,
            Err(others) => {
                found.append(others);
                return Err(found.into());
            }
        };
        if metadata == self.metadata {
            return Ok(None);
        }
        let had_secrets = self.has_secrets();
        self.metadata = metadata;
        self.touch(change.now);
        match (had_secrets, self.has_secrets()) {
            (false, true) => self.add_secret(change).map(Some),
            (true, false) => {
                self.secrets.clear();
                Ok(None)
            }
            (true, true) | (false, false) => Ok(None),
        }
    }

    /// Makes one more secret.
    ///
    /// # Errors
    /// When the client cannot have secrets, or has the most already.
    pub fn create_secret(&mut self, change: &Change) -> Result<NewSecret, ChangeError> {
        if !self.has_secrets() {
            return Err(ChangeError::SecretsNotSupported);
        }
        self.touch(change.now);
        self.add_secret(change)
    }

    /// Deletes a secret.
    ///
    /// # Errors
    /// When the client has none with this hint.
    pub fn delete_secret(&mut self, hint: &Hint, now: Timestamp) -> Result<(), ChangeError> {
        let before = self.secrets.len();
        self.secrets.retain(|secret| secret.hint != *hint);
        if self.secrets.len() == before {
            return Err(ChangeError::SecretNotFound);
        }
        self.touch(now);
        Ok(())
    }

    /// Disables the client, or changes why it is disabled.
    ///
    /// # Errors
    /// The rules that the reason breaks.
    pub fn disable(&mut self, reason: &str, now: Timestamp) -> Result<(), ChangeError> {
        let mut found = Violations::default();
        for rule in text::check_name(reason) {
            found.push("reason", Rule::Text(rule));
        }
        found.or(())?;
        if self.disable_tag.as_deref() != Some(reason) {
            self.touch(now);
            self.disable_tag = Some(reason.to_owned());
        }
        Ok(())
    }

    /// Enables the client. One that is not disabled stays as it is.
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

    fn has_secrets(&self) -> bool {
        self.metadata.app_type() == AppType::Web && self.metadata.allows(AuthMethod::ClientSecret)
    }

    fn add_secret(&mut self, change: &Change) -> Result<NewSecret, ChangeError> {
        if self.secrets.len() >= MAX_SECRETS {
            return Err(ChangeError::SecretLimitReached);
        }
        let taken = |hint: &Hint| self.secrets.iter().any(|secret| secret.hint == *hint);
        let (hint, secret) =
            ClientSecret::generate(&change.seed, taken).ok_or(ChangeError::SecretLimitReached)?;
        self.secrets.push(StoredSecret {
            hint: hint.clone(),
            hash: secret.hash(&change.tenant, &self.id, &hint),
            created_at: self.updated_at,
            created_by: change.by.clone(),
        });
        Ok(NewSecret {
            hint,
            secret,
            created_at: self.updated_at,
        })
    }

    /// `updatedAt` grows with each change, also when the clock does not.
    fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at.next());
    }
}
