// Stored lists of terms: chosen, stored under a name, deleted.

import { byId, make, speak, tell } from "./elements.js";
import * as engine from "./engine.js";
import { isSame } from "./languages.js";
import { plainWords } from "./refusal.js";
import { termsOf } from "./terms.js";

export class Glossaries {
  /** `languages` gives { source, target }, codes; `onChange` is called where the translation must be made anew. */
  constructor({ languages, onChange }) {
    Object.assign(this, { languages, onChange, stored: [] });
    byId("glossary").addEventListener("change", () => this.changed());
    byId("store").addEventListener("submit", (event) => {
      event.preventDefault();
      this.store(byId("store-name").value.trim());
    });
    byId("delete").addEventListener("click", () => this.deleteChosen());
    byId("delete").addEventListener("blur", () => this.ask(false));
    byId("terms").addEventListener("input", () => this.count());
  }

  /** The id of the chosen list; empty: none. */
  get chosen() {
    return byId("glossary").value;
  }

  async load() {
    this.stored = await engine.glossaries();
    this.show();
  }

  /** The lists for the two languages; what was chosen stays chosen if it is one of them. */
  show(chosen = this.chosen) {
    const { source, target } = this.languages();
    const fitting = this.stored.filter((each) => isSame(each.source, source) && isSame(each.target, target));
    const options = fitting.map(({ id, name, count }) => make("option", { value: id }, `${name} (${count} ${count === 1 ? "term" : "terms"})`));
    byId("glossary").replaceChildren(make("option", { value: "" }, fitting.length ? "none" : "none stored"), ...options);
    byId("glossary").value = fitting.some(({ id }) => id === chosen) ? chosen : "";
    this.count();
  }

  count() {
    const typed = Object.keys(termsOf(byId("terms").value)).length;
    const chosen = this.stored.find(({ id }) => id === this.chosen);
    byId("delete").disabled = !chosen;
    byId("store-button").disabled = !typed;
    const parts = [typed && `${typed} typed`, chosen && `list “${chosen.name}”`].filter(Boolean);
    byId("num-terms").textContent = parts.length ? `(${parts.join(", ")})` : "";
  }

  changed() {
    this.count();
    tell("glossary-message", "");
    this.onChange();
  }

  /** Stores the typed terms; they then count as those of the list. */
  async store(name) {
    if (!name) {
      tell("glossary-message", "A list needs a name.");
      byId("store-name").focus();
      return;
    }
    await this.trying(async () => {
      const added = await engine.addGlossary({ name, ...this.languages(), terms: termsOf(byId("terms").value) });
      this.stored.push(added);
      byId("terms").value = byId("store-name").value = "";
      this.show(added.id);
      this.onChange();
      return `Stored: ${name}.`;
    });
  }

  /** Deletes the chosen list when it is asked to a second time. */
  async deleteChosen() {
    if (!this.isAsked) {
      this.ask(true);
      return;
    }
    this.ask(false);
    const { id, name } = this.stored.find((each) => each.id === this.chosen);
    await this.trying(async () => {
      await engine.deleteGlossary(id);
      this.stored = this.stored.filter((each) => each.id !== id);
      this.show();
      this.onChange();
      byId("glossary").focus();
      return `Deleted: ${name}.`;
    });
  }

  ask(isAsked) {
    this.isAsked = isAsked;
    byId("delete").textContent = isAsked ? "Delete for good?" : "Delete";
    if (isAsked) speak("Press again to delete the list for good.");
  }

  async trying(action) {
    try {
      const words = await action();
      tell("glossary-message", words);
      speak(words);
    } catch (error) {
      tell("glossary-message", plainWords(error));
    }
  }
}
