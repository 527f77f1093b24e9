// Reads schemas/asyncapi.yaml by the specification's own parser, and fails for whatever it finds an error. Run by ../contracts.sh.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, file] = process.argv.slice(2);
const { Parser } = createRequire(`${modules}/`)("@asyncapi/parser");
const text = readFileSync(file, "utf8");
const { document, diagnostics } = await new Parser().parse(text, { source: file });
const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 0);
for (const { message, path } of errors) {
  console.error(`${file}: ${path.join("/")}: ${message}`);
}
if (!document || errors.length > 0) {
  process.exit(1);
}
const messages = document.messages().length;
if (messages < 15) {
  console.error(`${file}: only ${messages} messages were read`);
  process.exit(1);
}
console.log(`${file}: AsyncAPI ${document.version()}, ${document.channels().length} channels, ${messages} messages`);
