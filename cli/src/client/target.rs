//! Where requests go: an `http://` address.

use std::{
    fmt, io,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    str::FromStr,
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A resolved address that was reachable, and what to ask for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) path: String,
}

/// An `http://` address in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    /// The root of a server at `address`.
    pub(crate) fn root(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), path: "/".into() }
    }

    /// Looks `url` up and connects once, to see that somebody is there.
    ///
    /// # Errors
    ///
    /// One line that says what could not be reached, and why.
    pub(crate) fn reach(url: &Url) -> Result<Self, String> {
        let Url { authority, host, port, path } = url;
        let fail = |error: io::Error| format!("cannot reach {url}: {error}");
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host.as_str(), *port).to_socket_addrs().map_err(fail)? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(_) => {
                    return Ok(Self { address, host: authority.clone(), path: path.clone() });
                }
                Err(error) => last = error,
            }
        }
        Err(fail(last))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            format!("want http://HOST[:PORT][/PATH]; did you mean http://{text} ?")
        })?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err("https is not supported: use an http:// address".into());
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(format!("{scheme} is not supported: use an http:// address"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("a user name in the address is not supported".into());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "only visible ASCII characters may stand in an address: encode others".into()
            );
        }
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err("the address has no host".into());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{path}");
        Ok(Self { authority: authority.into(), host: host.into(), port, path })
    }
}

fn split_port(authority: &str) -> Result<(&str, u16), String> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    match port.map(str::parse) {
        None => Ok((host, 80)),
        Some(Ok(port)) if port > 0 => Ok((host, port)),
        Some(_) => Err("the port is not a number from 1 to 65535".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String) {
        let url: Url = text.parse().expect("a good address");
        (url.host, url.port, url.path)
    }

    #[test]
    fn reads_addresses() {
        let owned = |host: &str, port, path: &str| (host.to_owned(), port, path.to_owned());
        assert_eq!(parts("http://localhost"), owned("localhost", 80, "/"));
        assert_eq!(parts("HTTP://a.b:8080/x?y=1#z"), owned("a.b", 8080, "/x?y=1"));
        assert_eq!(parts("http://[::1]:81/"), owned("::1", 81, "/"));
        assert_eq!(parts("http://[::1]"), owned("::1", 80, "/"));
        assert_eq!(parts("http://h?q"), owned("h", 80, "/?q"));
    }

    #[test]
    fn says_what_is_wrong_with_others() {
        let wrong = |text: &str| text.parse::<Url>().expect_err("a bad address");
        assert!(wrong("https://x").contains("https is not supported"));
        assert!(wrong("ftp://x").contains("ftp"));
        assert!(wrong("localhost:80").contains("did you mean http://localhost:80"));
        assert!(wrong("http://").contains("no host"));
        assert!(wrong("http://x:0").contains("port"));
        assert!(wrong("http://x:99999").contains("port"));
        assert!(wrong("http://u:p@x/").contains("user name"));
        assert!(wrong("http://x/a b").contains("ASCII"));
        assert!(wrong("http://x/\r\nevil: 1").contains("ASCII"));
    }
}
