-- Set while the deployment's commit is read or planned: where it stands at a start, the process died meanwhile.
ALTER TABLE deployments ADD COLUMN reading INTEGER NOT NULL DEFAULT 0;
-- How often a reader or the process died of it.
ALTER TABLE deployments ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
