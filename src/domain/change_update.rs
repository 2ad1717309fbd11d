//! The difference that a change makes, member by member, as its record states it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    change_type::ChangeType,
    client::Client,
    metadata::{ClientDraft, Metadata},
    secret::StoredSecret,
    timestamp::Timestamp,
};

/// A member of a client before and after a change, in the form that it has in JSON. A value is `None` where there was or is
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeUpdate {
    /// The member as a JSON Pointer (RFC 6901), such as `/clientName`, or `/clientSecrets/{hint}` for one secret.
    pub path: String,
    /// The value before the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_value: Option<Value>,
    /// The value after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_value: Option<Value>,
}

impl ChangeUpdate {
    /// Returns the members that differ, sorted by path; none if the client was created or deleted. Of a secret it states no
    /// more than responses do. The time of the change and the revision are not among the members.
    pub fn between(kind: ChangeType, before: &Client, after: &Client) -> Vec<Self> {
        match kind {
            ChangeType::Created | ChangeType::Deleted => Vec::new(),
            _ => {
                let mut difference = Difference(Vec::new());
                difference.of_clients(before, after);
                let Difference(mut updates) = difference;
                updates.sort_by(|a, b| a.path.cmp(&b.path));
                updates
            }
        }
    }
}

/// The updates that were found so far.
struct Difference(Vec<ChangeUpdate>);

impl Difference {
    fn of_clients(&mut self, before: &Client, after: &Client) {
        // The compiler asks for each new field here.
        let Client {
            id: _,
            revision: _,
            metadata,
            secrets,
            created_at: _,
            updated_at: _,
            deleted_at,
            disable_tag,
        } = after;
        self.of_metadata(&before.metadata, metadata);
        self.time("deletedAt", before.deleted_at, *deleted_at);
        self.text(
            "disableTag",
            before.disable_tag.as_deref(),
            disable_tag.as_deref(),
        );
        self.of_secrets(&before.secrets, secrets);
    }

    fn of_metadata(&mut self, before: &Metadata, after: &Metadata) {
        let ClientDraft {
            app_type: _,
            client_name,
            description,
            logo_uri,
            client_uri,
            redirect_uris,
            allowed_origins,
            allowed_scopes,
            allowed_grant_types,
            allowed_auth_methods,
            public_keys,
            consent_method: _,
            published_at,
            read_only_members: _,
        } = &**after;
        for (name, before, after) in [
            ("clientName", &before.client_name, client_name),
            ("description", &before.description, description),
            ("logoUri", &before.logo_uri, logo_uri),
            ("clientUri", &before.client_uri, client_uri),
        ] {
            self.text(name, before.as_deref(), after.as_deref());
        }
        for (name, before, after) in [
            ("redirectUris", &before.redirect_uris, redirect_uris),
            ("allowedOrigins", &before.allowed_origins, allowed_origins),
            ("allowedScopes", &before.allowed_scopes, allowed_scopes),
            (
                "allowedGrantTypes",
                &before.allowed_grant_types,
                allowed_grant_types,
            ),
            (
                "allowedAuthMethods",
                &before.allowed_auth_methods,
                allowed_auth_methods,
            ),
        ] {
            self.member(name, Some(before), Some(after), |texts| json!(texts));
        }
        let (old_keys, new_keys) = (Some(&before.public_keys), Some(public_keys));
        self.member("publicKeys", old_keys, new_keys, |keys| json!(keys));
        let (old_method, new_method) = (Some(before.consent_method()), Some(after.consent_method()));
        self.member(
            "connectionConfig",
            old_method,
            new_method,
            |method| json!({ "consentMethod": method }),
        );
        self.time("publishedAt", before.published_at, *published_at);
    }

    fn of_secrets(&mut self, before: &[StoredSecret], after: &[StoredSecret]) {
        if before == after {
            return;
        }
        let (before, after) = (secret_infos(before), secret_infos(after));
        let hints: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
        for hint in hints {
            let path = format!("clientSecrets/{hint}");
            self.member(&path, before.get(hint), after.get(hint), Value::clone);
        }
    }

    fn text(&mut self, path: &str, before: Option<&str>, after: Option<&str>) {
        self.member(path, before, after, |text| text.into());
    }

    fn time(&mut self, path: &str, before: Option<Timestamp>, after: Option<Timestamp>) {
        let time = |time: &Timestamp| time.to_rfc3339().into();
        self.member(path, before.as_ref(), after.as_ref(), time);
    }

    fn member<T: PartialEq + ?Sized>(
        &mut self,
        path: &str,
        before: Option<&T>,
        after: Option<&T>,
        json: impl Fn(&T) -> Value,
    ) {
        if before != after {
            self.0.push(ChangeUpdate {
                path: format!("/{path}"),
                old_value: before.map(&json),
                new_value: after.map(&json),
            });
        }
    }
}

/// Returns what responses state of secrets, by hint.
fn secret_infos(secrets: &[StoredSecret]) -> BTreeMap<&str, Value> {
    let info = |secret: &StoredSecret| {
        json!({
            "hint": secret.hint.as_str(),
            "createdAt": secret.created_at.to_rfc3339(),
            "createdBy": secret.created_by.as_str(),
        })
    };
    secrets
        .iter()
        .map(|secret| (secret.hint.as_str(), info(secret)))
        .collect()
}
