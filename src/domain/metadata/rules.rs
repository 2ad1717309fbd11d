//! The rules for client metadata as a whole, and the limits of its lists.

use std::collections::HashSet;

use super::{
    super::{
        app_type::AppType,
        auth_method::AuthMethod,
        consent_method::ConsentMethod,
        grant_type::GrantType,
        jwk::{Jwk, JwkRule},
        origin, redirect_uri,
        scope::is_scope_token,
        text,
        violation::{Rule, Violations},
        web_uri,
    },
    ClientDraft,
};

/// The maximum number of elements of `redirectUris` and of `allowedOrigins`.
const MAX_URIS: usize = 100;
/// The maximum number of elements of `allowedScopes`.
const MAX_SCOPES: usize = 256;
/// The maximum number of elements of an array over a closed set. A longer one has duplicates or unknown values.
const MAX_CHOICES: usize = 20;
/// The maximum number of elements of `publicKeys`.
const MAX_KEYS: usize = 20;

/// Checks every rule and returns the type of the client.
///
/// # Errors
/// Returns the violations that were found before and those of the draft.
pub(super) fn check(draft: &ClientDraft, mut found: Violations) -> Result<AppType, Violations> {
    let app_type = check_app_type(&draft.app_type, &mut found);
    check_texts(draft, &mut found);
    check_uris(draft, app_type, &mut found);
    check_scopes(draft, &mut found);
    check_authentication(draft, app_type, &mut found);
    check_keys(draft, &mut found);
    check_consent(draft, &mut found);
    for member in &draft.read_only_members {
        found.push(*member, Rule::ReadOnly);
    }
    match app_type {
        Some(app_type) => found.into_result().map(|()| app_type),
        None => Err(found),
    }
}

fn check_app_type(name: &str, found: &mut Violations) -> Option<AppType> {
    let app_type = AppType::parse(name);
    if name.is_empty() {
        found.push("appType", Rule::Required);
    } else if app_type.is_none() {
        found.push("appType", not_one_of(AppType::NAMES));
    }
    app_type
}

fn check_texts(draft: &ClientDraft, found: &mut Violations) {
    match &draft.client_name {
        // On gRPC, an empty name is an absent one.
        Some(name) if !name.is_empty() => found.extend("clientName", text::check_name(name)),
        Some(_) | None => found.push("clientName", Rule::Required),
    }
    if let Some(description) = &draft.description {
        found.extend("description", text::check_description(description));
    }
    if let Some(uri) = &draft.logo_uri {
        found.extend("logoUri", web_uri::check(uri));
    }
    if let Some(uri) = &draft.client_uri {
        found.extend("clientUri", web_uri::check(uri));
    }
}

fn check_uris(draft: &ClientDraft, app_type: Option<AppType>, found: &mut Violations) {
    // The rules for `native` are the most lenient: if the type is unknown, only what breaks a rule of every type is
    // reported.
    let app_type = app_type.unwrap_or(AppType::Native);
    check_list("redirectUris", &draft.redirect_uris, MAX_URIS, found, |uri| {
        redirect_uri::check(uri, app_type)
    });
    check_list(
        "allowedOrigins",
        &draft.allowed_origins,
        MAX_URIS,
        found,
        origin::check,
    );
}

fn check_scopes(draft: &ClientDraft, found: &mut Violations) {
    check_list(
        "allowedScopes",
        &draft.allowed_scopes,
        MAX_SCOPES,
        found,
        |scope| (!is_scope_token(scope)).then_some(Rule::ScopeToken),
    );
}

fn check_authentication(draft: &ClientDraft, app_type: Option<AppType>, found: &mut Violations) {
    let choices = |names: &'static [&'static str]| {
        move |choice: &str| (!names.contains(&choice)).then_some(not_one_of(names))
    };
    check_list(
        "allowedGrantTypes",
        &draft.allowed_grant_types,
        MAX_CHOICES,
        found,
        choices(GrantType::NAMES),
    );
    check_list(
        "allowedAuthMethods",
        &draft.allowed_auth_methods,
        MAX_CHOICES,
        found,
        choices(AuthMethod::NAMES),
    );
    match app_type {
        Some(AppType::Web) if draft.allowed_auth_methods.is_empty() => {
            found.push("allowedAuthMethods", Rule::NoAuthMethod);
        }
        None | Some(AppType::Web) => {}
        Some(AppType::Native | AppType::Spa | AppType::AnonymousEmbed) => check_public(draft, found),
    }
}

/// Only a `web` client can keep a secret, so other clients cannot authenticate.
fn check_public(draft: &ClientDraft, found: &mut Violations) {
    for (field, empty) in [
        ("allowedGrantTypes", draft.allowed_grant_types.is_empty()),
        ("allowedAuthMethods", draft.allowed_auth_methods.is_empty()),
        ("publicKeys", draft.public_keys.is_empty()),
    ] {
        if !empty {
            found.push(field, Rule::OnlyForWeb);
        }
    }
}

fn check_keys(draft: &ClientDraft, found: &mut Violations) {
    let verifies = draft.allows(AuthMethod::PrivateKeyJwt);
    if verifies && draft.public_keys.is_empty() {
        found.push("publicKeys", Rule::NoPublicKey);
    }
    if draft.public_keys.len() > MAX_KEYS {
        found.push("publicKeys", Rule::TooMany { max: MAX_KEYS });
        return;
    }
    let mut ids = HashSet::new();
    for (index, key) in draft.public_keys.iter().enumerate() {
        for (member, rule) in check_key(key, verifies) {
            found.push(format!("publicKeys[{index}].{member}"), rule);
        }
        if !ids.insert(&key.kid) {
            found.push(format!("publicKeys[{index}].kid"), JwkRule::KeyIdTaken);
        }
    }
}

/// Returns the rules of form that a key breaks and, if it is to verify signatures, the rules of strength for the members
/// whose form is right.
fn check_key(key: &Jwk, verifies: bool) -> Vec<(&'static str, JwkRule)> {
    let mut broken = key.check_form();
    if verifies {
        let malformed: Vec<&str> = broken.iter().map(|(member, _)| *member).collect();
        let weak = key.check_strength().into_iter();
        broken.extend(weak.filter(|(member, _)| !malformed.contains(member)));
    }
    broken
}

fn check_consent(draft: &ClientDraft, found: &mut Violations) {
    if let Some(method) = &draft.consent_method
        && ConsentMethod::parse(method).is_none()
    {
        found.push("connectionConfig.consentMethod", not_one_of(ConsentMethod::NAMES));
    }
}

fn not_one_of(allowed: &'static [&'static str]) -> Rule {
    Rule::NotOneOf { allowed }
}

/// Checks a list and each of its elements. Of a list that is too long only that is reported, which bounds the report.
fn check_list<B>(field: &str, list: &[String], max: usize, found: &mut Violations, check: impl Fn(&str) -> B)
where
    B: IntoIterator<Item: Into<Rule>>,
{
    if list.len() > max {
        found.push(field, Rule::TooMany { max });
        return;
    }
    let mut seen = HashSet::new();
    for (index, element) in list.iter().enumerate() {
        let path = format!("{field}[{index}]");
        if !seen.insert(element) {
            found.push(path.as_str(), Rule::Duplicate);
        }
        found.extend(&path, check(element));
    }
}
