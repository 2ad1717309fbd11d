//! What an administrator says about a client (RFC 7591 section 2 calls it client metadata), before and after it was
//! checked.

use std::{collections::HashSet, fmt, ops::Deref};

use super::{
    jwk::{Jwk, JwkRule},
    origin, redirect_uri, text,
    timestamp::Timestamp,
    violation::{Rule, Violations},
    web_uri,
};

/// What kind of application a client is. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppType {
    /// Runs on a server, and can keep a secret: confidential (RFC 6749 section 2.1).
    Web,
    /// Runs on the user's device.
    Native,
    /// Runs in a browser.
    Spa,
    /// Embeds content for users who are not signed in.
    AnonymousEmbed,
}

/// How a `web` client authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// With a secret (RFC 6749 section 2.3.1).
    ClientSecret,
    /// With a signed assertion (RFC 7523 section 2.2).
    PrivateKeyJwt,
}

/// What is said about a client, as it came in: any text may still stand anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientDraft {
    /// See [`AppType`].
    pub app_type: String,
    /// The display name. It is required.
    pub client_name: Option<String>,
    /// A text about the client.
    pub description: Option<String>,
    /// Where the logo is.
    pub logo_uri: Option<String>,
    /// Where the home page is.
    pub client_uri: Option<String>,
    /// Where users may be sent back to (RFC 6749 section 3.1.2).
    pub redirect_uris: Vec<String>,
    /// From which origins a browser may call.
    pub allowed_origins: Vec<String>,
    /// Which scopes the client may ask for (RFC 6749 section 3.3).
    pub allowed_scopes: Vec<String>,
    /// Which grants a `web` client may use.
    pub allowed_grant_types: Vec<String>,
    /// See [`AuthMethod`].
    pub allowed_auth_methods: Vec<String>,
    /// The keys that verify the client's assertions.
    pub public_keys: Vec<Jwk>,
    /// `required` or `trusted`; nothing means `required`.
    pub consent_method: Option<String>,
    /// When the client was published.
    pub published_at: Option<Timestamp>,
    /// The paths of members that the caller set though only the server does. None once it is checked.
    pub read_only_members: Vec<&'static str>,
}

/// What is said about a client, checked: every rule holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    app_type: AppType,
    draft: ClientDraft,
}

/// The most elements of `redirectUris` and of `allowedOrigins`.
const MAX_URIS: usize = 100;
/// The most elements of `allowedScopes`.
const MAX_SCOPES: usize = 256;
/// The most elements of the arrays whose elements are of a closed set. More have duplicates or strangers among them.
const MAX_CHOICES: usize = 20;
/// The most elements of `publicKeys`.
const MAX_KEYS: usize = 20;
/// The longest scope token, in characters.
const MAX_SCOPE_CHARS: usize = 256;

const GRANT_TYPES: [&str; 2] = ["client_credentials", "urn:qlik:oauth:user-impersonation"];

impl AppType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Web, Self::Native, Self::Spa, Self::AnonymousEmbed];

    /// The type as it is said in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
            Self::Spa => "spa",
            Self::AnonymousEmbed => "anonymous-embed",
        }
    }

    /// The type that is said so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app_type| app_type.as_str() == text)
    }
}

impl fmt::Display for AppType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [Self; 2] = [Self::ClientSecret, Self::PrivateKeyJwt];

    /// The method as it is said in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "client_secret",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

impl ClientDraft {
    /// Checks every rule.
    ///
    /// # Errors
    /// All rules that are broken.
    pub fn verify(mut self) -> Result<Metadata, Violations> {
        let mut found = Violations::default();
        let app_type = self.check_app_type(&mut found);
        self.check_texts(&mut found);
        self.check_uris(app_type, &mut found);
        self.check_scopes(&mut found);
        self.check_authentication(app_type, &mut found);
        self.check_keys(&mut found);
        self.check_consent(&mut found);
        for member in &self.read_only_members {
            found.push(*member, Rule::ReadOnly);
        }
        // `required` is what nothing means, so it is not a difference.
        self.consent_method = self.consent_method.filter(|method| method != "required");
        match app_type {
            Some(app_type) => found.or(Metadata {
                app_type,
                draft: self,
            }),
            None => Err(found),
        }
    }

