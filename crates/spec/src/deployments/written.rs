//! The deployment document: reading it and checking what a type cannot.

use std::collections::BTreeMap;

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{
    CodeConfiguration, DeploymentSpec, InlineModel, MLFLOW_MODEL, ModelSource, Probe,
    RequestSettings,
};
use crate::jobs::JobEnvironment;
use crate::names;
use crate::references::Reference;
use crate::yaml::{Document, YamlError};

const MAX_INSTANCES: u32 = 50;
const MAX_TIMEOUT_MS: u64 = 180_000;
const MAX_CONCURRENT: u32 = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    endpoint_name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    model: Option<ModelSource>,
    #[serde(default)]
    code_configuration: Option<CodeConfiguration>,
    #[serde(default)]
    environment: Option<JobEnvironment>,
    #[serde(default)]
    environment_variables: BTreeMap<String, String>,
    #[serde(default)]
    instance_type: Option<String>,
    #[serde(default)]
    instance_count: Option<u32>,
    #[serde(default)]
    app_insights_enabled: bool,
    #[serde(default)]
    model_mount_path: Option<String>,
    #[serde(default)]
    request_settings: RequestSettings,
    #[serde(default)]
    liveness_probe: Probe,
    #[serde(default)]
    readiness_probe: Probe,
    // settings of a cloud: read so that existing files work, without effect here
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default, rename = "scale_settings")]
    _scale_settings: Option<serde_json::Value>,
    #[serde(default, rename = "egress_public_network_access")]
    _egress_public_network_access: Option<String>,
    #[serde(default, rename = "private_network_connection")]
    _private_network_connection: Option<bool>,
    #[serde(default, rename = "data_collector")]
    _data_collector: Option<serde_json::Value>,
    #[serde(default, rename = "resources")]
    _resources: Option<serde_json::Value>,
}

impl DeploymentSpec {
    /// Reads and checks a document; `endpoint` and `name` override its own (the path of a request has them).
    pub fn read(
        document: &Document,
        endpoint: Option<&str>,
        name: Option<&str>,
    ) -> Result<Self, YamlError> {
        let written: Written = document.read()?;
        let fault = |field: &str, words: String| document.fault(field, words);
        if let Some(kind) = written.kind.as_deref()
            && !matches!(kind, "managed" | "kubernetes")
        {
            return Err(fault(
                "type",
                format!("`{kind}` deployments are not supported; leave `type` out"),
            ));
        }
        let name = chosen(name, written.name)
            .ok_or_else(|| fault("name", "a deployment needs a name".to_owned()))?;
        let endpoint_name = chosen(endpoint, written.endpoint_name).ok_or_else(|| {
            fault(
                "endpoint_name",
                "a deployment needs the name of its endpoint".to_owned(),
            )
        })?;
        for (field, value) in [("name", &name), ("endpoint_name", &endpoint_name)] {
            names::endpoint(value).map_err(|error| fault(field, error.to_string()))?;
        }
        let spec = Self {
            name,
            endpoint_name,
            description: written.description.unwrap_or_default(),
            tags: written.tags,
            properties: written.properties,
            model: written.model,
            code_configuration: written.code_configuration,
            environment: written.environment,
            environment_variables: written.environment_variables,
            instance_type: written.instance_type,
            instance_count: written.instance_count.unwrap_or(1),
            app_insights_enabled: written.app_insights_enabled,
            model_mount_path: written.model_mount_path,
            request_settings: written.request_settings,
            liveness_probe: written.liveness_probe,
            readiness_probe: written.readiness_probe,
        };
        spec.check().map_err(|(field, words)| fault(field, words))?;
        Ok(spec)
    }

