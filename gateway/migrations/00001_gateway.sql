-- +goose Up
CREATE TABLE gateway_passes (
	id         TEXT   NOT NULL PRIMARY KEY,
	action     TEXT   NOT NULL,
	state      TEXT   NOT NULL,
	door       TEXT   NOT NULL,
	route      TEXT   NOT NULL,
	sender     TEXT   NOT NULL,
	recipients TEXT   NOT NULL,
	level      BIGINT NOT NULL,
	patients   BIGINT NOT NULL,
	persons    BIGINT NOT NULL,
	kinds      TEXT   NOT NULL,
	reason     TEXT   NOT NULL,
	by_user    TEXT   NOT NULL,
	created    BIGINT NOT NULL,
	changed    BIGINT NOT NULL,
	until      BIGINT NOT NULL
);
CREATE INDEX gateway_passes_state ON gateway_passes (state, created);
CREATE TABLE gateway_held (
	id         TEXT   NOT NULL PRIMARY KEY,
	pass       TEXT   NOT NULL,
	recipients TEXT   NOT NULL,
	sender     TEXT   NOT NULL,
	created    BIGINT NOT NULL
);
CREATE INDEX gateway_held_pass ON gateway_held (pass);

-- +goose Down
DROP TABLE gateway_held;
DROP TABLE gateway_passes;
