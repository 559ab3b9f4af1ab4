// The languages that are served, their names, and the direction in which they are written.

import { byId, make } from "./elements.js";

export const AUTO = "auto";
const RIGHT_TO_LEFT = new Set("ar arc ckb dv fa he iw ks ku-arab nqo pa-arab ps sd syr ug ur yi".split(" "));
const LANGUAGE_TAG = /^<2[A-Za-z]{2,3}([-_]\w+)?>$/; // chosen by the server

const names = new Intl.DisplayNames(["en"], { type: "language" });

export function nameOf(code) {
  try {
    return names.of(code.replaceAll("_", "-"));
  } catch {
    return code; // no code of a language
  }
}

export function directionOf(code) {
  const plain = code.toLowerCase().replaceAll("_", "-");
  return RIGHT_TO_LEFT.has(plain) || RIGHT_TO_LEFT.has(plain.split("-")[0]) || plain.includes("-arab") ? "rtl" : "ltr";
}

/** Whether two codes are of one language: en and en-GB are. */
export function isSame(code, other) {
  const [one, two] = [code, other].map((each) => each.toLowerCase().split(/[-_]/)[0]);
  return one === two;
}

/** The pairs of languages in the two lists. */
export class Languages {
  constructor(pairs) {
    this.pairs = pairs;
    const sources = [...new Set(pairs.map((pair) => pair.source))];
    fill("source", [[AUTO, "Detect language"], ...sources.map((code) => [code, nameOf(code)])]);
    byId("source").value = sources.length === 1 ? sources[0] : AUTO;
    this.update();
  }

  /** Shows the targets of the source, and the styles of the pair. */
  update() {
    const { source } = this;
    const targets = [...new Set(this.pairs.filter((pair) => source === AUTO || pair.source === source).map((pair) => pair.target))];
    fill("target", targets.map((code) => [code, nameOf(code)]));
    const styles = this.pairs
      .filter((pair) => pair.target === this.target && (source === AUTO || pair.source === source))
      .flatMap((pair) => pair.tags.filter((tag) => !LANGUAGE_TAG.test(tag)));
    byId("style-field").hidden = !styles.length;
    fill("style", [["", "none"], ...[...new Set(styles)].map((tag) => [tag, tag.slice(1, -1)])]);
  }

  get source() {
    return byId("source").value;
  }

  get target() {
    return byId("target").value;
  }

  /** The fields of a request. */
  get asked() {
    const style = byId("style").value;
    return { source: this.source, target: this.target, ...(style && { tag: style }) };
  }

  /** Whether the models of all pairs that may be meant know this field of a request. */
  can(feature) {
    const { source, target } = this;
    const meant = this.pairs.filter((pair) => pair.target === target && (source === AUTO || pair.source === source));
    return meant.every((pair) => pair.features.includes(feature));
  }

  has(source, target) {
    return this.pairs.some((pair) => pair.source === source && pair.target === target);
  }

  choose(source, target) {
    byId("source").value = source;
    this.update();
    byId("target").value = target;
    this.update();
  }
}

/** The options of a list; what was chosen stays chosen if it is still there. */
function fill(id, options) {
  const list = byId(id);
  const before = list.value;
  list.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  if (options.some(([value]) => value === before)) list.value = before;
}
