-- What was brought over from other systems. While one is under way its place says where to go on; it moves in the transactions
-- that write the rows.
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
