//! One attempt to fulfil one generation of a deployment: files, environment, processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lazuli_core::environment_resolver::{
    EnvironmentRequest, EnvironmentResolver, ResolvedEnvironment,
};
use lazuli_spec::deployments::{Deployment, DeploymentSpec};

use crate::materialise::{self, Files};
use crate::pool::{LoadFailure, ModelKind, Pool, PoolLimits, WorkerSpec};
use crate::table::Live;

/// How many processes an instance has; Azure ML's images read the same variable.
const WORKER_COUNT: &str = "WORKER_COUNT";

/// Starts a pool for the deployment and waits until it holds the model.
pub(crate) async fn pool(
    blobs: &lazuli_blob::Blobs,
    resolver: &dyn EnvironmentResolver,
    root: &Path,
    deployment: &Deployment,
    live: &Live,
) -> Result<Pool, LoadFailure> {
    live.preparation.note(&format!(
        "generation {}: bringing model and code to disk",
        deployment.generation
    ));
    let files = materialise::files(blobs, root, deployment).await?;
    let environment = environment(resolver, deployment, &files, live).await?;
    let spec = WorkerSpec {
        python: environment.python.clone(),
        worker_dir: files.worker.clone(),
        model: files.kind.clone(),
        cwd: files.code.clone(),
        env: variables(&deployment.spec, &files, &environment),
        load_timeout: Duration::from_secs(deployment.spec.readiness_probe.patience_seconds()),
    };
    live.preparation.note("starting the worker processes");
    let pool = Pool::start(spec, limits(&deployment.spec), Arc::clone(&live.log));
    match pool.ready().await {
        Ok(()) => Ok(pool),
        Err(failure) => {
            pool.stop().await;
            Err(failure)
        }
    }
}

async fn environment(
    resolver: &dyn EnvironmentResolver,
    deployment: &Deployment,
    files: &Files,
    live: &Live,
) -> Result<ResolvedEnvironment, LoadFailure> {
    let binding = &deployment.binding;
    let mut request = EnvironmentRequest {
        image: binding.image.clone(),
        conda_file: binding.conda_file.clone(),
        requirements: binding.requirements.clone(),
    };
    if request == EnvironmentRequest::default() {
        (request.conda_file, request.requirements) =
            materialise::own_environment(deployment, files);
    }
    let log = Arc::clone(&live.preparation);
    let progress = move |line: &str| log.note(line);
    let resolved = resolver
        .resolve(&request, &progress)
        .await
        .map_err(|error| {
            let lines = (!error.log.is_empty()).then(|| error.log.join("\n"));
            LoadFailure {
                message: format!("the environment cannot be made: {}", error.message),
                traceback: lines,
            }
        })?;
    for relaxation in &resolved.relaxations {
        live.preparation.note(relaxation);
    }
    live.preparation.note(&format!(
        "environment {} with Python {}",
        resolved.key, resolved.python_version
    ));
    Ok(resolved)
}

/// The whole environment of a worker: nothing of the server's own (its secrets, its paths) is passed on.
fn variables(
    spec: &DeploymentSpec,
    files: &Files,
    environment: &ResolvedEnvironment,
) -> BTreeMap<String, String> {
    let bin = environment.path.join("bin");
    let mut variables = BTreeMap::from([
        (
            "PATH".to_owned(),
            format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()),
        ),
        (
            "VIRTUAL_ENV".to_owned(),
            environment.path.display().to_string(),
        ),
        ("HOME".to_owned(), files.code.display().to_string()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        (
            "AZUREML_MODEL_DIR".to_owned(),
            files.model_dir.display().to_string(),
        ),
        ("AML_APP_ROOT".to_owned(), files.code.display().to_string()),
    ]);
    if let (ModelKind::Script(_), Some(code)) = (&files.kind, &spec.code_configuration) {
        variables.insert(
            "AZUREML_ENTRY_SCRIPT".to_owned(),
            code.scoring_script.clone(),
        );
    }
    variables.extend(environment.variables.clone());
    variables.extend(spec.environment_variables.clone());
    variables
}

fn limits(spec: &DeploymentSpec) -> PoolLimits {
    let instances = spec.instance_count as usize;
    let per_instance = spec
        .environment_variables
        .get(WORKER_COUNT)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_usize)
        .clamp(1, 64);
    PoolLimits {
        processes: instances * per_instance,
        // Azure ML refuses the request after twice what its instances work on
        in_flight: 2
            * spec.request_settings.max_concurrent_requests_per_instance as usize
            * instances,
        request_timeout: Duration::from_millis(spec.request_settings.request_timeout_ms),
    }
}
