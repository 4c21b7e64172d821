-- +goose Up
-- How often something was hidden: by an exception (its id), or by a Sigma
-- filter ("filter:" and its id).
CREATE TABLE tuning_hidden (
	id   TEXT PRIMARY KEY,
	n    BIGINT NOT NULL,
	last BIGINT NOT NULL
);

-- +goose Down
DROP TABLE tuning_hidden;
