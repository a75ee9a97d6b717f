-- Issues: problems found in the traces of an experiment. Which traces those are is said by assessments of the kind `issue`, whose
-- name is the issue's id. The severity is its place in the order: 0 none given, 1 not an issue, 2 low, 3 medium, 4 high.
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
CREATE INDEX issues_in_order ON issues (workspace_id, severity, created_at, issue_id);
CREATE INDEX issues_by_experiment ON issues (experiment_no, severity, created_at, issue_id);
CREATE INDEX issues_by_run ON issues (source_run_id);
