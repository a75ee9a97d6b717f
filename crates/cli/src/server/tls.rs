//! Certificates: a private CA made on first start, and a server certificate from it that follows the configured names.
//!
//! The CA key never leaves the home. The server certificate is issued again, from the same CA, when the names change or its end is near, so
//! clients that trust the CA once go on trusting. An administrator's own certificate replaces both.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lazuli_spec::{Clock, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::config::{Config, OwnCertificate};
use super::home::{Home, private_dir, write_atomic};
use crate::error::CliError;

const DAY: Duration = Duration::from_hours(24);
const CA_LIFE: Duration = Duration::from_hours(20 * 365 * 24);
/// The longest life that browsers accept.
const CERTIFICATE_LIFE: Duration = Duration::from_hours(397 * 24);
/// How long before its end a certificate is replaced.
const RENEW_BEFORE: Duration = Duration::from_hours(60 * 24);

/// What the present certificate was issued for; stands beside it so that no X.509 reader is needed.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Issued {
    names: BTreeSet<String>,
    not_after: Timestamp,
}

/// Makes what is missing or stale and returns the TLS settings of the listener.
pub(crate) fn prepare(
    home: &Home,
    config: &Config,
    clock: &dyn Clock,
) -> Result<Arc<ServerConfig>, CliError> {
    if let Some(own) = &config.own_certificate {
        return server_config(&own.certificate, &own.key);
    }
    private_dir(&home.tls())?;
    let names = certificate_names(&config.names);
    let certificate = OwnCertificate {
        certificate: home.tls().join("cert.pem"),
        key: home.tls().join("key.pem"),
    };
    if !is_current(home, &names, clock.now())
        || !certificate.certificate.exists()
        || !certificate.key.exists()
    {
        issue(home, names, clock.now(), &certificate)?;
    }
    server_config(&certificate.certificate, &certificate.key)
}

/// The configured names plus those by which this machine calls itself.
fn certificate_names(configured: &[String]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = configured.iter().cloned().collect();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .to_ascii_lowercase();
    if !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    {
        names.insert(host);
    }
    names
}

fn is_current(home: &Home, names: &BTreeSet<String>, now: Timestamp) -> bool {
    let read = || -> Option<Issued> {
        serde_json::from_slice(&fs::read(home.tls().join("issued.json")).ok()?).ok()
    };
    home.ca().exists()
        && read().is_some_and(|issued| {
            issued.names == *names && now.plus(RENEW_BEFORE) < issued.not_after
        })
}

fn issue(
    home: &Home,
    names: BTreeSet<String>,
    now: Timestamp,
    at: &OwnCertificate,
) -> Result<(), CliError> {
    let failed =
        |error: rcgen::Error| CliError::new(format!("cannot make the server certificate: {error}"));
    let issuer = authority(home, now)?;
    let key = KeyPair::generate().map_err(failed)?;
    let not_after = now.plus(CERTIFICATE_LIFE);
    let mut params =
        CertificateParams::new(names.iter().cloned().collect::<Vec<_>>()).map_err(failed)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Lazuli server");
    set_validity(&mut params, now, not_after);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    write_atomic(&at.key, key.serialize_pem().as_bytes(), 0o600)?;
    write_atomic(&at.certificate, certificate.pem().as_bytes(), 0o644)?;
    let issued = serde_json::to_vec(&Issued { names, not_after })
        .map_err(|error| CliError::new(error.to_string()))?;
    write_atomic(&home.tls().join("issued.json"), &issued, 0o600)
}

/// The private CA: the one in the home, else a new one.
fn authority(home: &Home, now: Timestamp) -> Result<Issuer<'static, KeyPair>, CliError> {
    let failed = |error: rcgen::Error| {
        CliError::new(format!(
            "cannot use the private CA in `{}`: {error}",
            home.tls().display()
        ))
    };
    let key_path = home.tls().join("ca.key");
    if key_path.exists() && home.ca().exists() {
        let pem = fs::read_to_string(&key_path)
            .map_err(|error| CliError::io("read", &key_path, &error))?;
        let key = KeyPair::from_pem(&pem).map_err(failed)?;
        return Ok(Issuer::new(authority_params(now), key));
    }
    let key = KeyPair::generate().map_err(failed)?;
    let params = authority_params(now);
    let certificate = params.self_signed(&key).map_err(failed)?;
    write_atomic(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
    write_atomic(&home.ca(), certificate.pem().as_bytes(), 0o644)?;
    Ok(Issuer::new(params, key))
}

/// The CA's name and uses; everything that an issued certificate refers to is the same each time.
fn authority_params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Lazuli");
    params
        .distinguished_name
        .push(DnType::CommonName, "Lazuli private CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, now.plus(CA_LIFE));
    params
}

/// Sets the validity, from a day ago because clients' clocks may be behind.
fn set_validity(params: &mut CertificateParams, now: Timestamp, not_after: Timestamp) {
    let since_epoch = |at: Timestamp| at.since(Timestamp::default());
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(now).saturating_sub(DAY);
    params.not_after = epoch + since_epoch(not_after);
}

/// Reads a certificate chain and its key into the listener's settings: TLS 1.2 and 1.3, HTTP/2 preferred.
fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, CliError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| {
            CliError::new(format!(
                "cannot read the certificate `{}`: {error}",
                certificate.display()
            ))
        })?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        CliError::new(format!(
            "cannot read the private key `{}`: {error}",
            key.display()
        ))
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |error: rustls::Error| {
        CliError::new(format!(
            "the certificate `{}` and the key `{}` cannot be used: {error}",
            certificate.display(),
            key.display()
        ))
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
