// What a first visit loads, compressed, against the bound of 200 KiB: all that is in the folder, since the page loads all of it.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BOUND = 200 * 1024;
const folder = join(dirname(fileURLToPath(import.meta.url)), "../../query-api/console");
const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
const files = entries.filter((entry) => entry.isFile() && [".html", ".css", ".js", ".svg"].includes(extname(entry.name)))
  .map((entry) => join(entry.parentPath, entry.name));
const sizes = files.map((file) => {
  const bytes = readFileSync(file);
  return { name: relative(folder, file), raw: bytes.length, packed: gzipSync(bytes, { level: 9 }).length };
});
const sum = (list, what) => list.reduce((total, one) => total + one[what], 0);
const vendor = sizes.filter(({ name }) => name.startsWith("vendor"));
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
console.log(`${sizes.length} files, ${kib(sum(sizes, "raw"))}, compressed ${kib(sum(sizes, "packed"))}, of which by others ${kib(sum(vendor, "packed"))}`);
if (sum(sizes, "packed") > BOUND) {
  console.error(`more than the ${kib(BOUND)} that a first visit may load`);
  process.exit(1);
}
