//! Keys of model providers. What they are is sealed before it is stored; only its ends are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Stamps;
use crate::invalid::Invalid;
use crate::limits;
use crate::webhooks::is_public;

/// Most secrets of one workspace.
pub const PER_WORKSPACE: i64 = 500;
/// Most values of one secret, and most settings beside it.
pub const VALUES: usize = 50;
/// Longest name of a value or a setting.
pub const KEY: usize = 250;
/// Longest value.
pub const VALUE: usize = 20_000;
/// Longest setting.
pub const SETTING: usize = 2_048;
/// The most characters in all settings of a secret together.
pub const SETTINGS: usize = 10_000;

/// Names that say where calls go. That is the business of the setting `api_base`, which is looked at.
const DESTINATIONS: [&str; 5] = [
    "api_base",
    "base_url",
    "custom_llm_provider",
    "fallbacks",
    "model_list",
];

/// What is shown of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its id.
    pub id: String,
    /// Its name, unique in the workspace; it stays.
    pub name: String,
    /// Its values with only their ends left.
    pub masked: BTreeMap<String, String>,
    /// Whose key it is.
    pub provider: Option<String>,
    /// What is not secret about it: a region, a mode, an address.
    pub settings: BTreeMap<String, String>,
    /// When and by whom.
    pub stamps: Stamps,
}

/// What is to be sealed. It shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(BTreeMap<String, String>);

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue")
    }
}

impl SecretValue {
    /// The values, if they may be kept. Refusals name fields, never values.
    pub fn new(values: BTreeMap<String, String>) -> Result<Self, Invalid> {
        if values.is_empty() {
            return Err(Invalid::missing("secret_value"));
        }
        bounded("secret_value", VALUE, &values)?;
        let found = reserved(&values, &DESTINATIONS);
        if !found.is_empty() {
            return Err(Invalid(format!(
                "secret_value must not contain {found}: such keys choose where calls are sent. Say it with 'api_base' in auth_config, which is checked."
            )));
        }
        Ok(Self(values))
    }

    /// What is shown.
    pub fn masked(&self) -> BTreeMap<String, String> {
        let shown = self.0.iter().map(|(k, v)| (k.clone(), mask(v)));
        shown.collect()
    }

    /// The text that is sealed.
    pub fn text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }
}

/// The first three and the last four characters; nothing of what is shorter than eight.
fn mask(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    if characters.len() < 8 {
        return "***".to_owned();
    }
    let first: String = characters[..3].iter().collect();
    let last: String = characters[characters.len() - 4..].iter().collect();
    format!("{first}...{last}")
}

