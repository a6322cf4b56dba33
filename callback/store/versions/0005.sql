-- Version 5: a talk that never came about, because the agent or the customer was gone before they were put through.
-- The log is copied, for SQLite cannot change a CHECK.

ALTER TABLE events RENAME TO events_before;
CREATE TABLE events (
    callback_id TEXT NOT NULL REFERENCES callbacks (id),
    version BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    from_state TEXT NOT NULL,
    type TEXT NOT NULL,
    to_state TEXT NOT NULL,
    data TEXT NOT NULL, -- JSON
    PRIMARY KEY (callback_id, version),
    CONSTRAINT ck_events_moves CHECK ((from_state || '>' || type || '>' || to_state) IN ('new>booked>deferred', 'waiting>claimed>dialing', 'waiting>window_closed>deferred', 'waiting>rescheduled>deferred', 'waiting>deadline_passed>expired', 'waiting>cancelled>cancelled', 'waiting>superseded>superseded', 'deferred>due>waiting', 'deferred>window_closed>deferred', 'deferred>rescheduled>deferred', 'deferred>deadline_passed>expired', 'deferred>cancelled>cancelled', 'deferred>superseded>superseded', 'dialing>answered>detecting', 'dialing>human_found>rejoined', 'dialing>lease_renewed>dialing', 'dialing>attempt_failed>deferred', 'dialing>attempts_spent>exhausted', 'dialing>retry_too_late>expired', 'dialing>number_unusable>undeliverable', 'dialing>cancelled>cancelled', 'dialing>superseded>superseded', 'dialing>lease_lost>reconciling', 'detecting>human_found>rejoined', 'detecting>lease_renewed>detecting', 'detecting>attempt_failed>deferred', 'detecting>attempts_spent>exhausted', 'detecting>retry_too_late>expired', 'detecting>number_unusable>undeliverable', 'detecting>cancelled>cancelled', 'detecting>superseded>superseded', 'detecting>lease_lost>reconciling', 'rejoined>offered>offered', 'rejoined>lease_renewed>rejoined', 'rejoined>attempt_failed>deferred', 'rejoined>attempts_spent>exhausted', 'rejoined>retry_too_late>expired', 'rejoined>number_unusable>undeliverable', 'rejoined>cancelled>cancelled', 'rejoined>superseded>superseded', 'rejoined>lease_lost>reconciling', 'offered>offer_missed>rejoined', 'offered>connected>connected', 'offered>completed>completed', 'offered>lease_renewed>offered', 'offered>attempt_failed>deferred', 'offered>attempts_spent>exhausted', 'offered>retry_too_late>expired', 'offered>number_unusable>undeliverable', 'offered>cancelled>cancelled', 'offered>superseded>superseded', 'offered>lease_lost>reconciling', 'connected>completed>completed', 'connected>lease_renewed>connected', 'connected>lease_lost>connected', 'connected>offer_missed>rejoined', 'connected>attempt_failed>deferred', 'connected>attempts_spent>exhausted', 'connected>retry_too_late>expired', 'reconciling>answered>detecting', 'reconciling>human_found>rejoined', 'reconciling>completed>completed', 'reconciling>attempt_failed>deferred', 'reconciling>attempts_spent>exhausted', 'reconciling>retry_too_late>expired', 'reconciling>number_unusable>undeliverable', 'reconciling>cancelled>cancelled', 'reconciling>superseded>superseded', 'reconciling>lease_lost>reconciling', 'completed>erased>completed', 'cancelled>dial_over>cancelled', 'cancelled>lease_lost>cancelled', 'cancelled>erased>cancelled', 'superseded>dial_over>superseded', 'superseded>lease_lost>superseded', 'superseded>erased>superseded', 'exhausted>erased>exhausted', 'expired>erased>expired', 'undeliverable>erased>undeliverable'))
);
INSERT INTO events (callback_id, version, at_us, from_state, type, to_state, data)
SELECT callback_id, version, at_us, from_state, type, to_state, data FROM events_before;
DROP TABLE events_before;
