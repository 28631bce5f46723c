-- What a deployment was put back for is Launchway's or the host's fault, not the commit's.
ALTER TABLE deployments ADD COLUMN host_fault INTEGER NOT NULL DEFAULT 0;
