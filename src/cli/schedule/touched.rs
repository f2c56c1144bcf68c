//! What a run of a plan reads, writes and starts, so that a scheduler can keep everything else from
//! it.

use std::path::{Path, PathBuf};

use crate::plan::{Email, Hooks, Outputs, Plan, Recipient, Target, WebAddress, Webhook};
use crate::secret::Secret;

/// What a run touches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Files and folders that it reads. The configuration and the program come beside these.
    pub reads: Vec<PathBuf>,
    /// Folders that it writes to. The state folder comes beside these.
    pub writes: Vec<PathBuf>,
    /// Whether it talks to other machines.
    pub network: bool,
    /// Whether it starts programs that the user named.
    pub commands: bool,
    /// Variables that it takes secrets from. No scheduler sets them.
    pub variables: Vec<String>,
}

impl Touched {
    /// What a run of this plan touches. The plan is taken apart, so that a new field of it does not
    /// compile before somebody has thought of it here.
    pub(super) fn by(plan: &Plan) -> Self {
        let Plan { target, manifest, outputs, hooks, notifiers, .. } = plan;
        let Target { backup, sources: _, maps: _, restore_to } = target;
        let Outputs { keep: _, reports, state: _, metrics, terminal: _ } = outputs;
        let Hooks { before, after, time_limit: _ } = hooks;
        let mut touched = Self { network: backup.place().is_none(), ..Self::default() };
        // Another program opens a backup that has an address.
        touched.commands = before.is_some() || after.is_some() || backup.address().is_some();
        // The index of a manifest is written to the restore folder.
        touched.reads(backup.place().into_iter().chain(target.originals()).chain(manifest.as_deref()));
        touched.secret(backup.secret());
        touched.writes(Some(restore_to.as_path()));
        touched.writes(reports.iter().filter_map(|report| report.output.file()?.parent()));
        touched.writes(metrics.iter().filter_map(|file| file.parent()));
        for notifier in notifiers {
            touched.recipient(&notifier.recipient);
        }
        touched
    }

    fn recipient(&mut self, recipient: &Recipient) {
        match recipient {
            Recipient::Webhook(Webhook { url, form: _, token, ca }) => {
                self.network = true;
                if let WebAddress::Secret(secret) = url {
                    self.secret(secret);
                }
                self.secret(token);
                self.reads(ca.as_deref());
            }
            Recipient::Email(Email { password, ca, .. }) => {
                self.network = true;
                self.secret(password);
                self.reads(ca.as_deref());
            }
            Recipient::Command(_) => self.commands = true,
        }
    }

    fn secret(&mut self, secret: &Secret) {
        match secret {
            Secret::None => {}
            Secret::File(path) => self.reads(Some(path.as_path())),
            Secret::Env(name) => self.variables.push(name.clone()),
            Secret::Command(_) => self.commands = true,
        }
    }

    fn reads<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>) {
        add(&mut self.reads, paths);
    }

    fn writes<'a>(&mut self, folders: impl IntoIterator<Item = &'a Path>) {
        add(&mut self.writes, folders);
    }
}

fn add<'a>(list: &mut Vec<PathBuf>, paths: impl IntoIterator<Item = &'a Path>) {
    for path in paths {
        if !list.iter().any(|known| known == path) {
            list.push(path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::config::Config;
    use super::super::super::environment::Environment;
    use super::super::super::invocation::Verify;
    use super::super::super::resolve;
    use super::*;

    fn touched(text: &str) -> Touched {
        let text = format!("backup = '/b'\nsource = ['/s']\nrestore-to = '/r'\n{text}");
        let config = Config::parse("/c/bkverify.toml".into(), &text, None).unwrap();
        let plan = resolve::resolve(Verify::default(), Some(&config), &Environment::for_tests()).unwrap();
        Touched::by(&plan)
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn every_file_that_a_setting_names_is_touched() {
        let found =
            touched("json = '/r/a.json'\njunit = '/j/a.xml'\nmetrics = '/m/a.prom'\nmanifest = '/l/list'\n");
        assert_eq!(found.reads, paths(&["/b", "/s", "/l/list"]));
        assert_eq!(found.writes, paths(&["/r", "/j", "/m"]));
        assert_eq!((found.network, found.commands), (false, false));
    }

    #[test]
    fn secrets_and_certificates_of_notifiers_are_read_and_what_prints_a_secret_is_a_command() {
        let mail = |password: &str| {
            touched(&format!(
                "[[notify.email]]\nserver = 'm.example.org'\nfrom = 'a@b.org'\nto = ['c@d.org']\nuser = 'u'\nca = '/etc/ca.pem'\n\
                 password = {password}\n"
            ))
        };
        let file = mail("{ file = '/etc/pw' }");
        assert_eq!(file.reads, paths(&["/b", "/s", "/etc/pw", "/etc/ca.pem"]));
        assert_eq!((file.network, file.commands, file.variables.len()), (true, false, 0));
        assert!(mail("{ command = ['pass', 'mail'] }").commands);
        assert_eq!(mail("{ env = 'MAIL_PASSWORD' }").variables, ["MAIL_PASSWORD"]);
        let hook = touched("[notify]\nwhen = 'always'\n[[notify.webhook]]\nurl = { file = '/etc/url' }\n");
        assert_eq!((hook.network, hook.reads.last()), (true, Some(&PathBuf::from("/etc/url"))));
        assert!(touched("[[notify.command]]\nrun = ['x']\n").commands);
    }

    #[test]
    fn hooks_are_commands() {
        assert!(touched("before = ['mount', '/b']\n").commands);
        assert!(touched("after = 'umount /b'\n").commands);
    }
}
