-- Version 3: numbers whose network said never again (SIP 607, 608). They are kept when the rest is erased: to keep
-- the promise not to call, it must be known whom.

CREATE TABLE suppressed (
    number TEXT PRIMARY KEY, -- E.164
    since_us BIGINT NOT NULL
);
