//! No output of the service contains a secret, hash, token or assertion, at any log level, and no table does but for the
//! columns of digests.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Answer, Caller, Db, Refused, Transport,
    assertions::{keyed, presented, presented_to},
    authn::{id_of, is_authenticated, secret_of},
    caller::Transports,
    collector::Collector,
    http::COLLECTION,
    issuer::SigningKey,
    process::Served,
    samples::{encode, rsa_key, web, with},
};

on_each_database![no_output_holds_a_credential];

/// Texts that no output may contain, each with a label.
#[derive(Default)]
struct Hidden(Vec<(&'static str, String)>);

impl Hidden {
    fn secret(&mut self, secret: &str) {
        self.0.push(("a secret", secret.to_owned()));
        // After the prefix and the hint, before the checksum.
        let random = &secret["ocs_".len() + 8 + 1..][..43];
        self.0.push(("the random part of a secret", random.to_owned()));
        // As a column of bytes would show it.
        let mut digits = String::new();
        for byte in random.bytes() {
            write!(digits, "{byte:02x}").unwrap();
        }
        self.0.push(("the bytes of a secret", digits.to_uppercase()));
        self.0.push(("the bytes of a secret", digits));
    }

    fn idempotency_key(&mut self, key: &Uuid) {
        let digits = key.simple().to_string();
        let forms = [
            key.to_string(),
            key.to_string().to_uppercase(),
            digits.to_uppercase(),
            digits,
        ];
        self.0.extend(forms.map(|form| ("an idempotency key", form)));
    }

    fn hash(&mut self, hex: &str) {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2).map(byte).collect();
        let list: Vec<String> = bytes[..8].iter().map(ToString::to_string).collect();
        let forms = [
            hex.to_lowercase(),
            hex.to_uppercase(),
            STANDARD_NO_PAD.encode(&bytes),
            encode(&bytes),
            list.join(", "),
            list.join(","),
        ];
        self.0.extend(forms.map(|form| ("a hash", form)));
    }

    fn jwt(&mut self, kind: &'static str, jwt: &str) {
        self.0.push((kind, jwt.to_owned()));
        if let Some((_, signature)) = jwt.rsplit_once('.')
            && signature.len() > 20
        {
            self.0.push(("a signature", signature.to_owned()));
        }
    }

    /// Returns the lines that contain any of them.
    fn found_in(&self, output: &str, text: &str) -> String {
        let mut found = String::new();
        for line in text.lines() {
            let held = self.0.iter().find(|(_, hidden)| line.contains(hidden));
            if let Some((kind, hidden)) = held {
                let masked = line.replace(hidden, "<here>");
                let start: String = masked.chars().take(400).collect();
                writeln!(found, "{output} holds {kind}: {start}").unwrap();
            }
        }
        found
    }
}

/// A walk through everything that the service accepts, and the texts that it must not repeat.
struct Walk<'a> {
    admin: Caller<'a>,
    platform: Caller<'a>,
    hidden: Hidden,
    errors: String,
}

