-- +goose Up
-- On a bad day thousands of cases wait; asking for the few that are open must
-- not read them.
CREATE INDEX records_by_ref_status ON records (ref, kind, status) WHERE latest = 1;

-- +goose Down
DROP INDEX records_by_ref_status;
