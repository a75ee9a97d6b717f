-- Online endpoints and their deployments: what is wanted, and what became of it. An endpoint's name is part of its
-- scoring address, so it is unique on the server, not only in its workspace.
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
