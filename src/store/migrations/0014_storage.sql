-- What somebody has said yes to: a component starts at a path on something else than it had there (`--fresh-volume`).
CREATE TABLE fresh_volumes (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    component   TEXT NOT NULL,
    path        TEXT NOT NULL,
    -- What it had and what it has from then on: `volume shop_data`.
    old         TEXT NOT NULL,
    new         TEXT NOT NULL,
    -- The volume that is left behind, where it is one.
    old_volume  TEXT,
    -- Who, for people.
    by          TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (project, environment, component, path, old, new)
) WITHOUT ROWID, STRICT;

-- Unnamed volumes that a container left when it was removed, as nothing declared them any more.
CREATE TABLE left_volumes (
    -- The engine's name, 64 hex digits.
    volume      TEXT NOT NULL PRIMARY KEY,
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    component   TEXT NOT NULL,
    replica     INTEGER NOT NULL,
    path        TEXT NOT NULL,
    -- Its container was of a live release: where the path is declared again, it comes back.
    was_live    INTEGER NOT NULL,
    at          INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Volumes that an environment goes on with by their names, of a Compose project that it had before: nothing on them says that
-- they are its own.
CREATE TABLE kept_volumes (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    volume      TEXT NOT NULL,
    PRIMARY KEY (project, environment, volume)
) WITHOUT ROWID, STRICT;

-- Names that somebody gave with `--fresh-volume`, as JSON.
ALTER TABLE deployments ADD COLUMN fresh_volumes TEXT NOT NULL DEFAULT '[]';
-- What it ended with before it touched anything: each thing that it would have left behind, and how to go on, as JSON.
ALTER TABLE deployments ADD COLUMN asks TEXT NOT NULL DEFAULT '[]';
