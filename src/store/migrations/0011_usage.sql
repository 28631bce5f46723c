-- What each component used, an hour a row. Bytes are without page cache.
CREATE TABLE usage (
    project TEXT NOT NULL,
    environment TEXT NOT NULL,
    component TEXT NOT NULL,
    -- Hours since 1970 (UTC).
    hour INTEGER NOT NULL,
    cpu_ms INTEGER NOT NULL,
    -- The most that one replica had.
    memory_max_bytes INTEGER NOT NULL,
    -- Over all replicas.
    memory_byte_seconds INTEGER NOT NULL,
    -- Time that was looked at, over all replicas.
    seconds INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (project, environment, component, hour)
) WITHOUT ROWID;
CREATE INDEX usage_by_hour ON usage (hour);
