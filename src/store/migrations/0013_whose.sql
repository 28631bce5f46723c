-- Who this store is, and what it seals with what it makes on the engine: made once, and carried by a backup.
CREATE TABLE identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    store_id TEXT NOT NULL,
    key BLOB NOT NULL,
    -- What an earlier version, which had no seals, made on the engine has been recorded. Done once: later nothing that is
    -- not sealed counts.
    looked_back INTEGER NOT NULL
);

-- Things on the engine that have no seal of this store and are its own: made by an earlier version, or adopted.
CREATE TABLE owned (
    -- container, network, volume.
    kind TEXT NOT NULL,
    -- The engine's id; of a volume its name and when it was created.
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The labels that are true of it, as JSON.
    labels TEXT NOT NULL,
    -- earlier, adopted.
    how TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
