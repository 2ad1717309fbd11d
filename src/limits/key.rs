//! The owner of a bucket.

use crate::{
    auth::Caller,
    domain::ids::{Subject, TenantId},
};

/// A caller as the owner of a bucket: its tenant and subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LimitKey {
    pub(super) tenant: TenantId,
    pub(super) subject: Subject,
}

impl From<&Caller> for LimitKey {
    fn from(caller: &Caller) -> Self {
        Self {
            tenant: caller.tenant().clone(),
            subject: caller.subject().clone(),
        }
    }
}
