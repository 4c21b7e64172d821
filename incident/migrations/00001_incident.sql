-- +goose Up
CREATE TABLE incident_events (
	event   TEXT NOT NULL,
	finding TEXT NOT NULL,
	PRIMARY KEY (event, finding)
);

-- +goose Down
DROP TABLE incident_events;
