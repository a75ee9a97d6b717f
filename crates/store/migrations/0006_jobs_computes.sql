-- Computes, the jobs that wait for them and run on them, and what the jobs leave behind.
CREATE TABLE computes (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    spec TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, name)
)/*sqlite: WITHOUT ROWID */;

CREATE TABLE compute_nodes (
    workspace_id TEXT NOT NULL,
    compute TEXT NOT NULL,
    node BIGINT NOT NULL,
    job TEXT,
    idle_since BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, compute, node),
    FOREIGN KEY (workspace_id, compute) REFERENCES computes (workspace_id, name) ON DELETE CASCADE
)/*sqlite: WITHOUT ROWID */;

-- One row beside the run of each submitted job; the name is the run's id.
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
)/*sqlite: WITHOUT ROWID */;
CREATE INDEX jobs_by_time ON jobs (workspace_id, created_at, name);
CREATE INDEX jobs_by_state ON jobs (state, workspace_id, compute, created_at);
CREATE INDEX jobs_unsettled ON jobs (settled, ended_at);

CREATE TABLE job_tags (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (workspace_id, job, key),
    FOREIGN KEY (workspace_id, job) REFERENCES jobs (workspace_id, name) ON DELETE CASCADE
)/*sqlite: WITHOUT ROWID */;
CREATE INDEX job_tags_by_value ON job_tags (workspace_id, key, value, job);

-- Lineage: what a job read (data, models, code, other jobs' outputs) and what it made.
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
)/*sqlite: WITHOUT ROWID */;
CREATE INDEX job_inputs_by_asset ON job_inputs (workspace_id, kind, asset, version, job);

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
)/*sqlite: WITHOUT ROWID */;
CREATE INDEX job_outputs_by_asset ON job_outputs (workspace_id, kind, asset, version, job);

-- Logs while a job runs; when it has ended they become artifacts of its run.
CREATE TABLE job_logs (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    length BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, job, name),
    FOREIGN KEY (workspace_id, job) REFERENCES jobs (workspace_id, name) ON DELETE CASCADE
)/*sqlite: WITHOUT ROWID */;

CREATE TABLE job_log_chunks (
    workspace_id TEXT NOT NULL,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    start BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (workspace_id, job, name, start),
    FOREIGN KEY (workspace_id, job, name) REFERENCES job_logs (workspace_id, job, name) ON DELETE CASCADE
)/*sqlite: WITHOUT ROWID */;

-- Work that one server at a time may do; whoever holds a lease renews it before it ends.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
