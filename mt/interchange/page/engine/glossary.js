// Terms and their translations (`mt.inference.terms`): which a line has, and whether its translation has theirs.

import { Refused } from "./refused.js";

const UNK = 1;
const IN_A_WORD = "。"; // a sign after which a tokenizer adds no blank
const BYTE = /^<0x([0-9A-F]{2})>$/;
// letters and digits of scripts that separate words by blanks
const UNSPACED = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"].map((name) => `\\p{Script=${name}}`).join("");
const SPACED = `(?![${UNSPACED}])[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d]`;
const BEGINS = `(?:(?<!${SPACED})|(?!${SPACED}))`;
const ENDS = `(?:(?!${SPACED})|(?<!${SPACED}))`;
const spaced = new RegExp(`^${SPACED}`, "u");
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
const composed = (text) => text.normalize("NFC");

export class Glossary {
  /** `terms`: { source: target }. A source is found as whole words, in any case; of overlapping ones, the longer one. */
  constructor(terms) {
    this.terms = new Map(Object.entries(terms).map((pair) => pair.map(composed)));
    const longest = [...this.terms.keys()].sort((a, b) => b.length - a.length).map(escaped).join("|");
    this.pattern = longest && new RegExp(`${BEGINS}(?:${longest})${ENDS}`, "giu");
  }

  /** The source terms that a text has and how often, in the order of their first places. */
  hits(text) {
    const found = new Map();
    if (!this.pattern) return found;
    for (const [match] of composed(text).matchAll(this.pattern)) {
      const isOne = new RegExp(`^${escaped(match)}$`, "iu");
      const term = this.terms.has(match) ? match : [...this.terms.keys()].find((one) => isOne.test(one));
      found.set(term, (found.get(term) ?? 0) + 1);
    }
    return found;
  }

  /** The pieces of the targets that a translation of the text must have, and how often: [{ ids, count }]. */
  phrases(text, tokenizer) {
    const found = new Map();
    for (const [source, count] of this.hits(text)) {
      const ids = termPieces(this.terms.get(source), tokenizer);
      const same = found.get(ids.join(" "));
      found.set(ids.join(" "), { ids, count: count + (same?.count ?? 0) });
    }
    return [...found.values()];
  }

  /** Which terms of a text its translation has; several sources with one target share its places. */
  uses(text, translation) {
    const left = new Map();
    return [...this.hits(text)].map(([source, times]) => {
      const target = this.terms.get(source);
      if (!left.has(target)) {
        const whole = new RegExp(`${BEGINS}${escaped(target)}${ENDS}`, "gu");
        left.set(target, [...composed(translation).matchAll(whole)].length);
      }
      const found = Math.min(left.get(target), times);
      left.set(target, left.get(target) - found);
      return { source, target, times, found, is_honoured: found >= times };
    });
  }
}

/** The ids of a term inside a sentence. Throws Refused for one that the vocabulary cannot spell. */
function termPieces(term, tokenizer) {
  let ids = tokenizer.encode(term);
  if (!spaced.test(term)) {
    // no blank is before it: the one that a tokenizer adds is left out
    const [before, whole] = [tokenizer.encode(IN_A_WORD), tokenizer.encode(IN_A_WORD + term)];
    const isBehind = before.every((id, at) => id !== UNK && whole[at] === id) && whole.length > before.length;
    if (isBehind) ids = whole.slice(before.length);
  }
  checkSpelled("term", term, ids);
  return ids;
}

/** Throws Refused for a text with characters that the vocabulary lacks. */
export function checkSpelled(name, text, ids) {
  if (ids.includes(UNK)) throw new Refused(`${name} (${text}) has characters that the model's vocabulary cannot spell`);
}

/** Of each piece, whether it goes on with the word of the one before it. */
export function continuingPieces(tokenizer) {
  return tokenizer.pieces.map(([piece]) => {
    const byte = BYTE.exec(piece)?.[1];
    if (!byte) return spaced.test(piece);
    const code = Number.parseInt(byte, 16); // bytes from 0x80 spell letters of other scripts
    return code >= 0x80 || /[\p{L}\p{N}]/u.test(String.fromCharCode(code));
  });
}
