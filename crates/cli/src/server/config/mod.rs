//! The server's configuration: one table of settings, four sources, one typed result.
//!
//! Precedence, weakest first: default, file, environment, flag. [`Config::load`] reads and checks everything before anything starts, so that
//! a wrong setting never leaves a half-started server behind.

mod file;
pub(crate) mod flags;
mod parts;
#[cfg(test)]
mod reference;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod units;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lazuli_spec::runner::PackageIndex;

pub(crate) use self::parts::{Storage, Webhooks};
pub(crate) use self::sources::{Flags, Origin, Raw, Surroundings};
pub(crate) use self::table::{Kind, SETTINGS, Setting};
use crate::error::CliError;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What protects the server from slow, large and many.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub connections: usize,
    pub headers: usize,
    pub header_bytes: usize,
    pub header_timeout: Duration,
    pub body_bytes: usize,
    pub upload_bytes: u64,
    pub body_timeout: Duration,
    pub idle_timeout: Duration,
    pub streams: u32,
}

/// A certificate that the administrator brings.
#[derive(Debug, Clone)]
pub(crate) struct OwnCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub home: PathBuf,
    /// Addresses to listen on; at least one.
    pub addresses: Vec<IpAddr>,
    /// Names and addresses of the certificate that the administrator asked for.
    pub names: Vec<String>,
    pub port: u16,
    /// Where clients reach the server, without a slash at the end.
    pub external_url: Option<String>,
    pub database: Option<String>,
    pub artifacts: Option<String>,
    pub storage: Storage,
    pub packages: PackageIndex,
    pub webhooks: Webhooks,
    pub log_level: String,
    pub log_format: LogFormat,
    pub own_certificate: Option<OwnCertificate>,
    pub limits: Limits,
    pub grace: Duration,
    pub metrics_for_anyone: bool,
    raw: BTreeMap<&'static str, Raw>,
}

impl Config {
    /// Reads all sources and checks every value.
    pub(crate) fn load(flags: &Flags, around: &Surroundings<'_>) -> Result<Self, CliError> {
        let raw = sources::merge(flags, around)?;
        let read = Values { raw: &raw, around };
        for setting in SETTINGS {
            read.check_single(setting)?;
        }
        let (addresses, names) = read.hosts()?;
        Ok(Self {
            home: read
                .path("home")
                .unwrap_or_else(|| around.directory.join(".lazuli")),
            addresses,
            names,
            port: read.number("port")?,
            external_url: parts::external_url(&read)?,
            database: read.text("database"),
            artifacts: read.text("artifacts"),
            storage: parts::storage(&read)?,
            packages: parts::packages(&read)?,
            webhooks: parts::webhooks(&read)?,
            log_level: read.log_level()?,
            log_format: match read.choice("log.format")?.as_str() {
                "human" => LogFormat::Human,
                "json" => LogFormat::Json,
                _ => LogFormat::Auto,
            },
            own_certificate: read.own_certificate()?,
            limits: read.limits()?,
            grace: read.span("shutdown.grace")?,
            metrics_for_anyone: read.choice("metrics.access")? == "anyone",
            raw,
        })
    }

    /// Every setting with its text and its place, in the order of the table.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Raw> {
        SETTINGS
            .iter()
            .filter_map(|setting| self.raw.get(setting.key))
    }
}

/// Typed access to the merged texts.
struct Values<'a> {
    raw: &'a BTreeMap<&'static str, Raw>,
    around: &'a Surroundings<'a>,
}

