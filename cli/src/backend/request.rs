//! Reads one request off the front of a buffer.

use std::str;

use super::{ATTEMPT_HEADER, CALL_HEADER, TOLD_HEADER};

const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 1024 * 1024;

/// One request, as far as the backend cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) call: Option<u64>,
    pub(super) attempt: u32,
    pub(super) told: u32,
    pub(super) keep_alive: bool,
    pub(super) is_head: bool,
}

/// What stands at the front of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Not all of a request yet.
    Partial,
    /// A request that takes up `length` bytes.
    Whole { request: Request, length: usize },
    /// Something to be refused with this status line.
    Bad(&'static str),
}

/// Reads the request at the front of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Front {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let head_length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > MAX_HEAD => {
            return Front::Bad("431 Request Header Fields Too Large");
        }
        Ok(httparse::Status::Partial) => return Front::Partial,
        Err(_) => return Front::Bad("400 Bad Request"),
    };
    let mut request = Request {
        keep_alive: head.version == Some(1),
        is_head: head.method == Some("HEAD"),
        ..Request::default()
    };
    let mut body = 0;
    for header in head.headers.iter() {
        let name = header.name;
        if name.eq_ignore_ascii_case("content-length") {
            match number(header.value) {
                Some(length) => body = length,
                None => return Front::Bad("400 Bad Request"),
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Front::Bad("411 Length Required");
        } else if name.eq_ignore_ascii_case("connection") {
            request.keep_alive = keep_alive(header.value, request.keep_alive);
        } else if name.eq_ignore_ascii_case(CALL_HEADER) {
            request.call = number(header.value);
        } else if name.eq_ignore_ascii_case(ATTEMPT_HEADER) {
            request.attempt = number(header.value).unwrap_or(0);
        } else if name.eq_ignore_ascii_case(TOLD_HEADER) {
            request.told = number(header.value).unwrap_or(0);
        }
    }
    if body > MAX_BODY {
        return Front::Bad("413 Content Too Large");
    }
    let length = head_length + body;
    if bytes.len() < length { Front::Partial } else { Front::Whole { request, length } }
}

fn number<N: str::FromStr>(value: &[u8]) -> Option<N> {
    str::from_utf8(value).ok()?.trim().parse().ok()
}

fn keep_alive(value: &[u8], otherwise: bool) -> bool {
    let has = |token: &[u8]| {
        value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
    };
    !has(b"close") && (otherwise || has(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> (Request, usize) {
        match parse(text.as_bytes()) {
            Front::Whole { request, length } => (request, length),
            other => panic!("{other:?} from {text:?}"),
        }
    }

    #[test]
    fn reads_whose_attempt_it_is() {
        let text =
            "GET /a HTTP/1.1\r\nX-Rego-Call: 12\r\nx-rego-attempt: 3\r\nx-rego-told: 1\r\n\r\n";
        let (request, length) = whole(text);
        assert_eq!(length, text.len());
        let expected =
            Request { call: Some(12), attempt: 3, told: 1, keep_alive: true, is_head: false };
        assert_eq!(request, expected);
    }

    #[test]
    fn a_stranger_is_no_call_of_ours() {
        assert_eq!(whole("HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").0.call, None);
        assert_eq!(whole("GET / HTTP/1.1\r\nx-rego-call: twelve\r\n\r\n").0.call, None);
    }

    #[test]
    fn waits_for_the_whole_of_it() {
        let text = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Front::Partial, "{end} bytes");
        }
        assert_eq!(whole(&format!("{text}GET")).1, text.len());
    }

    #[test]
    fn knows_when_a_connection_stays() {
        let stays = |text: &str| whole(text).0.keep_alive;
        assert!(stays("GET / HTTP/1.1\r\n\r\n"));
        assert!(!stays("GET / HTTP/1.0\r\n\r\n"));
        assert!(stays("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(!stays("GET / HTTP/1.1\r\nconnection: te, Close\r\n\r\n"));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        let refused = |text: &str| match parse(text.as_bytes()) {
            Front::Bad(status) => status.split(' ').next().expect("a status has a code"),
            other => panic!("{other:?} from {text:?}"),
        };
        assert_eq!(refused("hello there\r\n\r\n"), "400");
        assert_eq!(refused("GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n"), "400");
        assert_eq!(refused("GET / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n"), "413");
        assert_eq!(refused("GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"), "411");
        let endless = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(MAX_HEAD));
        assert_eq!(refused(&endless), "431");
    }
}
