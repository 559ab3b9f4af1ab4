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

/**
 * Shows whether terms are in the translation: the typed ones, and of stored ones those that the text has. `lines` are
 * those of `lineOf`.
 */
export function showTerms(typed, lines) {
  const uses = lines.flatMap((line) => line.terms);
  const used = Object.fromEntries(uses.map((use) => [use.source, use.target]));
  const rows = Object.entries({ ...typed, ...used }).map(([source, target]) => {
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
