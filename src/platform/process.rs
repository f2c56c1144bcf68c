//! Starts a program so that it can be ended together with everything it starts.
//!
//! On Unix it gets a session of its own, without a terminal: a program that would ask a person for a
//! password fails instead of waiting for ever. On Windows it gets a job object.

use std::io;
use std::process::Command;

use process_wrap::std::{ChildWrapper, CommandWrap};

/// A program that was started.
pub type Child = Box<dyn ChildWrapper>;

/// A command that has the system's shell run this line: `sh`, or `cmd` on Windows.
pub fn shell(line: &str) -> Command {
    #[cfg(unix)]
    {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]);
        command
    }
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        let mut command = Command::new("cmd.exe");
        // `cmd` does not take the quotes that are usual for other programs. It removes the outer
        // ones and takes what is between them as it is.
        command.raw_arg(format!("/D /S /C \"{line}\""));
        command
    }
}

/// Starts `command` as the leader of its own session. `start_kill` on the result ends everything that
/// it started.
pub fn spawn_group(command: Command) -> io::Result<Child> {
    let mut wrapped = CommandWrap::from(command);
    #[cfg(unix)]
    wrapped.wrap(process_wrap::std::ProcessSession);
    #[cfg(windows)]
    wrapped.wrap(process_wrap::std::JobObject);
    wrapped.spawn()
}
