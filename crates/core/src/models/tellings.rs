//! What webhooks are told of the registry. A prompt is a registered model with a mark, and has events of its own.

use lazuli_spec::models::{ModelVersion, TAG_IS_PROMPT};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::webhooks::WebhookEvent as Event;
use serde_json::{Map, Value, json};

use crate::Change;

/// The tag that says what kind of prompt it is.
const TAG_PROMPT_TYPE: &str = "_mlflow_prompt_type";
/// The tag that holds a prompt's text.
const TAG_PROMPT_TEXT: &str = "mlflow.prompt.text";

fn picked(is_prompt: bool, of_prompt: Event, of_model: Event) -> Event {
    if is_prompt { of_prompt } else { of_model }
}

/// Tags by key; without a prompt's own marks when it is one.
fn shown(tags: &[KeyValue], is_prompt: bool) -> Map<String, Value> {
    let marks = [TAG_IS_PROMPT, TAG_PROMPT_TYPE];
    let kept = tags
        .iter()
        .filter(|tag| !is_prompt || !marks.contains(&tag.key.as_str()));
    kept.map(|tag| (tag.key.clone(), tag.value.clone().into()))
        .collect()
}

/// A name was registered.
pub(super) fn registered(
    change: &mut Change,
    name: &str,
    tags: &[KeyValue],
    description: Option<&str>,
    is_prompt: bool,
) {
    let event = picked(
        is_prompt,
        Event::PromptCreated,
        Event::RegisteredModelCreated,
    );
    let tags = shown(tags, is_prompt);
    let description = description.unwrap_or_default();
    change.tell(
        event,
        json!({ "name": name, "tags": tags, "description": description }),
    );
}

/// A version was registered.
pub(super) fn version(change: &mut Change, version: &ModelVersion, is_prompt: bool) {
    let mut tags = shown(&version.tags, is_prompt);
    let description = version
        .description
        .as_deref()
        .filter(|text| !text.is_empty());
    if is_prompt {
        let template = tags.shift_remove(TAG_PROMPT_TEXT);
        let data = json!({
            "name": version.name,
            "version": version.version,
            "template": template,
            "tags": tags,
            "description": description,
        });
        change.tell(Event::PromptVersionCreated, data);
        return;
    }
    let data = json!({
        "name": version.name,
        "version": version.version,
        "source": version.source,
        "run_id": version.run_id.as_deref().filter(|text| !text.is_empty()),
        "tags": tags,
        "description": description,
    });
    change.tell(Event::ModelVersionCreated, data);
}

/// A tag of a registered model was set, or removed. Only prompts have an event for it.
pub(super) fn model_tag(
    change: &mut Change,
    name: &str,
    key: &str,
    value: Option<&str>,
    is_prompt: bool,
) {
    match value {
        _ if !is_prompt => {}
        Some(value) => {
            let data = json!({ "name": name, "key": key, "value": value });
            change.tell(Event::PromptTagSet, data);
        }
        None => change.tell(Event::PromptTagDeleted, json!({ "name": name, "key": key })),
    }
}

/// A tag of a version was set, or removed.
pub(super) fn version_tag(
    change: &mut Change,
    (name, version): (&str, &str),
    key: &str,
    value: Option<&str>,
    is_prompt: bool,
) {
    let mut data = json!({ "name": name, "version": version, "key": key });
    if let Some(value) = value {
        data["value"] = value.into();
        let event = picked(
            is_prompt,
            Event::PromptVersionTagSet,
            Event::ModelVersionTagSet,
        );
        change.tell(event, data);
    } else {
        let event = picked(
            is_prompt,
            Event::PromptVersionTagDeleted,
            Event::ModelVersionTagDeleted,
        );
        change.tell(event, data);
    }
}

/// An alias was pointed to a version, or removed.
pub(super) fn alias(
    change: &mut Change,
    name: &str,
    alias: &str,
    version: Option<&str>,
    is_prompt: bool,
) {
    let mut data = json!({ "name": name, "alias": alias });
    if let Some(version) = version {
        data["version"] = version.into();
        let event = picked(
            is_prompt,
            Event::PromptAliasCreated,
            Event::ModelVersionAliasCreated,
        );
        change.tell(event, data);
    } else {
        let event = picked(
            is_prompt,
            Event::PromptAliasDeleted,
            Event::ModelVersionAliasDeleted,
        );
        change.tell(event, data);
    }
}
