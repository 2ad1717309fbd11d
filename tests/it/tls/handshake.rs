//! Handshakes: certificates, versions and protocols.

use rustls::{AlertDescription, CertificateError, version};
use tempfile::TempDir;

use crate::support::{
    Db, TestServer, Transport,
    certs::{Ca, Pair},
    tls_client::TlsClient,
};

/// Starts a server with this certificate, and returns it with the directory of its files.
async fn serve(pair: &Pair, client_ca: Option<&Ca>) -> (TestServer, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let files = pair.write(dir.path(), client_ca);
    let server = TestServer::start_with(Db::sqlite(), |config| config.tls = Some(files)).await;
    (server, dir)
}

#[tokio::test]
async fn both_transports_serve_both_versions_of_tls() {
    let ca = Ca::new("ca");
    let (server, _dir) = serve(&ca.server(), None).await;
    for transport in Transport::BOTH {
        for (versions, spoken) in [
            (&[&version::TLS12], rustls::ProtocolVersion::TLSv1_2),
            (&[&version::TLS13], rustls::ProtocolVersion::TLSv1_3),
        ] {
            let client = TlsClient::speaking(versions, &ca, None);
            let stream = client.connect(server.addr(transport)).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
            client.open(&server, transport).await.unwrap();
        }
    }
}

#[tokio::test]
async fn links_are_https() {
    let ca = Ca::new("ca");
    let (server, _dir) = serve(&ca.server(), None).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(TlsClient::new(&ca, None).config);
    let url = format!("https://{}/api/core/oauth-clients", server.rest_addr);
    let request = http.build().unwrap().get(&url);
    let token = server.token("acme", "admin", "oauth-clients:read");
    let page = crate::support::Answer::to(request.bearer_auth(token))
        .await
        .json();
    assert_eq!(page["links"]["self"]["href"], url);
}

#[tokio::test]
async fn plaintext_gets_no_response() {
    let ca = Ca::new("ca");
    let (server, _dir) = serve(&ca.server(), None).await;
    for transport in Transport::BOTH {
        let url = format!("http://{}/healthz", server.addr(transport));
        server.transports.http.get(url).send().await.unwrap_err();
    }
    let plain = tonic_health::pb::health_client::HealthClient::new(server.transports.channel.clone())
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await;
    plain.unwrap_err();
}

#[tokio::test]
async fn a_client_does_not_trust_a_server_of_an_unknown_ca() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let (server, _dir) = serve(&ca.server(), None).await;
    for transport in Transport::BOTH {
        let refused = TlsClient::new(&other, None).connect(server.addr(transport)).await;
        let error = refused.unwrap_err().into_inner().unwrap();
        assert_eq!(
            error.downcast_ref(),
            Some(&rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer
            ))
        );
    }
}

#[tokio::test]
async fn each_transport_negotiates_its_protocols() {
    let ca = Ca::new("ca");
    let (server, _dir) = serve(&ca.server(), None).await;
    let client = TlsClient::new(&ca, None);
    for (transport, offered, spoken) in [
        (Transport::Grpc, &["http/1.1", "h2"][..], "h2"),
        (Transport::Rest, &["http/1.1", "h2"], "h2"),
        (Transport::Rest, &["http/1.1"], "http/1.1"),
    ] {
        let stream = client
            .clone()
            .offering(offered)
            .connect(server.addr(transport))
            .await;
        let stream = stream.unwrap();
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(spoken.as_bytes()),
            "{transport:?}"
        );
    }
    for (transport, offered) in [(Transport::Grpc, "http/1.1"), (Transport::Rest, "spdy/3")] {
        let alert = client
            .clone()
            .offering(&[offered])
            .alert(server.addr(transport))
            .await;
        assert_eq!(alert, AlertDescription::NoApplicationProtocol, "{transport:?}");
    }
}

#[tokio::test]
async fn with_a_client_ca_only_its_valid_client_certificates_are_accepted() {
    let (ca, clients, other, namesake) = (
        Ca::new("ca"),
        Ca::new("clients"),
        Ca::new("other"),
        Ca::new("clients"),
    );
    let (server, _dir) = serve(&ca.server(), Some(&clients)).await;
    let good = clients.client();
    let cases = [
        ("no certificate", None, AlertDescription::CertificateRequired),
        ("another CA", Some(other.client()), AlertDescription::UnknownCA),
        (
            "a CA of the same name",
            Some(namesake.client()),
            AlertDescription::DecryptError,
        ),
        (
            "expired",
            Some(clients.expired_client()),
            AlertDescription::CertificateExpired,
        ),
        (
            "not valid yet",
            Some(clients.future_client()),
            AlertDescription::CertificateExpired,
        ),
        (
            "the CA of the server",
            Some(ca.client()),
            AlertDescription::UnknownCA,
        ),
        (
            "for servers",
            Some(clients.server()),
            AlertDescription::UnsupportedCertificate,
        ),
    ];
    for transport in Transport::BOTH {
        for versions in [&[&version::TLS12], &[&version::TLS13]] {
            for (case, shown, alert) in &cases {
                let client = TlsClient::speaking(versions, &ca, shown.as_ref());
                assert_eq!(
                    client.alert(server.addr(transport)).await,
                    *alert,
                    "{transport:?} {case}"
                );
                client.open(&server, transport).await.err().expect(case);
            }
            let client = TlsClient::speaking(versions, &ca, Some(&good));
            client.open(&server, transport).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_verified_on_each_connection() {
    let (ca, clients) = (Ca::new("ca"), Ca::new("clients"));
    let (server, _dir) = serve(&ca.server(), Some(&clients)).await;
    for versions in [&[&version::TLS12], &[&version::TLS13]] {
        let client = TlsClient::speaking(versions, &ca, Some(&clients.client()));
        for _ in 0..2 {
            // The config of the client keeps sessions, and would resume them.
            let stream = client.connect(server.rest_addr).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
            crate::support::tls_client::Session::on(stream, Transport::Rest)
                .await
                .unwrap();
        }
    }
}
