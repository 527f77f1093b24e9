// Numbers with as many digits as tell something, and so many that nothing jumps while they change.
// Nothing that is counted is less than nothing: a zero has no sign, whatever sum it comes from.
const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0, signDisplay: "negative" });
const TENTHS = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "negative" });

export const count = (value) => (isKnown(value) ? WHOLE.format(value) : "–");
const tenths = (value) => (Math.abs(value) < 100 ? TENTHS : WHOLE).format(value);

function isKnown(value) {
  return typeof value === "number" && Number.isFinite(value);
}

export function bytes(value) {
  if (!isKnown(value)) return "–";
  let amount = value;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (amount < 1024) return `${unit === "B" ? WHOLE.format(amount) : tenths(amount)} ${unit}`;
    amount /= 1024;
  }
  return `${tenths(amount)} TiB`;
}

// A figure of the pipeline as [number, unit].
export function figure(value, unit) {
  if (!isKnown(value)) return ["–", ""];
  switch (unit) {
    case "per_second": return [tenths(value), "/s"];
    case "bytes_per_second": return split(`${bytes(value)}/s`);
    case "bytes": return split(bytes(value));
    case "ms": return value < 10_000 ? [tenths(value), "ms"] : [tenths(value / 1000), "s"];
    case "seconds": return value < 600 ? [tenths(value), "s"] : [tenths(value / 60), "min"];
    case "percent": return [tenths(value), "%"];
    default: return [WHOLE.format(value), ""];
  }
}

function split(text) {
  const space = text.lastIndexOf(" ");
  return [text.slice(0, space), text.slice(space + 1)];
}
