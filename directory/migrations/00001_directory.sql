-- +goose Up
CREATE TABLE directory_people (
  person_id   TEXT   NOT NULL PRIMARY KEY,
  name        TEXT   NOT NULL,
  role        TEXT   NOT NULL,
  department  TEXT   NOT NULL,
  manager_id  TEXT   NOT NULL,
  hired       BIGINT NOT NULL,
  ended       BIGINT NOT NULL,
  source      TEXT   NOT NULL,
  tokens      TEXT   NOT NULL
);

CREATE TABLE directory_accounts (
  person_id   TEXT   NOT NULL,
  account     TEXT   NOT NULL,
  source      TEXT   NOT NULL,
  disabled    BIGINT NOT NULL,
  PRIMARY KEY (person_id, account)
);

CREATE TABLE directory_departments (
  person_id   TEXT   NOT NULL,
  since       BIGINT NOT NULL,
  department  TEXT   NOT NULL,
  role        TEXT   NOT NULL,
  PRIMARY KEY (person_id, since)
);

CREATE TABLE directory_shifts (
  person_id   TEXT   NOT NULL,
  starts      BIGINT NOT NULL,
  kind        TEXT   NOT NULL,
  ends        BIGINT NOT NULL,
  department  TEXT   NOT NULL,
  PRIMARY KEY (person_id, starts, kind)
);

CREATE TABLE directory_marks (
  source      TEXT   NOT NULL PRIMARY KEY,
  mark        TEXT   NOT NULL
);

-- +goose Down
DROP TABLE directory_marks;
DROP TABLE directory_shifts;
DROP TABLE directory_departments;
DROP TABLE directory_accounts;
DROP TABLE directory_people;
