// What one version has that the one before it had not.
import { FIELDS } from "./content.js";
import { isEqual } from "./merge-patch.js";

export function differencesBetween(before, after) {
  const found = [];
  for (const [name, label] of FIELDS) {
    if (isEqual(before[name], after[name])) continue;
    if (name === "tags") found.push({ label, ...setDifference(before.tags, after.tags) });
    else if (name === "attributes") found.push(...attributeDifferences(before.attributes, after.attributes));
    else found.push({ label, removed: [before[name]], added: [after[name]] });
  }
  const files = setDifference(before.files.map(fileLine), after.files.map(fileLine));
  if (files.added.length + files.removed.length > 0) found.push({ label: "Files", ...files });
  return found;
}

const fileLine = ({ file_name: name, upload_id: id }) => `${name} (${id.slice(-6)})`;

function setDifference(before, after) {
  return { removed: before.filter((one) => !after.includes(one)), added: after.filter((one) => !before.includes(one)) };
}

function attributeDifferences(before, after) {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !isEqual(before[name], after[name])).map((name) => ({
    label: name,
    removed: name in before ? [JSON.stringify(before[name])] : [],
    added: name in after ? [JSON.stringify(after[name])] : [],
  }));
}
