-- +goose Up
-- Which place of care messages is which department of the directory.
CREATE TABLE care_names (
  place       TEXT   NOT NULL,
  ward        TEXT   NOT NULL, -- yes or no: how the place was written
  department  TEXT   NOT NULL,
  relations   BIGINT NOT NULL,
  PRIMARY KEY (place, ward, department)
);

-- Who shares patients with whom, one row for each person.
CREATE TABLE care_groups (
  person      TEXT   NOT NULL PRIMARY KEY,
  body        TEXT   NOT NULL
);

-- Who opened a record in the last days for a reason on record.
CREATE TABLE care_visitors (
  patient     TEXT   NOT NULL PRIMARY KEY,
  body        TEXT   NOT NULL
);

-- +goose Down
DROP TABLE care_visitors;
DROP TABLE care_groups;
DROP TABLE care_names;
