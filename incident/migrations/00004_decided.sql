-- +goose Up
-- Cases decided, answered or opened again since the calibration was recorded
-- last.
CREATE TABLE incident_decided (
	incident TEXT PRIMARY KEY
);

-- +goose Down
DROP TABLE incident_decided;
