-- +goose Up
-- One network card or address, with what was seen of it, as JSON.
CREATE TABLE asset_units (
	id   TEXT PRIMARY KEY,
	body TEXT NOT NULL
);
-- When watching began, and other single values.
CREATE TABLE asset_state (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
-- What runs on a device, by list; and what of it is weak.
CREATE TABLE asset_software (
	device TEXT NOT NULL,
	list   TEXT NOT NULL,
	body   TEXT NOT NULL,
	PRIMARY KEY (device, list)
);
CREATE TABLE asset_weaknesses (
	device TEXT PRIMARY KEY,
	body   TEXT NOT NULL
);

-- +goose Down
DROP TABLE asset_weaknesses;
DROP TABLE asset_software;
DROP TABLE asset_state;
DROP TABLE asset_units;
