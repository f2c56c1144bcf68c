//! Who is told how a run ended, and which programs run before and after it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::program::CommandLine as Hook;
use crate::program::without_arguments;
use crate::secret::Secret;

/// Printed in place of the part of a URL that may be a secret.
const MASK: &str = "***";

/// Someone who is told how a run ended. It prints as its recipient, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifier {
    /// Who is told, and how.
    pub recipient: Recipient,
    /// After which runs.
    pub when: Occasion,
    /// How long the attempts to tell may take together.
    pub time_limit: Duration,
}

/// How long the attempts to tell someone may take together, unless the user says otherwise.
pub const NOTIFY_TIME_LIMIT: Duration = Duration::from_secs(60);

/// The ways of telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A server is sent an HTTP request.
    Webhook(Webhook),
    /// An e-mail is sent.
    Email(Email),
    /// A program is started with these arguments.
    Command(Vec<OsString>),
}

/// After which runs someone is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// After every run.
    Always,
    /// If the result or the set of bad files differs from that of the run before.
    OnChange,
    /// After every run that does not pass.
    OnFailure,
    /// After none.
    Never,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 4] = [Self::Always, Self::OnChange, Self::OnFailure, Self::Never];

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnChange => "on-change",
            Self::OnFailure => "on-failure",
            Self::Never => "never",
        }
    }
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The address.
    pub url: WebAddress,
    /// What the server expects.
    pub form: WebhookForm,
    /// What is sent as `Authorization: Bearer`.
    pub token: Secret,
    /// A file of certificates (PEM) to trust instead of the system's.
    pub ca: Option<PathBuf>,
}

/// The address of a webhook. Its path is often the only secret there is, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum WebAddress {
    /// This URL.
    Plain(String),
    /// A URL that is kept like a password.
    Secret(Secret),
}

/// What the server of a webhook expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookForm {
    /// A POST request with the message as JSON.
    Json,
    /// Pings as healthchecks.io defines them.
    Healthchecks,
    /// A message to an ntfy server.
    Ntfy,
    /// A message to an incoming webhook of Slack or a compatible server.
    Slack,
}

impl WebhookForm {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Json, Self::Healthchecks, Self::Ntfy, Self::Slack];

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Healthchecks => "healthchecks",
            Self::Ntfy => "ntfy",
            Self::Slack => "slack",
        }
    }
}

/// An e-mail, and the server that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The name or address of the server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// The name to log in with. Without it, there is no login.
    pub user: Option<String>,
    /// The password to log in with.
    pub password: Secret,
    /// A file of certificates (PEM) to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte, usually on port 465.
    Tls,
    /// A plain connection that must change to TLS before anything is sent, usually on port 587.
    StartTls,
    /// Not at all.
    None,
}

impl Security {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Tls, Self::StartTls, Self::None];

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::StartTls => "starttls",
            Self::None => "none",
        }
    }

    /// The usual port.
    pub fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

/// Programs that run before and after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Before anything of the backup is looked at.
    pub before: Option<Hook>,
    /// At the end, however the run went.
    pub after: Option<Hook>,
    /// How long each may take.
    pub time_limit: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { before: None, after: None, time_limit: Duration::from_secs(600) }
    }
}

impl fmt::Display for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.recipient {
            Recipient::Webhook(webhook) => write!(f, "webhook {} ({})", webhook.url, webhook.form.name()),
            Recipient::Email(email) => {
                write!(f, "mail to {} by {}:{}", email.to.join(", "), email.server, email.port)
            }
            Recipient::Command(command) => write!(f, "command {}", without_arguments(command)),
        }
    }
}

impl WebAddress {
    /// The URL up to the host; the rest of it is masked.
    pub fn masked(url: &str) -> String {
        let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        if rest.ends_with(host) && rest.len() == host.len() {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}/{MASK}")
        }
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(url) => f.write_str(&Self::masked(url)),
            Self::Secret(secret) => write!(f, "with its URL from {secret}"),
        }
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_scheme_and_host_are_printed() {
        for (url, shown) in [
            ("https://hc.example.org/ping/5ecre7", "https://hc.example.org/***"),
            ("https://user:5ecre7@host:8443/x?key=5ecre7", "https://host:8443/***"),
            ("https://host?5ecre7", "https://host/***"),
            ("https://user:5ecre7@host", "https://host/***"),
            ("http://host:8000", "http://host:8000"),
            ("5ecre7", "***"),
        ] {
            let address = WebAddress::Plain(url.to_owned());
            assert_eq!(address.to_string(), shown);
            assert!(!format!("{address:?}").contains("5ecre7"));
        }
    }

    #[test]
    fn of_a_program_the_arguments_are_not_printed() {
        let command: Vec<OsString> = vec!["tell".into(), "5ecre7".into(), "x".into()];
        assert_eq!(Hook::Program(command.clone()).to_string(), "tell (with 2 arguments)");
        assert_eq!(Hook::Shell("tell 5ecre7".to_owned()).to_string(), "a line for the shell");
        let notifier = Notifier {
            recipient: Recipient::Command(command),
            when: Occasion::Always,
            time_limit: NOTIFY_TIME_LIMIT,
        };
        assert_eq!(notifier.to_string(), "command tell (with 2 arguments)");
    }
}
