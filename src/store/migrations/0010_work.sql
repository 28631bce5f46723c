-- What each piece of work of a deployment took.
CREATE TABLE work (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    -- Empty: of the deployment as a whole (fetch, bake).
    component  TEXT NOT NULL,
    -- fetch, pull, build, release-command, create, stop, start, ready, drain, hold, bake, remove, other
    kind       TEXT NOT NULL,
    -- What it was done to: a container's name, an image's reference; for people.
    subject    TEXT NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    -- done, failed, cancelled
    outcome    TEXT NOT NULL,
    -- A JSON object; of a build: steps, cached (numbers of steps), context_bytes, and `invalidated_at` (the first step that did not come from the cache, as the Dockerfile writes it).
    detail     TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX work_by_deployment ON work (deployment);
CREATE INDEX work_by_component ON work (component, kind, started_at);
