// What the server says of itself; read once, before anything else.
import { problemOf, unreachable } from "./problem.js";

let config = null;

export async function loadConfig() {
  let response;
  try {
    response = await fetch("/console/config.json", { signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    throw unreachable("query-api", error);
  }
  if (!response.ok) throw await problemOf(response, "");
  config = await response.json();
  return config;
}

export const currentConfig = () => config;
