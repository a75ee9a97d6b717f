-- The whole current schema, as the migrations make it on SQLite (PostgreSQL's differs only in collation).
-- Generated: UPDATE_SCHEMA=1 cargo test -p lazuli-store schema

CREATE TABLE assessments (
    assessment_no INTEGER  PRIMARY KEY,
    trace_no BIGINT NOT NULL,
    assessment_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    error TEXT,
    source_type TEXT NOT NULL,
    source_id TEXT,
    rationale TEXT,
    metadata TEXT,
    run_id TEXT,
    span_id TEXT,
    overrides TEXT,
    valid BIGINT NOT NULL,
    aggregate_value DOUBLE PRECISION,
    is_numeric BIGINT NOT NULL,
    session_scoped BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (trace_no, assessment_id)
);

CREATE INDEX assessments_by_name ON assessments (name, trace_no);

CREATE INDEX assessments_by_run ON assessments (run_id, trace_no);

CREATE TABLE asset_tags (
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (workspace_id, kind, name, version, key)
) WITHOUT ROWID;

CREATE TABLE asset_versions (
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    content TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    size BIGINT NOT NULL,
    files BIGINT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    properties TEXT NOT NULL,
    job TEXT,
    output TEXT,
    archived BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, kind, name, version),
    UNIQUE (workspace_id, kind, name, sequence)
);

CREATE INDEX asset_versions_by_content ON asset_versions (workspace_id, content_hash);

CREATE INDEX asset_versions_by_job ON asset_versions (workspace_id, job);

CREATE INDEX asset_versions_by_time ON asset_versions (workspace_id, kind, created_at, name);

CREATE TABLE assets (
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    next_version BIGINT NOT NULL,
    next_sequence BIGINT NOT NULL,
    archived BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, kind, name)
) WITHOUT ROWID;

CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL
);

CREATE TABLE audit_records (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    principal_id TEXT NOT NULL,
    principal_name TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    workspace TEXT NOT NULL,
    outcome TEXT NOT NULL,
    request_id TEXT NOT NULL,
    address TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);

CREATE INDEX audit_records_by_time ON audit_records (at, sequence);

CREATE TABLE compute_nodes (
    workspace_id TEXT NOT NULL,
    compute TEXT NOT NULL,
    node BIGINT NOT NULL,
    job TEXT,
    idle_since BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, compute, node),
    FOREIGN KEY (workspace_id, compute) REFERENCES computes (workspace_id, name) ON DELETE CASCADE
)WITHOUT ROWID;

CREATE TABLE computes (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    spec TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, name)
)WITHOUT ROWID;

CREATE TABLE contents (
    workspace_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, sha256)
) WITHOUT ROWID;

CREATE TABLE datasets (
    dataset_no INTEGER  PRIMARY KEY,
    experiment_no BIGINT NOT NULL REFERENCES experiments (experiment_no),
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source TEXT NOT NULL,
    dataset_schema TEXT,
    profile TEXT,
    UNIQUE (experiment_no, name, digest)
);

CREATE TABLE evaluation_dataset_experiments (
    dataset_no BIGINT NOT NULL REFERENCES evaluation_datasets (dataset_no) ON DELETE CASCADE,
    experiment_no BIGINT NOT NULL REFERENCES experiments (experiment_no) ON DELETE CASCADE,
    PRIMARY KEY (dataset_no, experiment_no)
) WITHOUT ROWID;

CREATE INDEX evaluation_dataset_experiments_by_experiment ON evaluation_dataset_experiments (experiment_no, dataset_no);

CREATE TABLE evaluation_dataset_tags (
    dataset_no BIGINT NOT NULL REFERENCES evaluation_datasets (dataset_no) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (dataset_no, key)
) WITHOUT ROWID;

CREATE TABLE evaluation_datasets (
    dataset_no INTEGER  PRIMARY KEY,
    dataset_id TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    dataset_schema TEXT,
    records BIGINT NOT NULL,
    digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT,
    last_updated_by TEXT
);

CREATE INDEX evaluation_datasets_by_creation ON evaluation_datasets (workspace_id, created_at, dataset_id);

