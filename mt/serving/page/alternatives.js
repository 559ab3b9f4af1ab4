// What else could stand at a word: the search goes on from the words before it.

import { byId, make, speak } from "./elements.js";
import * as engine from "./engine.js";
import { lineOf, wordsOf } from "./marks.js";
import { plainWords } from "./refusal.js";

const MOST = 8;

export class Alternatives {
  /** `asked` gives the fields of a request; `onChoose` gets a record whose first translation was chosen. */
  constructor({ asked, mostBest, onChoose, onClose }) {
    Object.assign(this, { asked, onChoose, onClose, numBest: Math.min(MOST, mostBest), line: null, index: 0, running: null });
    byId("close").addEventListener("click", () => this.close());
    byId("own").addEventListener("submit", (event) => {
      event.preventDefault();
      this.search(byId("own-word").value.trim());
    });
    byId("alternatives").addEventListener("keydown", (event) => this.pressed(event));
  }

  open(line, index, languages) {
    Object.assign(this, { line, index });
    byId("alternatives-title").textContent = `Instead of “${line.target[index]}”`;
    byId("alternatives").hidden = false;
    byId("own-word").value = "";
    for (const id of ["choices", "own-word"]) Object.assign(byId(id), { lang: languages.target.code, dir: languages.target.direction });
    return this.search("");
  }

  close({ isQuiet = false } = {}) {
    this.running?.abort();
    const wasOpen = !byId("alternatives").hidden;
    byId("alternatives").hidden = true;
    if (wasOpen && !isQuiet) this.onClose(this.index);
  }

  /** The best translations that begin with the words before this one, and with `own` words if there are any. */
  async search(own) {
    this.running?.abort();
    const running = (this.running = new AbortController());
    const before = this.line.target.slice(0, this.index);
    byId("choices").replaceChildren();
    byId("alternatives-message").textContent = "Searching…";
    try {
      const prefix = [...before, own].filter(Boolean).join(" ");
      this.show(await engine.alternatives(this.asked(), this.line.record.source, prefix, this.numBest, { signal: running.signal }));
    } catch (error) {
      if (error.name !== "AbortError") byId("alternatives-message").textContent = plainWords(error);
    }
  }

  show(record) {
    const texts = record.translations.map((one) => one.plain_text ?? one.text);
    const word = (text) => wordsOf(text)[this.index] ?? "(nothing)";
    const places = texts.map((_, place) => place).filter((place) => texts.indexOf(texts[place]) === place);
    // first the best translation for each word that may stand here, then the others
    const isFirst = (place) => texts.findIndex((text) => word(text) === word(texts[place])) === place;
    const ordered = [...places.filter(isFirst), ...places.filter((place) => !isFirst(place))];
    byId("choices").replaceChildren(
      ...ordered.map((place) => {
        const words = wordsOf(texts[place]);
        const before = words.slice(0, this.index).join(" ");
        const after = words.slice(this.index + 1).join(" ");
        const button = make("button", { type: "button" }, make("span", {}, before), " ", make("b", {}, word(texts[place])), " ", make("span", {}, after));
        if (texts[place] === this.line.target.join(" ")) button.setAttribute("aria-current", "true");
        button.addEventListener("click", () => this.choose(record, place));
        return make("li", {}, button);
      }),
    );
    byId("alternatives-message").textContent = `${ordered.length} ${ordered.length === 1 ? "translation" : "translations"}`;
    byId("choices").querySelector("button")?.focus({ preventScroll: true });
  }

  choose(record, place) {
    const chosen = { ...record, translations: [record.translations[place]] };
    this.close({ isQuiet: true });
    this.onChoose({ ...lineOf(chosen), isChosen: true });
    this.onClose(this.index);
    speak(`Chosen: ${record.translations[place].text}`);
  }

  pressed(event) {
    const buttons = [...byId("choices").querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (at >= 0 && buttons[to]) {
      event.preventDefault();
      buttons[to].focus();
    }
  }
}
