//! What must hold in a job beyond its types, and what is refused with its reason.

use std::collections::BTreeSet;

use super::{CommandJob, JobEnvironment, JobInput};
use crate::expressions::{self, Binding};
use crate::names;
use crate::references::Reference;
use crate::yaml::{Document, YamlError, nearest};

const MAX_COMMAND_BYTES: usize = 100_000;
const MAX_PORTS: usize = 500;
const MAX_TIMEOUT: u64 = 30 * 24 * 3_600;
/// Kinds of job that Azure ML has and this program does not run.
const OTHER_KINDS: &[&str] = &[
    "pipeline",
    "sweep",
    "parallel",
    "automl",
    "spark",
    "import",
    "data_transfer",
    "finetuning",
    "distillation",
];

/// Refuses other kinds of job before their fields are looked at, so that the reason is the first thing told.
pub(super) fn kind(document: &Document) -> Result<(), YamlError> {
    if document.at("component").is_some() {
        return Err(document.fault(
            "component",
            "jobs made from a component are not supported; write the `command` in the job",
        ));
    }
    match document.text("type") {
        None | Some("command") => Ok(()),
        Some(other) if OTHER_KINDS.contains(&other) => Err(document.fault(
            "type",
            format!("`{other}` jobs are not supported; only `command` jobs are run"),
        )),
        Some(other) => {
            let error = document.fault(
                "type",
                format!("`{other}` is not a kind of job; only `command` jobs are run"),
            );
            Err(match nearest(other, ["command"]) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error,
            })
        }
    }
}

pub(super) fn job(job: &CommandJob, document: &Document) -> Result<(), YamlError> {
    let fault = |path: &str, message: String| Err(document.fault(path, message));
    identity(job, document)?;
    if job.command.trim().is_empty() {
        return fault("command", "the command is empty".to_owned());
    }
    if job.command.len() > MAX_COMMAND_BYTES || job.command.contains('\0') {
        return fault(
            "command",
            format!("the command has more than {MAX_COMMAND_BYTES} bytes or a NUL character"),
        );
    }
    if job.environment.is_none() {
        return fault("environment", "this field is required: a name such as `azureml:sklearn-1.5@latest`, or `image` and `conda_file`".to_owned());
    }
    ports(job, document)?;
    bindings(job, document)?;
    environment(job, document)?;
    refused(job, document)?;
    match job.timeout() {
        Some(seconds) if !(1..=MAX_TIMEOUT).contains(&seconds) => fault(
            "limits.timeout",
            format!("{seconds} seconds is not between 1 and {MAX_TIMEOUT}"),
        ),
        _ => Ok(()),
    }
}

fn identity(job: &CommandJob, document: &Document) -> Result<(), YamlError> {
    if let Some(name) = &job.name {
        names::job(name).map_err(|error| document.fault("name", error.to_string()))?;
    }
    if let Some(compute) = job.compute_name() {
        names::compute(compute).map_err(|error| document.fault("compute", error.to_string()))?;
    }
    let texts = [
        ("display_name", job.display_name.as_deref(), 255),
        ("experiment_name", job.experiment_name.as_deref(), 255),
        ("description", job.description.as_deref(), 5_000),
    ];
    for (field, text, most) in texts {
        if text.is_some_and(|text| text.chars().count() > most || text.contains('\0')) {
            return Err(document.fault(
                field,
                format!("the text has more than {most} characters or a NUL character"),
            ));
        }
    }
    if job
        .experiment_name
        .as_deref()
        .is_some_and(|name| name.trim().is_empty())
    {
        return Err(document.fault("experiment_name", "the experiment's name is empty"));
    }
    let entries = job.tags.iter().map(|tag| ("tags", tag)).chain(
        job.properties
            .iter()
            .map(|property| ("properties", property)),
    );
    for (field, (key, value)) in entries {
        if key.is_empty()
            || key.len() > 250
            || value.len() > 5_000
            || key.contains('\0')
            || value.contains('\0')
        {
            return Err(document.fault(
                &format!("{field}.{key}"),
                "keys have 1 to 250 bytes, values at most 5000, none a NUL character",
            ));
        }
    }
    Ok(())
}