    fn check_app_type(&self, found: &mut Violations) -> Option<AppType> {
        let app_type = AppType::parse(&self.app_type);
        if self.app_type.is_empty() {
            found.push("appType", Rule::Required);
        } else if app_type.is_none() {
            let allowed = "web, native, spa, anonymous-embed";
            found.push("appType", Rule::NotOneOf { allowed });
        }
        app_type
    }

    fn check_texts(&self, found: &mut Violations) {
        match &self.client_name {
            Some(name) => found.extend("clientName", text::check_name(name)),
            None => found.push("clientName", Rule::Required),
        }
        if let Some(description) = &self.description {
            found.extend("description", text::check_description(description));
        }
        if let Some(uri) = &self.logo_uri {
            found.extend("logoUri", web_uri::check(uri));
        }
        if let Some(uri) = &self.client_uri {
            found.extend("clientUri", web_uri::check(uri));
        }
    }

    fn check_uris(&self, app_type: Option<AppType>, found: &mut Violations) {
        // Of an unknown type the most lenient rules are checked: only what is wrong for every type is reported.
        let app_type = app_type.unwrap_or(AppType::Native);
        check_list(("redirectUris", &self.redirect_uris), MAX_URIS, found, |uri| {
            redirect_uri::check(uri, app_type)
        });
        check_list(
            ("allowedOrigins", &self.allowed_origins),
            MAX_URIS,
            found,
            origin::check,
        );
    }

    fn check_scopes(&self, found: &mut Violations) {
        check_list(
            ("allowedScopes", &self.allowed_scopes),
            MAX_SCOPES,
            found,
            |scope| (!is_scope_token(scope)).then_some(Rule::NoScopeToken),
        );
    }

    fn check_authentication(&self, app_type: Option<AppType>, found: &mut Violations) {
        check_list(
            ("allowedGrantTypes", &self.allowed_grant_types),
            MAX_CHOICES,
            found,
            |grant| {
                let allowed = "client_credentials, urn:qlik:oauth:user-impersonation";
                (!GRANT_TYPES.contains(&grant)).then_some(Rule::NotOneOf { allowed })
            },
        );
        check_list(
            ("allowedAuthMethods", &self.allowed_auth_methods),
            MAX_CHOICES,
            found,
            |method| {
                let allowed = "client_secret, private_key_jwt";
                let known = AuthMethod::ALL.iter().any(|known| known.as_str() == method);
                (!known).then_some(Rule::NotOneOf { allowed })
            },
        );
        match app_type {
            Some(AppType::Web) if self.allowed_auth_methods.is_empty() => {
                found.push("allowedAuthMethods", Rule::NoAuthMethod);
            }
            None | Some(AppType::Web) => {}
            Some(AppType::Native | AppType::Spa | AppType::AnonymousEmbed) => self.check_public(found),
        }
    }

    /// Only a `web` client can keep a secret, so no other has anything to authenticate with.
    fn check_public(&self, found: &mut Violations) {
        for (field, empty) in [
            ("allowedGrantTypes", self.allowed_grant_types.is_empty()),
            ("allowedAuthMethods", self.allowed_auth_methods.is_empty()),
            ("publicKeys", self.public_keys.is_empty()),
        ] {
            if !empty {
                found.push(field, Rule::OnlyForWeb);
            }
        }
    }

