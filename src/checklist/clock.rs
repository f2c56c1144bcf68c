//! `clock`: the clock is within five minutes of the destination server's, has the same date and
//! time zone, and is synchronised.
//!
//! Kerberos rejects tickets if two clocks differ by more than five minutes, so a migration fails.
//! The clock is compared by SNTP with the destination, or with an NTP server that both machines
//! were compared with. How the machine keeps its clock is read from its time service.

mod linux;
mod windows;

use jiff::SignedDuration;

use crate::facts::sntp::{self, Measured};
use crate::facts::{Facts, Zone};

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::machine::Visit;
use super::machine::{Against, duration_words};

/// The most that two clocks may differ, in seconds (the default of Kerberos' `MaxClockSkew`).
const LIMIT: f64 = 300.0;
/// A difference from here on, in seconds, gets a warning.
const NOTABLE: f64 = 30.0;
const WHY: &str = "Kerberos does not work between clocks that are more than 5 minutes apart, and a migration \
                   copies files and directory entries by their times.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "clock",
    title: "Clock and time zone",
    asks: "The clock is within five minutes of the destination server's, with the same date and time zone, and follows \
         an NTP server.",
    steps: &["clock", "time-zone", "clock-installation", "clock-host"],
    patience: PATIENCE,
    linux: look_linux,
    windows: look_windows,
};

fn look_linux(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = against_destination(visit);
    findings.extend(against_ntp(visit, linux::configured_servers(visit)));
    findings.push(linux::service(visit));
    findings.push(again());
    findings
}

fn look_windows(visit: &Visit<'_>) -> Vec<Finding> {
    let windows::Look { servers, findings: service } = windows::look(visit);
    let mut findings = Vec::new();
    // What is measured from here is this machine's clock.
    if !visit.probes().is_remote() {
        findings.extend(against_destination(visit));
        findings.extend(against_ntp(visit, servers));
    }
    findings.extend(service);
    findings.push(again());
    findings
}

/// The clocks are compared once more while the destination is installed. Its setup shows its clock.
fn again() -> Finding {
    Finding::manual(
        "clock-installation",
        "During the installation, check the destination's clock and time zone once more",
    )
    .why(
        "The installation is the last moment at which they can be changed before the two talk to each other.",
    )
    .fix("They must be within five minutes of this server's, in the same time zone.")
}

fn against_destination(visit: &Visit<'_>) -> Vec<Finding> {
    let own = Zone::of(&visit.settings().zone, visit.settings().now);
    match &visit.settings().against {
        None => vec![
            Finding::manual(
                "clock",
                "The clock and the time zone were not compared with the destination server's",
            )
            .seen("this machine", format!("{:.0}, {}", visit.settings().now, own.words()))
            .why(WHY)
            .fix(
                "Run `bkverify checklist clock --against DESTINATION`, or run `bkverify facts \
                      --json --ntp SERVER > facts.json` \
                       on the destination and use `--against facts.json` here.",
            ),
        ],
        Some(Against::Server(server)) => vec![
            judged(&format!("the destination {server}"), server, sntp::measure(server)),
            Finding::manual(
                "time-zone",
                format!("Compare the time zone with {server}'s: NTP does not carry it"),
            )
            .seen("this machine", own.words())
            .fix(
                "Compare by hand, or run `bkverify facts --json > facts.json` there and use \
                      `--against facts.json` here.",
            ),
        ],
        Some(Against::Facts { place, facts, under_way, read }) => match Against::too_old(facts, *read) {
            Some(problem) => {
                vec![
                    Finding::could_not_check("Clock and time zone against the destination", problem)
                        .seen(place, ""),
                ]
            }
            None => vec![
                compare_zones(&own, facts, place),
                compare_clocks(facts, place, *under_way, read.duration_since(facts.time).as_secs_f64()),
            ],
        },
    }
}

