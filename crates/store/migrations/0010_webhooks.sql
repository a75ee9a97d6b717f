-- Webhooks, what each is told of, and the deliveries that wait. A delivery's row is written in the transaction of the change
-- that it tells of, and goes when the receiver has taken it or will not.
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

CREATE TABLE webhook_events (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id),
    event TEXT NOT NULL,
    PRIMARY KEY (webhook_id, event)
);

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
