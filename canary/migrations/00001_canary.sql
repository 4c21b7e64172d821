-- +goose Up
CREATE TABLE canary_samples (
	door TEXT   NOT NULL,
	sent BIGINT NOT NULL,
	took BIGINT NOT NULL,
	PRIMARY KEY (door, sent)
);
CREATE INDEX canary_samples_sent ON canary_samples (sent);

-- +goose Down
DROP TABLE canary_samples;