CREATE INDEX evaluation_datasets_by_name ON evaluation_datasets (workspace_id, name, dataset_id);

CREATE TABLE evaluation_records (
    record_no INTEGER  PRIMARY KEY,
    record_id TEXT NOT NULL UNIQUE,
    dataset_no BIGINT NOT NULL REFERENCES evaluation_datasets (dataset_no) ON DELETE CASCADE,
    input_hash TEXT NOT NULL,
    inputs TEXT NOT NULL,
    outputs TEXT,
    expectations TEXT,
    tags TEXT NOT NULL,
    source TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT,
    last_updated_by TEXT,
    UNIQUE (dataset_no, input_hash)
);

CREATE INDEX evaluation_records_in_order ON evaluation_records (dataset_no, record_no);

CREATE TABLE event_head (
    id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);

CREATE TABLE events (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX events_by_subject ON events (workspace_id, subject, sequence);

CREATE TABLE experiment_counters (
    workspace_id TEXT NOT NULL PRIMARY KEY,
    next_id BIGINT NOT NULL
);

CREATE TABLE experiment_tags (
    experiment_no BIGINT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (experiment_no, key)
) WITHOUT ROWID;

CREATE TABLE experiments (
    experiment_no INTEGER  PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    experiment_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    artifact_location TEXT NOT NULL,
    lifecycle_stage TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (workspace_id, experiment_id),
    UNIQUE (workspace_id, name)
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

CREATE TABLE imports (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    source TEXT NOT NULL,
    done BIGINT NOT NULL,
    place TEXT NOT NULL,
    notes TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT
);

CREATE INDEX imports_by_workspace ON imports (workspace_id, started_at);

CREATE TABLE issues (
    issue_id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    experiment_no BIGINT NOT NULL REFERENCES experiments (experiment_no) ON DELETE CASCADE,
    experiment_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    severity BIGINT NOT NULL,
    root_causes TEXT NOT NULL,
    categories TEXT NOT NULL,
    source_run_id TEXT REFERENCES runs (run_id) ON DELETE SET NULL,
    created_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX issues_by_experiment ON issues (experiment_no, severity, created_at, issue_id);

CREATE INDEX issues_by_run ON issues (source_run_id);

CREATE INDEX issues_in_order ON issues (workspace_id, severity, created_at, issue_id);

CREATE TABLE job_inputs (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    asset TEXT,
    version TEXT,
    tree TEXT,
    PRIMARY KEY (workspace_id, job, name),
    FOREIGN KEY (workspace_id, job) REFERENCES jobs (workspace_id, name) ON DELETE CASCADE
)WITHOUT ROWID;

CREATE INDEX job_inputs_by_asset ON job_inputs (workspace_id, kind, asset, version, job);

CREATE TABLE job_log_chunks (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    start BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (workspace_id, job, name, start),
    FOREIGN KEY (workspace_id, job, name) REFERENCES job_logs (workspace_id, job, name) ON DELETE CASCADE
)WITHOUT ROWID;

CREATE TABLE job_logs (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    length BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, job, name),
    FOREIGN KEY (workspace_id, job) REFERENCES jobs (workspace_id, name) ON DELETE CASCADE
)WITHOUT ROWID;

CREATE TABLE job_outputs (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    tree TEXT,
    asset TEXT,
    version TEXT,
    PRIMARY KEY (workspace_id, job, name),
    FOREIGN KEY (workspace_id, job) REFERENCES jobs (workspace_id, name) ON DELETE CASCADE
)WITHOUT ROWID;

CREATE INDEX job_outputs_by_asset ON job_outputs (workspace_id, kind, asset, version, job);

CREATE TABLE job_tags (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (workspace_id, job, key),
    FOREIGN KEY (workspace_id, job) REFERENCES jobs (workspace_id, name) ON DELETE CASCADE
)WITHOUT ROWID;

CREATE INDEX job_tags_by_value ON job_tags (workspace_id, key, value, job);

CREATE TABLE jobs (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    experiment_id TEXT NOT NULL,
    experiment_name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    compute TEXT NOT NULL,
    state TEXT NOT NULL,
    archived BIGINT NOT NULL,
    -- the job as submitted, and what it was resolved to for the runner
    spec TEXT NOT NULL,
    plan TEXT NOT NULL,
    properties TEXT NOT NULL,
    -- also the place in the queue
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    -- scheduling
    node BIGINT,
    handle TEXT,
    report_sequence BIGINT NOT NULL,
    seen_at BIGINT,
    cancel_at BIGINT,
    timeout_seconds BIGINT,
    -- the clock of each phase
    queued_at BIGINT NOT NULL,
    preparing_at BIGINT,
    running_at BIGINT,
    finalizing_at BIGINT,
    ended_at BIGINT,
    -- how it went
    exit_code BIGINT,
    error TEXT,
    environment TEXT,
    usage TEXT,
    -- whether logs were moved to the run's artifacts and the node was cleaned
    settled BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, name)
)WITHOUT ROWID;

CREATE INDEX jobs_by_state ON jobs (state, workspace_id, compute, created_at);

CREATE INDEX jobs_by_time ON jobs (workspace_id, created_at, name);

CREATE INDEX jobs_unsettled ON jobs (settled, ended_at);

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE logged_model_metrics (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    step BIGINT NOT NULL,
    run_id TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    dataset_name TEXT,
    dataset_digest TEXT,
    PRIMARY KEY (model_id, key, timestamp_ms, step, run_id)
) WITHOUT ROWID;

CREATE INDEX logged_model_metrics_by_value ON logged_model_metrics (key, value, model_id);

CREATE TABLE logged_model_params (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) WITHOUT ROWID;

CREATE TABLE logged_model_tags (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) WITHOUT ROWID;

CREATE TABLE logged_models (
    model_id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    experiment_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    artifact_location TEXT NOT NULL,
    status BIGINT NOT NULL,
    model_type TEXT,
    source_run_id TEXT,
    lifecycle_stage TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX logged_models_by_run ON logged_models (workspace_id, source_run_id);

CREATE INDEX logged_models_by_time ON logged_models (workspace_id, experiment_id, created_at DESC, model_id);

CREATE TABLE metric_points (
    series_no BIGINT NOT NULL,
    step BIGINT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    is_nan BIGINT NOT NULL,
    PRIMARY KEY (series_no, step, timestamp_ms, value, is_nan)
) WITHOUT ROWID;

CREATE TABLE metric_series (
    series_no INTEGER  PRIMARY KEY,
    run_no BIGINT NOT NULL,
    key TEXT NOT NULL,
    experiment_no BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    is_nan BIGINT NOT NULL,
    step BIGINT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    in_order BIGINT NOT NULL,
    UNIQUE (run_no, key)
);

CREATE INDEX metric_series_by_value ON metric_series (experiment_no, key, is_nan, value, run_no);

CREATE TABLE model_aliases (
    model_no BIGINT NOT NULL REFERENCES registered_models (model_no) ON DELETE CASCADE,
    alias TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (model_no, alias)
) WITHOUT ROWID;

CREATE TABLE model_version_tags (
    version_no BIGINT NOT NULL REFERENCES model_versions (version_no) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (version_no, key)
) WITHOUT ROWID;

CREATE TABLE model_versions (
    version_no INTEGER  PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    model_no BIGINT NOT NULL REFERENCES registered_models (model_no) ON DELETE CASCADE,
    version TEXT NOT NULL,
    -- the version as a number; -1 when it is none
    number BIGINT NOT NULL,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    location TEXT NOT NULL,
    tree TEXT,
    run_id TEXT,
    run_link TEXT,
    model_id TEXT,
    job TEXT,
    description TEXT,
    user_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    archived BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    properties TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (model_no, version)
);

CREATE INDEX model_versions_by_run ON model_versions (workspace_id, run_id);

CREATE INDEX model_versions_by_stage ON model_versions (model_no, deleted, stage, number);

CREATE INDEX model_versions_by_update ON model_versions (workspace_id, deleted, updated_at);

CREATE TABLE online_deployments (
    workspace_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    name TEXT NOT NULL,
    spec TEXT NOT NULL,
    binding TEXT NOT NULL,
    generation BIGINT NOT NULL,
    state TEXT NOT NULL,
    message TEXT NOT NULL,
    traceback TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, endpoint, name),
    FOREIGN KEY (workspace_id, endpoint) REFERENCES online_endpoints (workspace_id, name)
);

CREATE TABLE online_endpoints (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL UNIQUE,
    spec TEXT NOT NULL,
    primary_key TEXT NOT NULL,
    secondary_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, name)
);

