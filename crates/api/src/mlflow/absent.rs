//! What MLflow's server has and this one deliberately has not. Each such endpoint answers in words: what is absent, why, and
//! what to do instead. One table, from which `docs/reference/mlflow.md` is written too.

use axum::http::Method;
use lazuli_core::Error;
use lazuli_spec::{Action, ErrorCode};

use super::errors::{MlflowError, MlflowResult};
use super::{MlflowCaller, Paths};
use crate::routing::{Dialect, Permission, Routes};

/// A group of endpoints that is absent.
#[derive(Debug)]
pub struct Absent {
    /// Its name.
    pub group: &'static str,
    /// Why it is absent.
    pub why: &'static str,
    /// What to do instead.
    pub instead: &'static str,
    /// Its paths: those that begin with a number are served below `/api/` and `/ajax-api/`.
    pub paths: &'static [(&'static str, &'static [Method])],
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// All of them.
pub const ABSENT: &[Absent] = &[
    Absent {
        group: "Traces of Databricks",
        why: "only Databricks serves it: MLflow's own server has the paths and nothing behind them",
        instead: "`mlflow.search_traces` and `mlflow.get_trace`",
        paths: &[
            ("2.0/mlflow/unified-traces", &[GET]),
            ("2.0/mlflow/get-online-trace-details", &[GET]),
        ],
    },
    Absent {
        group: "Scorer invocation",
        why: "the server runs no scorer: it would run what others registered, and call paid models with its own keys",
        instead: "run `mlflow.genai.evaluate` where you are, or in a job",
        paths: &[("3.0/mlflow/scorer/invoke", &[POST])],
    },
    Absent {
        group: "Server-side jobs",
        why: "MLflow's own job queue runs its evaluations inside the server",
        instead: "submit a job that calls `mlflow.genai.evaluate`: `lazuli job create`",
        paths: &[
            ("3.0/mlflow/genai/evaluate/invoke", &[POST]),
            ("3.0/mlflow/jobs/{*rest}", &[GET, PATCH]),
            ("3.0/jobs/", &[POST]),
            ("3.0/jobs/{*rest}", &[GET, POST, PATCH]),
        ],
    },
    Absent {
        group: "Prompt optimization",
        why: "it is a job inside MLflow's server that calls models with the server's keys",
        instead: "call `mlflow.genai.optimize_prompts` where you are, or in a job: the prompts it registers are kept here",
        paths: &[
            ("3.0/mlflow/prompt-optimization/jobs", &[POST]),
            (
                "3.0/mlflow/prompt-optimization/jobs/{*rest}",
                &[GET, POST, DELETE],
            ),
        ],
    },
    Absent {
        group: "Search for issues by models",
        why: "it is a job inside MLflow's server that reads traces with models, with the server's keys",
        instead: "look for issues in a job of your own, and keep what it finds: `3.0/mlflow/issues`",
        paths: &[("3.0/mlflow/issues/invoke", &[POST])],
    },
    Absent {
        group: "Label schemas",
        why: "they describe the questions that the review pages of MLflow's own UI ask",
        instead: "log answers as assessments on traces: `mlflow.log_feedback`, `mlflow.log_expectation`",
        paths: &[(
            "3.0/mlflow/label-schemas/{*rest}",
            &[GET, POST, PATCH, DELETE],
        )],
    },
    Absent {
        group: "Review queues",
        why: "they are the work lists of the review pages of MLflow's own UI",
        instead: "tag the traces that are to be reviewed (`mlflow.set_trace_tag`) and search for the tag",
        paths: &[("3.0/mlflow/review-queues/{*rest}", &[GET, POST])],
    },
    Absent {
        group: "Budgets, guardrails and lists of providers",
        why: "this server keeps the settings of an AI gateway and passes no calls on to model providers, so there is nothing to limit, to guard or to offer",
        instead: "name models by their provider (`openai:/gpt-4.1-mini`) with the key in the caller's environment; your own models are served by `lazuli online-endpoint`",
        paths: &[
            (
                "3.0/mlflow/gateway/budgets/{*rest}",
                &[GET, POST, PATCH, DELETE],
            ),
            (
                "3.0/mlflow/gateway/guardrails/{*rest}",
                &[GET, POST, PATCH, DELETE],
            ),
            ("3.0/mlflow/gateway/supported-providers", &[GET]),
            ("3.0/mlflow/gateway/supported-models", &[GET]),
            ("3.0/mlflow/gateway/provider-config", &[GET]),
        ],
    },
    Absent {
        group: "Gateway",
        why: "this server keeps the settings of an AI gateway and passes no calls on to model providers",
        instead: "call the provider, or an open gateway such as LiteLLM; your own models are served by `lazuli online-endpoint`",
        paths: &[
            ("/gateway/{*rest}", &[GET, POST]),
            ("2.0/mlflow/gateway-proxy", &[GET, POST]),
        ],
    },
    Absent {
        group: "MCP server registry",
        why: "this server keeps no list of tool servers",
        instead: "keep the addresses of tool servers with your code",
        paths: &[
            ("3.0/mlflow/mcp-servers", &[GET, POST]),
            (
                "3.0/mlflow/mcp-servers/{*rest}",
                &[GET, POST, PATCH, DELETE],
            ),
        ],
    },
    Absent {
        group: "Assistant",
        why: "the chat of MLflow's own UI drives programs on the server's machine",
        instead: "use your own assistant: the interface is described at `/api/v1/openapi.json`",
        paths: &[("3.0/mlflow/assistant/{*rest}", &[GET, POST, PUT, PATCH])],
    },
    Absent {
        group: "Pages of MLflow's own UI",
        why: "only the pages of MLflow's own UI call it",
        instead: "use the client, or Lazuli's own interface at `/api/v1/openapi.json`",
        paths: &[
            ("2.0/mlflow/runs/create-promptlab-run", &[POST]),
            ("3.0/mlflow/demo/{*rest}", &[POST]),
            ("3.0/mlflow/ui-telemetry", &[GET, POST]),
        ],
    },
    Absent {
        group: "Deletion of workspaces",
        why: "a workspace stays, with the audit of what happened in it",
        instead: "delete what is in it and take the roles in it away: who has no role in a workspace does not see it",
        paths: &[("3.0/mlflow/workspaces/{workspace}", &[DELETE])],
    },
    Absent {
        group: "Roles of one's own",
        why: "a role here is a set of actions, not a list of permissions on single experiments and models",
        instead: "assign a built-in role (`3.0/mlflow/roles/list` shows them), or make one from action patterns: `lazuli role create`",
        paths: &[
            ("3.0/mlflow/roles/create", &[POST]),
            ("3.0/mlflow/roles/update", &[PATCH]),
            ("3.0/mlflow/roles/delete", &[DELETE]),
            ("3.0/mlflow/roles/permissions/add", &[POST]),
            ("3.0/mlflow/roles/permissions/update", &[PATCH]),
            ("3.0/mlflow/roles/permissions/remove", &[DELETE]),
        ],
    },
    Absent {
        group: "Sign-up page",
        why: "nobody signs up by himself: an owner of the server makes users",
        instead: "`lazuli user create`, or `2.0/mlflow/users/create`",
        paths: &[("2.0/mlflow/users/create-ui", &[POST])],
    },
];

/// What an endpoint of theirs needs: whoever sees the workspace is told what is absent from it.
const SEES: Permission = Permission::Workspace(Action::WorkspacesRead);

/// The routes that say so.
pub(crate) fn add_routes(routes: &mut Routes) {
    for absent in ABSENT {
        let answer = move |_: MlflowCaller| async move { refuse(absent) };
        for (path, methods) in absent.paths {
            for method in *methods {
                if path.starts_with('/') {
                    routes.raw(Dialect::Mlflow, method.clone(), path, SEES, answer);
                } else {
                    Paths::below(routes, "").add(method.clone(), path, SEES, answer);
                }
            }
        }
    }
}

fn refuse(absent: &Absent) -> MlflowResult<()> {
    let message = format!("{}: not on this server; {}", absent.group, absent.why);
    let error = Error::new(ErrorCode::Unsupported, message).hint(absent.instead);
    Err(MlflowError::from(error))
}
