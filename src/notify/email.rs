//! Tells by e-mail. One attempt is one delivery to the user's mail server.

use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};

use super::{Failure, Message, in_words, late};
use crate::plan::{Email, Security};
use crate::secret::SecretText;
use crate::words::printable;

/// Says that no person wrote the message, so that absence notes and lists do not answer it (RFC
/// 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Sends one message to all recipients.
pub(super) fn send(email: &Email, message: &Message, patience: Duration) -> Result<String, Failure> {
    let password = email.password.read()?;
    let mail = compose(email, message).map_err(Failure::lasting)?;
    let mut transport = SmtpTransport::builder_dangerous(&email.server)
        .port(email.port)
        .timeout(Some(patience))
        .tls(tls(email)?);
    if let (Some(user), Some(password)) = (&email.user, &password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
    }
    match transport.build().send(&mail) {
        Ok(answer) => Ok(format!("{} {}", answer.code(), answer.first_line().unwrap_or_default())),
        Err(error) => Err(failed(&error, email, password.as_ref(), patience)),
    }
}

/// Whether this is a mail address, with or without a name: `Ann <ann@example.org>`.
pub fn is_address(address: &str) -> bool {
    address.parse::<Mailbox>().is_ok()
}

fn compose(email: &Email, message: &Message) -> Result<lettre::Message, String> {
    let mailbox = |address: &str| address.parse::<Mailbox>().map_err(|error| format!("{address}: {error}"));
    let mut builder = lettre::Message::builder()
        .from(mailbox(&email.from)?)
        .subject(&message.subject)
        .date_now()
        .message_id(None)
        .header(AutoSubmitted);
    for address in &email.to {
        builder = builder.to(mailbox(address)?);
    }
    let part = |kind: ContentType, text: &str| SinglePart::builder().header(kind).body(text.to_owned());
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, &message.text))
        .singlepart(part(ContentType::TEXT_HTML, &message.html));
    builder.multipart(parts).map_err(|error| error.to_string())
}

fn tls(email: &Email) -> Result<Tls, Failure> {
    if email.security == Security::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(email.server.clone());
    if let Some(path) = &email.ca {
        let wrong = |problem: &dyn std::fmt::Display| {
            Failure::lasting(format!("cannot read the certificates in {}: {problem}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
        parameters =
            parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| wrong(&error))?);
    }
    let parameters = parameters.build().map_err(|error| Failure::lasting(error.to_string()))?;
    Ok(if email.security == Security::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

fn failed(
    error: &lettre::transport::smtp::Error,
    email: &Email,
    password: Option<&SecretText>,
    patience: Duration,
) -> Failure {
    let other_tls = match email.security {
        Security::Tls => "",
        _ => ". If the server uses TLS from the start, set security = \"tls\"",
    };
    if error.is_timeout() || is_without_answer(error) {
        return Failure::passing(format!("{}{other_tls}", late(patience)));
    }
    // A server may repeat what it was sent.
    let text = error.to_string();
    let text = password.map_or(text.clone(), |password| text.replace(password.reveal(), "***"));
    let text = in_words(&printable(text.trim()));
    Failure { problem: text, is_final: error.is_permanent() || error.is_client() }
}

/// Whether a read ended at its time limit, which Unix reports as if there were nothing to read yet.
fn is_without_answer(error: &lettre::transport::smtp::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use crate::secret::Secret;

    fn email() -> Email {
        Email {
            server: "localhost".to_owned(),
            port: 25,
            security: Security::None,
            user: None,
            password: Secret::None,
            ca: None,
            from: "bkverify <bkverify@web1.example.org>".to_owned(),
            to: vec!["Ann <ann@example.org>".to_owned(), "ops@example.org".to_owned()],
        }
    }

    #[test]
    fn a_mail_has_both_parts_and_every_header_that_a_reader_needs() {
        let mut plan = samples::plan();
        plan.origin.job = Some("nächtlich\r\nBcc: all@example.org".to_owned());
        let model = crate::report::Model::new(&plan, Ok(&samples::failed()));
        let mail = compose(&email(), &Message::new(&model, "web1", None)).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        let (headers, body) = text.split_once("\r\n\r\n").unwrap();
        for header in [
            "From: bkverify <bkverify@web1.example.org>",
            "To: Ann <ann@example.org>, ops@example.org",
            "Auto-Submitted: auto-generated",
            "Content-Type: multipart/alternative;",
            "MIME-Version: 1.0",
        ] {
            assert!(headers.contains(header), "{header}: {headers}");
        }
        let has = |name: &str| headers.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(
            (has("Date: "), has("Message-ID: <"), has("Subject: "), has("Bcc:")),
            (1, 1, 1, 0),
            "{headers}"
        );
        assert!(body.contains("Content-Type: text/plain; charset=utf-8"), "{body}");
        assert!(body.contains("Content-Type: text/html; charset=utf-8"), "{body}");
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(is_address("Ann <ann@example.org>") && is_address("root@localhost"));
        for wrong in ["", "ann", "ann@", "ann@example.org\r\nBcc: x@y", "@example.org"] {
            assert!(!is_address(wrong), "{wrong:?}");
        }
    }
}
