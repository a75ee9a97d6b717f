//! `/mlflow/webhooks…`

use axum::Json;
use axum::http::Method;
use lazuli_core::webhooks::{WebhookChange, WebhookTrial};
use lazuli_spec::Action;
use lazuli_spec::webhooks::{Webhook, WebhookEvent, WebhookStatus};
use serde_json::{Value, json};

use super::errors::{MlflowResult, Path};
use super::json::{Message, invalid, missing};
use super::registered_models::{any_text, given, paged};
use super::{Call, Paths};
use crate::routing::{Permission, Routes};

const READ: Permission = Permission::Workspace(Action::WebhooksRead);
const WRITE: Permission = Permission::Workspace(Action::WebhooksWrite);
const DELETE: Permission = Permission::Workspace(Action::WebhooksDelete);
/// Most events in one request: there are fewer.
const EVENTS: usize = 100;

type Answer = MlflowResult<Json<Value>>;

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let mut paths = Paths::below(routes, "2.0/mlflow/webhooks");
    paths.add(Method::POST, "", WRITE, create);
    paths.add(Method::GET, "", READ, list);
    paths.add(Method::GET, "/{webhook_id}", READ, get);
    paths.add(Method::PATCH, "/{webhook_id}", WRITE, update);
    paths.add(Method::DELETE, "/{webhook_id}", DELETE, delete);
    paths.add(Method::POST, "/{webhook_id}/test", WRITE, test);
}

async fn create(call: Call) -> Answer {
    call.fields.required("name")?;
    call.fields.required("url")?;
    if call.fields.list("events")?.is_empty() {
        return Err(missing("events"));
    }
    let made = call
        .core
        .create_webhook(&call.caller, &call.workspace, change(&call.fields)?)
        .await?;
    Ok(one(&made))
}

async fn list(call: Call) -> Answer {
    let token = given(&call.fields, "page_token")?;
    let most = call.fields.int("max_results")?.unwrap_or(100);
    let page = call
        .core
        .list_webhooks(&call.caller, &call.workspace, most, token.as_deref())
        .await?;
    let webhooks = page.items.iter().map(shown).collect();
    Ok(Json(paged("webhooks", webhooks, page.next_page_token)))
}

async fn get(Path(id): Path<String>, call: Call) -> Answer {
    let found = call
        .core
        .get_webhook(&call.caller, &call.workspace, &id)
        .await?;
    Ok(one(&found))
}

async fn update(Path(id): Path<String>, call: Call) -> Answer {
    let changed = call
        .core
        .update_webhook(&call.caller, &call.workspace, &id, change(&call.fields)?)
        .await?;
    Ok(one(&changed))
}

async fn delete(Path(id): Path<String>, call: Call) -> Answer {
    call.core
        .delete_webhook(&call.caller, &call.workspace, &id)
        .await?;
    Ok(Json(json!({})))
}

async fn test(Path(id): Path<String>, call: Call) -> Answer {
    let asked = call.fields.message("event")?.filter(|m| !m.is_empty());
    let event = asked.as_ref().map(event).transpose()?;
    let trial = call
        .core
        .test_webhook(&call.caller, &call.workspace, &id, event)
        .await?;
    Ok(Json(json!({ "result": tried(trial) })))
}

/// The fields of a request that are there.
fn change(fields: &Message) -> MlflowResult<WebhookChange> {
    let events = fields.messages("events")?;
    if events.len() > EVENTS {
        return Err(invalid(format!(
            "a webhook is told of at most {EVENTS} events; {} are listed",
            events.len()
        )));
    }
    let events: Vec<WebhookEvent> = events.iter().map(event).collect::<Result<_, _>>()?;
    Ok(WebhookChange {
        name: given(fields, "name")?,
        url: given(fields, "url")?,
        description: any_text(fields, "description")?,
        secret: any_text(fields, "secret")?,
        events: Some(events).filter(|events| !events.is_empty()),
        status: status(fields)?,
    })
}

fn event(message: &Message) -> MlflowResult<WebhookEvent> {
    let word = |name| message.get(name).unwrap_or(&Value::Null);
    Ok(WebhookEvent::of(word("entity"), word("action"))?)
}

/// By name, or by its number in the protocol.
fn status(fields: &Message) -> MlflowResult<Option<WebhookStatus>> {
    let found = match fields.get("status") {
        None => return Ok(None),
        Some(Value::String(text)) => WebhookStatus::parse(text),
        Some(Value::Number(number)) => match number.as_u64() {
            Some(1) => Some(WebhookStatus::Active),
            Some(2) => Some(WebhookStatus::Disabled),
            _ => None,
        },
        Some(_) => None,
    };
    found.map(Some).ok_or_else(|| {
        invalid("Invalid value for parameter 'status' supplied: it must be ACTIVE or DISABLED")
    })
}

fn one(webhook: &Webhook) -> Json<Value> {
    Json(json!({ "webhook": shown(webhook) }))
}

/// A webhook as clients read it, without its secret.
fn shown(webhook: &Webhook) -> Value {
    let events: Vec<Value> = webhook
        .events
        .iter()
        .map(|event| {
            json!({
                "entity": event.entity().to_ascii_uppercase(),
                "action": event.action().to_ascii_uppercase(),
            })
        })
        .collect();
    let mut answer = json!({
        "webhook_id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": events,
        "status": webhook.status.as_str(),
        "creation_timestamp": webhook.created_at.as_millis(),
        "last_updated_timestamp": webhook.updated_at.as_millis(),
    });
    if let Some(description) = &webhook.description {
        answer["description"] = description.as_str().into();
    }
    answer
}

fn tried(trial: WebhookTrial) -> Value {
    let mut answer = json!({ "success": trial.success });
    let told = [
        ("response_status", trial.status.map(Value::from)),
        ("response_body", trial.body.map(Value::from)),
        ("error_message", trial.error.map(Value::from)),
    ];
    for (name, value) in told {
        if let Some(value) = value {
            answer[name] = value;
        }
    }
    answer
}
