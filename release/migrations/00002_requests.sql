-- +goose Up
CREATE TABLE release_request (
	id        TEXT   NOT NULL PRIMARY KEY,
	state     TEXT   NOT NULL,
	requested BIGINT NOT NULL,
	until     TEXT   NOT NULL,
	body      TEXT   NOT NULL
);
CREATE INDEX release_request_state ON release_request (state, requested);
-- The fingerprints of copies: how to ask a fragment, and no value of a table.
CREATE TABLE release_mark (
	id        TEXT   NOT NULL PRIMARY KEY,
	made      BIGINT NOT NULL,
	body      TEXT   NOT NULL
);

-- +goose Down
DROP TABLE release_mark;
DROP TABLE release_request;
