-- What the component that made a deployment fail had said last, and which one it was, as JSON.
ALTER TABLE deployments ADD COLUMN last_lines TEXT NOT NULL DEFAULT '{"component":null,"lines":[]}';
