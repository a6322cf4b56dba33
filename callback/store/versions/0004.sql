-- Version 4: fingerprints of greetings that machines played, to know them again at the next call to the same number.
-- Hashes, from which no sound can be made; they go when the callback of their call is erased.

CREATE TABLE greetings (
    dial_id TEXT PRIMARY KEY REFERENCES attempts (dial_id),
    callback_id TEXT NOT NULL REFERENCES callbacks (id),
    number TEXT NOT NULL, -- E.164
    kept_at_us BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL
);
CREATE INDEX ix_greetings_number ON greetings (number, kept_at_us);
CREATE INDEX ix_greetings_callback ON greetings (callback_id);
