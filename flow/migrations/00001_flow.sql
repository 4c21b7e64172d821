-- +goose Up
-- One row for each conversation, sensor and hour. hour is in hours since 1970
-- UTC; body the JSON of the rest (see codec.go).
CREATE TABLE flow_hours (
  hour     BIGINT NOT NULL,
  sensor   TEXT   NOT NULL,
  client   TEXT   NOT NULL,
  server   TEXT   NOT NULL,
  proto    BIGINT NOT NULL,
  port     BIGINT NOT NULL,
  app      TEXT   NOT NULL,
  body     TEXT   NOT NULL,
  PRIMARY KEY (hour, sensor, client, server, proto, port, app)
);
CREATE INDEX flow_by_client ON flow_hours (client, hour);
CREATE INDEX flow_by_server ON flow_hours (server, hour);