/// Compares the clock with the named NTP server, or otherwise with the first configured server that
/// answers.
fn against_ntp(visit: &Visit<'_>, configured: Result<Vec<String>, String>) -> Vec<Finding> {
    if let Some(server) = &visit.settings().ntp {
        return vec![judged(&format!("the NTP server {server}"), server, sntp::measure(server))];
    }
    let has_ntp = match &visit.settings().against {
        Some(Against::Server(_)) => true,
        Some(Against::Facts { facts, .. }) => facts.ntp.is_some(),
        None => false,
    };
    if has_ntp {
        // That server was just asked, for the comparison with the destination.
        return Vec::new();
    }
    let advice = "Name one that this machine can reach with --ntp SERVER.";
    let servers = match configured {
        Ok(servers) if servers.is_empty() => {
            return vec![
                Finding::could_not_check("The clock's offset", "no NTP server is configured").fix(advice),
            ];
        }
        Ok(servers) => servers,
        Err(problem) => return vec![Finding::could_not_check("The clock's offset", problem).fix(advice)],
    };
    let mut problems = Vec::new();
    // Three are enough to tell an unreachable network from a server that is down.
    for server in servers.iter().take(3) {
        match sntp::measure(server) {
            Ok(measured) => return vec![judged(&format!("the NTP server {server}"), server, Ok(measured))],
            Err(problem) => problems.push(problem),
        }
    }
    vec![Finding::could_not_check("The clock's offset", problems.join("; ")).fix(advice)]
}

/// Seconds with a fraction, as a person would say them. The offset of a clock is far below the
/// limits of whole seconds.
fn seconds_words(seconds: f64) -> String {
    duration_words(SignedDuration::try_from_secs_f64(seconds.round()).map_or(i64::MAX, |time| time.as_secs()))
}

/// The finding for a measured offset.
fn judged(whom: &str, server: &str, measured: Result<Measured, String>) -> Finding {
    let measured = match measured {
        Ok(measured) => measured,
        Err(problem) => {
            return Finding::could_not_check(&format!("The clock against {whom}"), problem)
                .why(WHY)
                .fix("Allow UDP port 123 to it, or name another server with --ntp.");
        }
    };
    let evidence = format!(
        "offset {:+.3} s, round trip {:.3} s, stratum {}",
        measured.offset, measured.delay, measured.stratum
    );
    offset_finding(whom, measured.offset, measured.delay / 2.0).seen(format!("SNTP to {server}"), evidence)
}

/// The finding for an offset. `offset` is the other clock minus this one, and is exact to `margin`.
/// Both are in seconds.
fn offset_finding(whom: &str, offset: f64, margin: f64) -> Finding {
    let apart = offset.abs();
    let direction = if offset > 0.0 { "behind" } else { "ahead of" };
    let amount = if apart < 10.0 { format!("{apart:.3} s") } else { seconds_words(apart) };
    let title = format!("This clock is {amount} {direction} {whom}");
    let finding = if apart + margin > LIMIT {
        Finding::fail(title)
    } else if apart + margin > NOTABLE {
        Finding::warn(title)
    } else {
        return Finding::pass(title);
    };
    finding.why(WHY).fix(
        "Windows: `w32tm /resync`. Linux: `chronyc makestep`, or restart the time service. Then check again.",
    )
}

fn compare_zones(own: &Zone, facts: &Facts, place: &str) -> Finding {
    let titled = |pass: bool| {
        if pass {
            Finding::pass(format!("Same time zone as {}", facts.name))
        } else {
            Finding::fail(format!("The time zone differs from that of {}", facts.name)).why(WHY).fix(
                "Set the same zone on both: `timedatectl set-timezone ZONE` on Linux, `tzutil /s ZONE` on Windows.",
            )
        }
    };
    titled(own.agrees_with(&facts.zone)).seen("this machine", own.words()).seen(place, facts.zone.words())
}

