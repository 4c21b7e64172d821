-- +goose Up
-- One row for each patient number: the record in the encoding of codec.go.
CREATE TABLE care_patients (
  patient     TEXT   NOT NULL PRIMARY KEY,
  body        TEXT   NOT NULL
);

CREATE TABLE care_seen (
  patient     TEXT   NOT NULL,
  person      TEXT   NOT NULL,
  at          BIGINT NOT NULL,
  kind        TEXT   NOT NULL,
  weak        BIGINT NOT NULL,
  because     TEXT   NOT NULL,
  PRIMARY KEY (patient, person)
);

CREATE TABLE care_held (
  patient     TEXT   NOT NULL,
  event_uid   TEXT   NOT NULL,
  body        TEXT   NOT NULL,
  PRIMARY KEY (patient, event_uid)
);

CREATE TABLE care_taught (
  department  TEXT   NOT NULL,
  code        TEXT   NOT NULL,
  patients    BIGINT NOT NULL,
  PRIMARY KEY (department, code)
);

CREATE TABLE care_tickets (
  ticket_id   TEXT   NOT NULL PRIMARY KEY,
  person_id   TEXT   NOT NULL,
  purpose     TEXT   NOT NULL,
  scope       TEXT   NOT NULL,
  starts      BIGINT NOT NULL,
  ends        BIGINT NOT NULL,
  approved_by TEXT   NOT NULL
);

CREATE TABLE care_watchlist (
  kind        TEXT   NOT NULL,
  patient     TEXT   NOT NULL,
  starts      BIGINT NOT NULL,
  ends        BIGINT NOT NULL,
  reason      TEXT   NOT NULL,
  PRIMARY KEY (kind, patient, starts)
);

-- +goose Down
DROP TABLE care_watchlist;
DROP TABLE care_tickets;
DROP TABLE care_taught;
DROP TABLE care_held;
DROP TABLE care_seen;
DROP TABLE care_patients;
