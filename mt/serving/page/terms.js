// Terms that translations must have: what was typed, and whether the translation has them.

import { byId, make } from "./elements.js";

/** { source: target } of lines such as "house = Gebäude"; lines without both are left out. */
export function termsOf(text) {
  const found = {};
  for (const line of text.split("\n")) {
    const [source, ...target] = line.split(/\t|=|→|->/).map((part) => part.trim());
    if (source && target.join("=")) found[source] = target.join("=");
  }
  return found;
}

/** Shows for each term whether it is in the translation; `lines` are those of `lineOf`. */
export function showTerms(terms, lines) {
  byId("num-terms").textContent = Object.keys(terms).length ? `(${Object.keys(terms).length})` : "";
  const uses = lines.flatMap((line) => line.terms);
  const rows = Object.entries(terms).map(([source, target]) => {
    const own = uses.filter((use) => use.source === source);
    const times = own.reduce((sum, use) => sum + use.times, 0);
    const isHonoured = own.every((use) => use.is_honoured);
    const kind = !own.length ? "idle" : isHonoured ? "honoured" : "missed";
    const found = own.reduce((sum, use) => sum + Math.min(use.found, use.times), 0);
    const words = { idle: "not in the text", honoured: "honoured", missed: `not honoured (${found} of ${times})` }[kind];
    const sign = { idle: "–", honoured: "✓", missed: "✗" }[kind];
    return make("li", { class: kind }, make("b", { "aria-hidden": "true" }, sign), ` ${source} → ${target}: ${words}`);
  });
  byId("uses").replaceChildren(...(lines.length ? rows : []));
}
