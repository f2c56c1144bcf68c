//! `certificates`: the certificates of this server's services do not expire during the migration.
//!
//! Linux: those that the settings of web, mail, directory and other servers name, and those of
//! Let's Encrypt. OpenSSL reads their dates.

mod windows;

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::machine::{Visit, duration_words};
use super::phrases::{are, have, several};

const WHY: &str =
    "Clients refuse a server whose certificate has expired, and the destination inherits its date.";
const DAY: i64 = 86_400;
/// A certificate that ends sooner than this, in seconds, may end during the migration.
const SOON: i64 = 30 * DAY;

/// Settings that name certificates: files, or folders of files, and of folders of these.
const SETTINGS: [&str; 21] = [
    "/etc/nginx",
    "/etc/apache2",
    "/etc/httpd",
    "/etc/caddy",
    "/etc/lighttpd",
    "/etc/postfix",
    "/etc/exim4",
    "/etc/dovecot",
    "/etc/ldap",
    "/etc/openldap",
    "/etc/samba/smb.conf",
    "/etc/haproxy",
    "/etc/stunnel",
    "/etc/postgresql",
    "/etc/mysql",
    "/etc/my.cnf",
    "/etc/my.cnf.d",
    "/etc/cockpit",
    "/etc/proftpd",
    "/etc/vsftpd.conf",
    "/etc/vsftpd",
];
/// How deep folders of settings are read, and how many files of them: no server has more.
const DEPTH: usize = 4;
const FILES: usize = 5_000;
/// Settings that name a certificate.
const NAMES: &str = "ssl_certificate ssl_client_certificate sslcertificatefile sslcacertificatefile ssl_cert \
    ssl_cert_file smtpd_tls_cert_file smtpd_tls_chain_files olctlscertificatefile tlscertificatefile ssl-cert \
    tls_certificate cert tls";
/// Parts of the names of files that are not about this server, and of names with a variable.
const NOT_OURS: &str = "ca-certificates.crt ca-bundle snakeoil $ * {";
const LETS_ENCRYPT: &str = "/etc/letsencrypt/live";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "certificates",
    title: "Certificates that expire",
    asks: "No certificate of this server expires before the migration is over.",
    steps: &[],
    patience: PATIENCE,
    linux,
    windows: windows::look,
};

fn linux(visit: &Visit<'_>) -> Vec<Finding> {
    let what = "Certificates";
    let files = match named(visit) {
        Ok(files) => files,
        Err(problem) => return vec![Finding::could_not_check(what, problem).fix("Run as root.")],
    };
    let source = format!("{}, {LETS_ENCRYPT}", SETTINGS.join(", "));
    if files.is_empty() {
        let servers: Vec<&str> = SETTINGS.into_iter().filter(|place| visit.exists(place)).collect();
        let finding = if servers.is_empty() {
            Finding::not_applicable("No server whose settings bkverify reads is installed")
        } else {
            Finding::not_applicable("No certificate is named in the settings that bkverify reads")
        };
        return vec![finding.seen(source, servers.join("\n"))];
    }
    let (mut ended, mut soon, mut unknown, mut good) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for file in &files {
        match end(visit, file) {
            Ok(left @ ..0) => ended.push(format!("{file} expired {} ago", duration_words(-left))),
            Ok(left @ 0..SOON) => soon.push(format!("{file} expires in {}", duration_words(left))),
            Ok(left) => good.push(format!("{file} expires in {}", duration_words(left))),
            Err(problem) => unknown.push(format!("{file}: {problem}")),
        }
    }
    let ask = "openssl storeutl -noout -text -certs";
    let fix = "Renew them, or issue new ones on the destination.";
    let mut findings = Vec::new();
    if !ended.is_empty() {
        findings.push(
            Finding::fail(format!("{} expired", have(ended.len(), "certificate")))
                .seen(ask, ended.join("\n"))
                .why(WHY)
                .fix(fix),
        );
    }
    if !soon.is_empty() {
        let title = format!("{} about to expire", are(soon.len(), "certificate"));
        findings.push(Finding::warn(title).seen(ask, soon.join("\n")).why(WHY).fix(fix));
    }
    if !unknown.is_empty() {
        let problem = format!("{} cannot be read", several(unknown.len(), "certificate"));
        findings.push(
            Finding::could_not_check(what, problem)
                .seen(ask, unknown.join("\n"))
                .fix("Install openssl, and run as root."),
        );
    }
    if !good.is_empty() {
        let title = format!("{} valid for 30 days and more", are(good.len(), "named certificate"));
        findings.push(Finding::pass(title).seen(ask, good.join("\n")));
    }
    findings
}

