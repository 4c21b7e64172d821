-- +goose Up
CREATE TABLE identity_users (
	name        TEXT   NOT NULL PRIMARY KEY,
	full_name   TEXT   NOT NULL,
	role        TEXT   NOT NULL,
	department  TEXT   NOT NULL,
	person_id   TEXT   NOT NULL,
	hash        TEXT   NOT NULL,
	totp        TEXT   NOT NULL,
	totp_step   BIGINT NOT NULL,
	failures    BIGINT NOT NULL,
	locked      BIGINT NOT NULL,
	disabled    BIGINT NOT NULL,
	created     BIGINT NOT NULL,
	seen        BIGINT NOT NULL
);
CREATE TABLE identity_sessions (
	id          TEXT   NOT NULL PRIMARY KEY,
	name        TEXT   NOT NULL,
	csrf        TEXT   NOT NULL,
	created     BIGINT NOT NULL,
	seen        BIGINT NOT NULL
);
CREATE INDEX identity_sessions_name ON identity_sessions (name);
CREATE TABLE identity_tokens (
	id          TEXT   NOT NULL PRIMARY KEY,
	hash        TEXT   NOT NULL UNIQUE,
	label       TEXT   NOT NULL,
	role        TEXT   NOT NULL,
	created     BIGINT NOT NULL,
	expires     BIGINT NOT NULL,
	by_user     TEXT   NOT NULL,
	seen        BIGINT NOT NULL
);
CREATE TABLE identity_invitations (
	hash        TEXT   NOT NULL PRIMARY KEY,
	name        TEXT   NOT NULL,
	full_name   TEXT   NOT NULL,
	role        TEXT   NOT NULL,
	department  TEXT   NOT NULL,
	person_id   TEXT   NOT NULL,
	expires     BIGINT NOT NULL,
	used        BIGINT NOT NULL
);

-- +goose Down
DROP TABLE identity_invitations;
DROP TABLE identity_tokens;
DROP TABLE identity_sessions;
DROP TABLE identity_users;