CREATE TABLE online_scoring_configs (
    scorer_id TEXT NOT NULL PRIMARY KEY REFERENCES scorers (scorer_id) ON DELETE CASCADE,
    config_id TEXT NOT NULL UNIQUE,
    sample_rate DOUBLE PRECISION NOT NULL,
    filter TEXT
);

CREATE TABLE principals (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT,
    disabled BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);

CREATE TABLE registered_model_tags (
    model_no BIGINT NOT NULL REFERENCES registered_models (model_no) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model_no, key)
) WITHOUT ROWID;

CREATE TABLE registered_models (
    model_no INTEGER  PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    archived BIGINT NOT NULL,
    is_prompt BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (workspace_id, name)
);

CREATE INDEX registered_models_by_update ON registered_models (workspace_id, updated_at, name);

CREATE TABLE role_assignments (
    id TEXT NOT NULL PRIMARY KEY,
    principal_id TEXT NOT NULL REFERENCES principals (id),
    role_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (principal_id, role_id, scope)
);

CREATE INDEX role_assignments_by_scope ON role_assignments (scope, principal_id);

CREATE TABLE role_definitions (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    actions TEXT NOT NULL,
    not_actions TEXT NOT NULL
);

CREATE TABLE run_dataset_tags (
    run_no BIGINT NOT NULL,
    dataset_no BIGINT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_no, dataset_no, key)
) WITHOUT ROWID;

