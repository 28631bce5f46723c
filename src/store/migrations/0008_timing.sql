-- Why a deployment does not wait for windows, freezes and a yes (`launchway deploy --now --reason`); absent: it does.
ALTER TABLE deployments ADD COLUMN now_reason TEXT;
-- Who said yes to it.
ALTER TABLE deployments ADD COLUMN approved_by TEXT;

-- What people asked for.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          INTEGER NOT NULL,
    -- Who, for people.
    by          TEXT NOT NULL,
    -- deploy, deploy-now, approve, rollback, cancel, pause, resume, promote
    action      TEXT NOT NULL,
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- Its number; it may be forgotten before this row.
    deployment  INTEGER,
    reason      TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
