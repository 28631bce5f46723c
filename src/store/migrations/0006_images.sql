-- Images as the engine had them when Launchway saw to them. Whether one is still there is asked of the engine.
CREATE TABLE images (
    -- What containers are created from: the tag of what is built, the digest or id of what is pulled.
    reference   TEXT PRIMARY KEY,
    project     TEXT NOT NULL,
    component   TEXT NOT NULL,
    -- As that engine says it.
    image_id    TEXT NOT NULL,
    -- Of what is built.
    content_key TEXT,
    -- The deployment that built it anew although its content had been built before.
    anew        INTEGER,
    -- Base image, as the Dockerfile names it -> its digest or id, as JSON.
    bases       TEXT NOT NULL,
    -- When it was built, or seen for the first time.
    made_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX images_by_content ON images (project, component, content_key) WHERE content_key IS NOT NULL;

-- Resolve the tags of images that are only named anew.
ALTER TABLE deployments ADD COLUMN pull INTEGER NOT NULL DEFAULT 0;