fn ports(job: &CommandJob, document: &Document) -> Result<(), YamlError> {
    if job.inputs.len() + job.outputs.len() > MAX_PORTS {
        return Err(document.fault(
            "inputs",
            format!("a job has at most {MAX_PORTS} inputs and outputs"),
        ));
    }
    for (name, input) in job.flat_inputs() {
        let path = format!("inputs.{name}");
        for step in name.split('.') {
            names::port(step).map_err(|error| document.fault(&path, error.to_string()))?;
        }
        match input {
            JobInput::Asset(asset) => {
                Reference::parse(&asset.path)
                    .map_err(|error| document.fault(&format!("{path}.path"), error.to_string()))?;
            }
            JobInput::Literal(literal) if literal.text().contains('\0') => {
                return Err(document.fault(&path, "the value has a NUL character"));
            }
            JobInput::Literal(_) | JobInput::Group(_) => {}
        }
    }
    for (name, output) in &job.outputs {
        let path = format!("outputs.{name}");
        names::port(name).map_err(|error| document.fault(&path, error.to_string()))?;
        let Some(output) = output else { continue };
        if output.path.is_some() {
            let words = "an output's place cannot be chosen: it is kept with the job; leave `path` out, and set `name` to register it";
            return Err(document.fault(&format!("{path}.path"), words));
        }
        if let Some(asset) = &output.name {
            names::asset(asset)
                .map_err(|error| document.fault(&format!("{path}.name"), error.to_string()))?;
        }
        if let Some(version) = &output.version {
            names::version(version)
                .map_err(|error| document.fault(&format!("{path}.version"), error.to_string()))?;
            if output.name.is_none() {
                return Err(document.fault(
                    &format!("{path}.version"),
                    "a version needs a `name` to register the output under",
                ));
            }
        }
    }
    Ok(())
}

fn bindings(job: &CommandJob, document: &Document) -> Result<(), YamlError> {
    let inputs = job.flat_inputs();
    let known: BTreeSet<String> = inputs
        .keys()
        .map(|name| format!("inputs.{name}"))
        .chain(job.outputs.keys().map(|name| format!("outputs.{name}")))
        .collect();
    let variables = job
        .environment_variables
        .iter()
        .map(|(name, value)| (format!("environment_variables.{name}"), value));
    for (path, text) in [("command".to_owned(), &job.command)]
        .into_iter()
        .chain(variables)
    {
        let found = expressions::bindings(text)
            .map_err(|error| document.fault(&path, error.to_string()))?;
        for (binding, optional) in found {
            let name = binding.to_string();
            if known.contains(&name) || (optional && matches!(binding, Binding::Input(_))) {
                continue;
            }
            let error = document.fault(
                &path,
                format!("`${{{{{name}}}}}` names nothing in this job"),
            );
            return Err(match nearest(&name, known.iter().map(String::as_str)) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error.with_hint(format!(
                    "declare it under `{}`",
                    name.split('.').next().unwrap_or("inputs")
                )),
            });
        }
    }
    Ok(())
}

fn environment(job: &CommandJob, document: &Document) -> Result<(), YamlError> {
    for (name, value) in &job.environment_variables {
        let path = format!("environment_variables.{name}");
        let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !well_formed || value.contains('\0') {
            return Err(document.fault(&path, "a variable's name has letters, digits and `_` and starts with no digit; its value has no NUL character"));
        }
    }
    match &job.environment {
        Some(JobEnvironment::Reference(text)) if text.trim().is_empty() => {
            Err(document.fault("environment", "the environment's name is empty"))
        }
        Some(JobEnvironment::Inline(inline)) if inline.build.is_some() => Err(document.fault(
            "environment.build",
            "images are not built here; name an `image` and a `conda_file` instead",
        )),
        Some(JobEnvironment::Inline(inline))
            if inline.image.is_none()
                && inline.conda_file.is_none()
                && inline.requirements.is_none() =>
        {
            Err(document.fault(
                "environment",
                "an environment needs an `image`, a `conda_file` or `requirements`",
            ))
        }
        _ => Ok(()),
    }
}

fn refused(job: &CommandJob, document: &Document) -> Result<(), YamlError> {
    if job
        .distribution
        .as_ref()
        .is_some_and(|value| !value.is_null())
    {
        return Err(document.fault(
            "distribution",
            "a job is one process on one node here; start further processes in the command",
        ));
    }
    if job.services.as_ref().is_some_and(|value| !value.is_null()) {
        return Err(document.fault(
            "services",
            "interactive services are not started beside jobs; remove this field",
        ));
    }
    let Some(resources) = &job.resources else {
        return Ok(());
    };
    for (field, count) in [
        ("instance_count", resources.instance_count),
        ("max_instance_count", resources.max_instance_count),
    ] {
        if count.is_some_and(|count| count != 1) {
            return Err(document.fault(
                &format!("resources.{field}"),
                "a job runs on one node here; write 1 or leave it out",
            ));
        }
    }
    Ok(())
}
