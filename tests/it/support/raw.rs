//! HTTP/1.1 by hand, for what no HTTP client would send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Writes bytes to a connection before reading anything, and returns the status and the whole response. The
/// request must ask for the connection to be closed.
pub(crate) async fn send(addr: SocketAddr, request: &[u8]) -> (u16, String) {
    let talk = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream
            .write_all(request)
            .await
            .expect("the server reads the whole request");
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .await
            .expect("the server closes in good order");
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), talk)
        .await
        .expect("an answer in time");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("no answer but {answer:?}")),
        answer,
    )
}

/// Writes bytes of which the server may read a part only, and returns the status and what arrives of the response.
pub(crate) async fn send_part(addr: SocketAddr, request: &[u8]) -> (u16, String) {
    let talk = async {
        let (mut read, mut write) = TcpStream::connect(addr).await.unwrap().into_split();
        let request = request.to_vec();
        let writing = tokio::spawn(async move { write.write_all(&request).await.map(|()| write) });
        let mut answer = Vec::new();
        // A server that has closed the connection may reset it when more bytes come.
        let _closed = read.read_to_end(&mut answer).await;
        writing.abort();
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), talk)
        .await
        .expect("an answer in time");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("no answer but {answer:?}")),
        answer,
    )
}

/// Returns a POST of a body, with more header lines.
pub(crate) fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Writes the head of a request whose body never comes, and returns the status of the response.
pub(crate) async fn send_head(addr: SocketAddr, path: &str, headers: &str) -> u16 {
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n{headers}\r\n");
    let talk = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; "HTTP/1.1 401".len()];
        stream.read_exact(&mut line).await.expect("a status line");
        String::from_utf8(line.to_vec()).unwrap()
    };
    let line = tokio::time::timeout(Duration::from_secs(5), talk).await;
    let line = line.expect("an answer that waits for no body");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
