// Compares query-api/console/vendor with what the lock file names, or writes it: `node vendor.js --write`.
//
// The page is served as it lies in the repository, without a build, so the copies are what runs. A module that a browser
// loads cannot name a package: such names become paths, and the maps of sources, which are not served, are not named.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const vendor = join(here, "../../query-api/console/vendor");

const COPIES = {
  "preact.js": "preact/dist/preact.mjs",
  "preact-hooks.js": "preact/hooks/dist/hooks.mjs",
  "htm.js": "htm/dist/htm.module.js",
  "uplot.js": "uplot/dist/uPlot.esm.js",
  "uplot.css": "uplot/dist/uPlot.min.css",
  "hashes/sha2.js": "@noble/hashes/sha2.js",
  "hashes/_md.js": "@noble/hashes/_md.js",
  "hashes/_u64.js": "@noble/hashes/_u64.js",
  "hashes/utils.js": "@noble/hashes/utils.js",
};
const PACKAGES = ["preact", "htm", "uplot", "@noble/hashes"];

const read = (path) => readFileSync(join(here, "node_modules", path), "utf8");

function asServed(text) {
  return text
    .replace(/from\s*"preact"/g, 'from"./preact.js"')
    .replace(/^\/\/# sourceMappingURL=.*\n?/gm, "");
}

function licences() {
  const parts = PACKAGES.map((name) => {
    const { version, license } = JSON.parse(read(`${name}/package.json`));
    return `${name} ${version} (${license})\n\n${read(`${name}/LICENSE`).trim()}\n`;
  });
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}

function lie() {
  const entries = readdirSync(vendor, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(vendor, join(entry.parentPath, entry.name)));
}

const wanted = new Map(Object.entries(COPIES).map(([name, path]) => [name, asServed(read(path))]));
wanted.set("LICENSES.txt", licences());

if (process.argv.includes("--write")) {
  for (const [name, text] of wanted) {
    mkdirSync(dirname(join(vendor, name)), { recursive: true });
    writeFileSync(join(vendor, name), text);
  }
}
const faults = lie().filter((name) => !wanted.has(name)).map((name) => `${name}: comes from no package`);
for (const [name, text] of wanted) {
  let there = null;
  try {
    there = readFileSync(join(vendor, name), "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  if (there === null) faults.push(`${name}: is missing`);
  else if (there !== text) faults.push(`${name}: is not what the lock file gives`);
}
if (faults.length > 0) {
  console.error(`query-api/console/vendor differs; write it by 'npm run vendor':\n  ${faults.join("\n  ")}`);
  process.exit(1);
}
console.log(`query-api/console/vendor is what the lock file gives: ${wanted.size} files`);
