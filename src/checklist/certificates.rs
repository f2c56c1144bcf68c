//! `certificates`: the certificates of this server's services do not expire during the migration.
//!
//! Linux: those that the settings of web, mail and directory servers name, and those of Let's
//! Encrypt. OpenSSL reads their dates.

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

/// Settings that name certificates: files, or folders of files.
const SETTINGS: [&str; 10] = [
    "/etc/nginx",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-enabled",
    "/etc/apache2/sites-enabled",
    "/etc/httpd/conf.d",
    "/etc/postfix/main.cf",
    "/etc/dovecot/conf.d",
    "/etc/ldap/slapd.conf",
    "/etc/samba/smb.conf",
    "/etc/haproxy/haproxy.cfg",
];
const LETS_ENCRYPT: &str = "/etc/letsencrypt/live";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "certificates",
    title: "Certificates that expire",
    asks: "No certificate of this server expires before the migration is over.",
    steps: &["certificates"],
    patience: PATIENCE,
    linux,
    windows: windows::look,
};

fn linux(visit: &Visit<'_>) -> Vec<Finding> {
    let what = "Certificates";
    let places = match named(visit) {
        Ok(places) => places,
        Err(problem) => return vec![Finding::could_not_check(what, problem).fix("Run as root.")],
    };
    let source = format!("{}, {LETS_ENCRYPT}", SETTINGS.join(", "));
    if places.is_empty() {
        return vec![
            Finding::not_applicable("No web, mail or directory server names a certificate")
                .seen(source, "none"),
        ];
    }
    let (mut ended, mut soon, mut unknown, mut good) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for place in &places {
        match end(visit, place) {
            Ok(left @ ..0) => ended.push(format!("{place} expired {} ago", duration_words(-left))),
            Ok(left @ 0..SOON) => soon.push(format!("{place} expires in {}", duration_words(left))),
            Ok(left) => good.push(format!("{place} expires in {}", duration_words(left))),
            Err(problem) => unknown.push(format!("{place}: {problem}")),
        }
    }
    let ask = "openssl x509 -noout -enddate -in";
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
        let title = format!("{} valid for 30 days and more", are(good.len(), "certificate"));
        findings.push(Finding::pass(title).seen(ask, good.join("\n")));
    }
    findings
}

/// The files of certificates that settings name, and those of Let's Encrypt.
fn named(visit: &Visit<'_>) -> Result<BTreeSet<String>, String> {
    let mut files = Vec::new();
    for place in SETTINGS {
        let names = visit.names(place)?;
        files.extend(names.iter().map(|name| format!("{place}/{name}")));
        files.push(place.to_owned());
    }
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|file| visit.place(file).is_file()) {
        let text = visit.read(file)?.unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
        let words = lines.flat_map(|line| line.split([' ', '\t', '=', '<', ';', '"', '\'', ',']));
        let is_certificate = |word: &&str| {
            word.starts_with('/') && [".pem", ".crt", ".cer"].iter().any(|end| word.ends_with(end))
        };
        found.extend(words.filter(is_certificate).map(str::to_owned));
    }
    for name in visit.names(LETS_ENCRYPT)? {
        found.insert(format!("{LETS_ENCRYPT}/{name}/cert.pem"));
    }
    // A private key may have such a name, too. What cannot be read stays, and is told.
    found.retain(|place| match visit.read(place) {
        Ok(Some(text)) => text.contains("BEGIN CERTIFICATE"),
        Ok(None) | Err(_) => true,
    });
    Ok(found)
}

/// How long a certificate is still valid, in seconds.
fn end(visit: &Visit<'_>, place: &str) -> Result<i64, String> {
    let said = visit.ask(&["openssl", "x509", "-noout", "-enddate", "-in", place])?;
    let date = said.trim().strip_prefix("notAfter=").unwrap_or_default().replace("  ", " ");
    let end =
        DateTime::strptime("%b %d %H:%M:%S %Y GMT", &date).and_then(|date| date.to_zoned(TimeZone::UTC));
    let end = end.map_err(|_| "openssl names no date".to_owned())?;
    Ok(end.timestamp().as_second() - visit.settings().now.as_second())
}
