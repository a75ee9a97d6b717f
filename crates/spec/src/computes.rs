//! Computes: clusters of nodes of one size, from Azure ML's `amlcompute` YAML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::yaml::{Document, YamlError};
use crate::{Timestamp, names};

/// The cluster made with every workspace.
pub const DEFAULT: &str = "local";
/// Names that Azure ML gives to computes nobody made; here they mean [`DEFAULT`].
pub const ALIASES: &[&str] = &["serverless", "local"];
/// Idle time after which nodes are given back, when not said.
pub const DEFAULT_IDLE_SECONDS: u64 = 120;
/// More nodes than this are a slip.
pub const MAX_INSTANCES: u32 = 1_000;

/// A compute as it is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    size: Option<String>,
    #[serde(default)]
    min_instances: Option<u32>,
    #[serde(default)]
    max_instances: Option<u32>,
    #[serde(default)]
    idle_time_before_scale_down: Option<u64>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    // settings of a cloud's machines: read so that existing files work, without effect on this machine's own nodes
    #[serde(default, rename = "tier")]
    _tier: Option<String>,
    #[serde(default, rename = "location")]
    _location: Option<String>,
    #[serde(default, rename = "enable_node_public_ip")]
    _enable_node_public_ip: Option<bool>,
    #[serde(default, rename = "ssh_public_access_enabled")]
    _ssh_public_access_enabled: Option<bool>,
    #[serde(default, rename = "network_settings")]
    _network_settings: Option<serde_json::Value>,
    #[serde(default, rename = "ssh_settings")]
    _ssh_settings: Option<serde_json::Value>,
    #[serde(default, rename = "identity")]
    _identity: Option<serde_json::Value>,
}

/// What a cluster is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeSpec {
    /// Its name in the workspace.
    pub name: String,
    /// The size's name, as written.
    pub size: String,
    /// Nodes kept even when idle.
    pub min_instances: u32,
    /// The most nodes, each running one job.
    pub max_instances: u32,
    /// Seconds a node may idle before it is given back.
    pub idle_time_before_scale_down: u64,
    /// For people.
    pub description: String,
    /// For people and searches.
    pub tags: BTreeMap<String, String>,
}

/// A cluster as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compute {
    /// What it is to be.
    #[serde(flatten)]
    pub spec: ComputeSpec,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it: a principal id.
    pub created_by: String,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Counts changes; the ETag.
    pub revision: i64,
}

/// What a node of a size has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NodeSize {
    /// Processor cores.
    pub cores: u32,
    /// Memory in bytes; none for no limit.
    pub memory_bytes: Option<u64>,
}

/// Sizes that Azure's examples name: cores and GiB.
const KNOWN_SIZES: &[(&str, u32, u64)] = &[
    ("standard_ds1_v2", 1, 3),
    ("standard_ds2_v2", 2, 7),
    ("standard_ds3_v2", 4, 14),
    ("standard_ds4_v2", 8, 28),
    ("standard_ds5_v2", 16, 56),
    ("standard_ds11_v2", 2, 14),
    ("standard_ds12_v2", 4, 28),
    ("standard_d2_v2", 2, 7),
    ("standard_d2_v3", 2, 8),
    ("standard_d2s_v3", 2, 8),
    ("standard_d4s_v3", 4, 16),
    ("standard_d8s_v3", 8, 32),
    ("standard_d13_v2", 8, 56),
    ("standard_d16s_v3", 16, 64),
    ("standard_e4s_v3", 4, 32),
    ("standard_e8s_v3", 8, 64),
    ("standard_f2s_v2", 2, 4),
    ("standard_f4s_v2", 4, 8),
    ("standard_f8s_v2", 8, 16),
    ("standard_f16s_v2", 16, 32),
];

impl NodeSize {
    /// Reads a size: `<cores>c` or `<cores>c<GiB>g` (`2c`, `2c8g`), or one of Azure's names.
    pub fn parse(size: &str) -> Option<Self> {
        let lower = size.to_ascii_lowercase();
        if let Some((_, cores, gib)) = KNOWN_SIZES.iter().find(|(name, ..)| *name == lower) {
            return Some(Self {
                cores: *cores,
                memory_bytes: Some(gib << 30),
            });
        }
        let (cores, memory) = lower.split_once('c')?;
        let cores = cores
            .parse()
            .ok()
            .filter(|cores| (1..=4096).contains(cores))?;
        let memory_bytes = match memory {
            "" => None,
            memory => {
                let gib: u64 = memory
                    .strip_suffix('g')?
                    .parse()
                    .ok()
                    .filter(|gib| (1..=65_536).contains(gib))?;
                Some(gib << 30)
            }
        };
        Some(Self {
            cores,
            memory_bytes,
        })
    }
}

