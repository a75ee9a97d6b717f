//! Command jobs, as Azure ML's CLI v2 writes them.
//!
//! [`CommandJob::read`] turns a document into a job that has been checked as far as words go: every expression names an input or
//! output, names and modes are known, and what this program does not do (distribution, services, several nodes, other kinds of
//! job) is refused with the reason. What needs a look at the world (does the data exist, is there such a compute) is `core`'s.

mod check;
mod environments;
mod inputs;
mod naming;
mod states;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::yaml::{Document, YamlError};

pub use self::inputs::{AssetInput, JobInput, JobOutput, Literal, OutputMode, PortType, ReadMode};
pub use self::naming::generate_name;
pub use self::states::{JobState, Phase, Phases};

/// The experiment of a job that names none.
pub const DEFAULT_EXPERIMENT: &str = "Default";

/// A command job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandJob {
    /// The kind of job: `command`.
    #[serde(default = "command_type", rename = "type")]
    pub kind: String,
    /// The job's name, unique in the workspace; made up when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The experiment it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment_name: Option<String>,
    /// The shell command.
    pub command: String,
    /// The folder of code: a local path for the client, a `tree:` for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<JobEnvironment>,
    /// Where it runs; the workspace's own cluster when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<String>,
    /// What it reads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, JobInput>,
    /// What it fills; an output written without a body is a folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Option<JobOutput>>,
    /// Variables of the command; values may hold expressions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_variables: BTreeMap<String, String>,
    /// Limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// For people and searches.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// For programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Several processes or nodes: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<serde_json::Value>,
    /// Interactive services: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<serde_json::Value>,
    /// Whose rights the job has; a job here always acts for who submitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<serde_json::Value>,
    /// A cloud's queue tiers; one queue here, first come first served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_settings: Option<serde_json::Value>,
}

/// What a job runs in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum JobEnvironment {
    /// A registered or curated environment.
    Reference(String),
    /// One written in the job.
    Inline(Box<InlineEnvironment>),
}

/// An environment written in a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlineEnvironment {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The image's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The conda file: a mapping or its text; a client reads a path and puts the content in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda_file: Option<serde_json::Value>,
    /// Requirements: their text, or a list; a client reads a path and puts the content in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
    /// A Dockerfile: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<serde_json::Value>,
    /// Of no effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    /// Of no effect on a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<serde_json::Value>,
}

/// Requirements as text or as a list of lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Requirements {
    /// The text of a requirements file.
    Text(String),
    /// Its lines.
    Lines(Vec<String>),
}

/// Limits of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Seconds the command may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// The nodes of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Nodes; one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_count: Option<u32>,
    /// The most nodes; one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instance_count: Option<u32>,
    /// Of no effect: the compute has its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Of no effect without containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<String>,
    /// Of no effect without containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_args: Option<serde_json::Value>,
    /// Of no effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locations: Option<Vec<String>>,
    /// Of no effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<serde_json::Value>,
}

fn command_type() -> String {
    "command".to_owned()
}

impl CommandJob {
    /// Reads and checks a document.
    pub fn read(document: &Document) -> Result<Self, YamlError> {
        check::kind(document)?;
        let job: Self = document.read()?;
        check::job(&job, document)?;
        Ok(job)
    }

    /// Seconds the command may run, if limited.
    pub fn timeout(&self) -> Option<u64> {
        self.limits.as_ref().and_then(|limits| limits.timeout)
    }

    /// The compute asked for, as written; `azureml:` before a name is allowed.
    pub fn compute_name(&self) -> Option<&str> {
        self.compute
            .as_deref()
            .map(|compute| compute.strip_prefix("azureml:").unwrap_or(compute))
    }

    /// All inputs by the name expressions use; members of a group are `<group>.<key>`.
    pub fn flat_inputs(&self) -> BTreeMap<String, &JobInput> {
        let mut flat = BTreeMap::new();
        for (name, input) in &self.inputs {
            flatten(name, input, &mut flat);
        }
        flat
    }
}

fn flatten<'a>(name: &str, input: &'a JobInput, into: &mut BTreeMap<String, &'a JobInput>) {
    match input {
        JobInput::Group(members) => {
            for (key, member) in members {
                flatten(&format!("{name}.{key}"), member, into);
            }
        }
        input => {
            into.insert(name.to_owned(), input);
        }
    }
}

impl InlineEnvironment {
    /// The conda file's text: a mapping as JSON (which is YAML), a text as it is.
    pub fn conda_text(&self) -> Option<String> {
        self.conda_file.as_ref().map(|conda| match conda {
            serde_json::Value::String(text) => text.clone(),
            mapping => mapping.to_string(),
        })
    }

    /// The requirements' text.
    pub fn requirements_text(&self) -> Option<String> {
        self.requirements
            .as_ref()
            .map(|requirements| match requirements {
                Requirements::Text(text) => text.clone(),
                Requirements::Lines(lines) => lines.join("\n"),
            })
    }
}
