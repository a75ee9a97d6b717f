//! Roles in Azure's terms: patterns of actions, and patterns taken away again.

use serde::{Deserialize, Serialize};

use crate::actions::ActionSet;

/// What a role allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDefinition {
    /// A stable id; Azure's own for the roles Azure has.
    pub id: String,
    /// The name people use.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it comes with Lazuli and cannot be changed.
    pub built_in: bool,
    /// Action patterns that are allowed.
    pub actions: Vec<String>,
    /// Action patterns taken away from those.
    pub not_actions: Vec<String>,
}

impl RoleDefinition {
    /// The set of actions the role comes to.
    pub fn compile(&self) -> ActionSet {
        ActionSet::compile(&self.actions, &self.not_actions)
    }
}

/// A role given to a principal at a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAssignment {
    /// The assignment's own id.
    pub id: String,
    /// Who has the role.
    pub principal_id: String,
    /// Which role.
    pub role_id: String,
    /// Where it holds: `/` (the whole server) or `/workspaces/<name>`.
    pub scope: String,
}

/// The scope that stands above every workspace.
pub const SERVER_SCOPE: &str = "/";

/// The scope of one workspace.
pub fn workspace_scope(workspace: &str) -> String {
    format!("/workspaces/{workspace}")
}

/// The id of the Owner role, which the first administrator gets.
pub const OWNER_ID: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

const ML: &str = "Microsoft.MachineLearningServices";

/// Azure's built-in roles that concern machine learning.
pub fn built_in() -> Vec<RoleDefinition> {
    vec![
        role(
            OWNER_ID,
            "Owner",
            "Everything, including who may do what.",
            &["*"],
            &[],
        ),
        role(
            "b24988ac-6180-42a0-ab88-20f7382dd24c",
            "Contributor",
            "Everything but deciding who may do what.",
            &["*"],
            &[
                "Microsoft.Authorization/*/write",
                "Microsoft.Authorization/*/delete",
                "Lazuli.Identity/*/write",
                "Lazuli.Identity/*/delete",
                "Lazuli.Server/backup/action",
                "Lazuli.Server/import/action",
                "Lazuli.Server/export/action",
            ],
        ),
        role(
            "acdd72a7-3385-48ef-bd42-f606fba81ae7",
            "Reader",
            "Sees everything and changes nothing.",
            &["*/read"],
            &[],
        ),
        role(
            "f6c7c914-8db3-469d-8ca1-694a8f32e121",
            "AzureML Data Scientist",
            "All work in a workspace, except making or deleting computes and changing the workspace itself.",
            &[
                "{ml}/workspaces/*/read",
                "{ml}/workspaces/*/action",
                "{ml}/workspaces/*/delete",
                "{ml}/workspaces/*/write",
            ],
            &[
                "{ml}/workspaces/delete",
                "{ml}/workspaces/write",
                "{ml}/workspaces/computes/*/write",
                "{ml}/workspaces/computes/*/delete",
                "{ml}/workspaces/computes/write",
                "{ml}/workspaces/computes/delete",
                "{ml}/workspaces/computes/listKeys/action",
                "{ml}/workspaces/listKeys/action",
                "{ml}/workspaces/hubs/write",
                "{ml}/workspaces/hubs/delete",
                "{ml}/workspaces/featurestores/write",
                "{ml}/workspaces/featurestores/delete",
            ],
        ),
        role(
            "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815",
            "AzureML Compute Operator",
            "Makes, changes and deletes computes.",
            &[
                "{ml}/workspaces/computes/*",
                "{ml}/workspaces/notebooks/vm/*",
            ],
            &[],
        ),
        role(
            "1823dd4f-9b8c-4ab6-ab4e-7397a3684615",
            "AzureML Registry User",
            "Uses the assets of shared registries.",
            &["{ml}/registries/read", "{ml}/registries/assets/*"],
            &[],
        ),
        role(
            "635dd51f-9968-44d3-b7fb-6d9a6bd613ae",
            "AzureML Metrics Writer",
            "Writes metrics and nothing else.",
            &["{ml}/workspaces/metrics/*/write"],
            &[],
        ),
    ]
}

fn role(
    id: &str,
    name: &str,
    description: &str,
    actions: &[&str],
    not_actions: &[&str],
) -> RoleDefinition {
    let expand = |patterns: &[&str]| patterns.iter().map(|p| p.replace("{ml}", ML)).collect();
    RoleDefinition {
        id: id.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        built_in: true,
        actions: expand(actions),
        not_actions: expand(not_actions),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::actions::Action;

    fn named(name: &str) -> ActionSet {
        built_in()
            .iter()
            .find(|r| r.name == name)
            .unwrap()
            .compile()
    }

    /// The whole role x action matrix in words: a change of permission shows in review.
    #[test]
    fn the_matrix() {
        let roles = built_in();
        let mut matrix = String::new();
        for action in Action::ALL {
            let who: Vec<&str> = roles
                .iter()
                .filter(|r| r.compile().contains(*action))
                .map(|r| r.name.as_str())
                .collect();
            let _ = writeln!(matrix, "{}: {}", action.as_str(), who.join(", "));
        }
        insta::assert_snapshot!("role_action_matrix", matrix);
    }

    #[test]
    fn a_data_scientist_runs_jobs_but_makes_no_computes() {
        let set = named("AzureML Data Scientist");
        assert!(set.contains(Action::JobsWrite));
        assert!(set.contains(Action::MetricsWrite));
        assert!(!set.contains(Action::ComputesWrite));
        assert!(!set.contains(Action::WorkspacesWrite));
        assert!(!set.contains(Action::RoleAssignmentsWrite));
    }

    #[test]
    fn a_contributor_hands_out_no_rights() {
        let set = named("Contributor");
        assert!(set.contains(Action::ComputesWrite));
        assert!(!set.contains(Action::RoleAssignmentsWrite));
        assert!(!set.contains(Action::TokensWrite));
    }
}