    fn check_keys(&self, found: &mut Violations) {
        let verifies = self.allows(AuthMethod::PrivateKeyJwt);
        if verifies && self.public_keys.is_empty() {
            found.push("publicKeys", Rule::NoPublicKey);
        }
        if self.public_keys.len() > MAX_KEYS {
            found.push("publicKeys", Rule::TooMany { max: MAX_KEYS });
            return;
        }
        let mut kids = HashSet::new();
        for (index, key) in self.public_keys.iter().enumerate() {
            let mut broken = key.check_form();
            if verifies {
                let weak = key.check_strength().into_iter();
                let weak: Vec<_> = weak
                    .filter(|(member, _)| broken.iter().all(|(other, _)| other != member))
                    .collect();
                broken.extend(weak);
            }
            if !kids.insert(&key.kid) {
                broken.push(("kid", JwkRule::KeyIdTaken));
            }
            for (member, rule) in broken {
                found.push(format!("publicKeys[{index}].{member}"), rule);
            }
        }
    }

    fn check_consent(&self, found: &mut Violations) {
        let allowed = "required, trusted";
        match self.consent_method.as_deref() {
            None | Some("required" | "trusted") => {}
            Some(_) => found.push("connectionConfig.consentMethod", Rule::NotOneOf { allowed }),
        }
    }

    /// Whether the client may authenticate so.
    pub fn allows(&self, method: AuthMethod) -> bool {
        self.allowed_auth_methods
            .iter()
            .any(|allowed| allowed == method.as_str())
    }
}

impl Metadata {
    /// What was checked when it was stored. Nothing if even its type is unknown, which means a corrupt record.
    pub fn restore(draft: ClientDraft) -> Option<Self> {
        AppType::parse(&draft.app_type).map(|app_type| Self { app_type, draft })
    }

    /// What kind of application the client is.
    pub fn app_type(&self) -> AppType {
        self.app_type
    }

    /// A copy to change and check again.
    pub fn clone_draft(&self) -> ClientDraft {
        self.draft.clone()
    }

    /// What it says, unchecked again.
    pub fn into_draft(self) -> ClientDraft {
        self.draft
    }

    /// `required` or `trusted`.
    pub fn consent_method(&self) -> &str {
        self.draft.consent_method.as_deref().unwrap_or("required")
    }
}

impl Deref for Metadata {
    type Target = ClientDraft;

    fn deref(&self) -> &ClientDraft {
        &self.draft
    }
}

/// Checks a list and each of its elements. Of one that is too long nothing else is said: it would have no end.
fn check_list<B>(
    (field, list): (&str, &[String]),
    max: usize,
    found: &mut Violations,
    check: impl Fn(&str) -> B,
) where
    B: IntoIterator<Item: Into<Rule>>,
{
    if list.len() > max {
        found.push(field, Rule::TooMany { max });
        return;
    }
    let mut seen = HashSet::new();
    for (index, element) in list.iter().enumerate() {
        let place = format!("{field}[{index}]");
        if !seen.insert(element) {
            found.push(place.as_str(), Rule::Duplicate);
        }
        found.extend(&place, check(element));
    }
}

