//! Everything between the plan and the command: environment, code, inputs, paths, variables.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use lazuli_core::environment_resolver::{
    EnvironmentError, EnvironmentErrorKind, EnvironmentRequest, EnvironmentResolver as _,
    ResolvedEnvironment,
};
use lazuli_spec::expressions::Binding;
use lazuli_spec::runner::{EnvironmentReport, Launch, PlanEnvironment, RunnerError, RunnerPlan};

use super::content::{TreeCache, blocking, copy_out};
use super::folders::Folders;
use super::logs::Log;
use super::{inputs, overlay, variables};
use crate::environments::UvEnvironments;

/// A command that is ready to be started.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) command: String,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) environment: EnvironmentReport,
}

/// Makes everything ready. What is being done is told in `log`.
pub(super) async fn prepare(
    launch: &Launch,
    plan: &RunnerPlan,
    folders: &Folders,
    trees: &TreeCache,
    log: &Mutex<Log>,
) -> Result<Prepared, RunnerError> {
    let started = Instant::now();
    folders
        .create()
        .map_err(|error| internal(format!("cannot make the job's folders: {error}")))?;
    let environment = environment(launch, &plan.environment, log).await?;
    let report = EnvironmentReport {
        key: environment.key.clone(),
        cached: environment.cached,
        notes: environment.relaxations.clone(),
        millis: u64::try_from(environment.took.as_millis()).unwrap_or(u64::MAX),
    };
    tell(
        log,
        &format!(
            "environment {} ({}) {} in {} ms",
            plan.environment.label,
            report.key,
            if report.cached { "found" } else { "built" },
            report.millis
        ),
    );
    for note in &report.notes {
        tell(log, &format!("environment: {note}"));
    }
    place_code(plan, folders, trees).await?;
    let mut staged = BTreeMap::new();
    for (name, input) in &plan.inputs {
        let value = inputs::stage(name, input, trees, folders)
            .await
            .map_err(|why| error("input_unavailable", why))?;
        staged.insert(name.clone(), value);
    }
    let outputs = make_outputs(plan, folders)?;
    let (command, mut own) = render(plan, &staged, &outputs)?;
    let mut all = variables::base(launch, plan, folders);
    if let Some(pem) = &launch.ca_pem {
        std::fs::write(folders.authority(), pem).map_err(|error| internal(error.to_string()))?;
    }
    let layer = overlay::create(&folders.environment(), &environment)
        .map_err(|error| internal(format!("cannot lay the job's environment: {error}")))?;
    all.insert("VIRTUAL_ENV".to_owned(), layer.display().to_string());
    let programs =
        [layer.join("bin"), environment.path.join("bin")].map(|bin| bin.display().to_string());
    all.insert("PATH".to_owned(), variables::path_with(&programs));
    all.extend(environment.variables);
    all.extend(staged.iter().map(|(name, value)| {
        (
            format!("AZURE_ML_INPUT_{}", name.replace('.', "_")),
            value.clone(),
        )
    }));
    all.extend(
        outputs
            .iter()
            .map(|(name, value)| (format!("AZURE_ML_OUTPUT_{name}"), value.clone())),
    );
    all.append(&mut own);
    tell(
        log,
        &format!("prepared in {} ms", started.elapsed().as_millis()),
    );
    Ok(Prepared {
        command,
        variables: all,
        environment: report,
    })
}

/// A line in the system log.
pub(super) fn tell(log: &Mutex<Log>, text: &str) {
    log.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .line(text);
}

async fn environment(
    launch: &Launch,
    wanted: &PlanEnvironment,
    log: &Mutex<Log>,
) -> Result<ResolvedEnvironment, RunnerError> {
    let resolver = UvEnvironments::new(&launch.home, launch.packages.clone());
    let mut request = EnvironmentRequest {
        image: wanted.image.clone(),
        conda_file: wanted.conda_file.clone(),
        requirements: wanted.requirements.clone(),
    };
    if request == EnvironmentRequest::default()
        && let Some(curated) = resolver.curated(&wanted.label)
    {
        request = curated;
    }
    resolver
        .resolve(&request, &|line: &str| tell(log, line))
        .await
        .map_err(|failure| {
            for line in &failure.log {
                tracing::debug!(line, "resolver");
            }
            environment_error(&wanted.label, &failure)
        })
}

