-- Version 6: what customers were told of their wait, so that it is not taken back; and what a page and a sender of
-- notices ask.

CREATE TABLE told (
    callback_id TEXT PRIMARY KEY REFERENCES callbacks (id),
    p10_s DOUBLE PRECISION NOT NULL,
    p50_s DOUBLE PRECISION NOT NULL,
    p90_s DOUBLE PRECISION NOT NULL,
    mean_s DOUBLE PRECISION NOT NULL,
    n_ahead BIGINT NOT NULL,
    agents BIGINT NOT NULL,
    handling_s DOUBLE PRECISION NOT NULL,
    grown TEXT -- why it was longer than what was told before
);

-- What ended since midnight. Written once for a callback, when it ends.
CREATE INDEX ix_callbacks_ended ON callbacks (queue, changed_at_us) WHERE NOT (state NOT IN ('completed', 'cancelled', 'superseded', 'exhausted', 'expired', 'undeliverable'));

-- Who takes one kind of command does not look through those of another: notices nobody sends must not slow hang-ups.
CREATE INDEX ix_outbox_type ON outbox (type, due_at_us) WHERE done_at_us IS NULL;
