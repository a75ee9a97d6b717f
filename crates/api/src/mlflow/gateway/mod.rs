//! `/mlflow/gateway/…`: the administration of an AI gateway. The gateway itself is not part of this server.

mod bindings;
mod endpoints;
mod model_definitions;
mod secrets;

use axum::Json;
use lazuli_spec::Action;
use lazuli_spec::gateway::Stamps;
use serde_json::Value;

use super::errors::MlflowResult;
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::GatewayRead);
const WRITE: Permission = Permission::Workspace(Action::GatewayWrite);
const DELETE: Permission = Permission::Workspace(Action::GatewayDelete);

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    secrets::add_routes(routes);
    model_definitions::add_routes(routes);
    endpoints::add_routes(routes);
    bindings::add_routes(routes);
}

/// Adds when something was made and changed, and by whom.
fn stamped(mut shown: Value, stamps: &Stamps) -> Value {
    shown["created_at"] = stamps.created_at.as_millis().into();
    shown["last_updated_at"] = stamps.updated_at.as_millis().into();
    shown["created_by"] = stamps.created_by.as_str().into();
    shown["last_updated_by"] = stamps.updated_by.as_str().into();
    shown
}
