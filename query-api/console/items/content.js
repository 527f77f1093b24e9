// An item's content as a form has it, and back.
export const FIELDS = [
  ["name", "Name"], ["description", "Description"], ["status", "Status"], ["tags", "Tags"], ["attributes", "Attributes"],
];

export function contentOf({ name, description, status, tags, attributes }) {
  return { name, description, status, tags, attributes };
}

export function formOf(content) {
  return {
    ...contentOf(content),
    tags: content.tags.join(", "),
    attributes: Object.keys(content.attributes).length === 0 ? "" : JSON.stringify(content.attributes, null, 2),
  };
}

// Throws an Error that says which field cannot be read; what the fields may hold is for the service to say.
export function contentOfForm(form) {
  return {
    name: form.name.trim(),
    description: form.description,
    status: form.status,
    tags: form.tags.split(",").map((tag) => tag.trim()).filter(Boolean),
    attributes: parseAttributes(form.attributes),
  };
}

function parseAttributes(text) {
  if (text.trim() === "") return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`The attributes are no JSON: ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("The attributes are to be a JSON object, such as {\"gears\": 7}.");
  return value;
}

export function shown(value) {
  if (Array.isArray(value)) return value.join(", ") || "(none)";
  return typeof value === "string" ? value || "(empty)" : JSON.stringify(value, null, 2);
}