impl Values<'_> {
    fn raw(&self, key: &str) -> Result<&Raw, CliError> {
        self.raw
            .get(key)
            .ok_or_else(|| CliError::usage(format!("no setting is called `{key}`")))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.raw.get(key).and_then(|raw| raw.texts.first()).cloned()
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key)
            .map(|text| sources::absolute(&text, self.around))
    }

    /// Only a list may have several values, and only optional settings may be empty.
    fn check_single(&self, setting: &'static Setting) -> Result<(), CliError> {
        let raw = self.raw(setting.key)?;
        if raw.texts.len() > 1 && setting.kind != Kind::List {
            return Err(raw.wrong(format!("takes one value, not {}", raw.texts.len())));
        }
        if raw.texts.is_empty() && !setting.default.is_empty() {
            return Err(raw.wrong(format!(
                "must not be empty; the default is `{}`",
                setting.default
            )));
        }
        Ok(())
    }

    fn parsed<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        let raw = self.raw(key)?;
        parse(raw.texts.first().map_or("", String::as_str)).map_err(|why| raw.wrong(why))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T, CliError> {
        let kind = self.raw(key)?.setting.kind;
        self.parsed(key, |text| {
            text.parse().map_err(|_| match kind {
                Kind::Port => format!("`{text}` is not a port; write a number from 0 to 65535"),
                _ => format!("`{text}` is not a whole number"),
            })
        })
    }

    fn positive(&self, key: &str) -> Result<u32, CliError> {
        match self.number(key)? {
            0 => Err(self.raw(key)?.wrong("must be at least 1")),
            number => Ok(number),
        }
    }

    fn span(&self, key: &str) -> Result<Duration, CliError> {
        self.parsed(key, units::parse_span)
    }

    fn positive_span(&self, key: &str) -> Result<Duration, CliError> {
        let span = self.span(key)?;
        if span.is_zero() {
            Err(self.raw(key)?.wrong("must be longer than 0"))
        } else {
            Ok(span)
        }
    }

    fn bytes(&self, key: &str, least: u64) -> Result<u64, CliError> {
        let bytes = self.parsed(key, units::parse_bytes)?;
        if bytes < least {
            Err(self
                .raw(key)?
                .wrong(format!("must be at least {least} bytes")))
        } else {
            Ok(bytes)
        }
    }

    fn choice(&self, key: &str) -> Result<String, CliError> {
        let raw = self.raw(key)?;
        let text = raw.texts.first().cloned().unwrap_or_default();
        match raw.setting.kind {
            Kind::Choice(words) if !words.contains(&text.as_str()) => {
                Err(raw.wrong(format!("`{text}` is not {}", raw.setting.kind.describe())))
            }
            _ => Ok(text),
        }
    }

    fn log_level(&self) -> Result<String, CliError> {
        self.parsed("log.level", |text| {
            tracing_subscriber::EnvFilter::try_new(text)
                .map(|_| text.to_owned())
                .map_err(|error| format!("`{text}` is not a log level or filter ({error})"))
        })
    }

    fn own_certificate(&self) -> Result<Option<OwnCertificate>, CliError> {
        match (self.path("tls.certificate"), self.path("tls.key")) {
            (Some(certificate), Some(key)) => Ok(Some(OwnCertificate { certificate, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.raw("tls.certificate")?.wrong("needs `tls.key` too")),
            (None, Some(_)) => Err(self.raw("tls.key")?.wrong("needs `tls.certificate` too")),
        }
    }

    fn limits(&self) -> Result<Limits, CliError> {
        Ok(Limits {
            connections: self.positive("limits.connections")? as usize,
            headers: self.positive("limits.headers")? as usize,
            // hyper refuses buffers under 8 KiB
            header_bytes: self
                .bytes("limits.header_bytes", 8192)?
                .min(u64::from(u32::MAX)) as usize,
            header_timeout: self.positive_span("limits.header_timeout")?,
            body_bytes: self
                .bytes("limits.body_bytes", 1024)?
                .min(isize::MAX as u64) as usize,
            upload_bytes: self.bytes("limits.upload_bytes", 1024)?,
            body_timeout: self.positive_span("limits.body_timeout")?,
            idle_timeout: self.positive_span("limits.idle_timeout")?,
            streams: self.positive("limits.streams")?,
        })
    }

    /// Splits `host` into addresses to listen on and names for the certificate.
    fn hosts(&self) -> Result<(Vec<IpAddr>, Vec<String>), CliError> {
        let raw = self.raw("host")?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        let mut names = Vec::new();
        for text in &raw.texts {
            let text = text.trim_start_matches('[').trim_end_matches(']');
            if let Ok(address) = text.parse::<IpAddr>() {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            } else if !is_host_name(text) {
                return Err(raw.wrong(format!("`{text}` is neither an IP address nor a host name")));
            }
            names.push(text.to_ascii_lowercase());
        }
        if addresses.is_empty() {
            addresses = if names.iter().all(|name| name == "localhost") {
                vec![IpAddr::from([127, 0, 0, 1])]
            } else {
                vec![IpAddr::from([0, 0, 0, 0])]
            };
        }
        // listening on every address includes the single ones
        let everywhere = [true, false].map(|v4| {
            addresses
                .iter()
                .any(|address| address.is_ipv4() == v4 && address.is_unspecified())
        });
        addresses.retain(|address| {
            address.is_unspecified() || !everywhere[usize::from(address.is_ipv6())]
        });
        names.retain(|name| {
            !name
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_unspecified())
        });
        Ok((addresses, names))
    }
}

/// A DNS name as RFC 1123 has it; a leading `*.` is allowed.
fn is_host_name(text: &str) -> bool {
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let all_digits = rest
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    rest.len() <= 253 && !all_digits && rest.split('.').all(label)
}
