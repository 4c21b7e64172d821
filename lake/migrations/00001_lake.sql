-- +goose Up
CREATE TABLE lake_files (
    name TEXT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    min_time BIGINT NOT NULL,
    max_time BIGINT NOT NULL
);

CREATE TABLE lake_corrections (
    uid TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    explanation TEXT NOT NULL,
    version BIGINT NOT NULL
);

CREATE INDEX lake_corrections_version ON lake_corrections (version);

-- +goose Down
DROP TABLE lake_corrections;
DROP TABLE lake_files;
