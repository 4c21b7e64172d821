-- +goose Up
-- Thousands of waiting cases a day must not be read for figures about the few
-- that were opened or closed.
DROP INDEX incident_cases_by_verdict;
DROP INDEX incident_cases_by_day;
CREATE INDEX incident_cases_by_closed ON incident_cases (closed);
CREATE INDEX incident_cases_by_shown ON incident_cases (shown);
CREATE INDEX incident_cases_by_day ON incident_cases (day, status, verdict, planted);

-- +goose Down
DROP INDEX incident_cases_by_day;
DROP INDEX incident_cases_by_shown;
DROP INDEX incident_cases_by_closed;
CREATE INDEX incident_cases_by_day ON incident_cases (day, status);
CREATE INDEX incident_cases_by_verdict ON incident_cases (verdict, closed);
