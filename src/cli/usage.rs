//! What help and the man page say of the main job beside its flags.

use super::signals::STOPPED_AT_ONCE;
use crate::exit::ExitCode;

/// What a configuration is, for help and the man page.
pub const CONFIGURATION: &str = "Every flag from --backup to --junit can be set in bkverify.toml under its own name, at the \
top or below [jobs.NAME]. Flags override the job, the job overrides the top. The first file found is read: in the current \
folder, the user's, or the system's configuration folder. Relative paths in it start at its own folder, and ~ is your home folder.";

/// What command lines are good for, and the lines.
pub type Example = (&'static str, &'static [&'static str]);

/// Uses of the main job.
pub const EXAMPLES: &[Example] = &[
    (
        "Verify 500 random files of a copied folder or an archive:",
        &["bkverify --backup /mnt/nas/home.tar.zst --source /home --restore-to /var/tmp/verify"],
    ),
    (
        "The same for an archive that holds C/Users/... for what is now D:\\Users:",
        &["bkverify --backup users.zip --map C/Users=D:\\Users --restore-to E:\\verify"],
    ),
    ("Write these down once, then verify with nothing else:", &["bkverify init", "bkverify --sample 500"]),
    (
        "As many files as it takes to rule out that 1% or more of them are bad:",
        &["bkverify --confidence 95% --tolerance 1%"],
    ),
    ("Every night, for a scheduler:", &["bkverify --job nightly --time-limit 2h --json report.json --quiet"]),
];

/// The exit codes of the main job.
pub fn exit_codes() -> Vec<(i32, &'static str)> {
    let last =
        (STOPPED_AT_ONCE, "stopped at once by a second Ctrl-C; the next run removes what was left behind");
    ExitCode::ALL.iter().map(|&code| (code as i32, code.meaning())).chain([last]).collect()
}
