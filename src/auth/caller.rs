//! Callers whose tokens were verified.

use std::{collections::HashSet, sync::Arc};

use crate::domain::{
    ids::{Subject, TenantId},
    timestamp::Timestamp,
};

/// The caller of a request: its subject, tenant and scopes. Only a verified token makes one.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Claims>);

#[derive(Debug)]
struct Claims {
    tenant: TenantId,
    subject: Subject,
    scopes: HashSet<String>,
    expires: Timestamp,
}

impl Caller {
    pub(super) fn new(
        tenant: TenantId,
        subject: Subject,
        scopes: HashSet<String>,
        expires: Timestamp,
    ) -> Self {
        Self(Arc::new(Claims {
            tenant,
            subject,
            scopes,
            expires,
        }))
    }

    /// The tenant whose clients the caller sees.
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// The `sub` of the caller's token.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The `exp` of the caller's token.
    pub fn expires(&self) -> Timestamp {
        self.0.expires
    }

    /// Returns `true` if the token has a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.contains(scope)
    }

    /// Returns `true` if the caller is not of one tenant, but acts for all of them, as an authorization server does.
    pub fn is_of_every_tenant(&self) -> bool {
        self.0.tenant.as_str() == "*"
    }
}
