//! Windows probes: one PowerShell script for each, and one reader of what they print.
//!
//! A probe runs on this machine, on another one by PowerShell remoting, or it was run there by hand
//! and its output is read from a file.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::findings::Finding;
use super::machine::{Visit, duration_words};
use super::probes::{Probed, Recording, Source, parse};

/// What every probe begins with.
const COMMON: &str = include_str!("scripts/common.ps1");

/// Every probe: its name, and its script.
pub const PROBES: [(&str, &str); 12] = [
    ("backup", include_str!("scripts/backup.ps1")),
    ("updates", include_str!("scripts/updates.ps1")),
    ("network", include_str!("scripts/network.ps1")),
    ("vpn", include_str!("scripts/vpn.ps1")),
    ("alerts", include_str!("scripts/alerts.ps1")),
    ("space", include_str!("scripts/space.ps1")),
    ("best-practices", include_str!("scripts/best_practices.ps1")),
    ("directory", include_str!("scripts/directory.ps1")),
    ("certificates", include_str!("scripts/certificates.ps1")),
    ("clock", include_str!("scripts/clock.ps1")),
    ("migration-tool", include_str!("scripts/migration_tool.ps1")),
    ("applications", include_str!("scripts/applications.ps1")),
];

/// How long what a probe printed may be judged, in seconds.
const HOLDS: i64 = 86_400;

/// Asks a probe, wherever it runs.
///
/// # Errors
/// Why nothing of it can be judged.
pub fn ask(visit: &Visit<'_>, name: &str) -> Result<Probed, String> {
    let call = match visit.probes() {
        Source::Here => "& $probe".to_owned(),
        // A quote in the name must not end the text.
        Source::Computer(computer) => {
            format!("Invoke-Command -ComputerName '{}' -ScriptBlock $probe", computer.replace('\'', "''"))
        }
        Source::File(recording) => return recorded(recording, name, visit.settings().now),
    };
    let encoded = encode(&program(name, &call, "[Console]::Out.WriteLine([string]$_)"));
    let command = ["powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", &encoded];
    let (output, problem) = visit.run_partly(&command);
    let problem = problem.map(|error| error.to_string()).or_else(|| complaint(&output.stderr));
    match parse(&output.stdout) {
        Ok(probed) => Ok(probed.ended_by(problem)),
        Err(_) if output.stdout.trim().is_empty() && problem.is_some() => Err(problem.unwrap_or_default()),
        Err(error) => Err(error),
    }
}

/// Asks a probe, and judges what it printed. If nothing of it can be judged, `what` could not be
/// checked.
pub fn judged(
    visit: &Visit<'_>,
    name: &str,
    what: &str,
    judge: impl FnOnce(&Probed) -> Vec<Finding>,
) -> Vec<Finding> {
    match ask(visit, name) {
        Ok(probed) => judge(&probed),
        Err(problem) => vec![Finding::could_not_check(what, problem)],
    }
}

/// What a probe printed on another machine, if that is not too long ago.
fn recorded(recording: &Recording, name: &str, now: Timestamp) -> Result<Probed, String> {
    let probed = recording.newest(name).ok_or_else(|| format!("the probe {name} was not run there"))?;
    let age = now.as_second() - probed.taken().unwrap_or_default().as_second();
    if age > HOLDS {
        return Err(format!("the probe {name} ran {} ago; run it again", duration_words(age)));
    }
    if age < -HOLDS {
        return Err(format!("the probe {name} states a time in the future; correct that clock"));
    }
    Ok(probed.clone())
}

/// The program of a probe: `call` runs `$probe`, and `print` gets each of its lines.
fn program(name: &str, call: &str, print: &str) -> String {
    let script = PROBES.iter().find(|(probe, _)| *probe == name).map_or("", |(_, script)| script);
    // In Constrained Language Mode no method may be called, but the mode can be told.
    format!(
        "$probe = {{\n$probeName = '{name}'\n{COMMON}\n{script}\n'{{\"end\":true}}'\n}}\n\
         {call} | ForEach-Object {{ if (\"$_\" -like '{{\"mode\"*') {{ $_ }} else {{ {print} }} }}\n"
    )
}

