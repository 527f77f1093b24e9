// Sagas: the list, or one of them.
import { html } from "../elements/html.js";
import { NeedsRole } from "../elements/states.js";
import { session } from "../session/session.js";
import { SagaDetail } from "./detail.js";
import { SagaList } from "./list.js";

export function SagasView({ parts, parameters }) {
  const [, saga, id] = parts;
  if (!session.has("admin")) return html`<h1 tabindex="-1" data-heading>Sagas</h1><${NeedsRole} role="admin" what="The list of sagas" />`;
  return saga && id
    ? html`<${SagaDetail} key=${saga + id} saga=${saga} id=${id} />`
    : html`<${SagaList} parameters=${parameters} />`;
}
