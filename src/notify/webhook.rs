//! Tells a server over HTTP. One attempt is one POST request.
//!
//! The path of a URL is often the only secret that protects a webhook. So messages name the host
//! alone, and what a server answers is repeated without the URL and the token. A redirect is not
//! followed: the message would go to a server that the user has not named.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use ureq::http::{Response, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::{Failure, Message, in_words, late};
use crate::exit::ExitCode;
use crate::plan::{WebAddress, Webhook, WebhookForm};
use crate::secret::SecretText;
use crate::words::printable;

/// The longest time until a connection is there.
const CONNECT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const ANSWER: u64 = 4096;
/// How many characters of an answer are repeated in an error.
const REPEATED: usize = 120;
/// The longest message that ntfy takes as text; what is longer becomes an attachment.
const NTFY_MESSAGE: usize = 3500;

/// What is posted.
struct Post {
    url: String,
    content_type: &'static str,
    body: String,
}

/// Tells how a run ended, or sends a test.
pub(super) fn send(hook: &Webhook, message: &Message, patience: Duration) -> Result<String, Failure> {
    let url = address(hook)?;
    let post = match hook.form {
        WebhookForm::Json => {
            Post { url: url.clone(), content_type: "application/json", body: message.json.clone() }
        }
        WebhookForm::Healthchecks => ping(&url, event(message), &message.text),
        WebhookForm::Ntfy => ntfy(&url, message)?,
        WebhookForm::Slack => slack(&url, message),
    };
    request(hook, &post, patience)
}

/// Tells that a run begins.
pub(super) fn start(hook: &Webhook, patience: Duration) -> Result<String, Failure> {
    request(hook, &ping(&address(hook)?, Some("start"), ""), patience)
}

/// What is wrong with a URL, without the URL: it may be a secret.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err("must begin with https:// or http://");
    }
    let parsed: Uri = url.parse().map_err(|_| "cannot be read")?;
    if parsed.host().is_none_or(str::is_empty) { Err("names no host") } else { Ok(()) }
}

fn address(hook: &Webhook) -> Result<String, Failure> {
    let url = match &hook.url {
        WebAddress::Plain(url) => url.clone(),
        WebAddress::Secret(secret) => {
            secret.read()?.as_ref().map_or_else(String::new, |text| text.reveal().to_owned())
        }
    };
    check_url(&url).map_err(|problem| Failure::lasting(format!("the URL {problem}")))?;
    Ok(url)
}

/// What a service of pings calls this message. A test must not change what it knows of the job.
fn event(message: &Message) -> Option<&'static str> {
    match message.exit_code {
        _ if message.is_test => Some("log"),
        ExitCode::Pass => None,
        _ => Some("fail"),
    }
}

/// A ping: the event is the last part of the path.
fn ping(url: &str, event: Option<&str>, text: &str) -> Post {
    let (path, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    let event = event.map_or(String::new(), |event| format!("/{event}"));
    let url = format!("{}{event}{query}", path.trim_end_matches('/'));
    Post { url, content_type: "text/plain; charset=utf-8", body: text.to_owned() }
}

/// A message for ntfy, as JSON: its headers could not hold every subject. The topic is the last
/// part of the path.
fn ntfy(url: &str, message: &Message) -> Result<Post, Failure> {
    let (path, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    let (server, topic) = path
        .trim_end_matches('/')
        .rsplit_once('/')
        .filter(|(server, topic)| server.contains("://") && !server.ends_with('/') && !topic.is_empty())
        .ok_or_else(|| Failure::lasting("the URL does not end in the name of a topic"))?;
    let (priority, tag) = match message.exit_code {
        ExitCode::Pass => (3, "white_check_mark"),
        ExitCode::Incomplete => (4, "warning"),
        _ => (5, "rotating_light"),
    };
    let body = json!({
        "topic": topic, "title": message.subject, "message": cut(&message.short, NTFY_MESSAGE),
        "priority": priority, "tags": [tag],
    });
    Ok(Post { url: format!("{server}/{query}"), content_type: "application/json", body: body.to_string() })
}

/// A message for an incoming webhook. Of its markup, only the three characters that begin something
/// need to be escaped.
fn slack(url: &str, message: &Message) -> Post {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let text = format!("*{}*\n{}", escape(&message.subject), escape(&message.short));
    let body = json!({ "text": text }).to_string();
    Post { url: url.to_owned(), content_type: "application/json", body }
}

/// The beginning of a text, of at most this many bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn request(hook: &Webhook, post: &Post, patience: Duration) -> Result<String, Failure> {
    let token = hook.token.read()?;
    let secrets = Secrets { url: &post.url, token: token.as_ref() };
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(patience))
        .timeout_connect(Some(CONNECT.min(patience)))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("bkverify/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(trusted(hook.ca.as_deref())?).build())
        .build()
        .into();
    let mut request = agent.post(&post.url).header(header::CONTENT_TYPE, post.content_type);
    if let Some(token) = &token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    match request.send(&post.body) {
        Ok(response) => judge(response, &secrets),
        Err(error) => Err(failed(&error, patience, &secrets)),
    }
}

/// What must not be repeated.
struct Secrets<'a> {
    url: &'a str,
    token: Option<&'a SecretText>,
}

