//! A web server for tests that can misbehave in every way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request that the server was sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The first line: method, path and version.
    pub line: String,
    /// All headers, in lower case.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// How the server answers.
#[derive(Clone)]
pub enum Answer {
    /// With this status line, these headers, and this body.
    With(&'static str, String, &'static str),
    /// Never. The connection stays open.
    Never,
    /// Not at all: the connection is closed.
    Close,
    /// With something that is not HTTP.
    Garbage,
    /// With headers that come byte by byte and never end.
    Trickle,
}

impl Answer {
    /// An answer without headers or body.
    pub fn status(line: &'static str) -> Self {
        Self::With(line, String::new(), "")
    }
}

/// A server on a free port of this machine. It answers until the test ends.
pub struct HttpServer {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl HttpServer {
    /// Starts it. The answers are given in their order, and the last one from then on.
    pub fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (Arc::clone(&requests), answers.to_vec());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, seen, answers) = (stream.unwrap(), Arc::clone(&seen), answers.clone());
                thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request);
                        seen.len() - 1
                    };
                    answer(&mut stream, &answers[number.min(answers.len() - 1)]);
                });
            }
        });
        Self { port, requests }
    }

    /// Its URL with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&got| got > 0)?;
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|&got| got > 0)?;
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        headers.push_str(&(header + "\n"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).unwrap() })
}

fn answer(stream: &mut TcpStream, answer: &Answer) {
    match answer {
        Answer::With(status, headers, body) => {
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
            );
        }
        Answer::Never => thread::sleep(Duration::from_secs(600)),
        Answer::Close => {}
        Answer::Garbage => {
            let _ = stream.write_all(b"\x16\x03\x01 SSH-2.0-\r\n\r\n");
        }
        Answer::Trickle => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ");
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}
