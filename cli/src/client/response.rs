//! Reads one HTTP/1.1 answer: its status, when to come back, and its body to the end.

use std::{
    io::{self, Read},
    str,
};

const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 64 * 1024;
const MAX_LINE: usize = 4 * 1024;

/// What a server said. The body has been read and thrown away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `Retry-After`, as it came.
    pub(crate) retry_after: Option<String>,
    /// `Date`, where there is a `Retry-After` that may need it.
    pub(crate) date: Option<String>,
    pub(crate) keep_alive: bool,
}

/// Bytes that came in and have not been used.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
    ToTheEnd,
}

impl Reader {
    /// Reads one answer and its body from `from`.
    pub(super) fn read_answer(&mut self, from: &mut impl Read) -> io::Result<Answer> {
        let (answer, body) = loop {
            if let Some((answer, body)) = self.head()? {
                if answer.status >= 200 {
                    break (answer, body);
                }
                continue;
            }
            if self.bytes.len() > MAX_HEAD {
                return Err(invalid("the answer's head has no end"));
            }
            let begun = !self.bytes.is_empty();
            self.fill(from).map_err(|error| unanswered(error, begun))?;
        };
        match body {
            Body::Length(length) => self.skip(length, from)?,
            Body::Chunked => self.skip_chunks(from)?,
            Body::ToTheEnd => {
                io::copy(from, &mut io::sink())?;
            }
        }
        Ok(answer)
    }

    /// Takes a whole head off the front.
    fn head(&mut self) -> io::Result<Option<(Answer, Body)>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(&self.bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(invalid(&format!("the answer is not HTTP: {error}"))),
        };
        let status = head.code.ok_or_else(|| invalid("the answer has no status"))?;
        let value = |name: &str| {
            let mut all = head.headers.iter();
            let found = all.find(|header| header.name.eq_ignore_ascii_case(name))?;
            str::from_utf8(found.value).ok().map(str::trim)
        };
        let has = |name: &str, token: &str| {
            value(name).is_some_and(|text| {
                text.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
            })
        };
        let body = if matches!(status, 100..200 | 204 | 304) {
            Body::Length(0)
        } else if has("transfer-encoding", "chunked") {
            Body::Chunked
        } else if let Some(text) = value("content-length") {
            Body::Length(text.parse().map_err(|_| invalid("the answer's length is no number"))?)
        } else {
            Body::ToTheEnd
        };
        let stays = match head.version {
            Some(1) => !has("connection", "close"),
            _ => has("connection", "keep-alive"),
        };
        let retry_after = value("retry-after").map(str::to_owned);
        let date = retry_after.as_ref().and(value("date")).map(str::to_owned);
        let keep_alive = stays && body != Body::ToTheEnd;
        let answer = Answer { status, retry_after, date, keep_alive };
        self.bytes.drain(..length);
        Ok(Some((answer, body)))
    }

    fn skip(&mut self, mut length: u64, from: &mut impl Read) -> io::Result<()> {
        loop {
            let here = (self.bytes.len() as u64).min(length);
            self.bytes.drain(..here as usize);
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.fill(from)?;
        }
    }

    fn skip_chunks(&mut self, from: &mut impl Read) -> io::Result<()> {
        loop {
            let line = self.line(from)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .map_err(|_| invalid("a chunk's size is no number"))?;
            if size == 0 {
                break;
            }
            self.skip(size, from)?;
            if !self.line(from)?.is_empty() {
                return Err(invalid("a chunk is longer than it says"));
            }
        }
        while !self.line(from)?.is_empty() {}
        Ok(())
    }

    /// Takes a line off the front, without its end.
    fn line(&mut self, from: &mut impl Read) -> io::Result<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.bytes[..end]).trim_end().to_owned();
                self.bytes.drain(..=end);
                return Ok(line);
            }
            if self.bytes.len() > MAX_LINE {
                return Err(invalid("a chunk's head has no end"));
            }
            self.fill(from)?;
        }
    }

    fn fill(&mut self, from: &mut impl Read) -> io::Result<()> {
        let mut chunk = [0; 8192];
        match from.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.bytes.extend_from_slice(&chunk[..length]);
                Ok(())
            }
        }
    }
}

/// Closing without a word is how a reset looks when it is polite.
fn unanswered(error: io::Error, begun: bool) -> io::Error {
    if begun || error.kind() != io::ErrorKind::UnexpectedEof {
        return error;
    }
    io::Error::new(io::ErrorKind::ConnectionReset, "the server closed without an answer")
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands its text out one byte at a time, then ends.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            bytes[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn read(text: &str) -> io::Result<Answer> {
        let answer = Reader::default().read_answer(&mut Drops(text.as_bytes()));
        let whole = Reader::default().read_answer(&mut text.as_bytes());
        match (&answer, &whole) {
            (Ok(one), Ok(other)) => assert_eq!(one, other),
            (Err(one), Err(other)) => assert_eq!(one.kind(), other.kind()),
            _ => panic!("in drops {answer:?}, at once {whole:?}"),
        }
        answer
    }

    fn kind(text: &str) -> io::ErrorKind {
        read(text).expect_err("this is no answer").kind()
    }

    #[test]
    fn reads_answers_of_every_shape() {
        let plain = Answer { status: 200, retry_after: None, date: None, keep_alive: true };
        let shapes = [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nx: y\r\n\r\n",
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx",
        ];
        for text in shapes {
            assert_eq!(read(text).ok(), Some(plain.clone()), "{text:?}");
        }
        let closing = Answer { keep_alive: false, ..plain };
        let shapes = [
            "HTTP/1.1 200 OK\r\n\r\nto the end",
            "HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx",
        ];
        for text in shapes {
            assert_eq!(read(text).ok(), Some(closing.clone()), "{text:?}");
        }
    }

    #[test]
    fn leaves_the_next_answer_alone() {
        let mut reader = Reader::default();
        let text = "HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nnoHTTP/1.1 204 Gone\r\n\r\n";
        let mut from = text.as_bytes();
        assert_eq!(reader.read_answer(&mut from).map(|answer| answer.status).ok(), Some(503));
        assert_eq!(reader.read_answer(&mut from).map(|answer| answer.status).ok(), Some(204));
        assert!(reader.bytes.is_empty());
    }

    #[test]
    fn hands_retry_after_on_as_it_came() {
        let asks = |headers: &str| {
            let text = format!("HTTP/1.1 429 Slow down\r\n{headers}content-length: 0\r\n\r\n");
            let answer = read(&text).expect("this is an answer");
            (answer.retry_after, answer.date)
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(asks("Retry-After: 7 \r\n"), (some("7"), None));
        assert_eq!(
            asks(&format!("Date: {date}\r\nRetry-After: {date}\r\n")),
            (some(date), some(date))
        );
        assert_eq!(asks(&format!("Date: {date}\r\n")), (None, None));
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(kind(""), io::ErrorKind::ConnectionReset);
        assert_eq!(kind("HTTP/1.1 200 OK\r\nconte"), io::ErrorKind::UnexpectedEof);
        assert_eq!(
            kind("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(kind("SSH-2.0-OpenSSH_9.6\r\n"), io::ErrorKind::InvalidData);
        let bad = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
        assert_eq!(kind(bad), io::ErrorKind::InvalidData);
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        assert_eq!(kind(&long), io::ErrorKind::InvalidData);
    }
}
