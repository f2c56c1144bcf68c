//! Tells people and programs how a run ended: webhooks, e-mail, commands.
//!
//! In: the plan, the run's report, and how the run before ended. Out: what became of each attempt.
//! All are told at the same time. A recipient that fails is tried again after pauses that grow,
//! until its time limit. Nothing here changes a verdict or an exit code.
//!
//! There is one file for each way of telling. Each makes one attempt and says whether another one
//! makes sense. `message` makes what they send.

mod change;
mod command;
mod email;
mod listed;
mod message;
mod page;
mod webhook;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::plan::{Notifier, Occasion, Recipient, WebhookForm};

pub use change::{Alarm, Previous, alarms, fingerprint, is_due};
pub use email::is_address;
pub use message::{Message, SCHEMA_NAME};
pub use webhook::check_url;

/// The pauses between attempts. One attempt more is made than there are pauses.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// The longest time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(20);

/// How long to wait for a recipient beyond its time limit. Each attempt keeps to the limit by
/// itself; this is for what cannot be interrupted, such as looking up a name.
const GRACE: Duration = Duration::from_secs(2);

/// Why one attempt failed.
struct Failure {
    /// What went wrong, without secrets.
    problem: String,
    /// Whether another attempt would fail in the same way.
    is_final: bool,
}

impl Failure {
    fn lasting(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), is_final: true }
    }

    fn passing(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), is_final: false }
    }
}

impl From<crate::secret::Error> for Failure {
    fn from(error: crate::secret::Error) -> Self {
        Self::lasting(error.to_string())
    }
}

/// What the system or a library says, with the next step if it is about trust.
fn in_words(text: &str) -> String {
    if text.contains("certificate") {
        format!("{text}. If that is right, name the file of the certificates to trust as ca")
    } else {
        text.to_owned()
    }
}

/// That an attempt had no answer in this time.
fn late(patience: Duration) -> String {
    format!("no answer within {} s", patience.as_millis().div_ceil(1000))
}

/// What became of telling one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The recipient, without secrets.
    pub recipient: String,
    /// What the recipient answered, or why it was not told.
    pub result: Result<String, String>,
}

/// What is sent.
#[derive(Clone)]
enum Sent {
    /// That a run begins. Only webhooks of the form `healthchecks` are told.
    Start,
    /// How it ended, or a test.
    Message(Arc<Message>),
}

/// Attempts that are under way.
#[must_use]
pub struct UnderWay(Vec<Attempts>);

/// The attempts to tell one recipient.
struct Attempts {
    recipient: String,
    until: Instant,
    answer: Receiver<Result<String, String>>,
}

impl UnderWay {
    /// Waits until every recipient was told or given up.
    pub fn finish(self) -> Vec<Delivery> {
        let finish = |of: Attempts| {
            let left = (of.until + GRACE).saturating_duration_since(Instant::now());
            let late = |_| Err("no answer within the time limit".to_owned());
            Delivery { recipient: of.recipient, result: of.answer.recv_timeout(left).unwrap_or_else(late) }
        };
        self.0.into_iter().map(finish).collect()
    }
}

/// Tells those that wait for pings that a run begins. Does not wait for their answers.
pub fn begin(notifiers: &[Notifier]) -> UnderWay {
    let waits = |notifier: &&Notifier| {
        let pings =
            matches!(&notifier.recipient, Recipient::Webhook(hook) if hook.form == WebhookForm::Healthchecks);
        // One that is not told of every end would wait for the end in vain.
        pings && notifier.when == Occasion::Always
    };
    send(notifiers.iter().filter(waits), &Sent::Start)
}

/// Tells these recipients, all at the same time.
pub fn tell<'n>(notifiers: impl Iterator<Item = &'n Notifier>, message: Message) -> UnderWay {
    send(notifiers, &Sent::Message(Arc::new(message)))
}

fn send<'n>(notifiers: impl Iterator<Item = &'n Notifier>, sent: &Sent) -> UnderWay {
    let one = |notifier: &Notifier| {
        let (sender, answer) = mpsc::channel();
        let until = Instant::now() + notifier.time_limit;
        let (owned, sent) = (notifier.clone(), sent.clone());
        let work = move || {
            // If it took too long, nobody is receiving any more.
            let _ = sender.send(attempts(until, &PAUSES, |patience| attempt(&owned, &sent, patience)));
        };
        if thread::Builder::new().name("notify".to_owned()).spawn(work.clone()).is_err() {
            // If no thread can be started, they are told one after the other.
            work();
        }
        Attempts { recipient: notifier.to_string(), until, answer }
    };
    UnderWay(notifiers.map(one).collect())
}

fn attempt(notifier: &Notifier, sent: &Sent, patience: Duration) -> Result<String, Failure> {
    match (&notifier.recipient, sent) {
        (Recipient::Webhook(hook), Sent::Start) => webhook::start(hook, patience),
        (Recipient::Webhook(hook), Sent::Message(message)) => webhook::send(hook, message, patience),
        (Recipient::Email(email), Sent::Message(message)) => email::send(email, message, patience),
        // It is started once: this program cannot know what a part of its work has done.
        (Recipient::Command(command), Sent::Message(message)) => {
            command::send(command, message, notifier.time_limit)
        }
        (Recipient::Email(_) | Recipient::Command(_), Sent::Start) => Ok(String::new()),
    }
}

/// Makes one attempt after the other until one succeeds, or a failure is final, or the time is up.
fn attempts(
    until: Instant,
    pauses: &[Duration],
    mut attempt: impl FnMut(Duration) -> Result<String, Failure>,
) -> Result<String, String> {
    let mut tried = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let failure = match attempt(left.min(ATTEMPT)) {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let pause = pauses.get(tried).copied().filter(|_| !failure.is_final);
        tried += 1;
        let left = until.saturating_duration_since(Instant::now());
        let Some(pause) = pause.filter(|pause| *pause < left) else {
            let times = if tried > 1 { format!(" (tried {tried} times)") } else { String::new() };
            return Err(format!("{}{times}", failure.problem));
        };
        thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    #[test]
    fn a_passing_failure_is_tried_again_and_a_lasting_one_is_not() {
        let pauses = [Duration::ZERO; 3];
        let mut tried = 0;
        let told = attempts(soon(), &pauses, |_| {
            tried += 1;
            if tried < 3 { Err(Failure::passing("busy")) } else { Ok("thanks".to_owned()) }
        });
        assert_eq!((told, tried), (Ok("thanks".to_owned()), 3));
        let told = attempts(soon(), &pauses, |_| Err(Failure::passing("busy")));
        assert_eq!(told, Err("busy (tried 4 times)".to_owned()));
        let told = attempts(soon(), &pauses, |_| Err(Failure::lasting("no such topic")));
        assert_eq!(told, Err("no such topic".to_owned()));
    }

    #[test]
    fn no_attempt_begins_after_the_time_limit() {
        let mut tried = 0;
        let told = attempts(soon(), &[Duration::from_secs(601)], |patience| {
            assert!(patience <= ATTEMPT);
            tried += 1;
            Err(Failure::passing("busy"))
        });
        assert_eq!((told, tried), (Err("busy".to_owned()), 1));
    }
}
