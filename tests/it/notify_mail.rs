//! E-mail, delivered to a real mail server (aiosmtpd, from Debian's package python3-aiosmtpd) with
//! TLS, STARTTLS and a login, and read back. Beside it, a webhook of a real server with TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::notify_webhook::job;
use crate::world::World;

/// A server with TLS in Debian's Python that runs until this is dropped.
pub struct MailServer {
    child: Child,
    /// Where it listens, on this machine.
    pub port: u16,
    folder: tempfile::TempDir,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notify").join(name)
}

/// Debian's packages belong to Debian's Python, which may not be the first in the path.
fn python() -> Command {
    Command::new(if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" })
}

impl MailServer {
    /// Starts a mail server: `tls`, `starttls` or `plain`.
    pub fn start(mode: &str) -> Self {
        Self::run("smtp-server.py", &[mode])
    }

    /// Starts a script with these arguments, the folder of the certificates, and the file for what
    /// it gets.
    fn run(script: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("sh").arg(data("certificates")).arg(folder.path()).status().unwrap();
        assert!(made.success(), "no certificates: install openssl (`.ci/test` does)");
        let mut child = python()
            .arg(data(script))
            .args(arguments)
            .args([folder.path(), &folder.path().join("mail")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse();
        let port = port.expect("the server did not start: install python3-aiosmtpd (`.ci/test` does)");
        Self { child, port, folder }
    }

    /// A job that sends mail to it, with the right password in a file.
    fn world(&self, fails: bool, more: &str) -> World {
        let mail = format!(
            "[[jobs.nightly.notify.email]]\nto = ['Ann <ann@example.org>', 'ops@example.org']\n\
             from = 'bkverify <bkverify@web1.example.org>'\nserver = 'localhost'\nport = {}\n{more}\n",
            self.port
        );
        let world = job(fails, &format!("[jobs.nightly.notify]\nwhen = 'always'\n{mail}"));
        with_password(world)
    }

    /// The subject and the text of the last mail that came since this was asked before.
    pub fn take(&self) -> Option<(String, String)> {
        let mail = self.mail()?;
        fs::remove_file(self.folder.path().join("mail")).unwrap();
        let [subject, text, _] = parsed(&mail);
        Some((subject, text))
    }

    /// The keys of a login with the right password, which is in the file `password`.
    pub fn login(&self, security: &str) -> String {
        let ca = self.folder.path().join("ca.pem").display().to_string();
        format!("security = '{security}'\nuser = 'bkverify'\npassword = {{ file = 'password' }}\nca = '{ca}'")
    }

    fn mail(&self) -> Option<String> {
        fs::read_to_string(self.folder.path().join("mail")).ok()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same world, with the right password in a file.
pub fn with_password(world: World) -> World {
    let world = world.file("password", "5ecre7-p4ss\n");
    fs::set_permissions(world.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    world
}

/// Reads a mail with Python's own parser: what a header says, and the content of both parts.
fn parsed(mail: &str) -> [String; 3] {
    const PARSE: &str = "
import email, email.policy, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert mail.get_content_type() == 'multipart/alternative', mail.get_content_type()
assert not mail.defects, mail.defects
kinds = [part.get_content_type() for part in mail.iter_parts()]
assert kinds == ['text/plain', 'text/html'], kinds
sys.stdout.write('\\0'.join([mail['subject']] + [part.get_content() for part in mail.iter_parts()]))
";
    let mut command = python();
    command.args(["-c", PARSE]);
    let ran = crate::world::RunResult::of(command, mail).exits(0);
    let parts: Vec<_> = ran.out.split('\0').map(|part| part.replace("\r\n", "\n")).collect();
    parts.try_into().unwrap()
}

#[test]
fn a_mail_is_delivered_with_tls_and_with_starttls_and_says_the_same_in_both_parts() {
    for mode in ["tls", "starttls"] {
        let server = MailServer::start(mode);
        let world = server.world(true, &server.login(mode));
        let ran = world.run("--job nightly").exits(1);
        assert_eq!(ran.err, "", "{mode}: {ran}");
        let mail = server.mail().unwrap();
        let envelope = "X-Envelope: bkverify@web1.example.org ann@example.org ops@example.org\r\n";
        assert!(mail.starts_with(envelope), "{mail}");
        assert!(!mail.contains("5ecre7"), "{mail}");
        let [subject, text, html] = parsed(&mail);
        assert!(subject.starts_with("[bkverify] FAIL nightly on "), "{subject}");
        assert!(subject.ends_with(": 1 of 2 files is bad"), "{subject}");
        assert!(text.contains("\nFAIL  1 of 2 identical, 1 bad in the backup"), "{text}");
        assert!(text.contains("  corrupt: b\n") && text.contains("What to do next:\n"), "{text}");
        assert!(html.contains("<li><code>b</code><br>corrupt: "), "{html}");
        assert_eq!(mail.lines().filter(|line| line.starts_with("Message-ID: <")).count(), 1);
        assert_eq!(mail.lines().filter(|line| line.starts_with("Date: ")).count(), 1);
    }
}

#[test]
fn a_server_without_tls_on_this_machine_needs_no_password() {
    let server = MailServer::start("plain");
    server.world(false, "").run("--job nightly").exits(0).err_is("");
    assert!(parsed(&server.mail().unwrap())[0].contains("PASS nightly on "));
}

#[test]
fn a_job_with_an_odd_name_adds_no_header() {
    let server = MailServer::start("plain");
    let world = server.world(false, "");
    let config = world.read("bkverify.toml");
    let odd = config.replace("jobs.nightly", "jobs.\"n\u{e4}cht\\r\\nBcc: all@example.org\"");
    let world = world.file("bkverify.toml", odd);
    world.run("notify test").exits(0);
    let mail = server.mail().unwrap();
    let headers = mail.split("\r\n\r\n").next().unwrap();
    assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
    assert!(parsed(&mail)[0].contains("TEST n\u{e4}cht??Bcc: all@example.org on "), "{headers}");
}

#[test]
fn an_unknown_certificate_a_wrong_password_and_the_wrong_kind_of_tls_are_warnings() {
    let server = MailServer::start("tls");
    let unknown =
        server.login("tls").lines().filter(|line| !line.starts_with("ca =")).collect::<Vec<_>>().join("\n");
    for (more, password, problem) in [
        (unknown, "5ecre7-p4ss", "certificate"),
        (server.login("tls"), "wr0ng-p4ss", "535"),
        (
            server.login("starttls"),
            "5ecre7-p4ss",
            "If the server uses TLS from the start, set security = \"tls\"",
        ),
    ] {
        let world = server.world(false, &format!("{more}\ntime-limit = '3s'"));
        fs::write(world.path("password"), password).unwrap();
        let ran = world.run("--job nightly").exits(0);
        assert_eq!(ran.err.lines().count(), 1, "{ran}");
        assert!(!ran.err.contains(password), "{ran}");
        ran.err_has("could not notify mail to Ann <ann@example.org>, ops@example.org by localhost:")
            .err_has(problem);
        assert_eq!(server.mail(), None);
    }
}

#[test]
fn without_encryption_nothing_is_sent_to_a_server_that_should_offer_it() {
    let server = MailServer::start("plain");
    let more =
        "security = 'starttls'\nuser = 'bkverify'\npassword = { file = 'password' }\ntime-limit = '3s'";
    server.world(false, more).run("--job nightly").exits(0).err_has("could not notify mail to ");
    assert_eq!(server.mail(), None);
}

#[test]
fn a_webhook_with_tls_is_told_if_its_certificate_is_trusted() {
    let server = MailServer::run("https-server.py", &[]);
    let hook = format!("[[jobs.nightly.notify.webhook]]\nurl = 'https://localhost:{}/5ecre7'\n", server.port);
    let told = |more: &str| job(true, &format!("{hook}{more}")).run("--job nightly").exits(1);
    told("time-limit = '5s'\n").err_has("could not notify webhook https://localhost:").err_has("certificate");
    assert_eq!(server.mail(), None);
    let ca = server.folder.path().join("ca.pem");
    told(&format!("ca = '{}'\n", ca.display())).err_is("");
    assert!(server.mail().unwrap().contains("\"result\": \"fail\""));
    let empty = "ca = 'bkverify.toml'\n";
    told(empty).err_has("cannot read the certificates in ").err_has(": there is none in it");
}
