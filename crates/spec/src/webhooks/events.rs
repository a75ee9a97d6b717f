//! What a webhook can be told of, and what each telling looks like.

use serde_json::{Value, json};

use crate::invalid::Invalid;

macro_rules! events {
    ($($variant:ident = $entity:literal, $action:literal;)*) => {
        /// Something that happens in the registry, or to a budget.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum WebhookEvent {
            $(#[doc = concat!($entity, ".", $action)] $variant,)*
        }

        impl WebhookEvent {
            /// Every event.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What it happens to.
            pub const fn entity(self) -> &'static str {
                match self { $(Self::$variant => $entity,)* }
            }

            /// What happens.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$variant => $action,)* }
            }

            /// Both, as stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => concat!($entity, ".", $action),)* }
            }
        }
    };
}

events! {
    RegisteredModelCreated = "registered_model", "created";
    ModelVersionCreated = "model_version", "created";
    ModelVersionTagSet = "model_version_tag", "set";
    ModelVersionTagDeleted = "model_version_tag", "deleted";
    ModelVersionAliasCreated = "model_version_alias", "created";
    ModelVersionAliasDeleted = "model_version_alias", "deleted";
    PromptCreated = "prompt", "created";
    PromptVersionCreated = "prompt_version", "created";
    PromptTagSet = "prompt_tag", "set";
    PromptTagDeleted = "prompt_tag", "deleted";
    PromptVersionTagSet = "prompt_version_tag", "set";
    PromptVersionTagDeleted = "prompt_version_tag", "deleted";
    PromptAliasCreated = "prompt_alias", "created";
    PromptAliasDeleted = "prompt_alias", "deleted";
    BudgetPolicyExceeded = "budget_policy", "exceeded";
}

/// The entities by their numbers in the protocol, from 1.
const ENTITIES: [&str; 10] = [
    "registered_model",
    "model_version",
    "model_version_tag",
    "model_version_alias",
    "prompt",
    "prompt_version",
    "prompt_tag",
    "prompt_version_tag",
    "prompt_alias",
    "budget_policy",
];

/// The actions by their numbers in the protocol, from 1.
const ACTIONS: [&str; 5] = ["created", "updated", "deleted", "set", "exceeded"];

impl WebhookEvent {
    /// Reads the stored text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.as_str() == text)
    }

    /// From the protocol's two words, in capitals, or their numbers.
    pub fn of(entity: &Value, action: &Value) -> Result<Self, Invalid> {
        let entity = word(&ENTITIES, "entity", entity)?;
        let action = word(&ACTIONS, "action", action)?;
        let of_entity = || Self::ALL.iter().copied().filter(|e| e.entity() == entity);
        if let Some(event) = of_entity().find(|e| e.action() == action) {
            return Ok(event);
        }
        let mut valid: Vec<String> = of_entity().map(|e| format!("'{}'", e.action())).collect();
        valid.sort_unstable();
        Err(Invalid(format!(
            "Invalid action '{action}' for entity '{entity}'. Valid actions are: [{}]",
            valid.join(", ")
        )))
    }

    /// What is sent when somebody tries a webhook out.
    pub fn example(self) -> Value {
        let (key, value) = ("example_key", "example_value");
        let name = if self.entity().starts_with("prompt") {
            "example_prompt"
        } else {
            "example_model"
        };
        match self {
            Self::RegisteredModelCreated => {
                json!({"name": name, "tags": {key: value}, "description": "An example registered model"})
            }
            Self::ModelVersionCreated => {
                json!({"name": name, "version": "1", "source": "models:/123", "run_id": "abcd1234abcd5678", "tags": {key: value}, "description": "An example model version"})
            }
            Self::PromptCreated => {
                json!({"name": name, "tags": {key: value}, "description": "An example prompt"})
            }
            Self::PromptVersionCreated => {
                json!({"name": name, "version": "1", "template": "Hello {{name}}!", "tags": {key: value}, "description": "An example prompt version"})
            }
            Self::ModelVersionTagSet | Self::PromptVersionTagSet => {
                json!({"name": name, "version": "1", "key": key, "value": value})
            }
            Self::ModelVersionTagDeleted | Self::PromptVersionTagDeleted => {
                json!({"name": name, "version": "1", "key": key})
            }
            Self::PromptTagSet => json!({"name": name, "key": key, "value": value}),
            Self::PromptTagDeleted => json!({"name": name, "key": key}),
            Self::ModelVersionAliasCreated | Self::PromptAliasCreated => {
                json!({"name": name, "alias": "example_alias", "version": "1"})
            }
            Self::ModelVersionAliasDeleted | Self::PromptAliasDeleted => {
                json!({"name": name, "alias": "example_alias"})
            }
            Self::BudgetPolicyExceeded => json!({
                "budget_policy_id": "bp-abc123",
                "budget_unit": "USD",
                "budget_amount": 100.0,
                "current_spend": 105.5,
                "duration_unit": "MONTHS",
                "duration_value": 1,
                "target_scope": "ENDPOINT",
                "workspace": "default",
                "target_value": "ep-abc123",
                "window_start": 1_704_067_200_000_i64,
            }),
        }
    }
}

/// A word of the protocol, written as its name or as its number.
fn word(words: &[&'static str], what: &str, given: &Value) -> Result<&'static str, Invalid> {
    let found = match given {
        Value::String(text) => words.iter().find(|word| word.to_ascii_uppercase() == *text),
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok()?.checked_sub(1))
            .and_then(|index| words.get(index)),
        _ => None,
    };
    found.copied().ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let given = match given {
            Value::Null => "nothing".to_owned(),
            other => other.to_string().chars().take(80).collect(),
        };
        Invalid(format!(
            "Invalid webhook {what} {given}: it must be one of {}",
            known.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_by_name_and_number() {
        let of = |entity: Value, action: Value| WebhookEvent::of(&entity, &action);
        assert_eq!(
            of(json!("PROMPT_TAG"), json!("SET")),
            Ok(WebhookEvent::PromptTagSet)
        );
        assert_eq!(
            of(json!(2), json!(1)),
            Ok(WebhookEvent::ModelVersionCreated)
        );
        assert_eq!(
            of(json!("MODEL_VERSION_TAG"), json!("CREATED"))
                .unwrap_err()
                .0,
            "Invalid action 'created' for entity 'model_version_tag'. Valid actions are: ['deleted', 'set']"
        );
        for (entity, action) in [
            (json!("ENTITY_UNSPECIFIED"), json!("CREATED")),
            (json!(0), json!(1)),
            (json!(99), json!(1)),
            (Value::Null, Value::Null),
            (json!([]), json!({})),
        ] {
            assert!(of(entity, action).is_err());
        }
    }

    #[test]
    fn every_event_has_its_text_and_example() {
        assert_eq!(WebhookEvent::ALL.len(), 15);
        for &event in WebhookEvent::ALL {
            assert_eq!(WebhookEvent::parse(event.as_str()), Some(event));
            assert!(event.example().is_object());
            assert!(ENTITIES.contains(&event.entity()) && ACTIONS.contains(&event.action()));
        }
    }
}
