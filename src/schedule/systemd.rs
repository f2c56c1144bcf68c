//! systemd: a service and a timer for each job.
//!
//! The service sees the whole file system read-only, but for the folders that its job writes to
//! (systemd.exec(5)). So the kernel itself keeps backups and originals from being written. A
//! service of root keeps the capabilities that it takes to read everybody's files, and no others.
//! A job that runs commands of the user gets no such walls: nobody knows what its commands need.

use std::fmt::Write;
use std::path::Path;

use super::job::{Job, Refused, check_name, rename, text};

/// How long a run may be put off at random, so that many machines do not begin at once.
pub const DELAY_MINUTES: i64 = 10;

/// The service that a job becomes. All that a job needs is derived from its plan.
#[derive(Debug, Clone, Copy)]
pub struct Units<'a> {
    /// The job.
    pub job: &'a Job,
    /// Whether it runs as a service of the user rather than of the machine.
    pub user: bool,
}

/// The names of the service and the timer, without their endings. Characters that cannot stand in
/// the name of a unit are written as systemd-escape(1) writes them.
///
/// # Errors
/// The name is too long, or no scheduler could hold it.
pub fn unit_name(job: &str) -> Result<String, Refused> {
    check_name(job)?;
    let mut name = "bkverify-".to_owned();
    for byte in job.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' | b'-' => {
                name.push(char::from(byte));
            }
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    // With the ending, at most 255 (unit_name_is_valid of systemd), which is what file names can
    // have, too.
    if name.len() > 240 { Err(rename(job, "is too long for a unit of systemd")) } else { Ok(name) }
}

