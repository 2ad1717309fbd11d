//! What is known of a caller once his token was verified.

use std::{collections::HashSet, sync::Arc};

use crate::domain::ids::{Subject, TenantId};

/// Who calls, for which tenant, and what he may do. Only a verified token makes one.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Claims>);

#[derive(Debug)]
struct Claims {
    tenant: TenantId,
    subject: Subject,
    scopes: HashSet<String>,
}

impl Caller {
    pub(super) fn new(tenant: TenantId, subject: Subject, scopes: HashSet<String>) -> Self {
        Self(Arc::new(Claims {
            tenant,
            subject,
            scopes,
        }))
    }

    /// The tenant whose clients the caller sees.
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// Who calls.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// Whether the token holds a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.contains(scope)
    }

    /// Whether the token is that of a platform service, which has no tenant of its own.
    pub fn is_of_every_tenant(&self) -> bool {
        self.0.tenant.as_str() == "*"
    }
}
