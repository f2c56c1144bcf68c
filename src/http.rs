//! How servers are talked to over HTTP: whose certificates are trusted, and what every request has
//! in common.

use std::path::Path;

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;

/// An agent that trusts the authorities in the file `ca`, or the usual ones without it. The caller
/// adds its time limits. An answer is judged by its status, whatever that is. A redirect is not
/// followed: it could lead to a server that the user has not named.
///
/// # Errors
/// In words: why the file cannot be used.
pub fn agent(ca: Option<&Path>) -> Result<ConfigBuilder<AgentScope>, String> {
    let trusted = trusted(ca)?;
    Ok(Agent::config_builder()
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("bkverify/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(trusted).build()))
}

/// The authorities in a file of certificates (PEM). Without a file, those of the system, or the
/// ones that Mozilla trusts if the system has none.
fn trusted(ca: Option<&Path>) -> Result<RootCerts, String> {
    if let Some(path) = ca {
        let wrong =
            |problem: String| format!("cannot read the certificates in {}: {problem}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let items =
            parse_pem(&pem).collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
        let found: Vec<Certificate<'static>> = items
            .into_iter()
            .filter_map(|item| match item {
                PemItem::Certificate(found) => Some(found),
                _ => None,
            })
            .collect();
        if found.is_empty() {
            return Err(wrong("there is none in it".to_owned()));
        }
        return Ok(RootCerts::from(found));
    }
    let system = rustls_native_certs::load_native_certs().certs;
    if system.is_empty() {
        return Ok(RootCerts::WebPki);
    }
    Ok(RootCerts::from(system.iter().map(|found| Certificate::from_der(found).to_owned())))
}