/// Compares this clock with the one in the facts. Facts contain the time at which they were
/// written, but not how long they took to arrive. So they prove a difference only if the other
/// clock is ahead, or if they came through a pipe.
///
/// `apart` is this clock when the facts were read minus the other clock when they were written, in
/// seconds.
fn compare_clocks(facts: &Facts, place: &str, under_way: Option<f64>, apart: f64) -> Finding {
    let whom = format!("{} (by {place})", facts.name);
    let evidence = format!("{} wrote its facts at {} ({} there)", facts.name, facts.time, facts.local_time);
    if let Some(ntp) = &facts.ntp {
        return through_ntp(&whom, &ntp.server, ntp.offset).seen(place, evidence);
    }
    if let Some(longest) = under_way {
        // The true difference is between `apart - longest` and `apart`.
        return offset_finding(&whom, longest / 2.0 - apart, longest / 2.0).seen(place, evidence);
    }
    if apart < -LIMIT {
        return offset_finding(&whom, -apart, 0.0).seen(place, evidence);
    }
    Finding::could_not_check(
        &format!("The clock against {whom}"),
        format!(
            "the facts were read {} after the time that they state, and it is unknown how long they \
             took to arrive",
            seconds_words(apart)
        ),
    )
    .seen(place, evidence)
    .why(WHY)
    .fix(
        "Write them with `bkverify facts --json --ntp SERVER`, or pipe them: \
           `ssh DEST bkverify facts --json | bkverify checklist clock --against -`.",
    )
}

/// Compares both machines through the same NTP server: the difference of their two offsets.
fn through_ntp(whom: &str, server: &str, theirs: f64) -> Finding {
    match sntp::measure(server) {
        Ok(ours) => {
            let evidence = format!("offset here {:+.3} s, there {theirs:+.3} s", ours.offset);
            // This clock plus our offset is the server's clock, and so is the other clock plus its
            // offset. So other - this = ours - theirs.
            offset_finding(whom, ours.offset - theirs, ours.delay / 2.0)
                .seen(format!("SNTP from both to {server}"), evidence)
        }
        Err(problem) => Finding::could_not_check(&format!("The clock against {whom}"), problem)
            .fix("Compare both machines with an NTP server that both can reach."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn facts(time: &str) -> Facts {
        let mut facts = crate::facts::gather("dc01".into(), "Windows".into(), None).unwrap();
        facts.time = time.parse().unwrap();
        facts
    }

    #[test]
    fn a_difference_with_its_margin_above_five_minutes_fails() {
        assert_eq!(offset_finding("x", 299.0, 0.0).status, Status::Warn);
        assert_eq!(offset_finding("x", -299.0, 2.0).status, Status::Fail);
        assert_eq!(offset_finding("x", 0.004, 0.01).status, Status::Pass);
        assert_eq!(offset_finding("x", 400.0, 0.0).title, "This clock is 6 min behind x");
    }

    #[test]
    fn facts_from_a_file_prove_only_that_the_other_clock_is_ahead() {
        let facts = facts("2026-11-20T12:00:00Z");
        assert_eq!(compare_clocks(&facts, "f", None, -301.0).status, Status::Fail);
        assert_eq!(compare_clocks(&facts, "f", None, 5.0).status, Status::CouldNotCheck);
        assert_eq!(compare_clocks(&facts, "f", None, 90_000.0).status, Status::CouldNotCheck);
    }

    #[test]
    fn facts_through_a_pipe_are_judged_with_their_longest_time_of_arrival() {
        let facts = facts("2026-11-20T12:00:00Z");
        assert_eq!(compare_clocks(&facts, "f", Some(2.0), 1.0).status, Status::Pass);
        assert_eq!(compare_clocks(&facts, "f", Some(2.0), 310.0).status, Status::Fail);
        assert_eq!(
            compare_clocks(&facts, "f", Some(700.0), 5.0).status,
            Status::Fail,
            "too slow to prove anything"
        );
    }

    #[test]
    fn zones_are_compared_by_offset_not_by_name() {
        let own = Zone { name: None, offsets: vec![3_600; 12] };
        let mut other = facts("2026-11-20T12:00:00Z");
        other.zone = Zone { name: Some("Etc/UTC".into()), offsets: vec![0; 12] };
        assert_eq!(compare_zones(&own, &other, "f").status, Status::Fail);
        other.zone = Zone { name: Some("Africa/Lagos".into()), offsets: vec![3_600; 12] };
        assert_eq!(compare_zones(&own, &other, "f").status, Status::Pass);
    }
}
