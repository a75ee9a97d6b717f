//! The environment variables of a job: a list of what passes through, then Azure's, MLflow's and the job's own.

use std::collections::BTreeMap;

use lazuli_spec::runner::{Launch, RunnerPlan};

use super::folders::Folders;
use super::processes::MARKER_VARIABLE;

/// What a job gets from the server's surroundings; secrets that happen to stand there are not among them.
const PASSED: [&str; 28] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_FIND_LINKS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "JAVA_HOME",
    "CUDA_HOME",
];
const PASSED_STARTS: [&str; 4] = ["LC_", "CUDA_", "NVIDIA_", "ROCR_"];

/// Azure's names for the place a job runs in; here they only have to be there.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
const RESOURCE_GROUP: &str = "lazuli";

/// Whether a variable of the surroundings reaches runners and jobs.
pub(crate) fn passes(name: &str) -> bool {
    PASSED.contains(&name) || PASSED_STARTS.iter().any(|start| name.starts_with(start))
}

/// Everything but the job's own variables and the paths of inputs and outputs.
pub(super) fn base(
    launch: &Launch,
    plan: &RunnerPlan,
    folders: &Folders,
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| passes(name)).collect();
    let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
    set("PYTHONUNBUFFERED", "1");
    set("AZUREML_RUN_ID", &plan.run_id);
    set("AZUREML_EXPERIMENT_ID", &plan.experiment_id);
    set("AZUREML_ARM_SUBSCRIPTION", SUBSCRIPTION);
    set("AZUREML_ARM_RESOURCEGROUP", RESOURCE_GROUP);
    set("AZUREML_ARM_WORKSPACE_NAME", &plan.workspace);
    set("AZUREML_ARM_PROJECT_NAME", &plan.experiment_name);
    set("AZUREML_CR_NODE_RANK", "0");
    set("MLFLOW_TRACKING_URI", &launch.server_url);
    set("MLFLOW_TRACKING_TOKEN", &launch.token);
    set("MLFLOW_RUN_ID", &plan.run_id);
    set("MLFLOW_EXPERIMENT_ID", &plan.experiment_id);
    set("MLFLOW_EXPERIMENT_NAME", &plan.experiment_name);
    if launch.ca_pem.is_some() && launch.server_url.starts_with("https://") {
        set(
            "MLFLOW_TRACKING_SERVER_CERT_PATH",
            &folders.authority().display().to_string(),
        );
    }
    set(MARKER_VARIABLE, &folders.root().display().to_string());
    all
}

/// Puts programs first where the shell looks.
pub(super) fn path_with(first: &[String]) -> String {
    let rest = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let mut parts: Vec<String> = first.to_vec();
    parts.push(rest);
    parts.join(":")
}
