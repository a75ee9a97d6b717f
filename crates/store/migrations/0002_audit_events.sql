-- The audit trail: append-only, each record carries the hash of the one before it.
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

-- One row: the end of the trail. Updating it orders the writers, and a tail cut off shows against it.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, sequence, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- The outbox: a change of state writes its event in the same transaction; every reader keeps its own place.
CREATE TABLE events (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX events_by_subject ON events (workspace_id, subject, sequence);

CREATE TABLE event_head (
    id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);
INSERT INTO event_head (id, sequence) VALUES (1, 0);
