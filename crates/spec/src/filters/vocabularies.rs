//! What may be said in the filters of each kind of thing.

use super::{Attribute, Kind, Vocabulary};

const fn text(name: &'static str) -> Attribute {
    Attribute {
        name,
        aliases: &[],
        numeric: false,
        filter: true,
        order: true,
        lists: false,
    }
}

const fn number(name: &'static str) -> Attribute {
    Attribute {
        numeric: true,
        ..text(name)
    }
}

const fn listed(name: &'static str) -> Attribute {
    Attribute {
        lists: true,
        ..text(name)
    }
}

const fn order_only(attribute: Attribute) -> Attribute {
    Attribute {
        filter: false,
        ..attribute
    }
}

const fn filter_only(attribute: Attribute) -> Attribute {
    Attribute {
        order: false,
        ..attribute
    }
}

const fn also(attribute: Attribute, aliases: &'static [&'static str]) -> Attribute {
    Attribute {
        aliases,
        ..attribute
    }
}

const ATTRIBUTES_AND_TAGS: &[(&str, Kind)] = &[
    ("attribute", Kind::Attribute),
    ("attributes", Kind::Attribute),
    ("attr", Kind::Attribute),
    ("tag", Kind::Tag),
    ("tags", Kind::Tag),
];
const ATTRIBUTES_AND_TAGS_SHOWN: &str = "('attribute', 'tag', 'tags')";

/// Runs.
pub const RUNS: Vocabulary = Vocabulary {
    prefixes: &[
        ("metric", Kind::Metric),
        ("metrics", Kind::Metric),
        ("parameter", Kind::Param),
        ("parameters", Kind::Param),
        ("param", Kind::Param),
        ("params", Kind::Param),
        ("tag", Kind::Tag),
        ("tags", Kind::Tag),
        ("attribute", Kind::Attribute),
        ("attributes", Kind::Attribute),
        ("attr", Kind::Attribute),
        ("run", Kind::Attribute),
        ("dataset", Kind::Dataset),
        ("datasets", Kind::Dataset),
    ],
    prefixes_shown: "['metric', 'parameter', 'tag', 'attribute', 'dataset']",
    attributes: &[
        listed("run_id"),
        also(text("run_name"), &["run name", "Run name", "Run Name"]),
        text("user_id"),
        text("status"),
        also(number("start_time"), &["created", "Created"]),
        number("end_time"),
        text("artifact_uri"),
    ],
};

/// Experiments.
pub const EXPERIMENTS: Vocabulary = Vocabulary {
    prefixes: ATTRIBUTES_AND_TAGS,
    prefixes_shown: ATTRIBUTES_AND_TAGS_SHOWN,
    attributes: &[
        text("name"),
        listed("experiment_id"),
        number("creation_time"),
        number("last_update_time"),
    ],
};

/// Registered models.
pub const REGISTERED_MODELS: Vocabulary = Vocabulary {
    prefixes: ATTRIBUTES_AND_TAGS,
    prefixes_shown: ATTRIBUTES_AND_TAGS_SHOWN,
    attributes: &[
        listed("name"),
        order_only(number("creation_timestamp")),
        order_only(also(number("last_updated_timestamp"), &["timestamp"])),
    ],
};

/// Versions of registered models.
pub const MODEL_VERSIONS: Vocabulary = Vocabulary {
    prefixes: ATTRIBUTES_AND_TAGS,
    prefixes_shown: ATTRIBUTES_AND_TAGS_SHOWN,
    attributes: &[
        listed("name"),
        number("version_number"),
        filter_only(listed("run_id")),
        filter_only(text("source_path")),
        order_only(number("creation_timestamp")),
        order_only(number("last_updated_timestamp")),
    ],
};

/// Evaluation data sets.
pub const EVALUATION_DATASETS: Vocabulary = Vocabulary {
    prefixes: ATTRIBUTES_AND_TAGS,
    prefixes_shown: ATTRIBUTES_AND_TAGS_SHOWN,
    attributes: &[
        listed("name"),
        number("created_time"),
        number("last_update_time"),
        filter_only(text("created_by")),
        filter_only(text("last_updated_by")),
    ],
};

/// Logged models.
pub const LOGGED_MODELS: Vocabulary = Vocabulary {
    prefixes: &[
        ("attributes", Kind::Attribute),
        ("attribute", Kind::Attribute),
        ("metrics", Kind::Metric),
        ("metric", Kind::Metric),
        ("params", Kind::Param),
        ("param", Kind::Param),
        ("tags", Kind::Tag),
        ("tag", Kind::Tag),
    ],
    prefixes_shown: "['attributes', 'metrics', 'params', 'tags']",
    attributes: &[
        listed("name"),
        listed("model_id"),
        listed("model_type"),
        listed("status"),
        listed("source_run_id"),
        also(
            number("creation_timestamp"),
            &["creation_time", "creation_timestamp_ms"],
        ),
        also(
            number("last_updated_timestamp"),
            &["last_updated_time", "last_updated_timestamp_ms"],
        ),
    ],
};
