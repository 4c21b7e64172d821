-- +goose Up
-- What follows from the records of cases and findings, kept beside them so
-- that figures are sums over few rows. It can be made anew from the records.
CREATE TABLE incident_cases (
	id         TEXT PRIMARY KEY,
	subject    TEXT NOT NULL,
	department TEXT NOT NULL,
	day        TEXT NOT NULL,
	status     TEXT NOT NULL,
	verdict    TEXT NOT NULL,
	planted    BIGINT NOT NULL,
	first      BIGINT NOT NULL,
	last       BIGINT NOT NULL,
	began      BIGINT NOT NULL,
	late       BIGINT NOT NULL,
	shown      BIGINT NOT NULL,
	asked      BIGINT NOT NULL,
	acted      BIGINT NOT NULL,
	closed     BIGINT NOT NULL
);
CREATE INDEX incident_cases_by_day ON incident_cases (day, status);
CREATE INDEX incident_cases_by_began ON incident_cases (began);
CREATE INDEX incident_cases_by_subject ON incident_cases (subject, first);
CREATE INDEX incident_cases_by_verdict ON incident_cases (verdict, closed);

CREATE TABLE incident_verdicts (
	incident   TEXT NOT NULL,
	detector   TEXT NOT NULL,
	department TEXT NOT NULL,
	at         BIGINT NOT NULL,
	confirmed  BIGINT NOT NULL,
	weight     DOUBLE PRECISION NOT NULL,
	share      DOUBLE PRECISION NOT NULL,
	expected   DOUBLE PRECISION NOT NULL,
	steady     BIGINT NOT NULL,
	PRIMARY KEY (incident, detector)
);
CREATE INDEX incident_verdicts_by_time ON incident_verdicts (at);

CREATE TABLE incident_daily (
	day      TEXT NOT NULL,
	detector TEXT NOT NULL,
	findings BIGINT NOT NULL,
	PRIMARY KEY (day, detector)
);

-- +goose Down
DROP TABLE incident_daily;
DROP TABLE incident_verdicts;
DROP TABLE incident_cases;
