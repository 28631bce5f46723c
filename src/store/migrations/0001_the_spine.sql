-- Times are milliseconds since 1970 (UTC). Text columns that name a state hold the words of the model.

-- What is known of a project's repository on its forge.
CREATE TABLE projects (
    name          TEXT PRIMARY KEY,
    repository_id INTEGER,
    -- When its tips were compared with what was received for the first time.
    compared_at   INTEGER
) STRICT;

CREATE TABLE deliveries (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    project     TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    forge       TEXT NOT NULL,
    event_name  TEXT NOT NULL,
    -- push, tag, delete, ping, ignored, invalid, refused
    kind        TEXT NOT NULL,
    -- The normalised event as JSON; absent for what is invalid or refused.
    event       TEXT,
    ref         TEXT,
    commit_id   TEXT,
    sender      TEXT,
    -- Found by comparing tips, not sent by the forge.
    found       INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,
    -- received, deploys, ignored, superseded, known, failed, invalid, refused
    outcome     TEXT NOT NULL,
    -- Why, as a sentence.
    reason      TEXT NOT NULL DEFAULT '',
    -- Unguessable part of the page's address.
    page_key    TEXT NOT NULL UNIQUE,
    -- How often its ref could not be fetched, and when to try again.
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project, delivery_id)
) STRICT;
CREATE INDEX deliveries_by_time ON deliveries (received_at);
CREATE INDEX deliveries_to_judge ON deliveries (number) WHERE outcome = 'received';

-- The last tip known of each branch and tag.
CREATE TABLE tips (
    project   TEXT NOT NULL,
    ref       TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    seen_at   INTEGER NOT NULL,
    PRIMARY KEY (project, ref)
) STRICT;

CREATE TABLE releases (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    commit_id   TEXT NOT NULL,
    -- model::Stack and the parts as JSON.
    stack       TEXT NOT NULL,
    parts       TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX releases_by_environment ON releases (project, environment, id);

CREATE TABLE deployments (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    project      TEXT NOT NULL,
    environment  TEXT NOT NULL,
    commit_id    TEXT NOT NULL,
    -- The commit's first line, for people.
    subject      TEXT NOT NULL DEFAULT '',
    ref          TEXT,
    -- push, found, redelivery, manual, rollback
    trigger      TEXT NOT NULL,
    -- Who or what asked for it, for people.
    asked_by     TEXT NOT NULL DEFAULT '',
    delivery     INTEGER REFERENCES deliveries (number),
    -- What it makes live, once known; for a rollback from the start.
    release      INTEGER REFERENCES releases (id),
    -- What was live when it began.
    previous     INTEGER REFERENCES releases (id),
    state        TEXT NOT NULL,
    -- How it ended or what it is doing, as a sentence.
    description  TEXT NOT NULL DEFAULT '',
    -- Unguessable part of the page's address.
    page_key     TEXT NOT NULL UNIQUE,
    -- Build everything anew and pull base images.
    rebuild      INTEGER NOT NULL DEFAULT 0,
    -- Somebody asked for it to be cancelled (by whom).
    cancelled_by TEXT,
    -- The plan with its reasons as text, one line a component or step.
    plan         TEXT NOT NULL DEFAULT '',
    -- It has begun to change what runs.
    touched      INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER
) STRICT;
CREATE INDEX deployments_by_environment ON deployments (project, environment, id);
CREATE INDEX deployments_open ON deployments (id) WHERE ended_at IS NULL;

CREATE TABLE environments (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    live        INTEGER REFERENCES releases (id),
    -- The deployment that made it live.
    deployment  INTEGER REFERENCES deployments (id),
    PRIMARY KEY (project, environment)
) STRICT;

CREATE TABLE stages (
    deployment  INTEGER NOT NULL REFERENCES deployments (id),
    stage       TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    -- done, failed, cancelled
    outcome     TEXT,
    -- Where in the deployment's log it begins, in bytes.
    log_offset  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (deployment, stage)
) STRICT;

CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    project     TEXT NOT NULL,
    deployment  INTEGER REFERENCES deployments (id),
    commit_id   TEXT NOT NULL,
    context     TEXT NOT NULL,
    state       TEXT NOT NULL,
    description TEXT NOT NULL,
    target_url  TEXT,
    ref         TEXT,
    created_at  INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,
    last_error  TEXT,
    -- sent, dropped (a newer one took its place), refused (the forge will never take it)
    settled     TEXT,
    settled_at  INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (next_at) WHERE settled IS NULL;
CREATE INDEX outbox_by_commit ON outbox (project, commit_id, context, id);