impl Walk<'_> {
    fn learn(&mut self, made: &Value) -> String {
        let secret = secret_of(made);
        self.hidden.secret(&secret);
        secret
    }

    fn refused(&mut self, outcome: Result<Value, Refused>) {
        let refused = outcome.expect_err("it is refused");
        writeln!(self.errors, "{refused:?}").unwrap();
    }

    /// Sends a request with an idempotency key, and again, each time as the only id that it has.
    async fn retried(&mut self, transport: Transport, rpc: &str, request: Value) -> Value {
        let key = Uuid::now_v7();
        self.hidden.idempotency_key(&key);
        let request = with(request, json!({"requestId": key.to_string()}));
        let first = self.admin.call(transport, rpc, request.clone()).await.unwrap();
        let again = self.admin.call(transport, rpc, request.clone()).await.unwrap();
        assert_eq!(again, first);
        let other = with(request, json!({"etag": "x"}));
        if rpc == "CreateClientSecret" {
            let refused = self.admin.call(transport, rpc, other.clone()).await;
            self.refused(refused);
            let http = self.admin.http_request(rpc, &other);
            let answer = Answer::to(http.header("x-request-id", key.to_string())).await;
            writeln!(self.errors, "{answer:?}").unwrap();
        }
        self.learn(&first);
        first
    }

    async fn keys(&mut self, transport: Transport) {
        let created = self.retried(transport, "CreateOAuthClient", web()).await;
        let id = id_of(&created);
        self.retried(transport, "CreateClientSecret", json!({"clientId": id}))
            .await;
        let method =
            |op: &str, value: Value| json!({"op": op, "path": "/allowedAuthMethods", "value": value});
        let operations = json!([
            {"op": "add", "path": "/publicKeys/-", "value": rsa_key("a")},
            method("replace", json!(["private_key_jwt"])),
        ]);
        self.admin.patch(transport, id, operations).await.unwrap();
        let operations = json!([method("replace", json!(["private_key_jwt", "client_secret"]))]);
        let patch = json!({"clientId": id, "operations": operations});
        self.retried(transport, "PatchOAuthClient", patch).await;
        // A malformed key may be a mistyped one.
        let key = Uuid::now_v7();
        self.hidden.idempotency_key(&key);
        for malformed in [key.simple().to_string(), format!("{{{key}}}")] {
            let request = with(web(), json!({"requestId": malformed}));
            let refused = self.admin.call(transport, "CreateOAuthClient", request).await;
            self.refused(refused);
        }
    }

    async fn asserted(&mut self, jwt: &str) -> bool {
        self.hidden.jwt("an assertion", jwt);
        self.platform.takes_assertion(jwt).await
    }

    async fn secrets(&mut self, transport: Transport, db: &Db) {
        let created = self.admin.create(transport, web()).await;
        let (id, first) = (id_of(&created), self.learn(&created));
        self.admin.get(transport, id).await.unwrap();
        self.admin
            .list(transport, json!({"totalResults": true}))
            .await
            .unwrap();
        let made = self.admin.create_secret(transport, id).await.unwrap();
        let second = self.learn(&made);
        for secret in [&first, &second] {
            assert!(self.platform.takes_secret(id, secret).await);
        }
        let mistyped = format!("{first}x");
        assert!(!self.platform.takes_secret(id, &mistyped).await);
        assert!(!self.platform.takes_secret(&"0".repeat(32), &first).await);
        for hash in db.texts(&hashes(db)).await {
            self.hidden.hash(&hash);
        }
        let hint = made["hint"].as_str().unwrap();
        self.admin.delete_secret(transport, id, hint).await.unwrap();
        assert!(!self.platform.takes_secret(id, &second).await);

        // Secrets in the wrong fields.
        for wrong in [
            self.admin.get(transport, &first).await,
            self.admin.patch(transport, &first, json!([])).await,
            self.admin.delete(transport, id, &first).await,
            self.admin.delete_secret(transport, id, &second).await,
            self.admin.list(transport, json!({"next": first})).await,
            self.admin.list(transport, json!({"sort": first})).await,
            self.platform.lookup(&first).await,
            self.admin.disable(&first, "misused").await,
            self.admin.create_secret(transport, "nobody").await,
        ] {
            self.refused(wrong);
        }

        self.platform.lookup(id).await.unwrap();
        self.admin.disable(id, "misused").await.unwrap();
        assert!(!self.platform.takes_secret(id, &first).await);
        self.admin.enable(id).await.unwrap();
        let bare = self.platform.authenticate(json!({"clientSecret": first})).await;
        self.refused(bare);
        self.admin.delete(transport, id, id).await.unwrap();
        assert!(!self.platform.takes_secret(id, &first).await);
    }

    async fn assertions(&mut self, transport: Transport, db: &Db) {
        let key = SigningKey::new("a", "ES384");
        let id = self.admin.created(keyed(&[&key])).await;
        let used = key.assertion(&id, json!({}));
        assert!(self.asserted(&used).await);
        assert!(!self.asserted(&used).await, "it is replayed");
        let evil = SigningKey::new("a", "ES384");
        for bad in [
            evil.assertion(&id, json!({})),
            key.assertion(&id, json!({"exp": 1})),
            key.assertion("nobody", json!({})),
            format!("{used}.x"),
        ] {
            assert!(!self.asserted(&bad).await);
        }
        for digest in db.texts(&digests(db)).await {
            self.hidden.hash(&digest);
        }
        let nowhere = self.platform.authenticate(presented_to(&used, &[])).await;
        self.refused(nowhere);
        let misplaced = json!({"clientId": id, "clientSecret": used});
        assert!(!is_authenticated(
            &self.platform.authenticate(misplaced).await.unwrap()
        ));
        let secret = json!([{"op": "add", "path": "/allowedAuthMethods/-", "value": "client_secret"}]);
        let patched = self.admin.patch(transport, &id, secret).await.unwrap();
        let secret = self.learn(&patched);
        assert!(self.platform.takes_secret(&id, &secret).await);
        assert!(!is_authenticated(
            &self.platform.authenticate(presented(&secret)).await.unwrap()
        ));
    }

    async fn tokens(&mut self, transports: &Transports, good: &str) {
        let (input, _) = good.rsplit_once('.').unwrap();
        let bad = [
            SigningKey::new("nobody", "ES384").token(json!({})),
            format!("{input}.{}", encode(&[7; 64])),
            format!("{good}x"),
            encode(b"this is no token at all, but somebody sent it"),
        ];
        for token in bad {
            self.hidden.jwt("a token", &token);
            let caller = transports.caller(Some(token));
            for transport in Transport::BOTH {
                let outcome = caller.list(transport, json!({})).await;
                self.refused(outcome);
            }
        }
        // RFC 6750 section 2.3, which is not supported.
        let query = format!("{COLLECTION}?access_token={good}");
        for caller in [&self.admin, &transports.caller(None)] {
            let answer = Answer::to(caller.request(Method::GET, &query)).await;
            assert!(answer.status >= 400);
            self.errors += &answer.text;
        }
    }
}

