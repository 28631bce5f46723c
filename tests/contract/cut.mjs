// Cuts what Launchway uses out of a published API description: some paths and what they refer to, without examples.
// node cut.mjs <description.json> <out.json> <METHOD path>...
import { readFileSync, writeFileSync } from "node:fs";

const [source, target, ...wanted] = process.argv.slice(2);
const whole = JSON.parse(readFileSync(source, "utf8"));

const slim = (value) => {
  if (Array.isArray(value)) return value.map(slim);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(
    ([key, below]) => !(key.startsWith("x-") || key === "externalDocs" || (key === "examples" && !Array.isArray(below))),
  );
  return Object.fromEntries(kept.map(([key, below]) => [key, slim(below)]));
};

const cut = {};
for (const key of ["openapi", "swagger", "info", "servers", "basePath", "consumes", "produces"]) {
  if (whole[key] !== undefined) cut[key] = slim(whole[key]);
}
cut.paths = {};
for (const [method, path] of wanted.map((text) => text.split(" "))) {
  const found = whole.paths[path]?.[method.toLowerCase()];
  if (!found) throw new Error(`${method} ${path} is not in ${source}`);
  (cut.paths[path] ??= {})[method.toLowerCase()] = slim(found);
}

const at = (root, parts) => parts.reduce((below, part) => below?.[part], root);
const copy = (value) => {
  if (value === null || typeof value !== "object") return;
  const reference = value.$ref;
  if (typeof reference === "string") {
    const parts = reference.replace(/^#\//, "").split("/");
    if (at(cut, parts) === undefined) {
      const last = parts.pop();
      let place = cut;
      for (const part of parts) place = place[part] ??= {};
      place[last] = slim(at(whole, [...parts, last]));
      copy(place[last]);
    }
  }
  Object.values(value).forEach(copy);
};
copy(cut.paths);
writeFileSync(target, JSON.stringify(cut, null, 1) + "\n");
