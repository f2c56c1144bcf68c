//! Which certificate authorities are trusted when a server is talked to.

use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// The authorities in a file of certificates (PEM). Without a file, those of the system, or the ones
/// that Mozilla trusts if the system has none.
///
/// # Errors
/// In words: why the file cannot be used.
pub fn trusted(ca: Option<&Path>) -> Result<RootCerts, String> {
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
