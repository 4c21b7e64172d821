-- +goose Up
CREATE TABLE quarantine (
	id       TEXT   NOT NULL PRIMARY KEY,
	source   TEXT   NOT NULL,
	format   TEXT   NOT NULL,
	mapping  TEXT   NOT NULL,
	reason   TEXT   NOT NULL,
	received BIGINT NOT NULL,
	data     TEXT   NOT NULL,
	state    TEXT   NOT NULL,
	tries    BIGINT NOT NULL,
	changed  BIGINT NOT NULL,
	by_user  TEXT   NOT NULL
);
CREATE INDEX quarantine_state ON quarantine (state, received);

-- +goose Down
DROP TABLE quarantine;
