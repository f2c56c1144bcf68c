//! The only integration test binary, with one module per subject.

// A helper that cannot set up its part of a test may panic, like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod bench_command;
#[cfg(target_os = "linux")]
mod campaign;
mod checklist;
#[cfg(unix)]
mod checklist_linux;
mod checklist_windows;
mod cli;
mod cli_config;
#[cfg(target_os = "linux")]
mod command_examples;
mod contract;
mod doors;
mod history;
#[cfg(unix)]
mod hooks;
mod house;
mod http_server;
#[cfg(target_os = "linux")]
mod image_campaign;
#[cfg(target_os = "linux")]
mod image_folder_campaign;
mod ledger;
#[cfg(unix)]
mod ledger_unix;
mod manifest_command;
mod manual;
#[cfg(unix)]
mod nightly;
mod notify_config;
#[cfg(target_os = "linux")]
mod notify_mail;
mod notify_webhook;
mod pack;
mod probes;
mod schedule;
mod schedule_places;
#[cfg(unix)]
mod secrets;
mod tidy;
#[cfg(unix)]
mod unix;
#[cfg(target_os = "linux")]
mod verify_borg;
#[cfg(target_os = "linux")]
mod verify_borg_state;
#[cfg(target_os = "linux")]
mod verify_command;
mod verify_completeness;
mod verify_corruption;
#[cfg(target_os = "linux")]
mod verify_disks;
mod verify_draw;
mod verify_errors;
mod verify_fixtures;
#[cfg(target_os = "linux")]
mod verify_full;
mod verify_guards;
#[cfg(target_os = "linux")]
mod verify_harm;
mod verify_image;
mod verify_image_age;
mod verify_image_gaps;
#[cfg(target_os = "linux")]
mod verify_image_made;
mod verify_input;
#[cfg(unix)]
mod verify_kill;
mod verify_manifest;
mod verify_names;
mod verify_originals;
mod verify_pairing;
mod verify_reports;
#[cfg(target_os = "linux")]
mod verify_restic;
#[cfg(target_os = "linux")]
mod verify_restic_rest;
mod verify_resume;
#[cfg(target_os = "linux")]
mod verify_snapshots;
mod verify_statement;
#[cfg(unix)]
mod verify_stop;
mod verify_strategies;
mod verify_tar;
#[cfg(target_os = "linux")]
mod verify_unlisted;
mod verify_zip;
#[cfg(windows)]
mod windows;
mod windows_lists;
#[cfg(windows)]
mod windows_run;
#[cfg(unix)]
mod workspace;
mod world;
