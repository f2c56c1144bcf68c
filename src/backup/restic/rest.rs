//! A repository on a server that speaks restic's REST protocol: `rest-server`, or `rclone serve
//! restic` for whatever rclone can reach.
//!
//! The protocol is that of restic's manual, in its chapter "REST Backend". Only GET and HEAD are
//! used. A server that gives no answer is asked again a few times. If it then does not give its file
//! `config` either, it is not asked any more: the rest of the run would wait for each file.
//!
//! An error of the kind `NotConnected` says that nothing is known about what was asked for. Any
//! other is about the file itself.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use rustic_core::{FileType, Id};
use serde::Deserialize;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use super::store::Store;
use crate::cancel::CancelToken;
use crate::http;
use crate::lock::lock;

/// The second version of the protocol, in which lists have sizes.
const VERSION: &str = "application/vnd.x.restic.rest.v2";

/// The longest time until a connection is there.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest time until an answer begins, and until all of it has come.
const ANSWER: Duration = Duration::from_secs(60);
const WHOLE: Duration = Duration::from_secs(600);

/// How often a request is made, and how long to wait between two of them.
const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 500 });

/// The longest answer that is taken. Index files of restic have a few MiB.
const LARGEST: u64 = 1 << 30;

/// A repository on a server.
pub(super) struct Rest {
    agent: Agent,
    /// The address of the repository, without name and password, and with a slash at its end.
    address: String,
    /// The header that proves who is asking, if the server wants to know.
    authorization: Option<Zeroizing<String>>,
    cancel: CancelToken,
    /// The server did not answer, although it was asked several times.
    is_lost: AtomicBool,
    /// The addresses at which the server fails, although it gives other files. They are asked for
    /// once, and not several times for each piece of a pack.
    failing: Mutex<HashSet<String>>,
}

/// The name and the password for a server.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

impl Rest {
    /// The repository at an address such as `https://host:8000/repo/`. What the address itself says
    /// about name and password comes before `login`.
    pub(super) fn new(
        address: &str,
        login: Option<Login>,
        ca: Option<&Path>,
        cancel: CancelToken,
    ) -> Result<Self, String> {
        let (address, named) = split_login(address)
            .ok_or("the address behind rest: must begin with http:// or https://, and name a host")?;
        let header = |Login { user, password }: Login| {
            let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
            Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
        };
        let agent = http::agent(ca)?
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(WHOLE))
            .build()
            .new_agent();
        let authorization = named.or(login).map(header);
        let (is_lost, failing) = (AtomicBool::new(false), Mutex::default());
        Ok(Self { agent, address, authorization, cancel, is_lost, failing })
    }

    fn url(&self, kind: FileType, id: &Id) -> String {
        match kind {
            FileType::Config => format!("{}config", self.address),
            _ => format!("{}{}/{}", self.address, kind.dirname(), id.to_hex().as_str()),
        }
    }

    /// Asks for the content of an address, or for a range of its bytes, until the server answers.
    fn get(&self, url: &str, range: Option<&str>, most: u64) -> io::Result<Vec<u8>> {
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(unknown("the server no longer answers"));
        }
        let refusal = match self.patiently(url, range, most) {
            Err(refusal) if refusal.why != Why::Lasting => refusal,
            answer => return answer.map_err(|refusal| refusal.error),
        };
        // It was not asked as often as it should be.
        if self.cancel.is_cancelled() {
            return Err(unknown(refusal.error));
        }
        // One file that the server cannot read must not hide the others.
        let config = self.url(FileType::Config, &Id::default());
        if url == config || self.patiently(&config, None, LARGEST).is_err() {
            self.is_lost.store(true, Ordering::Relaxed);
            return Err(unknown(refusal.error));
        }
        if refusal.why == Why::Failing {
            lock(&self.failing).insert(url.to_owned());
        }
        Err(refusal.error)
    }

    /// Asks for a file to its end.
    fn all(&self, url: &str) -> io::Result<Vec<u8>> {
        let content = self.get(url, None, LARGEST + 1)?;
        if content.len() as u64 > LARGEST {
            return Err(unknown("the server sends more than 1 GiB, which no such file has"));
        }
        Ok(content)
    }

    /// Makes a request several times, if the reason why it fails may pass.
    fn patiently(&self, url: &str, range: Option<&str>, most: u64) -> Result<Vec<u8>, Refusal> {
        let tries = if lock(&self.failing).contains(url) { 1 } else { TRIES };
        for number in 1..tries {
            match self.once(url, range, most) {
                Err(refusal) if refusal.why != Why::Lasting && !self.cancel.is_cancelled() => {
                    thread::sleep(BETWEEN * number);
                }
                answer => return answer,
            }
        }
        self.once(url, range, most)
    }

    fn once(&self, url: &str, range: Option<&str>, most: u64) -> Result<Vec<u8>, Refusal> {
        let mut request = self.agent.get(url).header(header::ACCEPT, VERSION);
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.as_str());
        }
        let response = request.call().map_err(|error| Refusal::without_answer(&error))?;
        // The file ends before this range.
        if range.is_some() && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Vec::new());
        }
        let wanted = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let response = judge(response, wanted)?;
        let mut content = Vec::new();
        let mut body = response.into_body().into_reader().take(most);
        body.read_to_end(&mut content).map_err(|error| Refusal::failing(&error))?;
        Ok(content)
    }
}

