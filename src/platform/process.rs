//! Starting a program so that it and everything it starts can be ended together.
//!
//! Unix: a process group of its own. Windows: a job object, without a console window.

use std::io;
use std::process::Command;

use process_wrap::std::{ChildWrapper, CommandWrap};

/// Starts `command` as the head of its own group; `start_kill` on the result ends the whole group.
pub fn spawn_group(command: Command) -> io::Result<Box<dyn ChildWrapper>> {
    let mut wrapped = CommandWrap::from(command);
    #[cfg(unix)]
    wrapped.wrap(process_wrap::std::ProcessGroup::leader());
    #[cfg(windows)]
    wrapped.wrap(process_wrap::std::JobObject);
    wrapped.spawn()
}
