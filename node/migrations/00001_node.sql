-- +goose Up
CREATE TABLE node_state (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
);
CREATE TABLE node_cursors (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
);
CREATE TABLE node_sources (
	name     TEXT   NOT NULL PRIMARY KEY,
	format   TEXT   NOT NULL,
	first    BIGINT NOT NULL,
	last     BIGINT NOT NULL,
	event    BIGINT NOT NULL,
	stored   BIGINT NOT NULL,
	repeated BIGINT NOT NULL,
	rejected BIGINT NOT NULL
);

-- +goose Down
DROP TABLE node_sources;
DROP TABLE node_cursors;
DROP TABLE node_state;
