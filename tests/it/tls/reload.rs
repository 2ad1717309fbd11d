//! TLS files that change while the server runs.

use std::{fs, io, time::Duration};

use oauth_clients::config::TlsFiles;
use tempfile::TempDir;

use crate::support::{
    Db, TestServer, Transport,
    certs::{Ca, Pair},
    eventually,
    tls_client::{Session, TlsClient},
};

/// Longer than the server takes to notice a change.
const NOTICED: Duration = Duration::from_secs(4);

async fn serve(pair: &Pair, client_ca: Option<&Ca>) -> (TestServer, TlsFiles, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let files = pair.write(dir.path(), client_ca);
    let tls = files.clone();
    let server = TestServer::start_with(Db::sqlite(), |config| config.tls = Some(tls)).await;
    (server, files, dir)
}

async fn open_both(client: &TlsClient, server: &TestServer) -> io::Result<[Session; 2]> {
    let [rest, grpc] = Transport::BOTH;
    Ok([client.open(server, rest).await?, client.open(server, grpc).await?])
}

async fn ask_both(sessions: &mut [Session; 2]) {
    for session in sessions {
        session.ask().await.expect("the connection lives on");
    }
}

#[tokio::test]
async fn new_connections_use_a_new_certificate() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let (server, _, dir) = serve(&old.server(), None).await;
    let (old_client, new_client) = (TlsClient::new(&old, None), TlsClient::new(&new, None));
    let mut sessions = open_both(&old_client, &server).await.unwrap();
    open_both(&new_client, &server).await.err().expect("not yet");

    new.server().write(dir.path(), None);
    eventually("the new certificate", async || {
        open_both(&new_client, &server).await.ok()
    })
    .await;
    open_both(&old_client, &server).await.err().expect("no longer");
    ask_both(&mut sessions).await;
}

#[tokio::test]
async fn new_connections_use_a_new_client_ca() {
    let (ca, old, new) = (Ca::new("ca"), Ca::new("old"), Ca::new("new"));
    let (server, files, _dir) = serve(&ca.server(), Some(&old)).await;
    let client = |clients: &Ca| TlsClient::new(&ca, Some(&clients.client()));
    let mut sessions = open_both(&client(&old), &server).await.unwrap();
    open_both(&client(&new), &server).await.err().expect("not yet");

    let client_ca = files.client_ca.unwrap();
    fs::write(&client_ca, old.pem() + &new.pem()).unwrap();
    eventually("both CAs", async || open_both(&client(&new), &server).await.ok()).await;
    open_both(&client(&old), &server).await.unwrap();

    fs::write(&client_ca, new.pem()).unwrap();
    eventually("the new CA alone", async || {
        open_both(&client(&old), &server).await.err()
    })
    .await;
    open_both(&client(&new), &server).await.unwrap();
    ask_both(&mut sessions).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing() {
    let (ca, clients, new) = (Ca::new("ca"), Ca::new("clients"), Ca::new("new"));
    let pair = ca.server();
    let (server, files, dir) = serve(&pair, Some(&clients)).await;
    let client = |ca| TlsClient::new(ca, Some(&clients.client()));
    fs::write(&files.cert, pair.cert.split_at(pair.cert.len() / 2).0).unwrap();
    fs::write(files.client_ca.unwrap(), "").unwrap();
    tokio::time::sleep(NOTICED).await;
    open_both(&client(&ca), &server).await.unwrap();
    let stranger = TlsClient::new(&ca, None);
    open_both(&stranger, &server)
        .await
        .err()
        .expect("clients still need a certificate");

    new.server().write(dir.path(), Some(&clients));
    eventually("files that can be used again", async || {
        open_both(&client(&new), &server).await.ok()
    })
    .await;
}
