-- Version 1: the line. Times are microseconds since 1970 in UTC. The long CHECKs are made from the table of
-- transitions (callback/diagrams.py); a test fails when they differ from it.

CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    last_seq BIGINT NOT NULL -- of the places given in this queue; claims lock this row
);

CREATE TABLE callbacks (
    id TEXT PRIMARY KEY,
    queue TEXT NOT NULL REFERENCES queues (name),
    -- the place: never changes
    priority BIGINT NOT NULL,
    enqueued_at_us BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    deadline_at_us BIGINT NOT NULL,
    zones TEXT NOT NULL, -- IANA names, with commas between
    attempts_max BIGINT NOT NULL,
    failures_max BIGINT NOT NULL,
    -- the person: NULL once erased
    number TEXT, -- E.164
    name TEXT,
    -- where it stands
    state TEXT NOT NULL,
    opens_at_us BIGINT,
    closes_at_us BIGINT,
    wake_at_us BIGINT, -- a timer, or the end of a lease
    attempts BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    refusals BIGINT NOT NULL,
    last_outcome TEXT,
    last_at_us BIGINT,
    machine_at_us BIGINT,
    dial_id TEXT,
    dial_started_at_us BIGINT,
    dial_reached_at_us BIGINT,
    fence BIGINT NOT NULL,
    reason TEXT,
    changed_at_us BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (queue, seq),
    CONSTRAINT ck_callbacks_shape CHECK ((state IN ('waiting', 'deferred') AND opens_at_us IS NOT NULL AND closes_at_us IS NOT NULL AND opens_at_us < closes_at_us AND dial_id IS NULL AND wake_at_us IS NOT NULL AND reason IS NULL) OR (state IN ('dialing', 'detecting', 'reconciling') AND opens_at_us IS NULL AND dial_id IS NOT NULL AND wake_at_us IS NOT NULL AND reason IS NULL) OR (state IN ('rejoined', 'offered', 'connected') AND opens_at_us IS NULL AND dial_reached_at_us IS NOT NULL AND wake_at_us IS NOT NULL AND reason IS NULL) OR (state IN ('cancelled', 'superseded') AND opens_at_us IS NULL AND (dial_id IS NULL) = (wake_at_us IS NULL) AND reason IS NOT NULL) OR (state IN ('completed', 'exhausted', 'expired', 'undeliverable') AND opens_at_us IS NULL AND dial_id IS NULL AND wake_at_us IS NULL AND reason IS NOT NULL)),
    CONSTRAINT ck_callbacks_budget CHECK (attempts <= attempts_max AND failures <= failures_max),
    CONSTRAINT ck_callbacks_window CHECK (closes_at_us IS NULL OR closes_at_us <= deadline_at_us),
    CONSTRAINT ck_callbacks_person CHECK (number IS NOT NULL OR NOT (state NOT IN ('completed', 'cancelled', 'superseded', 'exhausted', 'expired', 'undeliverable')))
);

-- One open callback per queue and number.
CREATE UNIQUE INDEX ux_callbacks_open ON callbacks (queue, number) WHERE state NOT IN ('completed', 'cancelled', 'superseded', 'exhausted', 'expired', 'undeliverable');
-- The line, apart by state: whom to dial next, whom to offer next, how many are ahead. Whole, not partial: where every
-- row fits two partial indexes alike, PostgreSQL took the one that cannot tell those who wait from those who are called.
CREATE INDEX ix_callbacks_line ON callbacks (queue, state, priority, enqueued_at_us, seq);
-- Calls in flight, for pacing.
CREATE INDEX ix_callbacks_dial ON callbacks (queue) WHERE dial_id IS NOT NULL;
-- Timers and leases.
CREATE INDEX ix_callbacks_wake ON callbacks (queue, wake_at_us) WHERE wake_at_us IS NOT NULL;
-- Customers who call in, and people who want to be forgotten.
CREATE INDEX ix_callbacks_number ON callbacks (number) WHERE number IS NOT NULL;

