use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use super::*;
use crate::scenario::Scenario;

fn start(scenario: Scenario) -> Backend {
    Backend::start(Model::new(scenario, 1, Duration::from_secs(10))).expect("loopback is there")
}

fn connect(backend: &Backend) -> TcpStream {
    let stream = TcpStream::connect(backend.address()).expect("the backend listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    stream
}

/// Reads until `count` answers with the usual body have come.
fn read_answers(stream: &mut TcpStream, count: usize) -> String {
    let mut text = String::new();
    let mut chunk = [0; 1024];
    while text.matches("\r\n\r\nOK\n").count() < count {
        let length = stream.read(&mut chunk).expect("an answer comes");
        assert_ne!(length, 0, "closed after {text:?}");
        text += str::from_utf8(&chunk[..length]).expect("answers are text");
    }
    text
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never came true");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn answers_any_client_and_pipelined_requests_in_order() {
    let backend = start(Scenario::Stragglers);
    let mut stream = connect(&backend);
    stream.write_all(b"GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\ncontent-le").expect("written");
    thread::sleep(Duration::from_millis(5));
    stream.write_all(b"ngth: 2\r\n\r\nhiGET /c HTTP/1.1\r\n\r\n").expect("written");
    let text = read_answers(&mut stream, 3);
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{text}");
    assert_eq!(backend.tally(), Tally::default(), "strangers are not counted");
}

#[test]
fn closes_when_asked_to_and_after_nonsense() {
    let backend = start(Scenario::Stragglers);
    let said = |request: &[u8]| {
        let mut stream = connect(&backend);
        stream.write_all(request).expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the backend closes the connection");
        text
    };
    let text = said(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("connection: close"), "{text}");
    assert!(said(b"what\r\n\r\n").starts_with("HTTP/1.1 400 Bad Request"));
    let head = said(b"HEAD / HTTP/1.0\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn serves_hundreds_of_connections_at_once() {
    let backend = start(Scenario::Correlated);
    let mut streams: Vec<_> = (0..400).map(|_| connect(&backend)).collect();
    for (call, stream) in streams.iter_mut().enumerate() {
        let request = format!("GET / HTTP/1.1\r\nx-rego-call: {call}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
    }
    for stream in &mut streams {
        read_answers(stream, 1);
    }
    assert_eq!(backend.tally().arrivals, 400);
    assert_eq!(backend.tally().cancelled, 0);
}

#[test]
fn notices_a_client_that_goes_away() {
    let backend = start(Scenario::Stragglers);
    let mut stream = connect(&backend);
    stream.write_all(b"GET / HTTP/1.1\r\nx-rego-call: 1\r\n\r\n").expect("written");
    wait_for(|| backend.tally().arrivals == 1);
    drop(stream);
    wait_for(|| backend.tally().cancelled == 1);
    read_answers_of_another(&backend);
}

fn read_answers_of_another(backend: &Backend) {
    let mut stream = connect(backend);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
    read_answers(&mut stream, 1);
}
