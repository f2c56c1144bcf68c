//! Tells a server over HTTP. One attempt is one POST request.
//!
//! The path of a URL is often the only secret that protects a webhook. So messages name the host
//! alone, and what a server answers is repeated without the URL and the token. A redirect is not
//! followed: the message would go to a server that the user has not named.

use std::io::Read;
use std::time::Duration;

use serde_json::json;
use ureq::Body;
use ureq::http::{Response, Uri, header};

use super::{Failure, Message, in_words, late};
use crate::exit::ExitCode;
use crate::http;
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
    request(hook, &url, &post, patience)
}

/// Tells that a run begins.
pub(super) fn start(hook: &Webhook, patience: Duration) -> Result<String, Failure> {
    let url = address(hook)?;
    request(hook, &url, &ping(&url, Some("start"), ""), patience)
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
    let (server, topic) =
        topic(url).ok_or_else(|| Failure::lasting("the URL does not end in the name of a topic"))?;
    let query = url.find('?').map_or("", |at| &url[at..]);
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

/// The server of an address of ntfy, and the topic.
fn topic(url: &str) -> Option<(&str, &str)> {
    let path = url.split('?').next()?;
    let found = path.trim_end_matches('/').rsplit_once('/');
    found.filter(|(server, topic)| server.contains("://") && !server.ends_with('/') && !topic.is_empty())
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

fn request(hook: &Webhook, given: &str, post: &Post, patience: Duration) -> Result<String, Failure> {
    let token = hook.token.read()?;
    let secrets = Secrets::new(given, &post.url, hook.form, token.as_ref());
    let agent = http::agent(hook.ca.as_deref()).map_err(Failure::lasting)?;
    let agent = agent.timeout_global(Some(patience)).timeout_connect(Some(CONNECT.min(patience)));
    let agent = agent.build().new_agent();
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
struct Secrets {
    /// Whole addresses: of these, the host is shown.
    urls: Vec<String>,
    /// Everything else, the longest first: a part must not be masked before the whole.
    parts: Vec<String>,
}

impl Secrets {
    /// Those of the address that the user gave, of the one that is asked, and the token.
    fn new(given: &str, asked: &str, form: WebhookForm, token: Option<&SecretText>) -> Self {
        let mut parts: Vec<String> = [given, asked].into_iter().flat_map(parts).collect();
        if form == WebhookForm::Ntfy {
            parts.extend(topic(given).map(|(_, topic)| topic.to_owned()));
        }
        parts.extend(token.map(|token| token.reveal().to_owned()));
        parts.retain(|part| !part.is_empty());
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        let mut urls = vec![given.to_owned(), asked.to_owned()];
        urls.sort_by_key(|url| std::cmp::Reverse(url.len()));
        Self { urls, parts }
    }

    /// The text without them, as one printable line.
    fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for url in &self.urls {
            text = text.replace(url, &WebAddress::masked(url));
        }
        for part in &self.parts {
            text = text.replace(part, "***");
        }
        printable(text.trim()).into_owned()
    }
}

/// A segment of a path that is at least this long may be what protects the address.
const SEGMENT: usize = 6;

/// The parts of an address that a server may repeat, beside its host, as they are and decoded.
fn parts(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    let user_info = authority.rsplit_once('@').map(|(user_info, _)| user_info);
    let (path, query) = path.find(['?', '#']).map_or((path, ""), |at| path.split_at(at));
    let path = path.trim_matches('/');
    let query = query.trim_start_matches(['?', '#']);
    let mut parts = vec![user_info.unwrap_or_default(), query];
    // The names of users are often in every text. The password is not.
    parts.extend(user_info.and_then(|user_info| user_info.split_once(':')).map(|(_, password)| password));
    parts.extend(Some(path).filter(|path| path.len() > 3));
    let values = query.split(['&', '#']).filter_map(|pair| pair.split_once('=').map(|(_, value)| value));
    parts.extend(path.split('/').chain(values).filter(|part| part.len() >= SEGMENT));
    let decoded = parts.iter().map(|part| decoded(part)).collect::<Vec<_>>();
    parts.into_iter().map(str::to_owned).chain(decoded).collect()
}

/// A part of an address without percent encoding.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What an answer means.
fn judge(mut response: Response<Body>, secrets: &Secrets) -> Result<String, Failure> {
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
fn failed(error: &ureq::Error, patience: Duration, secrets: &Secrets) -> Failure {
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
        let url = "https://hc.example.org/ping/5ecre7";
        let secrets = Secrets::new(url, &ping(url, Some("fail"), "").url, WebhookForm::Healthchecks, None);
        for text in [
            "no https://hc.example.org/ping/5ecre7 here",
            "no https://hc.example.org/ping/5ecre7/fail here",
            "no ping/5ecre7 here\n",
            r"no ping\/5ecre7 here",
            "the check 5ecre7 is not known",
        ] {
            let hidden = secrets.hide(text);
            assert!(!hidden.contains("5ecre7") && hidden.contains("***"), "{text}: {hidden}");
        }
        assert_eq!(secrets.hide("not https://hc.example.org/"), "not https://hc.example.org/");
    }

    #[test]
    fn an_answer_is_repeated_without_user_query_topic_and_path_also_if_it_decodes_them() {
        let url = "https://me:pa55@ntfy.example.org/a/t0p?auth=5ecre7&x=%2f0ther7";
        let secrets = Secrets::new(url, "https://ntfy.example.org/a/", WebhookForm::Ntfy, None);
        for (text, secret) in [
            ("me:pa55 is unknown", "pa55"),
            ("the password pa55 is wrong", "pa55"),
            ("no topic t0p", "t0p"),
            ("auth 5ecre7 is wrong", "5ecre7"),
            ("x is /0ther7", "0ther7"),
            ("x is %2f0ther7", "0ther7"),
        ] {
            let hidden = secrets.hide(text);
            assert!(!hidden.contains(secret) && hidden.contains("***"), "{text}: {hidden}");
        }
    }
}