/// The settings beside a secret, as they are kept: a blank `api_base` is dropped.
pub fn settings(mut given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Invalid> {
    bounded("auth_config", SETTING, &given)?;
    if given.values().map(String::len).sum::<usize>() > SETTINGS {
        return Err(Invalid::too_long("auth_config", SETTINGS));
    }
    let found = reserved(&given, &DESTINATIONS[1..]);
    if !found.is_empty() {
        return Err(Invalid(format!(
            "auth_config must not contain {found}: such options choose where calls are sent. Say it with 'api_base', which is checked."
        )));
    }
    if let Some(address) = given.remove("api_base") {
        let address = address.trim();
        if !address.is_empty() {
            api_base(address)?;
            given.insert("api_base".to_owned(), address.to_owned());
        }
    }
    Ok(given)
}

fn bounded(what: &str, longest: usize, values: &BTreeMap<String, String>) -> Result<(), Invalid> {
    if values.len() > VALUES {
        return Err(Invalid(format!(
            "{what} has at most {VALUES} entries; {} are given",
            values.len()
        )));
    }
    for (key, value) in values {
        if key.is_empty() {
            return Err(Invalid(format!("a key in {what} is empty")));
        }
        limits::length(&format!("key in {what}"), KEY, key)?;
        limits::length(&format!("value in {what}"), longest, value)?;
    }
    Ok(())
}

/// Those of the words that are keys, in quotes.
fn reserved(values: &BTreeMap<String, String>, words: &[&str]) -> String {
    let found = words.iter().filter(|word| values.contains_key(**word));
    let quoted: Vec<String> = found.map(|word| format!("'{word}'")).collect();
    quoted.join(", ")
}

/// An address of a provider: `https`, without a login in it, and not plainly on this machine or its network. Whoever calls it
/// has to judge the addresses that its name stands for then.
fn api_base(address: &str) -> Result<(), Invalid> {
    const WHAT: &str = "Gateway secret api_base";
    let refuse = |why: &str| Err(Invalid(format!("{WHAT} {why}")));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    if !scheme.eq_ignore_ascii_case("https") {
        return Err(Invalid(format!(
            "Invalid {WHAT} scheme: '{}'. Allowed schemes are: 'https'.",
            scheme.escape_default()
        )));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if rest.contains(odd) {
        return refuse("must not contain spaces, control characters or backslashes");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return refuse("must not include embedded credentials");
    }
    match host(authority) {
        Host::Missing => refuse("must include a hostname"),
        Host::Odd => refuse("must name its host plainly: a name, or an address in its usual form"),
        Host::Address(address) if !is_public(address) => {
            refuse("must not resolve to a non-public IP address")
        }
        Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
            refuse("must not resolve to a non-public IP address")
        }
        Host::Address(_) | Host::Name(_) => Ok(()),
    }
}

enum Host {
    Missing,
    Odd,
    Address(IpAddr),
    Name(String),
}

fn host(authority: &str) -> Host {
    if let Some(rest) = authority.strip_prefix('[') {
        let inside = rest.split(']').next().unwrap_or_default();
        let parsed = inside.parse::<Ipv6Addr>();
        return parsed.map_or(Host::Odd, |address| Host::Address(address.into()));
    }
    let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
    if !port.chars().all(|c| c.is_ascii_digit()) {
        return Host::Odd;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let Some(last) = name.rsplit('.').next().filter(|last| !last.is_empty()) else {
        return Host::Missing;
    };
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Host::Address(address.into());
    }
    // `0x7f.1` and `2130706433` are addresses, too, to those who resolve them
    let numeric = last.chars().all(|c| c.is_ascii_digit()) || last.starts_with("0x");
    if numeric || name.contains('%') {
        return Host::Odd;
    }
    Host::Name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn values_show_only_their_ends() {
        let value = SecretValue::new(map(&[
            ("a", "AKIATEST1234"),
            ("b", "seven77"),
            ("c", "äöüßäöüß"),
        ]))
        .unwrap();
        assert_eq!(
            value.masked(),
            map(&[("a", "AKI...1234"), ("b", "***"), ("c", "äöü...äöüß")])
        );
        assert_eq!(format!("{value:?}"), "SecretValue");
    }

    #[test]
    fn refusals_name_no_value() {
        for (key, value) in [
            ("base_url", "geheim"),
            ("", "geheim"),
            ("k", &"geheim".repeat(4_000)),
        ] {
            let refused = SecretValue::new(map(&[(key, value)])).unwrap_err();
            assert!(!refused.0.contains("geheim"), "{refused}");
        }
        assert!(SecretValue::new(BTreeMap::new()).is_err());
        let many = (0..=VALUES).map(|n| (n.to_string(), String::new()));
        assert!(SecretValue::new(many.collect()).is_err());
    }

    #[test]
    fn providers_are_called_outside_only() {
        let base = |address: &str| settings(map(&[("api_base", address)]));
        for good in [
            "https://api.openai.com/v1",
            "HTTPS://x.example:8443",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/v1",
            " https://a.b ",
        ] {
            assert_eq!(base(good).unwrap()["api_base"], good.trim(), "{good}");
        }
        for bad in [
            "http://api.openai.com",
            "api.openai.com",
            "file:///etc/passwd",
            "https://",
            "https:///v1",
            "https://.",
            "https://u:p@api.openai.com",
            "https://localhost:11434",
            "https://LOCALHOST.",
            "https://a.localhost",
            "https://127.0.0.1",
            "https://169.254.169.254/latest",
            "https://[::1]",
            "https://[::1",
            "https://2130706433",
            "https://0x7f.0.0.0x1",
            "https://127.1",
            "https://a:b",
            "https://a\\@b",
            "https://a b",
            "https://%31",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
        assert_eq!(base("  ").unwrap(), BTreeMap::new());
        assert!(settings(map(&[("fallbacks", "x")])).is_err());
        assert!(settings(map(&[("region", "eu")])).is_ok());
    }
}
