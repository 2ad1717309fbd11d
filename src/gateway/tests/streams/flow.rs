//! When a stream is read, and when it ends from outside.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{FutureExt as _, stream};
use tokio::time::Instant;

use super::*;
use crate::gateway::tests::with_header;

/// More than tonic puts into one frame of HTTP with others.
const LONG: usize = 40_000;

/// Returns a stream without an end, which counts its messages.
fn endless(made: &Arc<AtomicUsize>) -> Gateway {
    let made = Arc::clone(made);
    streaming(move || {
        let made = Arc::clone(&made);
        stream::repeat_with(move || Ok(chapter(made.fetch_add(1, Ordering::SeqCst), LONG)))
    })
}

#[tokio::test]
async fn a_stream_is_not_read_ahead_of_its_reader() {
    let made = Arc::default();
    let mut lines = lines(endless(&made)).await;
    for read in 1..100 {
        assert_eq!(lines.next().await.unwrap()["result"]["number"], read - 1);
        assert_eq!(made.load(Ordering::SeqCst), read);
    }
}

#[tokio::test]
async fn short_messages_are_lines_one_by_one() {
    let (sender, receiver) = mpsc::channel(1);
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    sender.send(Ok(chapter(0, 1))).await.unwrap();
    let mut lines = lines(streaming(move || sent(receiver.lock().unwrap().take().unwrap()))).await;
    for number in 1..5 {
        assert_eq!(lines.next().await.unwrap()["result"]["number"], number - 1);
        assert!(lines.next().now_or_never().is_none(), "there is no other");
        sender.send(Ok(chapter(number, 1))).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_is_dropped_with_its_response() {
    for first in [false, true] {
        let (sender, receiver) = mpsc::channel(1);
        let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
        let gateway = streaming(move || sent(receiver.lock().unwrap().take().unwrap()));
        if first {
            sender.send(Ok(chapter(0, 1))).await.unwrap();
            let response = lines(gateway).await;
            assert!(!sender.is_closed());
            drop(response);
        } else {
            let mut response = Box::pin(lines(gateway));
            assert!(response.as_mut().now_or_never().is_none());
            assert!(!sender.is_closed());
            drop(response);
        }
        assert!(sender.is_closed(), "{first}");
    }
}

/// Returns a stream with a message, and another after an hour.
fn slow(first: bool) -> Gateway {
    streaming(move || {
        let later = stream::once(async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok(chapter(1, 1))
        });
        chapters(usize::from(first)).chain(later)
    })
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_server_does_not_end_a_stream() {
    for first in [false, true] {
        let lines = lines(slow(first)).await.rest().await;
        assert_eq!(lines.len(), 1 + usize::from(first));
        assert!(lines.iter().all(|line| line.get("result").is_some()), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_caller_ends_a_stream() {
    let request = || with_header(read(), "grpc-timeout", "10S");
    let started = Instant::now();
    let response = Lines::of(slow(false), request()).await;
    assert_eq!(response.status, 504);
    assert_eq!(response.error().await["code"], "DEADLINE_EXCEEDED");
    assert_eq!(started.elapsed().as_secs(), 9);

    let started = Instant::now();
    let lines = Lines::of(slow(true), request()).await.rest().await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["error"]["code"], "DEADLINE_EXCEEDED");
    assert_eq!(started.elapsed().as_secs(), 9);

    let long = with_header(read(), "grpc-timeout", "99999999H");
    let lines = Lines::of(slow(true), long).await.rest().await;
    assert_eq!(lines[1]["result"]["number"], 1);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_caller_ends_a_stream_that_is_always_ready() {
    let request = with_header(read(), "grpc-timeout", "1S");
    let mut response = Lines::of(endless(&Arc::default()), request).await;
    let mut lines = Vec::new();
    // It would not end without the timeout.
    while lines.len() < 100
        && let Some(line) = response.next().await
    {
        lines.push(line);
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!((10..=12).contains(&lines.len()), "{}", lines.len());
    assert_eq!(lines.pop().unwrap()["error"]["code"], "DEADLINE_EXCEEDED");
    assert!(lines.iter().all(|line| line.get("result").is_some()));
}