/// `scope-token` of RFC 6749 section 3.3: visible ASCII but `"` and `\`.
fn is_scope_token(scope: &str) -> bool {
    let allowed = |byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    (1..=MAX_SCOPE_CHARS).contains(&scope.len()) && scope.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(app_type: &str) -> ClientDraft {
        let web = app_type == "web";
        ClientDraft {
            app_type: app_type.into(),
            client_name: Some("name".into()),
            allowed_auth_methods: web.then(|| "client_secret".into()).into_iter().collect(),
            ..ClientDraft::default()
        }
    }

    fn fields(draft: ClientDraft) -> Vec<String> {
        match draft.verify() {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(|violation| violation.field.clone()).collect(),
        }
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn many(count: usize, text: impl Fn(usize) -> String) -> Vec<String> {
        (0..count).map(text).collect()
    }

    #[test]
    fn a_name_and_a_type_are_enough() {
        for app_type in AppType::ALL {
            assert_eq!(fields(draft(app_type.as_str())), [""; 0], "{app_type}");
        }
    }

    #[test]
    fn all_broken_rules_are_reported_at_once() {
        let broken = ClientDraft {
            app_type: "mobile".into(),
            client_name: None,
            description: Some("a\0".into()),
            logo_uri: Some("logo.png".into()),
            client_uri: Some("home".into()),
            redirect_uris: strings(&["https://a/", "https://a/", "https://a/#b"]),
            allowed_origins: strings(&["null"]),
            allowed_scopes: strings(&["a b"]),
            allowed_grant_types: strings(&["password"]),
            allowed_auth_methods: strings(&["none"]),
            consent_method: Some("never".into()),
            read_only_members: vec!["connectionConfig.status"],
            ..ClientDraft::default()
        };
        assert_eq!(
            fields(broken),
            [
                "appType",
                "clientName",
                "description",
                "logoUri",
                "clientUri",
                "redirectUris[1]",
                "redirectUris[2]",
                "allowedOrigins[0]",
                "allowedScopes[0]",
                "allowedGrantTypes[0]",
                "allowedAuthMethods[0]",
                "connectionConfig.consentMethod",
                "connectionConfig.status",
            ]
        );
    }

    #[test]
    fn lists_have_a_most() {
        let full = ClientDraft {
            redirect_uris: many(100, |i| format!("https://a/{i}")),
            allowed_origins: many(100, |i| format!("https://a{i}")),
            allowed_scopes: many(256, |i| format!("scope:{i}")),
            ..draft("web")
        };
        assert_eq!(fields(full), [""; 0]);
        let over = ClientDraft {
            redirect_uris: many(101, |i| format!("https://a/{i}")),
            allowed_origins: many(101, |i| format!("https://a{i}")),
            allowed_scopes: many(257, |i| format!("scope:{i}")),
            ..draft("web")
        };
        assert_eq!(fields(over), ["redirectUris", "allowedOrigins", "allowedScopes"]);
    }

    #[test]
    fn only_a_web_client_authenticates() {
        for app_type in ["native", "spa", "anonymous-embed"] {
            let confidential = ClientDraft {
                allowed_grant_types: strings(&["client_credentials"]),
                allowed_auth_methods: strings(&["client_secret"]),
                ..draft(app_type)
            };
            assert_eq!(fields(confidential), ["allowedGrantTypes", "allowedAuthMethods"]);
        }
        let public = ClientDraft {
            allowed_auth_methods: Vec::new(),
            ..draft("web")
        };
        assert_eq!(fields(public), ["allowedAuthMethods"]);
    }

    #[test]
    fn private_key_jwt_needs_a_strong_key() {
        let weak = Jwk {
            kid: "a".into(),
            kty: "RSA".into(),
            alg: "RS256".into(),
            key_use: "sig".into(),
            n: Some("AQAB".into()),
            e: Some("AQAB".into()),
            ..Jwk::default()
        };
        let inert = ClientDraft {
            public_keys: vec![weak.clone()],
            ..draft("web")
        };
        assert_eq!(fields(inert), [""; 0]);
        let verifying = ClientDraft {
            allowed_auth_methods: strings(&["private_key_jwt"]),
            public_keys: vec![weak.clone(), weak],
            ..draft("web")
        };
        assert_eq!(
            fields(verifying),
            ["publicKeys[0].n", "publicKeys[1].n", "publicKeys[1].kid"]
        );
        let keyless = ClientDraft {
            allowed_auth_methods: strings(&["private_key_jwt"]),
            ..draft("web")
        };
        assert_eq!(fields(keyless), ["publicKeys"]);
    }

    #[test]
    fn a_scope_is_a_scope_token() {
        for scope in ["automations", "a:b/c.d", "!#[]~", &"a".repeat(256)] {
            assert!(is_scope_token(scope), "{scope}");
        }
        for scope in ["", "a b", "a\"", "a\\", "é", "a\n", &"a".repeat(257)] {
            assert!(!is_scope_token(scope), "{scope}");
        }
    }

    #[test]
    fn required_consent_is_the_same_as_none() {
        let said = ClientDraft {
            consent_method: Some("required".into()),
            ..draft("web")
        };
        assert_eq!(said.verify(), draft("web").verify());
    }
}
