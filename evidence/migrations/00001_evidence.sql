-- +goose Up
-- Row numbers come from these rows inside the writer's transaction, so that
-- the order of numbers is the order of commits on every engine.
CREATE TABLE evidence_counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO evidence_counters (name, value) VALUES ('records', 0), ('marks', 0);

CREATE TABLE records (
    n       BIGINT PRIMARY KEY,
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    version BIGINT NOT NULL,
    time    BIGINT NOT NULL,
    person  TEXT NOT NULL,
    patient TEXT NOT NULL,
    status  TEXT NOT NULL,
    ref     TEXT NOT NULL,
    score   DOUBLE PRECISION NOT NULL,
    body    TEXT NOT NULL,
    salt    TEXT NOT NULL,
    latest  BIGINT NOT NULL,
    UNIQUE (kind, id, version)
);
CREATE INDEX records_by_time ON records (kind, status, time) WHERE latest = 1;
CREATE INDEX records_by_score ON records (kind, status, score) WHERE latest = 1;
CREATE INDEX records_by_person ON records (person, kind, time) WHERE latest = 1;
CREATE INDEX records_by_patient ON records (patient, kind, time) WHERE latest = 1;
CREATE INDEX records_by_ref ON records (ref, kind, time) WHERE latest = 1;

-- Statements about files, removals and erasures on their way into the log.
CREATE TABLE evidence_marks (
    n    BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);

-- The keys of the salts of events, one a month; an erased key is ''.
CREATE TABLE evidence_keys (
    id     TEXT PRIMARY KEY,
    key    TEXT NOT NULL,
    made   BIGINT NOT NULL,
    erased BIGINT NOT NULL
);

-- Signed heads as seen by this site: a log shorter than one was rolled back.
CREATE TABLE evidence_heads (
    size BIGINT PRIMARY KEY,
    note TEXT NOT NULL,
    time BIGINT NOT NULL
);

-- +goose Down
DROP TABLE evidence_heads;
DROP TABLE evidence_keys;
DROP TABLE evidence_marks;
DROP TABLE records;
DROP TABLE evidence_counters;
