// Items: the list, or one of them.
import { html } from "../elements/html.js";
import { ItemDetail } from "./detail.js";
import { ItemList } from "./list.js";

export function ItemsView({ parts, parameters }) {
  const id = parts[1];
  return id ? html`<${ItemDetail} key=${id} id=${id} />` : html`<${ItemList} parameters=${parameters} />`;
}