-- What happened, never changed and never deleted; replaying it gives the row in `callbacks` but for the person.
CREATE TABLE events (
    callback_id TEXT NOT NULL REFERENCES callbacks (id),
    version BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    from_state TEXT NOT NULL,
    type TEXT NOT NULL,
    to_state TEXT NOT NULL,
    data TEXT NOT NULL, -- JSON
    PRIMARY KEY (callback_id, version),
    CONSTRAINT ck_events_moves CHECK ((from_state || '>' || type || '>' || to_state) IN ('new>booked>deferred', 'waiting>claimed>dialing', 'waiting>window_closed>deferred', 'waiting>rescheduled>deferred', 'waiting>deadline_passed>expired', 'waiting>cancelled>cancelled', 'waiting>superseded>superseded', 'deferred>due>waiting', 'deferred>window_closed>deferred', 'deferred>rescheduled>deferred', 'deferred>deadline_passed>expired', 'deferred>cancelled>cancelled', 'deferred>superseded>superseded', 'dialing>answered>detecting', 'dialing>human_found>rejoined', 'dialing>lease_renewed>dialing', 'dialing>attempt_failed>deferred', 'dialing>attempts_spent>exhausted', 'dialing>retry_too_late>expired', 'dialing>number_unusable>undeliverable', 'dialing>cancelled>cancelled', 'dialing>superseded>superseded', 'dialing>lease_lost>reconciling', 'detecting>human_found>rejoined', 'detecting>lease_renewed>detecting', 'detecting>attempt_failed>deferred', 'detecting>attempts_spent>exhausted', 'detecting>retry_too_late>expired', 'detecting>number_unusable>undeliverable', 'detecting>cancelled>cancelled', 'detecting>superseded>superseded', 'detecting>lease_lost>reconciling', 'rejoined>offered>offered', 'rejoined>lease_renewed>rejoined', 'rejoined>attempt_failed>deferred', 'rejoined>attempts_spent>exhausted', 'rejoined>retry_too_late>expired', 'rejoined>number_unusable>undeliverable', 'rejoined>cancelled>cancelled', 'rejoined>superseded>superseded', 'rejoined>lease_lost>reconciling', 'offered>offer_missed>rejoined', 'offered>connected>connected', 'offered>completed>completed', 'offered>lease_renewed>offered', 'offered>attempt_failed>deferred', 'offered>attempts_spent>exhausted', 'offered>retry_too_late>expired', 'offered>number_unusable>undeliverable', 'offered>cancelled>cancelled', 'offered>superseded>superseded', 'offered>lease_lost>reconciling', 'connected>completed>completed', 'connected>lease_renewed>connected', 'connected>lease_lost>connected', 'reconciling>answered>detecting', 'reconciling>human_found>rejoined', 'reconciling>completed>completed', 'reconciling>attempt_failed>deferred', 'reconciling>attempts_spent>exhausted', 'reconciling>retry_too_late>expired', 'reconciling>number_unusable>undeliverable', 'reconciling>cancelled>cancelled', 'reconciling>superseded>superseded', 'reconciling>lease_lost>reconciling', 'completed>erased>completed', 'cancelled>dial_over>cancelled', 'cancelled>lease_lost>cancelled', 'cancelled>erased>cancelled', 'superseded>dial_over>superseded', 'superseded>lease_lost>superseded', 'superseded>erased>superseded', 'exhausted>erased>exhausted', 'expired>erased>expired', 'undeliverable>erased>undeliverable'))
);

-- Every call that was placed, written down before it is.
CREATE TABLE attempts (
    dial_id TEXT PRIMARY KEY,
    callback_id TEXT NOT NULL REFERENCES callbacks (id),
    number TEXT, -- NULL once erased
    opens_at_us BIGINT NOT NULL,
    closes_at_us BIGINT NOT NULL,
    started_at_us BIGINT NOT NULL,
    reached_at_us BIGINT,
    ended_at_us BIGINT,
    outcome TEXT,
    cause TEXT, -- what decided, in the words of who decided it
    evidence TEXT, -- JSON; no audio, no transcript
    CONSTRAINT ck_attempts_window CHECK (opens_at_us <= started_at_us AND started_at_us < closes_at_us),
    CONSTRAINT ck_attempts_person CHECK (number IS NOT NULL OR ended_at_us IS NOT NULL)
);

CREATE UNIQUE INDEX ux_attempts_callback ON attempts (callback_id) WHERE ended_at_us IS NULL;
CREATE UNIQUE INDEX ux_attempts_number ON attempts (number) WHERE ended_at_us IS NULL;
CREATE INDEX ix_attempts_callback ON attempts (callback_id);

-- Idempotency keys of bookings.
CREATE TABLE requests (
    request_key TEXT PRIMARY KEY,
    callback_id TEXT NOT NULL REFERENCES callbacks (id)
);
CREATE INDEX ix_requests_callback ON requests (callback_id);
