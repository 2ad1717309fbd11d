//! What is known of a caller once his token was verified.

use std::collections::HashSet;

use crate::domain::ids::{Subject, TenantId};

/// Who calls, for which tenant, and what he may do. Only a verified token makes one.
#[derive(Debug, Clone)]
pub struct CallContext {
    tenant: TenantId,
    subject: Subject,
    scopes: HashSet<String>,
}

impl CallContext {
    pub(super) fn new(tenant: TenantId, subject: Subject, scopes: HashSet<String>) -> Self {
        Self {
            tenant,
            subject,
            scopes,
        }
    }

    /// The tenant whose clients the caller sees.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who calls.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether the token holds a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether the token is that of a platform service, which has no tenant of its own.
    pub fn is_of_every_tenant(&self) -> bool {
        self.tenant.as_str() == "*"
    }
}
