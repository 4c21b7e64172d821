-- +goose Up
-- The number of the last checkpoint, so that a reader knows which of the hours
-- in memory are among the rows it reads.
CREATE TABLE flow_saved (
  id   BIGINT NOT NULL PRIMARY KEY,
  seq  BIGINT NOT NULL
);
INSERT INTO flow_saved (id, seq) VALUES (1, 0);
-- One row for each day that has hours. changes counts the checkpoints that
-- changed it; the rows of flow_days are its sums where rolled = changes.
CREATE TABLE flow_marks (
  day      BIGINT NOT NULL PRIMARY KEY,
  changes  BIGINT NOT NULL,
  rolled   BIGINT NOT NULL
);
INSERT INTO flow_marks (day, changes, rolled) SELECT DISTINCT hour / 24, 1, 0 FROM flow_hours;
-- One row for each conversation and day. day is in days since 1970 UTC; sensor
-- saw most in the first hour; body is as in flow_hours.
CREATE TABLE flow_days (
  day      BIGINT NOT NULL,
  client   TEXT   NOT NULL,
  server   TEXT   NOT NULL,
  proto    BIGINT NOT NULL,
  port     BIGINT NOT NULL,
  app      TEXT   NOT NULL,
  sensor   TEXT   NOT NULL,
  body     TEXT   NOT NULL,
  PRIMARY KEY (day, client, server, proto, port, app)
);
