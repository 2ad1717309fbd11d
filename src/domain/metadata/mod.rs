//! Client metadata (RFC 7591 section 2): what an administrator states about a client.

mod draft;
mod rules;
#[cfg(test)]
mod tests;

use std::ops::Deref;

pub use draft::ClientDraft;

use super::{
    app_type::AppType, auth_method::AuthMethod, consent_method::ConsentMethod, violation::Violations,
};

/// Client metadata that follows every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    app_type: AppType,
    draft: ClientDraft,
}

impl ClientDraft {
    /// Verifies that the draft follows every rule.
    ///
    /// # Errors
    /// Returns all broken rules.
    pub fn verify(self) -> Result<Metadata, Violations> {
        self.verify_after(Violations::default())
    }

    /// Verifies the draft when earlier checks may have found violations, which precede those of the draft.
    ///
    /// # Errors
    /// Returns all broken rules.
    pub(super) fn verify_after(mut self, found: Violations) -> Result<Metadata, Violations> {
        let app_type = rules::check(&self, found)?;
        // The default is stored as absent, so that stating it is not a difference.
        self.consent_method = self
            .consent_method
            .filter(|method| method != ConsentMethod::Required.as_str());
        Ok(Metadata {
            app_type,
            draft: self,
        })
    }

    /// Returns `true` if the client may authenticate with a method.
    pub fn allows(&self, method: AuthMethod) -> bool {
        self.allowed_auth_methods
            .iter()
            .any(|allowed| allowed == method.as_str())
    }
}

impl Metadata {
    /// Restores metadata that was verified before it was stored. `None` if its type is unknown: the record is corrupt.
    pub fn restore(draft: ClientDraft) -> Option<Self> {
        AppType::parse(&draft.app_type).map(|app_type| Self { app_type, draft })
    }

    /// Returns the kind of application that the client is.
    pub fn app_type(&self) -> AppType {
        self.app_type
    }

    /// Returns a copy to change and verify again.
    pub fn clone_draft(&self) -> ClientDraft {
        self.draft.clone()
    }

    /// Returns the members.
    pub fn into_draft(self) -> ClientDraft {
        self.draft
    }

    /// Returns the name of the [`ConsentMethod`].
    pub fn consent_method(&self) -> &str {
        let method = self.draft.consent_method.as_deref();
        method.unwrap_or(ConsentMethod::Required.as_str())
    }
}

impl Deref for Metadata {
    type Target = ClientDraft;

    fn deref(&self) -> &ClientDraft {
        &self.draft
    }
}
