// Dead letters: the list, or one of them.
import { html } from "../elements/html.js";
import { NeedsRole } from "../elements/states.js";
import { session } from "../session/session.js";
import { LetterDetail } from "./letter.js";
import { LetterList } from "./list.js";

export function DeadLettersView({ parts, parameters }) {
  if (!session.has("admin")) return html`<h1 tabindex="-1" data-heading>Dead letters</h1><${NeedsRole} role="admin" what="The list of dead letters" />`;
  if (parts.length < 5) return html`<${LetterList} parameters=${parameters} />`;
  const [, group, topic, partition, offset] = parts;
  return html`<${LetterDetail} key=${parts.join("/")} place=${{ group, topic, partition, offset }} />`;
}
