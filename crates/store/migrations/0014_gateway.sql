-- What an AI gateway is administered by: sealed keys of model providers, definitions of their models, and endpoints over them.
CREATE TABLE gateway_secrets (
    secret_id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    masked TEXT NOT NULL,
    provider TEXT,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (workspace_id, name)
);

-- A definition outlives its secret, and waits for another one then.
CREATE TABLE gateway_model_definitions (
    definition_id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    secret_id TEXT REFERENCES gateway_secrets (secret_id) ON DELETE SET NULL,
    provider TEXT NOT NULL,
    model_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (workspace_id, name)
);
CREATE INDEX gateway_model_definitions_by_secret ON gateway_model_definitions (secret_id);

CREATE TABLE gateway_endpoints (
    endpoint_id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    routing TEXT,
    has_fallback BIGINT NOT NULL,
    fallback_strategy TEXT,
    fallback_attempts BIGINT,
    experiment_no BIGINT REFERENCES experiments (experiment_no) ON DELETE SET NULL,
    usage_tracking BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (workspace_id, name)
);
CREATE INDEX gateway_endpoints_by_experiment ON gateway_endpoints (experiment_no);

-- A definition behind an endpoint cannot be deleted.
CREATE TABLE gateway_endpoint_models (
    mapping_id TEXT NOT NULL PRIMARY KEY,
    endpoint_id TEXT NOT NULL REFERENCES gateway_endpoints (endpoint_id) ON DELETE CASCADE,
    definition_id TEXT NOT NULL REFERENCES gateway_model_definitions (definition_id),
    linkage TEXT NOT NULL,
    place BIGINT NOT NULL,
    weight DOUBLE PRECISION NOT NULL,
    fallback_order BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (endpoint_id, definition_id, linkage)
);
CREATE INDEX gateway_endpoint_models_by_definition ON gateway_endpoint_models (definition_id);

CREATE TABLE gateway_endpoint_tags (
    endpoint_id TEXT NOT NULL REFERENCES gateway_endpoints (endpoint_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, key)
);

CREATE TABLE gateway_endpoint_bindings (
    endpoint_id TEXT NOT NULL REFERENCES gateway_endpoints (endpoint_id) ON DELETE CASCADE,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, resource_type, resource_id)
);
