//! The tables `[notify]` and `[jobs.NAME.notify]` of the configuration: who is told how a run
//! ended.
//!
//! Each way of telling is a list of tables (`[[notify.webhook]]`), and each of them may say for
//! itself when it is used and how long it may take.

use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::error::Error;
use super::fields::Fields;
use super::layer::Layer;
use super::paths::Base;
use super::source::Source;
use super::values::Limit;
use crate::notify;
use crate::plan::{
    Email, NOTIFY_TIME_LIMIT, Notifier, Occasion, Recipient, Security, WebAddress, Webhook, WebhookForm,
};
use crate::secret::Secret;

/// The key that this file reads.
pub const NOTIFY: &str = "notify";

/// What one layer of the configuration says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NotifySettings {
    when: Option<Occasion>,
    time_limit: Option<Duration>,
    webhooks: Vec<Said>,
    emails: Vec<Said>,
    commands: Vec<Said>,
}

/// One table of a list.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    recipient: Recipient,
    when: Option<Occasion>,
    time_limit: Option<Duration>,
}

impl NotifySettings {
    /// Reads the table.
    pub fn read<'a>(source: &Source<'a>, value: Spanned<DeValue<'a>>, base: Base<'_>) -> Result<Self, Error> {
        let keys = ["when", "time-limit", "webhook", "email", "command"];
        let hint = "write a table: [notify] or [jobs.NAME.notify]";
        let mut fields = Fields::new(source, base, value, &keys, hint)?;
        let (when, time_limit) = occasion(&mut fields)?;
        let lists = [("webhook", webhook as Reader), ("email", email), ("command", command)];
        let [webhooks, emails, commands] = lists.map(|(key, read)| {
            let Some(value) = fields.take(key) else { return Ok(Vec::new()) };
            several(value).into_iter().map(|one| read(source, one, base)).collect()
        });
        Ok(Self { when, time_limit, webhooks: webhooks?, emails: emails?, commands: commands? })
    }

    /// What a plan says.
    pub fn resolve(self) -> Vec<Notifier> {
        let said = self.webhooks.into_iter().chain(self.emails).chain(self.commands);
        let resolve = |said: Said| {
            // A server that waits for pings misses every ping that is not sent.
            let pings =
                matches!(&said.recipient, Recipient::Webhook(hook) if hook.form == WebhookForm::Healthchecks);
            let usual = if pings { Some(Occasion::Always) } else { self.when };
            Notifier {
                recipient: said.recipient,
                when: said.when.or(usual).unwrap_or(Occasion::OnFailure),
                time_limit: said.time_limit.or(self.time_limit).unwrap_or(NOTIFY_TIME_LIMIT),
            }
        };
        said.map(resolve).collect()
    }
}

impl Layer for NotifySettings {
    /// A list replaces a list of the same kind as a whole, as everywhere.
    fn over(self, lower: Self) -> Self {
        Self {
            when: self.when.or(lower.when),
            time_limit: self.time_limit.or(lower.time_limit),
            webhooks: if self.webhooks.is_empty() { lower.webhooks } else { self.webhooks },
            emails: if self.emails.is_empty() { lower.emails } else { self.emails },
            commands: if self.commands.is_empty() { lower.commands } else { self.commands },
        }
    }

    /// The paths were made absolute when they were read.
    fn locate(&mut self, _: Base<'_>) {}
}

/// Reads one table of a list.
type Reader = for<'a> fn(&Source<'a>, Spanned<DeValue<'a>>, Base<'_>) -> Result<Said, Error>;

/// The tables of a list, or the one table that stands in its place.
fn several<'a>(value: Spanned<DeValue<'a>>) -> Vec<Spanned<DeValue<'a>>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Array(list) => list.into_iter().collect(),
        one => vec![Spanned::new(span, one)],
    }
}

fn occasion(fields: &mut Fields<'_, '_>) -> Result<(Option<Occasion>, Option<Duration>), Error> {
    let when = fields.choice("when", &Occasion::ALL, Occasion::name)?;
    let time_limit: Option<Limit> = fields.parsed("time-limit")?;
    Ok((when, time_limit.map(|limit| limit.0)))
}

fn webhook<'a>(source: &Source<'a>, value: Spanned<DeValue<'a>>, base: Base<'_>) -> Result<Said, Error> {
    let keys = ["url", "form", "token", "ca", "when", "time-limit"];
    let mut fields = Fields::new(source, base, value, &keys, "write a table: [[notify.webhook]]")?;
    let url = fields.take("url");
    let url = fields.required("url", url)?;
    let url = match url.get_ref().as_str() {
        Some(plain) => {
            // The URL is not repeated in the error: its path may be a secret.
            notify::check_url(plain)
                .map_err(|problem| source.at(&url.span(), &format!("the URL {problem}")))?;
            WebAddress::Plain(plain.to_owned())
        }
        None => WebAddress::Secret(super::fields::secret(source, url, base, "url")?),
    };
    let form = fields.choice("form", &WebhookForm::ALL, WebhookForm::name)?.unwrap_or(WebhookForm::Json);
    let (token, ca) = (fields.secret("token")?, fields.path("ca")?);
    let (when, time_limit) = occasion(&mut fields)?;
    Ok(Said { recipient: Recipient::Webhook(Webhook { url, form, token, ca }), when, time_limit })
}

fn email<'a>(source: &Source<'a>, value: Spanned<DeValue<'a>>, base: Base<'_>) -> Result<Said, Error> {
    let keys = ["to", "from", "server", "port", "security", "user", "password", "ca", "when", "time-limit"];
    let mut fields = Fields::new(source, base, value, &keys, "write a table: [[notify.email]]")?;
    let to = fields.texts("to")?;
    let to = fields.required("to", (!to.is_empty()).then_some(to))?;
    let from = fields.text("from")?;
    let from = fields.required("from", from)?;
    if let Some(wrong) = to.iter().chain([&from]).find(|address| !notify::is_address(address)) {
        let hint = "write it as name@example.org or \"Name <name@example.org>\"";
        return Err(fields.wrong(&format!("\"{wrong}\" is not a mail address")).hint(hint));
    }
    let server = fields.text("server")?;
    let server = fields.required("server", server)?;
    let is_here = ["localhost", "127.0.0.1", "::1"].contains(&server.as_str());
    let usual = if is_here { Security::None } else { Security::StartTls };
    let security = fields.choice("security", &Security::ALL, Security::name)?.unwrap_or(usual);
    let port = fields.get("port")?.unwrap_or_else(|| security.port());
    let (user, password) = (fields.text("user")?, fields.secret("password")?);
    if user.is_some() != (password != Secret::None) {
        return Err(fields.wrong("user and password are needed together"));
    }
    if security == Security::None && user.is_some() && !is_here {
        let message = "the password would be sent in clear text over the network";
        return Err(fields.wrong(message).hint("use security = \"starttls\" or security = \"tls\""));
    }
    let ca = fields.path("ca")?;
    let (when, time_limit) = occasion(&mut fields)?;
    let email = Email { server, port, security, user, password, ca, from, to };
    Ok(Said { recipient: Recipient::Email(email), when, time_limit })
}

fn command<'a>(source: &Source<'a>, value: Spanned<DeValue<'a>>, base: Base<'_>) -> Result<Said, Error> {
    let keys = ["run", "when", "time-limit"];
    let mut fields = Fields::new(source, base, value, &keys, "write a table: [[notify.command]]")?;
    let run = fields.command("run")?;
    let run = fields.required("run", run)?;
    let (when, time_limit) = occasion(&mut fields)?;
    Ok(Said { recipient: Recipient::Command(run), when, time_limit })
}
