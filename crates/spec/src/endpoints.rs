//! Online endpoints: a stable scoring address with keys, and the shares of traffic its deployments take.
//!
//! Read from Azure ML's `managedOnlineEndpoint` YAML. Traffic either adds up to 100 or is empty; the store holds only checked
//! values, so the gateway need not look again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::yaml::{Document, YamlError};
use crate::{Timestamp, names};

/// Percentages by deployment name.
pub type Traffic = BTreeMap<String, u8>;

/// The most that may be mirrored.
pub const MAX_MIRROR: u8 = 50;

/// An endpoint as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    auth_mode: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    traffic: Traffic,
    #[serde(default)]
    mirror_traffic: Traffic,
    // settings of a cloud: read so that existing files work, without effect here
    #[serde(default, rename = "identity")]
    _identity: Option<serde_json::Value>,
    #[serde(default, rename = "public_network_access")]
    _public_network_access: Option<String>,
    #[serde(default, rename = "compute")]
    _compute: Option<String>,
    #[serde(default, rename = "location")]
    _location: Option<String>,
    #[serde(default, rename = "kind")]
    _kind: Option<String>,
}

/// What an endpoint is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// Its name: one in the whole server, as it is part of the scoring address.
    pub name: String,
    /// How callers prove themselves: `key`.
    pub auth_mode: String,
    /// For people.
    pub description: String,
    /// For people and searches.
    pub tags: BTreeMap<String, String>,
    /// For programs.
    pub properties: BTreeMap<String, String>,
    /// Percent of the calls by deployment.
    pub traffic: Traffic,
    /// Percent of the calls that a deployment also gets, without answering.
    pub mirror_traffic: Traffic,
}

/// The two keys of an endpoint; either opens it, so that one can be renewed while the other is in use.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointKeys {
    /// The first key.
    pub primary_key: String,
    /// The second key.
    pub secondary_key: String,
}

impl fmt::Debug for EndpointKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointKeys(..)")
    }
}

/// Which of the two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// The first.
    Primary,
    /// The second.
    Secondary,
}

impl KeyType {
    /// Reads `primary` or `secondary`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "primary" => Some(Self::Primary),
            "secondary" => Some(Self::Secondary),
            _ => None,
        }
    }
}

/// An endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The workspace's id.
    pub workspace_id: String,
    /// What it is to be.
    pub spec: EndpointSpec,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it: a principal id.
    pub created_by: String,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Counts changes; the ETag.
    pub revision: i64,
}

/// The path at which an endpoint is called.
pub fn scoring_path(endpoint: &str) -> String {
    format!("/endpoints/{endpoint}/score")
}

/// The path of an endpoint's OpenAPI document.
pub fn openapi_path(endpoint: &str) -> String {
    format!("/endpoints/{endpoint}/swagger.json")
}

impl EndpointSpec {
    /// Reads and checks a document; `name` overrides its own (the path of a request has it).
    pub fn read(document: &Document, name: Option<&str>) -> Result<Self, YamlError> {
        let written: Written = document.read()?;
        let name = name
            .map(str::to_owned)
            .or(written.name)
            .ok_or_else(|| document.fault("name", "an endpoint needs a name"))?;
        names::endpoint(&name).map_err(|error| document.fault("name", error.to_string()))?;
        let auth_mode = written
            .auth_mode
            .unwrap_or_else(|| "key".to_owned())
            .to_ascii_lowercase();
        check_auth_mode(&auth_mode).map_err(|words| document.fault("auth_mode", words))?;
        check_traffic(&written.traffic).map_err(|words| document.fault("traffic", words))?;
        check_mirror(&written.mirror_traffic)
            .map_err(|words| document.fault("mirror_traffic", words))?;
        Ok(Self {
            name,
            auth_mode,
            description: written.description.unwrap_or_default(),
            tags: written.tags,
            properties: written.properties,
            traffic: written.traffic,
            mirror_traffic: written.mirror_traffic,
        })
    }
}

fn check_auth_mode(mode: &str) -> Result<(), String> {
    match mode {
        "key" => Ok(()),
        "aml_token" | "aad_token" => Err(format!(
            "`{mode}` is not supported yet; use `key`: callers send `Authorization: Bearer <key>`"
        )),
        _ => Err(format!("`{mode}` is not an authentication mode; use `key`")),
    }
}

/// Shares must add up to 100, or to 0 (nobody is served).
pub fn check_traffic(traffic: &Traffic) -> Result<(), String> {
    let sum: u32 = traffic.values().map(|share| u32::from(*share)).sum();
    if sum == 0 || sum == 100 {
        return Ok(());
    }
    let shares: Vec<String> = traffic
        .iter()
        .map(|(name, share)| format!("{name}={share}"))
        .collect();
    Err(format!(
        "the shares {} add up to {sum}; they must add up to 100, or all be 0",
        shares.join(" ")
    ))
}

/// One deployment, half of the calls at most.
pub fn check_mirror(mirror: &Traffic) -> Result<(), String> {
    let mirrored: Vec<_> = mirror.iter().filter(|(_, share)| **share > 0).collect();
    match mirrored.as_slice() {
        [] => Ok(()),
        [(_, share)] if **share <= MAX_MIRROR => Ok(()),
        [(name, share)] => Err(format!(
            "{name}={share}: at most {MAX_MIRROR} percent can be mirrored"
        )),
        _ => Err("only one deployment can get mirrored traffic".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EndpointSpec, String> {
        EndpointSpec::read(&Document::parse("endpoint.yml", text).unwrap(), None)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn azures_files_are_read() {
        let text = "$schema: x\nname: my-endpoint\nauth_mode: key\ntags: {team: a}\nidentity:\n  type: system_assigned\ntraffic: {blue: 90, green: 10}\n";
        let spec = read(text).unwrap();
        assert_eq!(
            spec.traffic,
            Traffic::from([("blue".to_owned(), 90), ("green".to_owned(), 10)])
        );
        assert_eq!(spec.auth_mode, "key");
    }

    #[test]
    fn mistakes_are_told() {
        let told = |text: &str| read(text).unwrap_err();
        assert!(told("auth_mode: key").contains("an endpoint needs a name"));
        assert!(told("name: 1x").contains("name"));
        assert!(told("name: abc\nauth_mode: aad_token").contains("not supported yet"));
        assert!(told("name: abc\ntraffic: {blue: 60}").contains("add up to 60"));
        assert!(told("name: abc\nmirror_traffic: {blue: 60}").contains("at most 50"));
        assert!(told("name: abc\ntrafic: {blue: 100}").contains("did you mean `traffic`"));
        assert!(told("name: abc\ntraffic: {blue: 300}").contains("traffic"));
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = EndpointKeys {
            primary_key: "s3cret".to_owned(),
            secondary_key: "s3cret".to_owned(),
        };
        assert!(!format!("{keys:?}").contains("s3cret"));
    }
}
