// Light, dark, or as the system has it. In memory, as everything that a person sets here.
import { Observed } from "./elements/observed.js";

export const theme = new Observed({ name: "auto" });

const NEXT = { auto: "light", light: "dark", dark: "auto" };

export function nextTheme() {
  const name = NEXT[theme.value.name];
  document.documentElement.dataset.theme = name;
  theme.set({ name });
}

// The charts paint their colours, so they have to hear of a system that goes dark in the evening, too.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme.set({ ...theme.value }));