/// The error if nothing is known about what was asked for.
fn unknown(why: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, why.to_string())
}

/// Why a server did not give what it was asked for.
struct Refusal {
    error: io::Error,
    why: Why,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It would say the same again.
    Lasting,
    /// It does not answer, or is busy.
    Away,
    /// It fails, maybe with this file alone.
    Failing,
}

impl Refusal {
    fn without_answer(error: &ureq::Error) -> Self {
        let is_distrusted = match error {
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
            // The encryption speaks in the place of the socket.
            ureq::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
            _ => false,
        };
        if is_distrusted {
            let text = format!("the server cannot be trusted ({error}): see RESTIC_CACERT");
            return Self { error: unknown(text), why: Why::Lasting };
        }
        Self::away(error)
    }

    fn away(error: &dyn fmt::Display) -> Self {
        Self { error: unknown(format!("the server does not answer: {error}")), why: Why::Away }
    }

    fn failing(error: &dyn fmt::Display) -> Self {
        Self { error: io::Error::other(format!("the server fails: {error}")), why: Why::Failing }
    }
}

/// The answer, if it is what was asked for.
fn judge(response: Response<Body>, wanted: StatusCode) -> Result<Response<Body>, Refusal> {
    let status = response.status();
    let lasting = |kind, text: String| Err(Refusal { error: io::Error::new(kind, text), why: Why::Lasting });
    match status {
        _ if status == wanted => Ok(response),
        StatusCode::NOT_FOUND => lasting(io::ErrorKind::NotFound, "the server does not have it".to_owned()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => lasting(
            io::ErrorKind::PermissionDenied,
            format!("the server refuses it ({status}): see RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD"),
        ),
        // What the server, or one before it, says about itself and not about the file.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(Refusal::away(&status)),
        _ if status.is_server_error() => Err(Refusal::failing(&status)),
        _ => lasting(
            io::ErrorKind::NotConnected,
            format!("the server gives an answer that was not asked for: {status}"),
        ),
    }
}

/// Takes name and password out of an address, and adds a slash to its end.
fn split_login(address: &str) -> Option<(String, Option<Login>)> {
    let (scheme, rest) = address.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    if !matches!(scheme, "http" | "https") || host.is_empty() || path.contains(['?', '#']) {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = login.map(|login| {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        Login { user: decoded(user), password: Zeroizing::new(decoded(password)) }
    });
    Some((format!("{scheme}://{host}{}/", path.trim_end_matches('/')), login))
}

/// A file in a list of the second version of the protocol, and of the first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Sized { name: String },
    Named(String),
}

impl Store for Rest {
    fn names(&self, kind: FileType) -> io::Result<Vec<String>> {
        let list = self.all(&format!("{}{}/", self.address, kind.dirname()))?;
        let list: Vec<Listed> = serde_json::from_slice(&list)
            .map_err(|error| io::Error::other(format!("the server gives no list of files: {error}")))?;
        let name = |(Listed::Sized { name } | Listed::Named(name))| name;
        Ok(list.into_iter().map(name).collect())
    }

    fn size(&self, kind: FileType, id: &Id) -> io::Result<u64> {
        self.whole(kind, id).map(|content| content.len() as u64)
    }

    fn whole(&self, kind: FileType, id: &Id) -> io::Result<Vec<u8>> {
        self.all(&self.url(kind, id))
    }

    fn part(&self, kind: FileType, id: &Id, offset: u32, length: u32) -> io::Result<Vec<u8>> {
        let Some(last) = length.checked_sub(1) else { return Ok(Vec::new()) };
        let range = format!("bytes={offset}-{}", u64::from(offset) + u64::from(last));
        self.get(&self.url(kind, id), Some(&range), length.into())
    }

    fn location(&self) -> String {
        self.address.clone()
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rest({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_are_taken_out_of_an_address() {
        let (address, login) = split_login("https://me:p%40ss@host:8000/a/b").unwrap();
        let login = login.unwrap();
        assert_eq!((&*address, &*login.user, &**login.password), ("https://host:8000/a/b/", "me", "p@ss"));
        for (given, address) in [
            ("http://host", "http://host/"),
            ("http://[::1]:80//", "http://[::1]:80/"),
            ("http://h/x/", "http://h/x/"),
        ] {
            let (found, login) = split_login(given).unwrap();
            assert_eq!((&*found, login.is_none()), (address, true));
        }
        for given in ["", "host/x", "ftp://host/x", "http:///x", "http://me:pw@/x", "http://host/x?y"] {
            assert!(split_login(given).is_none(), "{given}");
        }
    }

    /// A server that gives these answers, one for each connection, and then none. Returns how often
    /// it was asked.
    fn server(answers: Vec<&'static str>) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&asked);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let answer = answers.get(number).copied().unwrap_or_default();
                let _ = io::Write::write_all(&mut stream, answer.as_bytes());
            }
        });
        (address, asked)
    }

    fn rest(address: &str) -> Rest {
        Rest::new(address, None, None, CancelToken::new()).unwrap()
    }

    #[test]
    fn a_server_that_fails_is_asked_again_and_one_that_is_gone_is_not_asked_for_ever() {
        let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
        let whole = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab";
        let busy = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (address, asked) = server(vec![busy, close, whole]);
        let rest = rest(&address);
        assert_eq!(rest.whole(FileType::Key, &Id::default()).unwrap(), b"ab");
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        let error = rest.whole(FileType::Key, &Id::default()).unwrap_err();
        assert!(error.to_string().contains("does not answer"), "{error}");
        let until_then = asked.load(Ordering::SeqCst);
        let error = rest.whole(FileType::Key, &Id::default()).unwrap_err();
        assert_eq!(error.to_string(), "the server no longer answers");
        assert_eq!(asked.load(Ordering::SeqCst), until_then);
    }

    #[test]
    fn a_server_that_fails_with_one_file_is_asked_for_others() {
        let fails = "HTTP/1.1 500 Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let cut = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\na";
        let busy = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let whole = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab";
        for (answer, kind) in
            [(fails, io::ErrorKind::Other), (cut, io::ErrorKind::Other), (busy, io::ErrorKind::NotConnected)]
        {
            // The fifth request is for the file config.
            let (address, _) = server(vec![answer, answer, answer, answer, whole, whole]);
            let rest = rest(&address);
            assert_eq!(rest.whole(FileType::Key, &Id::default()).unwrap_err().kind(), kind, "{answer}");
            assert_eq!(rest.whole(FileType::Key, &Id::default()).unwrap(), b"ab", "{answer}");
            let error = rest.whole(FileType::Key, &Id::default()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotConnected, "it is gone: {error}");
        }
    }

    #[test]
    fn a_server_that_sends_the_whole_file_or_elsewhere_is_not_followed() {
        let whole = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nabcd";
        let moved = "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
        let past = "HTTP/1.1 416 Past\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (address, _) = server(vec![whole, moved, past]);
        let rest = rest(&address);
        for status in ["200", "302"] {
            let error = rest.part(FileType::Pack, &Id::default(), 1, 2).unwrap_err();
            assert!(error.to_string().contains(status), "{error}");
        }
        assert_eq!(rest.part(FileType::Pack, &Id::default(), 1, 2).unwrap(), b"");
    }

    #[test]
    fn nothing_that_is_printed_of_a_repository_holds_its_password() {
        let login = Login { user: "me".to_owned(), password: Zeroizing::new("hunter2".to_owned()) };
        let rest = Rest::new("http://you:hunter3@host/", Some(login), None, CancelToken::new());
        let shown = format!("{:?}", rest.unwrap());
        assert_eq!(shown, "Rest(http://host/)");
    }
}
