// Files: dropped or chosen, sent, and given back in their own format.

import { byId, make, speak } from "./elements.js";
import { translateFile } from "./engine.js";
import { plainWords, Refusal } from "./refusal.js";

export class Files {
  /** `asked` gives { source, target, glossary } of a file that comes now. */
  constructor({ settings, asked }) {
    Object.assign(this, { settings, asked, isOpen: false }); // open once the languages are known
    byId("file-field").hidden = !settings.file_endings.length;
    if (settings.file_endings.length) byId("text").placeholder += ", or drop a file";
    byId("file").accept = settings.file_endings.join(",");
    byId("file").addEventListener("change", () => {
      for (const file of byId("file").files) this.translate(file);
      byId("file").value = "";
    });
    const hasFiles = (event) => this.isOpen && settings.file_endings.length && event.dataTransfer?.types.includes("Files");
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
    if (file.size > this.settings.max_body) {
      throw new Refusal(413, `the file has ${file.size} bytes, at most ${this.settings.max_body} are allowed`);
    }
    const { blob, notes } = await translateFile(file, this.asked(), (share, seconds) => {
      bar.value = share;
      state.textContent = `about ${seconds} s left`;
    });
    state.textContent = notes ? `translated; ${notes}` : "translated";
    return blob;
  }
}
