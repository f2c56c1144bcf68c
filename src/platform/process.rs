//! Starts a program so that it can be ended together with everything it starts.
//!
//! On Unix it gets its own process group; on Windows, a job object and no console window.

use std::io;
use std::process::Command;

use process_wrap::std::{ChildWrapper, CommandWrap};

/// Starts `command` as the leader of its own group. `start_kill` on the result ends the whole
/// group.
pub fn spawn_group(command: Command) -> io::Result<Box<dyn ChildWrapper>> {
    let mut wrapped = CommandWrap::from(command);
    #[cfg(unix)]
    wrapped.wrap(process_wrap::std::ProcessGroup::leader());
    #[cfg(windows)]
    wrapped.wrap(process_wrap::std::JobObject);
    wrapped.spawn()
}
