// Files: dropped or chosen, sent, and given back in their own format.

import { ask, plainWords, Refusal, send } from "./api.js";
import { byId, make, speak } from "./elements.js";
import { AUTO } from "./languages.js";

const FIRST_PAUSE = 300; // milliseconds between two questions whether a file is ready
const LONGEST_PAUSE = 3000;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Files {
  constructor({ settings, languages }) {
    Object.assign(this, { settings, languages, isOpen: false }); // open once the languages are known
    byId("file").accept = settings.file_endings.join(",");
    byId("file").addEventListener("change", () => {
      for (const file of byId("file").files) this.translate(file);
      byId("file").value = "";
    });
    const hasFiles = (event) => this.isOpen && event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      byId("drop").hidden = false;
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) byId("drop").hidden = true;
    });
    addEventListener("drop", (event) => {
      byId("drop").hidden = true;
      if (!hasFiles(event)) return;
      event.preventDefault();
      for (const file of event.dataTransfer.files) this.translate(file);
    });
  }

  async translate(file) {
    const state = make("span", { class: "state" }, "sending…");
    const bar = make("progress", { "aria-label": `Progress of ${file.name}`, max: 1 });
    const row = make("li", {}, make("b", {}, file.name), bar, state);
    byId("files").append(row);
    try {
      const blob = await this.translated(file, bar, state);
      const link = make("a", { class: "plain", href: URL.createObjectURL(blob), download: file.name }, "Save");
      row.append(link);
      speak(`${file.name} is translated.`);
    } catch (error) {
      row.classList.add("failed");
      state.textContent = plainWords(error);
      speak(`${file.name}: ${state.textContent}`);
    }
    bar.remove();
    const remove = make("button", { type: "button", class: "round", "aria-label": `Remove ${file.name}` }, "✕");
    remove.addEventListener("click", () => row.remove());
    row.append(remove);
  }

  async translated(file, bar, state) {
    const { settings } = this;
    const languages = this.languages();
    if (file.size > settings.max_body) {
      throw new Refusal(413, `the file has ${file.size} bytes, at most ${settings.max_body} are allowed`);
    }
    const form = new FormData();
    form.append("file", file, file.name);
    form.append("target_lang", languages.target);
    if (languages.source !== AUTO) form.append("source_lang", languages.source);
    const sent = await ask("v2/document", { body: form });
    const [place, body] = [`v2/document/${sent.document_id}`, { document_key: sent.document_key }];
    const begun = performance.now();
    for (let wait = FIRST_PAUSE; ; wait = Math.min(LONGEST_PAUSE, wait * 1.5)) {
      const found = await ask(place, { body });
      if (found.status === "error") throw new Refusal(400, found.error_message);
      if (found.status === "done") {
        state.textContent = found.message ? `translated; ${found.message}` : "translated";
        break;
      }
      const spent = (performance.now() - begun) / 1000;
      bar.value = spent / (spent + found.seconds_remaining);
      state.textContent = `about ${found.seconds_remaining} s left`;
      await pause(wait);
    }
    return (await send(`${place}/result`, { body })).blob();
  }
}