impl Secrets<'_> {
    /// The text without them, as one printable line.
    fn hide(&self, text: &str) -> String {
        let text = text.replace(self.url, &WebAddress::masked(self.url));
        let path = self.url.splitn(4, '/').nth(3).filter(|path| path.len() > 3);
        let text = path.map_or(text.clone(), |path| text.replace(path, "***"));
        let text = self.token.map_or(text.clone(), |token| text.replace(token.reveal(), "***"));
        printable(text.trim()).into_owned()
    }
}

/// What an answer means.
fn judge(mut response: Response<Body>, secrets: &Secrets<'_>) -> Result<String, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(status.to_string());
    }
    if status.is_redirection() {
        let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
        let place = place.map_or_else(
            || "nowhere".to_owned(),
            |place| {
                if place.contains("://") { WebAddress::masked(place) } else { "the same host".to_owned() }
            },
        );
        return Err(Failure::lasting(format!(
            "it answered {status}, a redirect to {place}. Redirects are not followed: put the right address into url"
        )));
    }
    let mut answer = Vec::new();
    // An answer that breaks off is shown as far as it came.
    let _ = response.body_mut().as_reader().take(ANSWER).read_to_end(&mut answer);
    // Hidden before it is cut: a part of a secret is not recognised.
    let answer = secrets.hide(&String::from_utf8_lossy(&answer));
    let answer: String = answer.chars().take(REPEATED).collect();
    let problem = match answer.as_str() {
        "" => format!("it answered {status}"),
        answer => format!("it answered {status}: {answer}"),
    };
    // 408, 425 and 429 ask for another attempt (RFC 9110, 8470, 6585).
    let is_final = status.is_client_error() && ![408, 425, 429].contains(&status.as_u16());
    Err(Failure { problem, is_final })
}

/// Why there is no answer.
fn failed(error: &ureq::Error, patience: Duration, secrets: &Secrets<'_>) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::passing(late(patience)),
        ureq::Error::HostNotFound => Failure::passing("the name of its host is not known"),
        ureq::Error::BadUri(_) => Failure::lasting("the URL cannot be read"),
        ureq::Error::Http(_) => {
            Failure::lasting("the URL or the token has characters that HTTP does not allow")
        }
        ureq::Error::Io(error) => Failure::passing(in_words(&secrets.hide(&error.to_string()))),
        other => Failure::passing(in_words(&secrets.hide(&other.to_string()))),
    }
}

/// The certificates to trust: those of the file, or else the system's, or else Mozilla's.
fn trusted(ca: Option<&Path>) -> Result<RootCerts, Failure> {
    if let Some(path) = ca {
        let wrong = |problem: String| {
            Failure::lasting(format!("cannot read the certificates in {}: {problem}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let items =
            parse_pem(&pem).collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
        let found: Vec<Certificate<'static>> = items
            .into_iter()
            .filter_map(|item| match item {
                PemItem::Certificate(found) => Some(found),
                _ => None,
            })
            .collect();
        if found.is_empty() {
            return Err(wrong("there is none in it".to_owned()));
        }
        return Ok(RootCerts::from(found));
    }
    let system = rustls_native_certs::load_native_certs().certs;
    if system.is_empty() {
        return Ok(RootCerts::WebPki);
    }
    Ok(RootCerts::from(system.iter().map(|found| Certificate::from_der(found).to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_with_a_host_are_taken_and_errors_do_not_repeat_them() {
        for url in ["https://example.org", "http://127.0.0.1:8000/x?y=1", "https://user:pw@host/x"] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for url in
            ["", "example.org/5ecre7", "ftp://host/5ecre7", "https://", "https:///5ecre7", "https://a b/"]
        {
            let problem = check_url(url).unwrap_err();
            assert!(!problem.contains("5ecre7"), "{problem}");
        }
    }

    #[test]
    fn a_ping_names_its_event_before_the_query() {
        let url = |url: &str, event| ping(url, event, "").url;
        assert_eq!(url("https://hc/ping/id", Some("start")), "https://hc/ping/id/start");
        assert_eq!(url("https://hc/ping/id/", Some("fail")), "https://hc/ping/id/fail");
        assert_eq!(url("https://hc/ping/id?create=1", Some("fail")), "https://hc/ping/id/fail?create=1");
        assert_eq!(url("https://hc/ping/id", None), "https://hc/ping/id");
    }

    #[test]
    fn the_topic_of_ntfy_is_the_end_of_the_path() {
        let message = |url| {
            let plan = crate::report::samples::plan();
            let message = Message::test(&plan, "web1", jiff::Timestamp::UNIX_EPOCH);
            ntfy(url, &message).map(|post| (post.url, post.body)).map_err(|failure| failure.problem)
        };
        let (url, body) = message("https://ntfy.example.org/a/backups").unwrap();
        assert_eq!(url, "https://ntfy.example.org/a/");
        assert!(body.contains(r#""topic":"backups""#), "{body}");
        for url in ["https://ntfy.example.org", "https://ntfy.example.org/"] {
            assert!(message(url).unwrap_err().contains("topic"), "{url}");
        }
    }

    #[test]
    fn an_answer_that_repeats_the_address_is_repeated_without_it() {
        let secrets = Secrets { url: "https://hc.example.org/ping/5ecre7", token: None };
        for text in ["no https://hc.example.org/ping/5ecre7 here", "no ping/5ecre7 here\n"] {
            assert!(!secrets.hide(text).contains("5ecre7"), "{text}");
        }
    }
}
