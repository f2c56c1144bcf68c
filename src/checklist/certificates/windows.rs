//! The certificates in Windows' own store. Which of them a service uses is not known.

use super::super::findings::Finding;
use super::super::machine::{Visit, duration_words};
use super::super::phrases::{are, several};
use super::super::powershell;
use super::super::probes::Probed;
use super::{SOON, WHY};
use jiff::Timestamp;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "certificates", "Certificates", |probed| {
        vec![judge(probed, visit.settings().now)]
    })
}

fn judge(probed: &Probed, now: Timestamp) -> Finding {
    let (what, source) = ("Certificates", "Cert:\\LocalMachine\\My");
    let all = match probed.whole("certificates", "certificate") {
        Ok(all) => all,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let (mut ending, mut lines) = (Vec::new(), Vec::new());
    for item in &all {
        let name = item.shown("name");
        let Some(end) = item.time("ends") else {
            return Finding::could_not_check(what, format!("Windows does not say when {name} ends"));
        };
        let left = end.as_second() - now.as_second();
        let line = match left {
            0.. => format!("{name} ends in {}", duration_words(left)),
            _ => format!("{name} ended {} ago", duration_words(-left)),
        };
        if left < SOON {
            ending.push(line.clone());
        }
        lines.push(line);
    }
    if all.is_empty() {
        return Finding::not_applicable("This server has no certificate of its own").seen(source, "none");
    }
    if ending.is_empty() {
        let title = format!("{} valid for 30 days and more", are(all.len(), "certificate"));
        return Finding::pass(title).seen(source, lines.join("\n"));
    }
    Finding::warn(format!("{} ended or will end within 30 days", several(ending.len(), "certificate")))
        .seen(source, ending.join("\n"))
        .why(WHY)
        .fix("certlm.msc, Personal, Certificates: renew those that a service uses, and delete the others.")
}

#[cfg(test)]
mod tests {
    use super::super::super::Status::{self, CouldNotCheck, NotApplicable, Pass, Warn};
    use super::super::super::probes::parse;
    use super::super::super::probes::tests::printed;
    use super::*;

    fn with(items: &str, problem: &str) -> Status {
        let probed = parse(&printed(&[("certificates", items, problem)])).unwrap();
        judge(&probed, "2026-11-20T12:00:00Z".parse().unwrap()).status
    }

    #[test]
    fn certificates_that_end_soon_or_have_ended_warn() {
        let one = |end: &str| format!(r#"{{"kind":"certificate","name":"CN=sbs01","ends":"{end}"}}"#);
        assert_eq!(with(&one("2027-11-20T12:00:00Z"), ""), Pass);
        assert_eq!(with(&one("2026-12-10T12:00:00Z"), ""), Warn);
        assert_eq!(with(&one("2026-11-10T12:00:00Z"), ""), Warn);
        assert_eq!(with("", ""), NotApplicable);
    }

    #[test]
    fn a_missing_date_another_language_and_cut_output_are_unknown() {
        assert_eq!(with(r#"{"kind":"certificate","name":"x"}"#, ""), CouldNotCheck);
        assert_eq!(with(r#"{"kind":"certificate","name":"x","ends":"20.11.2027"}"#, ""), CouldNotCheck);
        assert_eq!(with("", "denied"), CouldNotCheck);
        let cut = printed(&[("certificates", "", "")]);
        let probed = parse(cut.lines().next().unwrap()).unwrap();
        assert_eq!(judge(&probed, Timestamp::UNIX_EPOCH).status, CouldNotCheck);
    }
}
