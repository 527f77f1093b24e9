// The JSON Merge Patch (RFC 7396) that makes one content of another; null where nothing differs.
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export function isEqual(a, b) {
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return names.length === Object.keys(b).length && names.every((name) => name in b && isEqual(a[name], b[name]));
  }
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, index) => isEqual(one, b[index]));
  return a === b;
}

export function patchBetween(before, after) {
  const patch = {};
  for (const name of Object.keys(before)) if (!(name in after)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    if (name in before && isEqual(before[name], value)) continue;
    const inner = isObject(before[name]) && isObject(value) ? patchBetween(before[name], value) : value;
    if (inner !== null || value === null) patch[name] = inner;
  }
  return Object.keys(patch).length === 0 ? null : patch;
}