/// All probes as one script, to be run on a server that this program does not run on. It writes
/// what they print beside itself.
pub fn all_probes() -> String {
    let mut text = format!(
        "# The probes of bkverify {}: they read this server, change nothing, and write what they found to a file.\n\
         # Run as administrator: powershell -ExecutionPolicy Bypass -File bkverify-probes.ps1\n\
         # Then, where bkverify runs: bkverify checklist --from bkverify-probes-SERVER.txt\n\
         $folder = Split-Path -Parent $MyInvocation.MyCommand.Path\n\
         $file = Join-Path $folder \"bkverify-probes-$env:COMPUTERNAME.txt\"\n\
         Set-Content -Path $file -Value '' -Encoding ASCII\n",
        env!("CARGO_PKG_VERSION")
    );
    for (name, _) in PROBES {
        let probe = program(name, "& $probe", "Add-Content -Path $file -Value $_ -Encoding ASCII");
        // A probe that cannot begin must not end those after it.
        text.push_str(&format!(
            "\nWrite-Host 'asking {name}'\ntry {{\n{probe}}} catch {{ Write-Host \"{name}: $_\" }}\n"
        ));
    }
    text.push_str("\nWrite-Host \"written to $file\"\n");
    text
}

/// A script for `-EncodedCommand`: UTF-16LE in base64.
fn encode(script: &str) -> String {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(bytes)
}

/// The first line of what PowerShell printed on standard error. It prints errors as XML (CLIXML) if
/// nobody reads them on a console.
fn complaint(stderr: &str) -> Option<String> {
    let text = match stderr.split_once("#< CLIXML") {
        None => stderr.to_owned(),
        Some((before, xml)) => {
            let errors = xml.split("<S S=\"Error\">").skip(1).filter_map(|rest| rest.split("</S>").next());
            format!("{before}{}", errors.map(unescape).collect::<String>())
        }
    };
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// A text of CLIXML: entities of XML, and `_x000A_` for a UTF-16 unit that XML cannot hold.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("_x") {
        out.push_str(before);
        let code = after.get(..5).and_then(|code| code.strip_suffix('_'));
        match code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            Some(character) => {
                out.push(character);
                rest = &after[5..];
            }
            None => {
                out.push_str("_x");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    quick_xml::escape::unescape(&out).map_or_else(|_| out.clone(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::super::Os;
    use super::super::machine::tests::recorded as machine_with;
    use super::super::probes::tests::printed;
    use super::*;

    #[test]
    fn what_hung_is_said_and_what_was_printed_before_is_kept() {
        let text = format!("!timeout {}", printed(&[("a", "", "")]).replace("{\"end\":true}\n", ""));
        let machine = machine_with(Os::Windows, &[("powershell", &text)]);
        let probed = ask(&machine.visit(), "clock").unwrap();
        assert!(probed.whole("a", "n").is_ok());
        assert_eq!(
            probed.reason("b"),
            "the probe did not come to it: `powershell` did not answer in time and was ended"
        );
    }

    #[test]
    fn errors_are_read_from_the_xml_that_powershell_prints() {
        let xml = "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
                   <Obj S=\"progress\" RefId=\"0\"><MS><PR N=\"Record\"><AV>Preparing</AV></PR></MS></Obj>\
                   <S S=\"Error\">[dc01] Connecting failed: &lt;x&gt; was_x_refused_x000D__x000A_</S>\
                   <S S=\"Error\">At line:1 char:1_x000D__x000A_</S></Objs>";
        assert_eq!(complaint(xml).as_deref(), Some("[dc01] Connecting failed: <x> was_x_refused"));
        assert_eq!(complaint("#< CLIXML\r\n<Objs></Objs>"), None);
        assert_eq!(complaint("plain\n").as_deref(), Some("plain"));
    }

    #[test]
    fn every_probe_fits_a_windows_command_line() {
        for (name, _) in PROBES {
            let call = format!("Invoke-Command -ComputerName '{}' -ScriptBlock $probe", "x".repeat(255));
            let encoded = encode(&program(name, &call, "[Console]::Out.WriteLine([string]$_)"));
            assert!(encoded.len() < 32_000, "{name}: {}", encoded.len());
        }
    }

    #[test]
    fn a_file_of_another_machine_is_read_by_probe_and_holds_for_a_day() {
        let one = printed(&[("a", "", "")]);
        let text = format!("{}{}", one.replace("\"x\"", "\"clock\""), one.replace("\"x\"", "\"vpn\""));
        let recording = Recording::parse(&text).unwrap();
        assert_eq!((recording.computer.as_str(), recording.windows.as_str()), ("DC01", "6.3.9600.0"));
        let at = |text: &str| text.parse().unwrap();
        assert!(recorded(&recording, "vpn", at("2026-11-21T09:00:00Z")).is_ok());
        let old = recorded(&recording, "vpn", at("2026-11-21T11:00:00Z")).unwrap_err();
        assert!(old.contains("ran 25 h ago"), "{old}");
        assert!(
            recorded(&recording, "vpn", at("2026-11-18T09:00:00Z")).unwrap_err().contains("in the future")
        );
        let absent = recorded(&recording, "alerts", at("2026-11-20T11:00:00Z")).unwrap_err();
        assert_eq!(absent, "the probe alerts was not run there");
    }
}