impl ComputeSpec {
    /// The size in numbers; what was stored was checked when it came in.
    pub fn node_size(&self) -> NodeSize {
        NodeSize::parse(&self.size).unwrap_or(NodeSize {
            cores: 1,
            memory_bytes: None,
        })
    }

    /// The cluster made with a workspace on a machine with so many cores.
    pub fn default_cluster(cores: u32) -> Self {
        Self {
            name: DEFAULT.to_owned(),
            size: "1c".to_owned(),
            min_instances: 0,
            max_instances: cores.max(1),
            idle_time_before_scale_down: DEFAULT_IDLE_SECONDS,
            description: "This machine".to_owned(),
            tags: BTreeMap::new(),
        }
    }

    /// Reads and checks a document; `name` overrides its own (the path of a request has it).
    pub fn read(document: &Document, name: Option<&str>) -> Result<Self, YamlError> {
        let written: Written = document.read()?;
        match written.kind.as_deref() {
            None | Some("amlcompute" | "local") => {}
            Some(kind) => {
                let words = format!(
                    "`{kind}` computes are not supported; a cluster on this machine is `amlcompute`"
                );
                return Err(document.fault("type", words));
            }
        }
        let name = name
            .map(str::to_owned)
            .or(written.name)
            .ok_or_else(|| document.fault("name", "a compute needs a name"))?;
        names::compute(&name).map_err(|error| document.fault("name", error.to_string()))?;
        let spec = Self {
            name,
            size: written.size.unwrap_or_else(|| "1c".to_owned()),
            min_instances: written.min_instances.unwrap_or(0),
            max_instances: written.max_instances.unwrap_or(1),
            idle_time_before_scale_down: written
                .idle_time_before_scale_down
                .unwrap_or(DEFAULT_IDLE_SECONDS),
            description: written.description.unwrap_or_default(),
            tags: written.tags,
        };
        spec.check()
            .map_err(|(field, words)| document.fault(field, words))?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if NodeSize::parse(&self.size).is_none() {
            let words = format!(
                "`{}` is not a known size; write cores and GiB such as `2c8g`, or a name such as `Standard_DS3_v2`",
                self.size
            );
            return Err(("size", words));
        }
        if !(1..=MAX_INSTANCES).contains(&self.max_instances) {
            return Err((
                "max_instances",
                format!(
                    "{} is not between 1 and {MAX_INSTANCES}",
                    self.max_instances
                ),
            ));
        }
        if self.min_instances > self.max_instances {
            return Err((
                "min_instances",
                format!(
                    "{} is more than max_instances, {}",
                    self.min_instances, self.max_instances
                ),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ComputeSpec, String> {
        ComputeSpec::read(&Document::parse("compute.yml", text).unwrap(), None)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn azures_files_are_read() {
        let text = "$schema: x\nname: cpu-cluster\ntype: amlcompute\nsize: STANDARD_DS3_v2\nmin_instances: 0\nmax_instances: 2\ntier: dedicated\nidle_time_before_scale_down: 120\n";
        let spec = read(text).unwrap();
        assert_eq!(
            spec.node_size(),
            NodeSize {
                cores: 4,
                memory_bytes: Some(14 << 30)
            }
        );
        assert_eq!(
            (spec.max_instances, spec.idle_time_before_scale_down),
            (2, 120)
        );
    }

    #[test]
    fn mistakes_are_told() {
        let texts = [
            "name: cc\ntype: computeinstance",
            "name: cc\nsize: huge",
            "name: cc\nmin_instances: 2",
            "max_instances: 1",
            "name: cc\nmax_instnces: 1",
            "name: a b\nsize: 0c",
        ];
        let told: Vec<String> = texts.iter().map(|text| read(text).unwrap_err()).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
compute.yml:2:7: type: `computeinstance` computes are not supported; a cluster on this machine is `amlcompute`
compute.yml:2:7: size: `huge` is not a known size; write cores and GiB such as `2c8g`, or a name such as `Standard_DS3_v2`
compute.yml:2:16: min_instances: 2 is more than max_instances, 1
compute.yml:1:1: name: a compute needs a name
compute.yml:2:1: max_instnces: unknown field; did you mean `max_instances`?
compute.yml:1:7: name: the compute name `a b` contains ' '; letters, digits and `-` are allowed
"#);
    }
}
