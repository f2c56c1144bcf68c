//! A program whose output is read while it runs, line by line: for listings that are far longer
//! than memory, and for restores that are followed file by file.
//!
//! A program that prints faster than its lines are taken has to wait. So nothing is lost, and
//! nothing piles up.

use std::io::{self, BufRead, BufReader, Read};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::cancel::CancelToken;
use crate::platform::process::Child;

use super::{Call, ProgramError};

/// The longest line in bytes. A path is far shorter.
const LINE_LIMIT: usize = 1 << 20;

/// What is left of a line that is longer and does not count.
const CUT: usize = 1 << 10;

/// How many lines may wait to be taken.
const LINES: usize = 256;

/// The interval in which a silent program is polled.
const TICK: Duration = Duration::from_millis(50);

/// How long a reader leaves lines in the pipe to read more of them at once, if the last piece was
/// shorter than [`PIECE`].
const PACE: Duration = Duration::from_millis(1);
const PIECE: usize = 1 << 14;

/// How long to wait for the rest of the output of a program that has ended, if what it started
/// still has its streams open.
const REST: Duration = Duration::from_secs(2);

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// From standard output.
    Output(Vec<u8>),
    /// From standard error.
    Complaint(Vec<u8>),
}

/// A program that runs. It is ended on drop, with everything that it started.
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<Result<Line, ProgramError>>,
    /// When it must have ended.
    deadline: Option<Instant>,
    cancel: CancelToken,
    /// When it was first seen to have ended, and with which exit code.
    ended: Option<(Instant, Option<i32>)>,
    /// Whether its last line was not waited for.
    is_cut: bool,
}

impl Call {
    /// Starts the program, to read its lines while it runs. `end` is the byte that ends a line of
    /// standard output, if what it prints there counts; a line of standard error ends as usual.
    /// Input is not supported.
    pub fn start(
        mut self,
        end: Option<u8>,
        deadline: Option<Instant>,
        cancel: &CancelToken,
    ) -> Result<Running, ProgramError> {
        let name = self.name();
        self.input = None;
        let mut child = self.spawn(&name)?;
        let (sender, lines) = bounded(LINES);
        let failed = |error: io::Error| ProgramError::Failed(name.clone(), error.to_string());
        let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
        let mut running = Running {
            name: name.clone(),
            child,
            lines,
            deadline,
            cancel: cancel.clone(),
            ended: None,
            is_cut: false,
        };
        let done =
            stdout.map_or(Ok(()), |stream| read(&name, stream, end, Line::Output, sender.clone())).and_then(
                |()| stderr.map_or(Ok(()), |stream| read(&name, stream, None, Line::Complaint, sender)),
            );
        match done {
            Ok(()) => Ok(running),
            Err(error) => {
                running.kill();
                Err(failed(error))
            }
        }
    }
}

impl Running {
    /// Waits for the next line. `None` once the program has ended and all its lines were taken.
    ///
    /// # Errors
    /// If the run was cancelled, the time is up, or a line is far too long. The program is then
    /// ended.
    pub fn next_line(&mut self) -> Result<Option<Line>, ProgramError> {
        loop {
            let next = match self.lines.recv_timeout(TICK) {
                // A program that never stops printing must end, too.
                Ok(line) => self.check_time().and(line).map(Some),
                Err(error) => match self.look(error == RecvTimeoutError::Disconnected) {
                    Ok(true) => Ok(None),
                    Ok(false) => continue,
                    Err(error) => Err(error),
                },
            };
            if next.is_err() {
                self.kill();
            }
            return next;
        }
    }

    /// Whether it may go on.
    fn check_time(&self) -> Result<(), ProgramError> {
        if self.cancel.is_cancelled() {
            return Err(ProgramError::Cancelled(self.name.clone()));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(ProgramError::TimedOut(self.name.clone()));
        }
        Ok(())
    }

    /// Whether it has ended and nothing more is to come.
    fn look(&mut self, streams_ended: bool) -> Result<bool, ProgramError> {
        self.check_time()?;
        if self.ended.is_none() {
            let status = self.child.try_wait();
            let status =
                status.map_err(|error| ProgramError::Failed(self.name.clone(), error.to_string()))?;
            self.ended = status.map(|status| (Instant::now(), status.code()));
        }
        if self.ended.is_none() && streams_ended {
            thread::sleep(TICK);
        }
        let is_over = self.ended.is_some_and(|(when, _)| streams_ended || when.elapsed() > REST);
        self.is_cut = is_over && !streams_ended;
        Ok(is_over)
    }

    /// Whether it has ended while something that it had started could still print, so that lines
    /// may be missing.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The exit code; `None` if a signal ended it, or if it has not ended.
    pub fn code(&self) -> Option<i32> {
        self.ended.and_then(|(_, code)| code)
    }

    fn kill(&mut self) {
        // Ending what has already ended does no harm.
        let _ = self.child.start_kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A stream of a program that is read in pieces of some length. A program that flushes each line
/// would otherwise wake its reader for each, which costs both of them more than the line does.
struct Paced<S> {
    stream: S,
    /// Whether the last piece was short.
    is_ahead: bool,
}

impl<S: Read> Read for Paced<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_ahead {
            thread::sleep(PACE);
        }
        let got = self.stream.read(buffer)?;
        self.is_ahead = got < PIECE;
        Ok(got)
    }
}

