//! A deployment's lineage: its model, the run that made it, the data and code that run read.

use lazuli_spec::Action;
use lazuli_spec::deployments::Deployment;

use crate::lineage::{LineageNode, of_run};
use crate::{Caller, Core, Result};

impl Core {
    /// What a deployment was made from, back to the data and the code.
    pub async fn deployment_lineage(
        &self,
        caller: &Caller,
        workspace: &str,
        endpoint: &str,
        name: &str,
    ) -> Result<LineageNode> {
        let deployment = self
            .get_deployment(caller, workspace, endpoint, name)
            .await?;
        let access = self
            .access(caller, workspace, Action::DeploymentsRead)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        let run = match deployment.binding.run_id.clone() {
            None => None,
            Some(run_id) => Some(
                access
                    .read(move |tx| of_run(tx, &workspace_id, &run_id))
                    .await?,
            ),
        };
        Ok(node(&deployment, run))
    }
}

fn node(deployment: &Deployment, run: Option<LineageNode>) -> LineageNode {
    let binding = &deployment.binding;
    let model = binding.model_tree.as_ref().map(|tree| {
        let named = match (&binding.model_name, &binding.model_version) {
            (Some(name), Some(version)) => format!("{name}:{version}"),
            (Some(name), None) => name.clone(),
            _ => "(not registered)".to_owned(),
        };
        LineageNode::new("model", named)
            .fact("type", Some(binding.model_type.clone()))
            .fact("content", Some(tree.clone()))
            .from(run)
    });
    let code = deployment.spec.code_configuration.as_ref().map(|code| {
        LineageNode::new("code", code.scoring_script.clone())
            .fact("content", binding.code_tree.clone())
    });
    LineageNode::new(
        "deployment",
        format!("{}/{}", deployment.spec.endpoint_name, deployment.spec.name),
    )
    .fact("state", Some(deployment.state.as_str()))
    .from(model)
    .from(code)
}