CREATE TABLE run_datasets (
    run_no BIGINT NOT NULL,
    dataset_no BIGINT NOT NULL REFERENCES datasets (dataset_no),
    PRIMARY KEY (run_no, dataset_no)
) WITHOUT ROWID;

CREATE INDEX run_datasets_by_dataset ON run_datasets (dataset_no, run_no);

CREATE TABLE run_models (
    run_no BIGINT NOT NULL,
    direction TEXT NOT NULL,
    model_id TEXT NOT NULL,
    step BIGINT NOT NULL,
    PRIMARY KEY (run_no, direction, model_id)
) WITHOUT ROWID;

CREATE INDEX run_models_by_model ON run_models (model_id, direction, run_no);

CREATE TABLE run_params (
    run_no BIGINT NOT NULL,
    key TEXT NOT NULL,
    experiment_no BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_no, key)
) WITHOUT ROWID;

CREATE INDEX run_params_by_value ON run_params (experiment_no, key, (substr(value, 1, 128)), run_no);

CREATE TABLE run_tags (
    run_no BIGINT NOT NULL,
    key TEXT NOT NULL,
    experiment_no BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_no, key)
) WITHOUT ROWID;

CREATE INDEX run_tags_by_value ON run_tags (experiment_no, key, (substr(value, 1, 128)), run_no);

CREATE TABLE runs (
    run_no INTEGER  PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL,
    experiment_no BIGINT NOT NULL REFERENCES experiments (experiment_no),
    experiment_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    status TEXT NOT NULL,
    start_time BIGINT NOT NULL,
    end_time BIGINT,
    lifecycle_stage TEXT NOT NULL,
    deleted_at BIGINT,
    artifact_uri TEXT NOT NULL
);

CREATE INDEX runs_by_start ON runs (experiment_no, lifecycle_stage, start_time DESC, run_id);

CREATE INDEX runs_by_workspace ON runs (workspace_id, start_time DESC, run_id);

CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL);

CREATE TABLE scorer_versions (
    scorer_id TEXT NOT NULL REFERENCES scorers (scorer_id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    serialized TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scorer_id, version)
);

CREATE TABLE scorers (
    scorer_id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    experiment_no BIGINT NOT NULL REFERENCES experiments (experiment_no) ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (experiment_no, name)
);

