//! One call of a program: its arguments, its environment, its input, and how much of its output is
//! read.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::lock::lock;
use crate::platform::process::{Child, shell, spawn_group};

use super::{ProgramError, ProgramOutput, decode};

/// The most bytes that a program may print on one stream.
const OUTPUT_LIMIT: usize = 16 << 20;

/// The interval in which a running program is polled.
const TICK: Duration = Duration::from_millis(15);

/// How long to wait for the rest of the output of a program that has ended, if what it started may
/// go on.
const REST: Duration = Duration::from_secs(1);

/// A program that is to be called.
#[derive(Default)]
pub struct Call {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// A line for the system's shell, which is run instead.
    pub shell: Option<String>,
    /// Variables that are added to this program's own environment.
    pub environment: Vec<(&'static str, OsString)>,
    /// What it reads on standard input. Without it, standard input is empty.
    pub input: Option<Vec<u8>>,
    /// The folder that it runs in. Without one, it runs in this program's own.
    pub folder: Option<PathBuf>,
    /// Whether what it starts may outlive it, as a program does that mounts a file system. Its
    /// output is then what was printed shortly after it ended, and too much output is dropped.
    pub leaves_others: bool,
}

/// What one stream has given so far.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    is_too_long: bool,
    error: Option<String>,
}

/// A stream that a thread reads. The receiver is told when the stream has ended.
struct Drained {
    content: Arc<Mutex<Stream>>,
    ended: Receiver<()>,
}

impl Call {
    /// A call without input, in this program's own environment.
    pub fn of(command: Vec<OsString>) -> Self {
        Self { command, ..Self::default() }
    }

    /// The name of the program, for messages. The line for a shell may contain a secret.
    pub(super) fn name(&self) -> String {
        let program = self.command.first().map(|name| name.to_string_lossy().into_owned());
        program.unwrap_or_else(|| if self.shell.is_some() { "the shell" } else { "" }.to_owned())
    }

    /// Starts the program.
    pub(super) fn spawn(&mut self, name: &str) -> Result<Child, ProgramError> {
        let mut prepared = match (&self.shell, self.command.split_first()) {
            (Some(line), _) => shell(line),
            (None, Some((program, arguments))) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            (None, None) => return Err(ProgramError::Missing(name.to_owned())),
        };
        if let Some(folder) = &self.folder {
            prepared.current_dir(folder);
        }
        prepared.envs(self.environment.drain(..)).stdout(Stdio::piped()).stderr(Stdio::piped());
        prepared.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        spawn_group(prepared).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ProgramError::Missing(name.to_owned()),
            io::ErrorKind::PermissionDenied => ProgramError::Denied(name.to_owned()),
            // The folder that it should run in is a file, for example.
            _ => ProgramError::Failed(name.to_owned(), error.to_string()),
        })
    }

    /// Runs the program to its end, or until `deadline`, or until `cancel` is cancelled.
    ///
    /// # Errors
    /// If it cannot be started, or did not end by itself, or printed too much. In the last two
    /// cases the program was ended, with everything that it started.
    pub fn run(self, deadline: Instant, cancel: &CancelToken) -> Result<ProgramOutput, ProgramError> {
        let (output, problem) = self.run_partly(deadline, cancel);
        problem.map_or(Ok(output), Err)
    }

    /// Runs the program in the same way, and also returns what it had printed if it had to be
    /// ended.
    pub fn run_partly(
        mut self,
        deadline: Instant,
        cancel: &CancelToken,
    ) -> (ProgramOutput, Option<ProgramError>) {
        let name = self.name();
        let mut child = match self.spawn(&name) {
            Ok(child) => child,
            Err(error) => return (ProgramOutput::default(), Some(error)),
        };
        if let (Some(mut pipe), Some(input)) = (child.stdin().take(), self.input) {
            // A program that does not read its input must not be waited for here. If there is no
            // thread for it, it gets no input.
            let _ = thread::Builder::new().spawn(move || pipe.write_all(&input));
        }
        let stdout = child.stdout().take().map(|stream| drain(stream, self.leaves_others));
        let stderr = child.stderr().take().map(|stream| drain(stream, self.leaves_others));
        let ended = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if Instant::now() >= deadline => break Err(ProgramError::TimedOut(name.clone())),
                Ok(None) if cancel.is_cancelled() => break Err(ProgramError::Cancelled(name.clone())),
                Ok(None) => thread::sleep(TICK),
                Err(error) => break Err(ProgramError::Failed(name.clone(), error.to_string())),
            }
        };
        let streams = [&stdout, &stderr];
        let ended = ended.and_then(|status| {
            let whole = |stream: &Drained| stream.wait(&name, deadline, self.leaves_others);
            streams.into_iter().flatten().try_for_each(whole).map(|()| status)
        });
        if ended.is_err() {
            // Processes that it started may still have the pipes open. Ending what has already
            // ended does no harm.
            let _ = child.start_kill();
            let _ = child.try_wait();
        }
        let [stdout, stderr] = streams.map(|stream| stream.as_ref().map(Drained::text).unwrap_or_default());
        let code = ended.as_ref().ok().and_then(std::process::ExitStatus::code);
        (ProgramOutput { code, stdout, stderr }, ended.err())
    }
}

/// Reads a stream to its end on a thread of its own. What is beyond the limit is dropped if the
/// program may go on. Otherwise the stream is closed, which ends the program that writes.
fn drain(mut stream: impl Read + Send + 'static, goes_on: bool) -> Drained {
    let (sender, ended) = mpsc::channel();
    let content = Arc::new(Mutex::new(Stream::default()));
    let (shared, answer) = (Arc::clone(&content), sender.clone());
    let work = move || {
        let mut buffer = [0; 8192];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => {
                    let mut content = lock(&shared);
                    let room = OUTPUT_LIMIT.saturating_sub(content.bytes.len());
                    content.bytes.extend_from_slice(&buffer[..got.min(room)]);
                    content.is_too_long |= got > room;
                    if content.is_too_long && !goes_on {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    lock(&shared).error = Some(error.to_string());
                    break;
                }
            }
        }
        // Once the deadline has passed, nobody is receiving any more.
        let _ = sender.send(());
    };
    if let Err(error) = thread::Builder::new().spawn(work) {
        lock(&content).error = Some(error.to_string());
        let _ = answer.send(());
    }
    Drained { content, ended }
}

impl Drained {
    /// Waits until the stream has ended.
    fn wait(&self, name: &str, deadline: Instant, goes_on: bool) -> Result<(), ProgramError> {
        let left = deadline.saturating_duration_since(Instant::now()).max(TICK);
        let patience = if goes_on { left.min(REST) } else { left };
        if self.ended.recv_timeout(patience).is_err() && !goes_on {
            return Err(ProgramError::TimedOut(name.to_owned()));
        }
        let content = lock(&self.content);
        if let Some(error) = &content.error {
            return Err(ProgramError::Failed(name.to_owned(), error.clone()));
        }
        if content.is_too_long && !goes_on {
            return Err(ProgramError::TooLong(name.to_owned()));
        }
        Ok(())
    }

    /// What the stream has given so far.
    fn text(&self) -> String {
        decode(&lock(&self.content).bytes)
    }
}
