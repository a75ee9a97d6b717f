//! Registered models, and prompts, which are registered models with a tag; their tags and aliases.

use super::Schema;
use super::pipe::{Pipe, key};
use crate::Kind::{Integer, Text};

const COUNT_MODELS: &str = "SELECT COUNT(*) FROM registered_models WHERE workspace_id = $1";
const COUNT_TAGS: &str = "SELECT COUNT(*) FROM registered_model_tags t JOIN registered_models m ON m.model_no = t.model_no
    WHERE m.workspace_id = $1";
const COUNT_ALIASES: &str =
    "SELECT COUNT(*) FROM model_aliases t JOIN registered_models m ON m.model_no = t.model_no
    WHERE m.workspace_id = $1";

pub(super) fn imports(schema: &Schema) -> Vec<Pipe> {
    let mut pipes = vec![models(schema)];
    if schema.has("registered_model_tags") {
        pipes.push(tags(schema));
    }
    if schema.has("registered_model_aliases") {
        pipes.push(aliases(schema));
    }
    pipes
}

fn models(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("registered_models", "m");
    let is_prompt = if schema.has("registered_model_tags") {
        let same = if schema.column("registered_model_tags", "workspace") {
            " AND t.workspace = m.workspace"
        } else {
            ""
        };
        format!(
            "CASE WHEN EXISTS (SELECT 1 FROM registered_model_tags t WHERE t.name = m.name{same}
                 AND t.key = 'mlflow.prompt.is_prompt' AND LOWER(t.value) = 'true') THEN 1 ELSE 0 END"
        )
    } else {
        "0".to_owned()
    };
    Pipe {
        noun: "registered models",
        select: format!(
            "SELECT m.name, m.description, m.creation_time, m.last_updated_time, {is_prompt} FROM registered_models m WHERE {ours}"
        ),
        keys: const { &[key("m.name", 0)] },
        kinds: &[Text, Text, Integer, Integer, Integer],
        name: 0,
        convert: |context, row| {
            lazuli_spec::models::name(&row.text(0)).map_err(|error| error.0)?;
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(0),
                row.same(1),
                row.int(4).into(),
                row.micros(2),
                row.micros(3),
            ])
        },
        columns: "ws, name, description, is_prompt, made, changed",
        writes: vec![
            "INSERT INTO registered_models (workspace_id, name, description, archived, is_prompt, created_at, updated_at)
             SELECT ws, name, description, 0, is_prompt, made, changed FROM v WHERE true ON CONFLICT (workspace_id, name) DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) FROM registered_models m WHERE {ours}"),
        count_into: COUNT_MODELS,
    }
}

fn tags(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("registered_model_tags", "t");
    Pipe {
        noun: "registered model tags",
        select: format!("SELECT t.name, t.key, t.value FROM registered_model_tags t WHERE {ours}"),
        keys: const { &[key("t.key", 1), key("t.name", 0)] },
        kinds: &[Text, Text, Text],
        name: 1,
        convert: |context, row| {
            Ok(vec![context.workspace_id.as_str().into(), row.same(0), row.same(1), row.filled(2)])
        },
        columns: "ws, name, key, value",
        writes: vec![
            "INSERT INTO registered_model_tags (model_no, key, value) SELECT m.model_no, v.key, v.value
             FROM v CROSS JOIN registered_models m WHERE m.workspace_id = v.ws AND m.name = v.name ON CONFLICT DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) FROM registered_model_tags t WHERE {ours}"),
        count_into: COUNT_TAGS,
    }
}

fn aliases(schema: &Schema) -> Pipe {
    let ours = schema.in_workspace("registered_model_aliases", "t");
    Pipe {
        noun: "aliases",
        select: format!("SELECT t.name, t.alias, t.version FROM registered_model_aliases t WHERE {ours}"),
        keys: const { &[key("t.name", 0), key("t.alias", 1)] },
        kinds: &[Text, Text, Integer],
        name: 1,
        convert: |context, row| {
            Ok(vec![
                context.workspace_id.as_str().into(),
                row.same(0),
                row.same(1),
                row.int(2).to_string().into(),
            ])
        },
        columns: "ws, name, alias, version",
        writes: vec![
            "INSERT INTO model_aliases (model_no, alias, version) SELECT m.model_no, v.alias, v.version
             FROM v CROSS JOIN registered_models m WHERE m.workspace_id = v.ws AND m.name = v.name ON CONFLICT DO NOTHING",
        ],
        count_from: format!("SELECT COUNT(*) FROM registered_model_aliases t WHERE {ours}"),
        count_into: COUNT_ALIASES,
    }
}

pub(super) fn exports() -> Vec<Pipe> {
    let models = Pipe {
        noun: "registered models",
        select: "SELECT name, description, created_at, updated_at FROM registered_models WHERE workspace_id = $1".to_owned(),
        keys: const { &[key("name", 0)] },
        kinds: &[Text, Text, Integer, Integer],
        name: 0,
        convert: |_, row| Ok(vec![row.same(0), row.same(1), row.millis(2), row.millis(3)]),
        columns: "name, description, made, changed",
        writes: vec![
            "INSERT INTO registered_models (name, description, creation_time, last_updated_time)
             SELECT name, description, made, changed FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_MODELS.to_owned(),
        count_into: "SELECT COUNT(*) FROM registered_models",
    };
    let tags = Pipe {
        noun: "registered model tags",
        select: "SELECT m.name, t.key, t.value, t.model_no FROM registered_model_tags t
                 JOIN registered_models m ON m.model_no = t.model_no WHERE m.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("t.model_no", 3), key("t.key", 1)] },
        kinds: &[Text, Text, Text, Integer],
        name: 1,
        convert: |_, row| Ok(vec![row.same(0), row.same(1), row.same(2)]),
        columns: "name, key, value",
        writes: vec![
            "INSERT INTO registered_model_tags (name, key, value) SELECT name, key, value FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_TAGS.to_owned(),
        count_into: "SELECT COUNT(*) FROM registered_model_tags",
    };
    let aliases = Pipe {
        noun: "aliases",
        select: "SELECT m.name, t.alias, t.version, t.model_no FROM model_aliases t
                 JOIN registered_models m ON m.model_no = t.model_no WHERE m.workspace_id = $1"
            .to_owned(),
        keys: const { &[key("t.model_no", 3), key("t.alias", 1)] },
        kinds: &[Text, Text, Text, Integer],
        name: 1,
        convert: |_, row| {
            Ok(vec![
                row.same(0),
                row.same(1),
                super::model_versions::number(&row.text(2))?.into(),
            ])
        },
        columns: "name, alias, version",
        writes: vec![
            "INSERT INTO registered_model_aliases (name, alias, version) SELECT name, alias, version FROM v WHERE true ON CONFLICT DO NOTHING",
        ],
        count_from: COUNT_ALIASES.to_owned(),
        count_into: "SELECT COUNT(*) FROM registered_model_aliases",
    };
    vec![models, tags, aliases]
}