CREATE INDEX scorers_by_workspace ON scorers (workspace_id, experiment_no, name);

CREATE TABLE spans (
    trace_no BIGINT NOT NULL,
    span_id TEXT NOT NULL,
    parent_span_id TEXT,
    name TEXT NOT NULL,
    type TEXT,
    status TEXT NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns BIGINT,
    content TEXT NOT NULL,
    tokens TEXT,
    input_cost DOUBLE PRECISION,
    output_cost DOUBLE PRECISION,
    total_cost DOUBLE PRECISION,
    model_name TEXT,
    model_provider TEXT,
    PRIMARY KEY (trace_no, span_id)
);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    principal_id TEXT NOT NULL REFERENCES principals (id),
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    workspace_id TEXT,
    job TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX tokens_by_job ON tokens (workspace_id, job);

CREATE INDEX tokens_by_principal ON tokens (principal_id, created_at, id);

CREATE TABLE trace_metadata (
    trace_no BIGINT NOT NULL,
    key TEXT NOT NULL,
    experiment_no BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace_no, key)
) WITHOUT ROWID;

CREATE INDEX trace_metadata_by_value ON trace_metadata (experiment_no, key, (substr(value, 1, 128)), trace_no);

CREATE TABLE trace_prompts (
    trace_no BIGINT NOT NULL,
    prompt TEXT NOT NULL,
    PRIMARY KEY (trace_no, prompt)
) WITHOUT ROWID;

CREATE INDEX trace_prompts_by_prompt ON trace_prompts (prompt, trace_no);

CREATE TABLE trace_runs (
    run_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    PRIMARY KEY (run_id, workspace_id, trace_id)
) WITHOUT ROWID;

CREATE INDEX trace_runs_by_trace ON trace_runs (workspace_id, trace_id);

CREATE TABLE trace_tags (
    trace_no BIGINT NOT NULL,
    key TEXT NOT NULL,
    experiment_no BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace_no, key)
) WITHOUT ROWID;

CREATE INDEX trace_tags_by_value ON trace_tags (experiment_no, key, (substr(value, 1, 128)), trace_no);

CREATE TABLE traces (
    trace_no INTEGER  PRIMARY KEY,
    trace_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    experiment_no BIGINT NOT NULL REFERENCES experiments (experiment_no),
    experiment_id BIGINT NOT NULL,
    request_time_ms BIGINT NOT NULL,
    execution_duration_ms BIGINT,
    state TEXT NOT NULL,
    client_request_id TEXT,
    request_preview TEXT,
    response_preview TEXT,
    name TEXT,
    session_id TEXT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    total_tokens BIGINT,
    cache_read_input_tokens BIGINT,
    cache_creation_input_tokens BIGINT,
    cache_creation_input_tokens_above_1hr BIGINT,
    input_cost DOUBLE PRECISION,
    output_cost DOUBLE PRECISION,
    total_cost DOUBLE PRECISION,
    UNIQUE (workspace_id, trace_id)
);

CREATE INDEX traces_by_name ON traces (experiment_no, (substr(name, 1, 128)), request_time_ms);

CREATE INDEX traces_by_session ON traces (experiment_no, (substr(session_id, 1, 128)), request_time_ms);

CREATE INDEX traces_by_time ON traces (experiment_no, request_time_ms DESC, trace_id);

CREATE TABLE trees (
    workspace_id TEXT NOT NULL,
    tree TEXT NOT NULL,
    size BIGINT NOT NULL,
    files BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, tree)
) WITHOUT ROWID;

CREATE TABLE webhook_deliveries (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id),
    sequence BIGINT NOT NULL,
    place BIGINT NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (webhook_id, sequence, place)
);

CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (webhook_id, due_at, sequence, place);

CREATE TABLE webhook_events (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id),
    event TEXT NOT NULL,
    PRIMARY KEY (webhook_id, event)
);

CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    description TEXT,
    url TEXT NOT NULL,
    secret BYTEA,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX webhooks_by_age ON webhooks (workspace_id, created_at, id);

CREATE TABLE workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
