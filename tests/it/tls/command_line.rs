//! TLS on the command line, as the real binary.

use std::{fs, path::Path};

use crate::support::{
    Answer,
    certs::{Ca, Pair},
    http::COLLECTION,
    process::{Served, run},
    tls_client::TlsClient,
};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the flags for the files in a directory.
fn flags(dir: &Path, pair: &Pair, client_ca: Option<&Ca>) -> Vec<String> {
    let files = pair.write(dir, client_ca);
    let client_ca = files.client_ca.map(|path| ("--tls-client-ca", path));
    [("--tls-cert", files.cert), ("--tls-key", files.key)]
        .into_iter()
        .chain(client_ca)
        .flat_map(|(flag, path)| [flag.to_owned(), text(&path).to_owned()])
        .collect()
}

async fn serve(dir: &Path, flags: &[String]) -> Served {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Served::start(dir, &flags).await
}

#[tokio::test]
async fn invalid_tls_files_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = Ca::new("ca");
    let (pair, other) = (ca.server(), ca.server());
    let encrypted = pair.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cert = write("cert.pem", &pair.cert);
    let key = write("key.pem", &pair.key);
    let half = write("half.pem", pair.cert.split_at(200).0);
    let (empty, other) = (write("empty.pem", ""), write("other.pem", &other.key));
    let encrypted = write("encrypted.pem", &encrypted);
    let junk = write(
        "junk.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let cases: [(&[&str], &str); 14] = [
        (&["--tls-cert", &cert], "--tls-key"),
        (&["--tls-key", &key], "--tls-cert"),
        (&["--tls-client-ca", &cert], "--tls-client-ca"),
        (&["--tls-cert", "/nothing.pem", "--tls-key", &key], "/nothing.pem"),
        (
            &["--tls-cert", &cert, "--tls-key", "/nothing.pem"],
            "/nothing.pem",
        ),
        (
            &["--tls-cert", &empty, "--tls-key", &key],
            "empty.pem holds no certificate",
        ),
        (&["--tls-cert", &half, "--tls-key", &key], "half.pem"),
        (&["--tls-cert", &junk, "--tls-key", &key], "junk.pem"),
        (
            &["--tls-cert", &cert, "--tls-key", &cert],
            "cert.pem holds no unencrypted private key",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &encrypted],
            "encrypted.pem holds no unencrypted",
        ),
        (&["--tls-cert", &cert, "--tls-key", &other], "other.pem"),
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &key],
            "key.pem holds no certificate",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &junk],
            "junk.pem",
        ),
        (
            &[
                "--tls-cert",
                &cert,
                "--tls-key",
                &key,
                "--tls-client-ca",
                "/nothing.pem",
            ],
            "/nothing.pem",
        ),
    ];
    let data_dir = dir.path().join("data");
    for (args, named) in cases {
        let ended = run(&[&["serve", "--dev", "--data-dir", text(&data_dir)], args].concat()).await;
        assert_eq!(ended.code, Some(1), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(named), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
    }
}

#[tokio::test]
async fn plaintext_outside_loopback_is_refused_and_the_error_names_both_remedies() {
    let dir = tempfile::tempdir().unwrap();
    for (grpc, rest, named) in [
        ("0.0.0.0:0", "off", "0.0.0.0:0"),
        ("127.0.0.1:0", "0.0.0.0:0", "0.0.0.0:0"),
        ("[::]:0", "off", "[::]:0"),
    ] {
        let addrs = ["--grpc-addr", grpc, "--rest-addr", rest];
        let issuer = ["--issuer", "i", "--audience", "a", "--jwks-file", "/nothing"];
        let data_dir = ["--data-dir", text(dir.path())];
        let ended = run(&[&["serve"], &addrs[..], &issuer, &data_dir].concat()).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for part in [named, "--tls-cert", "--allow-plaintext"] {
            assert!(ended.stderr.contains(part), "{ended:?}");
        }
    }
}

#[tokio::test]
async fn serve_dev_prints_commands_for_tls() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new("ca");
    let flags = flags(dir.path(), &ca.server(), None);
    let served = serve(dir.path(), &flags).await;
    let url = format!("{}{COLLECTION}", served.rest);
    assert!(url.starts_with("https://"), "{url}");
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(TlsClient::new(&ca, None).config)
        .build()
        .unwrap();
    assert_eq!(
        Answer::to(http.get(&url).bearer_auth(&served.token)).await.status,
        200
    );
    let cert = &flags[1];
    for line in [
        format!("\ncurl --cacert {cert} -H"),
        format!("\ngrpcurl -cacert {cert} -H"),
    ] {
        assert!(served.greeting.contains(&line), "{}", served.greeting);
    }
}

#[tokio::test]
async fn healthcheck_trusts_only_the_certificate_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let other_dir = tempfile::tempdir().unwrap();
    let ca = Ca::new("ca");
    let files = flags(dir.path(), &ca.server(), None);
    let served = serve(dir.path(), &files).await;
    let other = ca.server().write(other_dir.path(), None);
    let check =
        async |args: &[&str]| run(&[&["healthcheck", "--grpc-addr", &served.grpc], args].concat()).await;
    assert_eq!(check(&["--tls-cert", &files[1]]).await.code, Some(0));
    for args in [&[][..], &["--tls-cert", text(&other.cert)]] {
        let ended = check(args).await;
        assert_eq!(ended.code, Some(1), "{args:?}");
        assert!(ended.stderr.contains("not ready"), "{ended:?}");
    }
    let ended = check(&["--tls-cert", "/nothing.pem"]).await;
    assert!(ended.stderr.contains("/nothing.pem"), "{ended:?}");
}

#[tokio::test]
async fn healthcheck_sends_a_client_certificate_under_mutual_tls() {
    let dir = tempfile::tempdir().unwrap();
    let client_dir = tempfile::tempdir().unwrap();
    let (ca, clients) = (Ca::new("ca"), Ca::new("clients"));
    let files = flags(dir.path(), &ca.server(), Some(&clients));
    let served = serve(dir.path(), &files).await;
    let client = clients.client().write(client_dir.path(), None);
    let config = dir.path().join("config.toml");
    let keys: Vec<String> = files
        .chunks(2)
        .map(|pair| format!("{} = {:?}\n", pair[0].trim_start_matches("--"), pair[1]))
        .collect();
    fs::write(&config, keys.concat()).unwrap();
    let check = async |args: &[&str]| {
        let fixed = [
            "healthcheck",
            "--config",
            text(&config),
            "--grpc-addr",
            &served.grpc,
        ];
        run(&[&fixed, args].concat()).await
    };
    let (cert, key) = (text(&client.cert), text(&client.key));
    let good = check(&["--tls-client-cert", cert, "--tls-client-key", key]).await;
    assert_eq!(good.code, Some(0), "{good:?}");
    for (args, named) in [
        (&[][..], "not ready"),
        (&["--tls-client-cert", cert], "--tls-client-key"),
        (&["--tls-client-key", key], "--tls-client-cert"),
        (
            &["--tls-client-cert", cert, "--tls-client-key", &files[3]],
            "client certificate",
        ),
    ] {
        let ended = check(args).await;
        assert_eq!(ended.code, Some(1), "{args:?}");
        assert!(ended.stderr.contains(named), "{args:?}: {ended:?}");
    }
}