fn environment_error(label: &str, failure: &EnvironmentError) -> RunnerError {
    let (code, hint) = match failure.kind {
        EnvironmentErrorKind::Invalid => (
            "environment_unresolvable",
            "correct the environment's definition",
        ),
        EnvironmentErrorKind::Unresolvable => (
            "environment_unresolvable",
            "correct the package's name or version in the environment",
        ),
        EnvironmentErrorKind::Install => (
            "environment_unresolvable",
            "see system_logs/lazuli.txt for what the installer said",
        ),
        EnvironmentErrorKind::Tool => (
            "internal",
            "run `lazuli doctor` on the machine that runs jobs",
        ),
    };
    let mut message = format!("environment `{label}`: {}", failure.message);
    let said: Vec<&String> = failure
        .log
        .iter()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if !said.is_empty() {
        message.push_str("\nlast lines:");
        for line in &said[said.len().saturating_sub(10)..] {
            message.push_str("\n  ");
            message.push_str(line);
        }
    }
    RunnerError {
        code: code.to_owned(),
        message,
        hint: Some(hint.to_owned()),
    }
}

async fn place_code(
    plan: &RunnerPlan,
    folders: &Folders,
    trees: &TreeCache,
) -> Result<(), RunnerError> {
    let Some(tree) = &plan.code_tree else {
        return Ok(());
    };
    let failed = |why: String| {
        error(
            "input_unavailable",
            format!("the code is not available: {why}"),
        )
    };
    let shared = trees.ensure(tree).await.map_err(failed)?;
    let own = folders.code();
    blocking(move || copy_out(&shared, &own))
        .await
        .map_err(|error| failed(error.to_string()))
}

/// The paths of named outputs, whose folders exist when the command starts.
fn make_outputs(
    plan: &RunnerPlan,
    folders: &Folders,
) -> Result<BTreeMap<String, String>, RunnerError> {
    let mut paths = BTreeMap::new();
    for (name, output) in &plan.outputs {
        let folder = folders.outputs().join(name);
        std::fs::create_dir_all(&folder)
            .map_err(|error| internal(format!("output `{name}`: {error}")))?;
        let path = if output.file {
            folder.join(name)
        } else {
            folder
        };
        paths.insert(name.clone(), path.display().to_string());
    }
    Ok(paths)
}

/// Values are put in as they are, without quoting, as Azure does: a command quotes where it wants a value to stay one word.
fn render(
    plan: &RunnerPlan,
    staged: &BTreeMap<String, String>,
    outputs: &BTreeMap<String, String>,
) -> Result<(String, BTreeMap<String, String>), RunnerError> {
    let path = |binding: Binding<'_>| match binding {
        Binding::Input(name) => staged.get(name).cloned(),
        Binding::Output(name) => outputs.get(name).cloned(),
    };
    let command = plan
        .render(&plan.command, &path)
        .map_err(|why| error("command_invalid", format!("command: {why}")))?;
    let mut own = BTreeMap::new();
    for (name, text) in &plan.environment_variables {
        let value = plan.render(text, &path).map_err(|why| {
            error(
                "command_invalid",
                format!("environment variable `{name}`: {why}"),
            )
        })?;
        own.insert(name.clone(), value);
    }
    Ok((command, own))
}

fn error(code: &str, message: impl Into<String>) -> RunnerError {
    RunnerError {
        code: code.to_owned(),
        message: message.into(),
        hint: None,
    }
}

fn internal(message: impl Into<String>) -> RunnerError {
    error("internal", message)
}
