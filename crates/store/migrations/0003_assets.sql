-- Content that a workspace has: whoever has not uploaded bytes here cannot reach them by knowing their hash.
CREATE TABLE contents (
    workspace_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, sha256)
) /*sqlite: WITHOUT ROWID */;

CREATE TABLE trees (
    workspace_id TEXT NOT NULL,
    tree TEXT NOT NULL,
    size BIGINT NOT NULL,
    files BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, tree)
) /*sqlite: WITHOUT ROWID */;

-- The names of data, environments and code. next_version is one more than the highest number among the versions,
-- next_sequence counts them in the order they were made; updating the row orders writers of one name.
CREATE TABLE assets (
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    next_version BIGINT NOT NULL,
    next_sequence BIGINT NOT NULL,
    archived BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, kind, name)
) /*sqlite: WITHOUT ROWID */;

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
CREATE INDEX asset_versions_by_time ON asset_versions (workspace_id, kind, created_at, name);
CREATE INDEX asset_versions_by_content ON asset_versions (workspace_id, content_hash);
CREATE INDEX asset_versions_by_job ON asset_versions (workspace_id, job);

-- The tags of asset_versions again, for searching.
CREATE TABLE asset_tags (
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (workspace_id, kind, name, version, key)
) /*sqlite: WITHOUT ROWID */;
