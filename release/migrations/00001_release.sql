-- +goose Up
-- What was spent of the privacy budget of a data set towards a recipient. Costs
-- are exact fractions, as text "numerator/denominator"; basis says which of the
-- two notions a cost is of: "epsilon" or "rho".
CREATE TABLE release_spent (
	id        TEXT PRIMARY KEY,
	dataset   TEXT NOT NULL,
	recipient TEXT NOT NULL,
	basis     TEXT NOT NULL,
	cost      TEXT NOT NULL,
	what      TEXT NOT NULL,
	at        BIGINT NOT NULL
);

CREATE INDEX release_spent_by_dataset ON release_spent (dataset, recipient);

-- +goose Down
DROP TABLE release_spent;
