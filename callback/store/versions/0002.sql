-- Version 2: what comes in is taken once, what goes out goes out at least once.

-- Events of dialers, by the id that their source gave them.
CREATE TABLE inbox (
    source_id TEXT PRIMARY KEY,
    callback_id TEXT NOT NULL REFERENCES callbacks (id),
    dial_id TEXT NOT NULL,
    type TEXT NOT NULL,
    received_at_us BIGINT NOT NULL,
    result TEXT NOT NULL, -- applied, or late: changed nothing
    times BIGINT NOT NULL, -- how often it came
    CONSTRAINT ck_inbox_result CHECK (result IN ('applied', 'late'))
);
CREATE INDEX ix_inbox_callback ON inbox (callback_id);

CREATE TABLE outbox (
    callback_id TEXT NOT NULL REFERENCES callbacks (id),
    version BIGINT NOT NULL, -- of the callback, after the event that asked for it
    place BIGINT NOT NULL, -- among the commands of that event
    type TEXT NOT NULL,
    dial_id TEXT,
    due_at_us BIGINT NOT NULL, -- whoever takes it moves this on, so that another takes it if that one dies
    tries BIGINT NOT NULL,
    done_at_us BIGINT,
    PRIMARY KEY (callback_id, version, place)
);
CREATE INDEX ix_outbox_due ON outbox (due_at_us) WHERE done_at_us IS NULL;
