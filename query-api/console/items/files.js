// An item's files. Pictures have a thumbnail; where a file is is asked when it is to be fetched, since the answer ends.
import { html, useEffect, useState } from "../elements/html.js";
import { Icon } from "../elements/icon.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { contentUrl, thumbnailUrl } from "../api/uploads.js";
import { bytes } from "../format/numbers.js";
import { session } from "../session/session.js";
import { link } from "../router.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/webp"]);

export function Files({ item }) {
  const [problem, setProblem] = useState(null);
  const isMine = item.owner === session.value.subject || session.has("admin");
  const download = async (file) => {
    setProblem(null);
    try {
      // The store names the file and says that it is to be saved, so the page stays where it is.
      location.assign(await contentUrl(file.upload_id, "attachment"));
    } catch (failure) {
      setProblem(failure);
    }
  };
  return html`
    <section class="card stack" aria-labelledby="files-heading">
      <header class="row between">
        <h2 id="files-heading">Files</h2>
        ${session.has("writer") && isMine && html`<a class="button small" href=${link(["follow", "upload"], { item: item.id })}>Add a file</a>`}
      </header>
      ${item.files.length === 0 && html`<p class="quiet">None.</p>`}
      ${!isMine && item.files.length > 0 && html`<p class="quiet small">Files are for their owner and for admins.</p>`}
      ${problem && html`<${ProblemNotice} problem=${problem} />`}
      <ul class="plain files">
        ${item.files.map((file) => html`
          <li key=${file.upload_id} class="file">
            <${Thumbnail} file=${file} isMine=${isMine} />
            <div class="file-text">
              <span class="clip" title=${file.file_name}>${file.file_name}</span>
              <span class="quiet small num">${bytes(file.size_bytes)} · ${file.content_type}</span>
            </div>
            ${isMine && html`<button type="button" class="button icon-only" aria-label=${`Download ${file.file_name}`} onClick=${() => download(file)}><${Icon} name="download" /></button>`}
          </li>`)}
      </ul>
    </section>`;
}

function Thumbnail({ file, isMine }) {
  const [url, setUrl] = useState(null);
  useEffect(() => {
    let isGone = false;
    setUrl(null);
    if (isMine && PICTURES.has(file.content_type)) {
      // A picture without a thumbnail is shown by the sign for a file, which is no fault.
      thumbnailUrl(file.upload_id).then((found) => isGone || setUrl(found), () => {});
    }
    return () => { isGone = true; };
  }, [file.upload_id, isMine]);
  return html`<span class="thumbnail">${url ? html`<img src=${url} alt="" loading="lazy" onError=${() => setUrl(null)} />` : html`<${Icon} name="file" />`}</span>`;
}