fn hashes(db: &Db) -> String {
    format!("SELECT {} FROM oauth_client_secrets", db.hex("hash"))
}

fn digests(db: &Db) -> String {
    format!("SELECT {} FROM used_assertions", db.hex("jti_digest"))
}

async fn no_output_holds_a_credential(db: Db) {
    for format in ["json", "text"] {
        let collector = Collector::start().await;
        let dir = tempfile::tempdir().unwrap();
        let args = [
            "--log",
            "trace",
            "--log-format",
            format,
            "--migrate",
            "--database-url",
            db.text(),
        ];
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ];
        let mut served = Served::start_with_env(dir.path(), &args, &env).await;
        let transports = served.transports();
        let tokens = [served.token_of("acme"), served.token_of("*")];
        let mut walk = Walk {
            admin: transports.caller(Some(tokens[0].clone())),
            platform: transports.caller(Some(tokens[1].clone())),
            hidden: Hidden::default(),
            errors: String::new(),
        };
        // At these levels SeaORM would log a password in the URL.
        let options = ("the options of a connection", "ConnectOptions { url".to_owned());
        walk.hidden.0.push(options);
        for token in tokens.iter().chain([&served.token]) {
            walk.hidden.jwt("a token", token);
        }
        for transport in Transport::BOTH {
            walk.secrets(transport, &db).await;
            walk.keys(transport).await;
            walk.assertions(transport, &db).await;
        }
        walk.tokens(&transports, &tokens[0]).await;
        served.terminate().await;
        assert_eq!(served.exit_code().await, Some(0));

        let log = served.log();
        assert!(log.contains("client rejected"), "the log says something");
        assert!(!collector.spans().is_empty());
        let stdout = served.rest_of_stdout().await;
        // The columns whose purpose it is to hold a digest.
        let digests = [
            ("oauth_client_secrets", "hash"),
            ("used_assertions", "jti_digest"),
        ];
        let tables = db.everything_but(&digests).await;
        assert!(tables.contains("oauth_client_changes.updates '[{"), "{tables}");
        assert!(tables.contains("kept_responses.response "), "{tables}");
        let outputs = [
            ("the log", log.as_str()),
            ("standard output", &stdout),
            ("telemetry", &collector.everything()),
            ("an error", &walk.errors),
            ("a table", &tables),
        ];
        let mut found = String::new();
        for (output, text) in outputs {
            found += &walk.hidden.found_in(output, text);
        }
        let lines = found.lines().count();
        let start: Vec<&str> = found.lines().take(40).collect();
        assert!(found.is_empty(), "{lines} lines:\n{}", start.join("\n"));
    }
}
