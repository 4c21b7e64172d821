-- +goose Up
-- Scans: one row each, with their totals as JSON.
CREATE TABLE scan_runs (
	id      TEXT PRIMARY KEY,
	target  TEXT NOT NULL,
	address TEXT NOT NULL,
	engine  TEXT NOT NULL,
	started_by TEXT NOT NULL,
	begun   BIGINT NOT NULL,
	ended   BIGINT NOT NULL,
	state   TEXT NOT NULL,
	problem TEXT NOT NULL,
	totals  TEXT NOT NULL,
	people  TEXT NOT NULL
);
CREATE INDEX scan_runs_by_target ON scan_runs (target, begun);

-- What every object held when it was last read. id is a keyed token of its
-- path; people are the numbers of the hospital's own patients in it.
CREATE TABLE scan_objects (
	target      TEXT NOT NULL,
	id          TEXT NOT NULL,
	path        TEXT NOT NULL,
	size        BIGINT NOT NULL,
	modified    BIGINT NOT NULL,
	mark        TEXT NOT NULL,
	engine      TEXT NOT NULL,
	owner       TEXT NOT NULL,
	level       BIGINT NOT NULL,
	patients    BIGINT NOT NULL,
	findings    BIGINT NOT NULL,
	unread      BIGINT NOT NULL,
	result      TEXT NOT NULL,
	people      TEXT NOT NULL,
	first_seen  BIGINT NOT NULL,
	last_seen   BIGINT NOT NULL,
	level_since BIGINT NOT NULL,
	run         TEXT NOT NULL,
	gone        BIGINT NOT NULL,
	alarmed     BIGINT NOT NULL,
	PRIMARY KEY (target, id)
);
CREATE INDEX scan_objects_by_level ON scan_objects (gone, level, patients);
CREATE INDEX scan_objects_by_run ON scan_objects (target, run);

-- The findings of an object, masked; the first of them where there are many.
CREATE TABLE scan_findings (
	target TEXT NOT NULL,
	object TEXT NOT NULL,
	n      BIGINT NOT NULL,
	body   TEXT NOT NULL,
	PRIMARY KEY (target, object, n)
);

-- What a scan saw change since the one before.
CREATE TABLE scan_changes (
	run             TEXT NOT NULL,
	target          TEXT NOT NULL,
	object          TEXT NOT NULL,
	what            TEXT NOT NULL,
	level_before    BIGINT NOT NULL,
	level_after     BIGINT NOT NULL,
	patients_before BIGINT NOT NULL,
	patients_after  BIGINT NOT NULL,
	PRIMARY KEY (run, target, object)
);

-- What people said about a target: whose it is and what may lie there.
CREATE TABLE scan_places (
	target     TEXT PRIMARY KEY,
	owner      TEXT NOT NULL,
	department TEXT NOT NULL,
	allowed    BIGINT NOT NULL,
	set_by     TEXT NOT NULL,
	set_at     BIGINT NOT NULL
);

-- +goose Down
DROP TABLE scan_places;
DROP TABLE scan_changes;
DROP TABLE scan_findings;
DROP TABLE scan_objects;
DROP TABLE scan_runs;
