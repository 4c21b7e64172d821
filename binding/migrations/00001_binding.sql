-- +goose Up
CREATE TABLE binding_entries (
  id          TEXT   NOT NULL PRIMARY KEY,
  state       TEXT   NOT NULL,
  mac         TEXT   NOT NULL,
  ip          TEXT   NOT NULL,
  port        TEXT   NOT NULL,
  vlan        BIGINT NOT NULL,
  dynamic     BIGINT NOT NULL,
  person      TEXT   NOT NULL,
  department  TEXT   NOT NULL,
  device      TEXT   NOT NULL,
  note        TEXT   NOT NULL,
  first_seen  BIGINT NOT NULL,
  last_seen   BIGINT NOT NULL,
  until       BIGINT NOT NULL,
  decided_by  TEXT   NOT NULL,
  decided     BIGINT NOT NULL,
  before_id   TEXT   NOT NULL
);

CREATE INDEX binding_entries_by_ip ON binding_entries (ip, first_seen);
CREATE INDEX binding_entries_by_mac ON binding_entries (mac, first_seen);
CREATE INDEX binding_entries_by_state ON binding_entries (state);

CREATE TABLE binding_networks (
  id          TEXT   NOT NULL PRIMARY KEY,
  body        TEXT   NOT NULL
);

CREATE TABLE binding_known (
  id          TEXT   NOT NULL PRIMARY KEY,
  body        TEXT   NOT NULL
);

CREATE TABLE binding_conflicts (
  id          TEXT   NOT NULL PRIMARY KEY,
  at          BIGINT NOT NULL,
  times       BIGINT NOT NULL,
  body        TEXT   NOT NULL
);

CREATE INDEX binding_conflicts_by_at ON binding_conflicts (at);

-- +goose Down
DROP TABLE binding_conflicts;
DROP TABLE binding_known;
DROP TABLE binding_networks;
DROP TABLE binding_entries;