/// The files of certificates that settings name, and those of Let's Encrypt.
fn named(visit: &Visit<'_>) -> Result<BTreeSet<String>, String> {
    let mut files = Vec::new();
    for place in SETTINGS {
        settings(visit, place, 0, &mut files)?;
    }
    let mut found = BTreeSet::new();
    for file in &files {
        let text = visit.read(file)?.unwrap_or_default();
        let folder = file.rsplit_once('/').map_or("/", |(folder, _)| folder);
        for name in text.lines().flat_map(certificates) {
            if name.starts_with('/') {
                found.insert(name.to_owned());
                continue;
            }
            // A server looks from the folder of its settings, or of the file that names it.
            let server: String = file.split_inclusive('/').take(3).collect();
            let places = [format!("{folder}/{name}"), format!("{server}{name}")];
            found.insert(places.iter().find(|place| visit.exists(place)).unwrap_or(&places[0]).clone());
        }
    }
    for name in visit.names(LETS_ENCRYPT)? {
        let folder = format!("{LETS_ENCRYPT}/{name}");
        if visit.place(&folder).is_dir() {
            found.insert(format!("{folder}/cert.pem"));
        }
    }
    // The line may be about a key. What cannot be read stays, and is told.
    found.retain(|place| !visit.read(place).is_ok_and(|text| text.is_some_and(|text| is_key(&text))));
    Ok(found)
}

/// Adds the files at and below a place.
fn settings(visit: &Visit<'_>, place: &str, depth: usize, files: &mut Vec<String>) -> Result<(), String> {
    if visit.place(place).is_file() {
        files.push(place.to_owned());
    } else if depth < DEPTH && !place.ends_with("-available") {
        for name in visit.names(place)? {
            settings(visit, &format!("{place}/{name}"), depth + 1, files)?;
        }
    }
    if files.len() > FILES { Err(format!("{place} holds too many files")) } else { Ok(()) }
}

/// What a line of settings names as a certificate: by a setting whose name says so, or by the
/// ending of an absolute path. Lists of authorities that everybody trusts, and the certificate that
/// Debian makes for a start, are none of this server's.
fn certificates(line: &str) -> Vec<&str> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return Vec::new();
    }
    let is_edge =
        |letter: char| letter.is_whitespace() || matches!(letter, '=' | '<' | ';' | '"' | '\'' | ',');
    let mut words = line.split(is_edge).filter(|word| !word.is_empty());
    let key = words.next().unwrap_or_default().trim_end_matches(':').to_lowercase();
    let is_setting = NAMES.split_whitespace().any(|name| name == key);
    let is_it = |word: &&str| {
        let has_ending = [".pem", ".crt", ".cer", ".cert"].iter().any(|end| word.ends_with(end));
        (if is_setting { has_ending || word.starts_with('/') } else { has_ending && word.starts_with('/') })
            && !NOT_OURS.split_whitespace().any(|other| word.contains(other))
    };
    words.filter(is_it).collect()
}

/// Whether a file holds a private key, or parameters, and no certificate.
fn is_key(text: &str) -> bool {
    text.contains("-----BEGIN ") && !text.contains("BEGIN CERTIFICATE") && !text.contains("BEGIN TRUSTED")
}

/// How long the first of a file's certificates to expire is still valid, in seconds. The store of
/// OpenSSL reads every certificate of a file, as text or not.
fn end(visit: &Visit<'_>, file: &str) -> Result<i64, String> {
    // Its exit code is 1 if the file also holds a key.
    let output = visit.run(&["openssl", "storeutl", "-noout", "-text", "-certs", file]);
    let output = output.map_err(|error| error.to_string())?;
    let said = output.stdout.lines().map(str::trim);
    let total = said.clone().find_map(|line| line.strip_prefix("Total found: ")?.parse::<usize>().ok());
    let dates: Vec<&str> = said.filter_map(|line| line.strip_prefix("Not After :")).collect();
    if dates.is_empty() || total != Some(dates.len()) {
        return Err(format!("openssl finds no certificate in it: {}", output.complaint()));
    }
    let mut ends = Vec::new();
    for date in dates {
        let date = date.trim().replace("  ", " ");
        let end =
            DateTime::strptime("%b %d %H:%M:%S %Y GMT", &date).and_then(|date| date.to_zoned(TimeZone::UTC));
        ends.push(end.map_err(|_| "openssl names no date".to_owned())?.timestamp().as_second());
    }
    Ok(ends.into_iter().min().unwrap_or_default() - visit.settings().now.as_second())
}