    /// Checks what a type cannot; the error names the field.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.model.is_none() && self.code_configuration.is_none() {
            return Err((
                "model",
                "a deployment needs a model, a scoring script (code_configuration), or both"
                    .to_owned(),
            ));
        }
        if let Some(model) = &self.model {
            check_model(model)?;
        }
        if let Some(code) = &self.code_configuration {
            check_code(code)?;
            if self.environment.is_none() {
                let words =
                    "a scoring script needs an environment, such as `azureml:sklearn-1.5@latest`";
                return Err(("environment", words.to_owned()));
            }
        }
        for name in self.environment_variables.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err((
                    "environment_variables",
                    format!("{name:?} cannot be the name of a variable"),
                ));
            }
        }
        let within = |field, value: u64, most: u64| match value {
            value if (1..=most).contains(&value) => Ok(()),
            value => Err((field, format!("{value} is not between 1 and {most}"))),
        };
        within(
            "instance_count",
            self.instance_count.into(),
            MAX_INSTANCES.into(),
        )?;
        within(
            "request_settings.request_timeout_ms",
            self.request_settings.request_timeout_ms,
            MAX_TIMEOUT_MS,
        )?;
        within(
            "request_settings.max_concurrent_requests_per_instance",
            self.request_settings
                .max_concurrent_requests_per_instance
                .into(),
            MAX_CONCURRENT.into(),
        )?;
        within(
            "readiness_probe.period",
            self.readiness_probe.period.into(),
            3_600,
        )?;
        within(
            "readiness_probe.failure_threshold",
            self.readiness_probe.failure_threshold.into(),
            1_000,
        )
    }
}

fn chosen(given: Option<&str>, written: Option<String>) -> Option<String> {
    given.map(str::to_owned).or(written)
}

fn check_model(model: &ModelSource) -> Result<(), (&'static str, String)> {
    match model {
        ModelSource::Reference(text) => match Reference::parse(text) {
            Ok(
                Reference::Asset { .. }
                | Reference::JobOutput { .. }
                | Reference::Run { .. }
                | Reference::Tree { .. },
            ) => Ok(()),
            Ok(_) => Err((
                "model",
                format!(
                    "`{text}` does not name a model; write `azureml:<name>:<version>` or `azureml:<name>@latest`"
                ),
            )),
            Err(error) => Err(("model", error.to_string())),
        },
        ModelSource::Inline(InlineModel { path, kind, .. }) => {
            if let Some(kind) = kind.as_deref()
                && !matches!(kind, "custom_model" | MLFLOW_MODEL)
            {
                return Err((
                    "model.type",
                    format!(
                        "`{kind}` models cannot be deployed; use `custom_model` or `{MLFLOW_MODEL}`"
                    ),
                ));
            }
            match Reference::parse(path) {
                Ok(
                    Reference::Tree { .. } | Reference::JobOutput { .. } | Reference::Run { .. },
                ) => Ok(()),
                Ok(Reference::Local(_)) => Err(("model.path", not_uploaded(path))),
                Ok(_) => Err((
                    "model.path",
                    format!("a model cannot be taken from `{path}`"),
                )),
                Err(error) => Err(("model.path", error.to_string())),
            }
        }
    }
}

fn check_code(code: &CodeConfiguration) -> Result<(), (&'static str, String)> {
    match Reference::parse(&code.code) {
        Ok(Reference::Tree { .. }) => {}
        Ok(Reference::Local(_)) => {
            return Err(("code_configuration.code", not_uploaded(&code.code)));
        }
        Ok(_) => {
            return Err((
                "code_configuration.code",
                format!("code cannot be taken from `{}`", code.code),
            ));
        }
        Err(error) => return Err(("code_configuration.code", error.to_string())),
    }
    crate::trees::check_path(&code.scoring_script).map_err(|error| {
        (
            "code_configuration.scoring_script",
            format!("{error}; it is a path inside the code folder"),
        )
    })
}

fn not_uploaded(path: &str) -> String {
    format!(
        "`{path}` is a path on your machine; upload it first and write `tree:<id>` (the lazuli command does this)"
    )
}

/// By hand, so that a mistake inside the mapping is told as such and not as "no variant fits".
impl<'de> Deserialize<'de> for ModelSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ModelVisitor;

        impl<'de> Visitor<'de> for ModelVisitor {
            type Value = ModelSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a model such as `azureml:heart:1`, or a mapping with `path`")
            }

            fn visit_str<E>(self, value: &str) -> Result<ModelSource, E> {
                Ok(ModelSource::Reference(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<ModelSource, A::Error> {
                InlineModel::deserialize(MapAccessDeserializer::new(access))
                    .map(ModelSource::Inline)
            }
        }

        deserializer.deserialize_any(ModelVisitor)
    }
}