impl Units<'_> {
    /// The timer.
    ///
    /// # Errors
    /// A name that cannot stand in it.
    pub fn timer(&self) -> Result<String, Refused> {
        check_name(&self.job.name)?;
        Ok(format!(
            "[Unit]\n\
            Description=bkverify: job {name}, {words}\n\
            Documentation=man:bkverify-schedule(1)\n\
            \n\
            [Timer]\n\
            OnCalendar={calendar}\n\
            # Not all machines at the same moment.\n\
            RandomizedDelaySec={DELAY_MINUTES}min\n\
            # A run that was missed because the machine was off is made up for at the next start.\n\
            Persistent=true\n\
            \n\
            [Install]\n\
            WantedBy=timers.target\n",
            name = specifiers(&self.job.name),
            words = self.job.at.words(),
            calendar = self.job.at.calendar(),
        ))
    }

    /// The service.
    ///
    /// # Errors
    /// A name or a path that cannot stand in it.
    pub fn service(&self) -> Result<String, Refused> {
        let mut unit = format!(
            "[Unit]\nDescription=bkverify: job {}\nDocumentation=man:bkverify-schedule(1)\n",
            specifiers(&self.job.name)
        );
        // The mount of a backup may need the network. It is only waited for: if it fails, the run
        // says so, with exit code 4.
        unit.push_str(if self.job.network {
            "Wants=network-online.target\nAfter=network-online.target remote-fs.target\n"
        } else {
            "After=remote-fs.target\n"
        });
        let _ = write!(
            unit,
            "\n[Service]\n\
            # Every exit code but 0 is a failure here: `systemctl status` shows it, and OnFailure= of a\n\
            # drop-in sees it. 1 is a bad backup, 3 an incomplete run, 4 something that cannot be used.\n\
            Type=oneshot\n\
            ExecStart={}\n\
            Nice=19\n\
            IOSchedulingClass=idle\n\
            # A run that is stopped reports what it has proven, and cleans up.\n\
            TimeoutStopSec=5min\n",
            self.command()?
        );
        if self.job.commands {
            unit.push_str(
                "\n# The job runs commands of its own (hooks or notifiers). What they need is not known, so\n\
                # nothing is taken from this service.\n",
            );
        } else if self.user {
            unit.push_str(&self.walls_of_a_user());
        } else {
            unit.push_str(&self.walls_of_the_machine()?);
        }
        Ok(unit)
    }

    /// Keeps what a service of a user may do small, by what needs no mounts of its own: many
    /// systems let only root make these.
    fn walls_of_a_user(&self) -> String {
        format!("\n{}RestrictAddressFamilies={}\n", COMMON_WALLS, self.families())
    }

    fn walls_of_the_machine(&self) -> Result<String, Refused> {
        let job = self.job;
        let mut out = String::from(
            "\n# Read everybody's files, without touching their access times.\n\
            CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_FOWNER\n",
        );
        if job.writes_for_others {
            out.push_str("# A folder that it writes to belongs to another user.\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\n");
        }
        out.push_str("\n# Everything is read-only, but for these.\nProtectSystem=strict\n");
        match &job.state {
            // systemd makes this one, and names it in $STATE_DIRECTORY.
            Some(state) if state == Path::new("/var/lib/bkverify") => {
                out.push_str("StateDirectory=bkverify\nStateDirectoryMode=0700\n");
            }
            Some(state) => {
                let _ = writeln!(out, "ReadWritePaths={}", listed(state)?);
            }
            None => {}
        }
        // /tmp and /var/tmp are its own, so that nobody can meddle with what it makes there. What
        // the job has there is mounted into them.
        for path in &job.writes {
            let key = if is_temporary(path) { "BindPaths" } else { "ReadWritePaths" };
            let _ = writeln!(out, "{key}={}", listed(path)?);
        }
        for path in job.reads.iter().chain([&job.config, &job.program]) {
            // All of the file system is read-only already. A report may have to be written into a
            // folder of originals.
            if path.parent().is_some() && !job.writes.contains(path) {
                let key = if is_temporary(path) { "BindReadOnlyPaths" } else { "ReadOnlyPaths" };
                let _ = writeln!(out, "{key}={}", listed(path)?);
            }
        }
        let paths = job.reads.iter().chain(&job.writes).chain(&job.state).chain([&job.program, &job.config]);
        let is_home = paths.into_iter().any(|path| {
            path.parent().is_none()
                || ["/home", "/root", "/run/user"].iter().any(|home| path.starts_with(home))
        });
        let _ = writeln!(out, "ProtectHome={}\nPrivateTmp=yes", if is_home { "read-only" } else { "yes" });
        out.push_str(MACHINE_WALLS);
        let _ = writeln!(out, "RestrictAddressFamilies={}", self.families());
        if !job.network {
            out.push_str("PrivateNetwork=yes\nIPAddressDeny=any\n");
        }
        Ok(out + COMMON_WALLS)
    }

    /// What sockets it may open. Looking up a name needs netlink.
    fn families(&self) -> &'static str {
        if self.job.network { "AF_UNIX AF_INET AF_INET6 AF_NETLINK" } else { "AF_UNIX" }
    }

    /// The command, as systemd.service(5) wants it quoted.
    fn command(&self) -> Result<String, Refused> {
        let words = self.job.command()?;
        let quoted = words.iter().enumerate().map(|(index, word)| {
            // Variables are not looked for in the program's own path.
            let word = if index == 0 { word.clone() } else { word.replace('$', "$$") };
            quoted(&specifiers(&word))
        });
        Ok(quoted.collect::<Vec<_>>().join(" "))
    }
}

const COMMON_WALLS: &str = "\
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
";

const MACHINE_WALLS: &str = "\
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
KeyringMode=private
";

/// Whether a path is below a folder that PrivateTmp= replaces.
fn is_temporary(path: &Path) -> bool {
    path.starts_with("/tmp") || path.starts_with("/var/tmp")
}

/// A path for a list of paths, which may be missing when the service starts: the run itself then
/// says what is wrong.
fn listed(path: &Path) -> Result<String, Refused> {
    let text = text(path)?;
    // systemd reads no escapes here, and a colon separates the two sides of a bind mount.
    if text.contains(['"', '\\', '\'']) || (is_temporary(path) && text.contains(':')) {
        return Err(Refused::new(
            format!("{text} cannot stand in a unit of systemd"),
            "rename it, or schedule the job with --with cron",
        ));
    }
    let path = specifiers(text);
    Ok(if path.contains(' ') { format!("\"-{path}\"") } else { format!("-{path}") })
}

/// Percent signs begin what systemd calls specifiers.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a command line.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,%@~$".contains(&byte) || byte >= 0x80;
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