/// Reads a stream to its end on a thread of its own. Without an `end`, a line ends as usual, and
/// one that is too long is cut: a bar of progress has no end, and is no reason to end the program.
fn read(
    name: &str,
    stream: impl Read + Send + 'static,
    end: Option<u8>,
    kind: fn(Vec<u8>) -> Line,
    lines: Sender<Result<Line, ProgramError>>,
) -> io::Result<()> {
    let name = name.to_owned();
    let (end, counts) = (end.unwrap_or(b'\n'), end.is_some());
    let work = move || {
        let mut stream = BufReader::with_capacity(1 << 16, Paced { stream, is_ahead: false });
        loop {
            let mut line = Vec::new();
            let limit = LINE_LIMIT as u64 + 1;
            let sent = match stream.by_ref().take(limit).read_until(end, &mut line) {
                Ok(0) => break,
                Ok(_) if line.len() > LINE_LIMIT && !counts => {
                    line.drain(..line.len() - CUT);
                    lines.send(Ok(kind(line)))
                }
                Ok(_) if line.len() > LINE_LIMIT => lines.send(Err(ProgramError::LongLine(name.clone()))),
                Ok(_) => {
                    if line.last() == Some(&end) {
                        line.pop();
                    }
                    lines.send(Ok(kind(line)))
                }
                Err(error) => lines.send(Err(ProgramError::Failed(name.clone(), error.to_string()))),
            };
            // Nobody takes lines any more.
            if sent.is_err() {
                break;
            }
        }
    };
    thread::Builder::new().spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(line: &str, deadline: Option<Instant>, cancel: &CancelToken) -> Running {
        let call = Call { shell: Some(line.to_owned()), ..Call::default() };
        call.start(Some(b'\n'), deadline, cancel).unwrap()
    }

    fn all(running: &mut Running) -> Result<Vec<Line>, ProgramError> {
        std::iter::from_fn(|| running.next_line().transpose()).collect()
    }

    #[test]
    fn lines_of_both_streams_are_told_apart_and_the_last_one_needs_no_end() {
        let mut running = start("echo one&& echo two 1>&2", None, &CancelToken::new());
        let mut lines = all(&mut running).unwrap();
        lines.iter_mut().for_each(|line| {
            let (Line::Output(bytes) | Line::Complaint(bytes)) = line;
            bytes.truncate(3);
        });
        lines.sort_by_key(|line| matches!(line, Line::Complaint(_)));
        assert_eq!(lines, [Line::Output(b"one".into()), Line::Complaint(b"two".into())]);
        assert_eq!(running.code(), Some(0));
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_at_its_deadline_or_when_the_run_is_cancelled() {
        let wait = if cfg!(windows) { "ping -n 600 127.0.0.1 >NUL" } else { "sleep 600" };
        let error = all(&mut start(wait, Some(Instant::now()), &CancelToken::new())).unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut(_)), "{error}");
        let cancel = CancelToken::new();
        let mut running = start(wait, None, &cancel);
        cancel.cancel();
        let error = all(&mut running).unwrap_err();
        assert!(matches!(error, ProgramError::Cancelled(_)), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn more_output_than_memory_should_hold_is_read_and_a_line_without_end_is_refused() {
        let mut running = start("seq 1 200000", None, &CancelToken::new());
        assert_eq!(all(&mut running).unwrap().len(), 200_000);
        let error = all(&mut start("cat /dev/zero", None, &CancelToken::new())).unwrap_err();
        assert!(matches!(error, ProgramError::LongLine(_)), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_never_stops_printing_is_ended_at_its_deadline_and_when_the_run_is_cancelled() {
        let error = all(&mut start("yes", Some(Instant::now()), &CancelToken::new())).unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut(_)), "{error}");
        let cancel = CancelToken::new();
        let mut running = start("yes", None, &cancel);
        assert!(running.next_line().unwrap().is_some());
        cancel.cancel();
        let error = all(&mut running).unwrap_err();
        assert!(matches!(error, ProgramError::Cancelled(_)), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_bar_of_progress_does_not_end_a_program_and_a_list_that_goes_on_after_its_program_is_cut() {
        let bar = "head -c 3000000 /dev/zero | tr '\\0' '\\r'";
        let mut running = start(&format!("{bar} >&2; echo done"), None, &CancelToken::new());
        let lines = all(&mut running).unwrap();
        assert!(lines.contains(&Line::Output(b"done".into())) && !running.is_cut());
        let call = Call { shell: Some(bar.to_owned()), ..Call::default() };
        assert!(all(&mut call.start(None, None, &CancelToken::new()).unwrap()).is_ok());
        let mut running = start("echo half; (sleep 600; echo rest) & exit 0", None, &CancelToken::new());
        assert_eq!(all(&mut running).unwrap(), [Line::Output(b"half".into())]);
        assert!(running.is_cut());
    }

    /// It would otherwise ask the person at the terminal for a password, and wait.
    #[cfg(unix)]
    #[test]
    fn a_program_has_no_terminal_to_ask_at() {
        let mut running = start("(: </dev/tty) 2>/dev/null && echo asked", None, &CancelToken::new());
        assert_eq!(all(&mut running).unwrap(), []);
        assert_ne!(running.code(), Some(0));
    }
}
