// A line to translate made of texts and of a format's codes (`mt.inference.files.coded_line`): in the line, codes are short
// tags and placeholders, which are put back by word links. Addresses on the web are codes too.

import { encoded, parse, textsOf } from "./markup.js";
import { LINE, Reader } from "./markup_reader.js";

export const [HOLE, BREAK] = ["hole", "break"]; // of a code: it stands for content, or parts words
const LINE_END = /[^\S\u00a0\u2007\u202f]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029][^\S\u00a0\u2007\u202f]*/g;
const W = String.raw`\p{L}\p{N}_`;
const ADDRESS = new RegExp(
  `(?<![${W}@/])(?:(?:https?|ftp)://|www\\.(?=[${W}]))[^\\s<>"'\`{}|\\\\^\\[\\]]*[${W}/#&=~\\-]` +
    `|(?<![${W}@./])[${W}.+\\-]{1,64}@[${W}\\-]{1,63}(?:\\.[${W}\\-]{1,63}){1,4}(?![${W}@])(?::[${W}./~\\-]*[${W}])?`,
  "gu",
);
const SHORT = /<\/?q+\d+>|\{q+\d+\}|<br q+\d+\/>/g;
const isText = (piece) => typeof piece === "string";

export class CodedLine {
  /** `given`: texts and codes { raw, kind } in their order; a line end in a text, with the blanks around, is a blank. */
  constructor(given) {
    const pieces = given.flatMap(withAddresses).filter(Boolean);
    const texts = pieces.filter(isText);
    this.isMarkup = texts.some((text) => new Reader(text, LINE, 0).parts().some(({ isCode }) => isCode));
    let prefix = "q";
    while (texts.join("").includes(`${prefix}1`)) prefix += "q";
    this.codes = new Map();
    this.tight = new Set(); // marks of breaks that got a blank, so that no word runs into another
    this.line = "";
    const hasBlank = (place, character) => !isText(pieces[place] ?? " ") ? false : /\s/.test((pieces[place] ?? " ").at(character));
    pieces.forEach((piece, place) => {
      if (isText(piece)) {
        const text = piece.replace(LINE_END, " ");
        this.line += this.isMarkup ? text : encoded(text);
        return;
      }
      const name = `${prefix}${this.codes.size + 1}`;
      const mark = piece.kind === HOLE ? `{${name}}` : `<br ${name}/>`;
      this.codes.set(mark, piece);
      if (piece.kind === BREAK && !hasBlank(place - 1, -1) && !hasBlank(place + 1, 0)) {
        this.tight.add(mark);
        this.line += " ";
      }
      this.line += mark;
    });
  }

  /** Texts and codes of a translation of `line`, in order; a placeholder of the text itself, such as {name}, is text. */
  pieces(translation) {
    const found = [];
    const add = (piece) => {
      if (isText(piece) && isText(found.at(-1))) found[found.length - 1] += piece;
      else if (piece) found.push(piece);
    };
    for (const { content, start, stop } of new Reader(translation, LINE, 0).parts()) {
      if (!isText(content)) {
        if (this.tight.has(content.raw) && isText(found.at(-1))) found.push(found.pop().replace(/ +$/, ""));
        this.expanded(content.raw).forEach(add);
      } else add(this.isMarkup ? translation.slice(start, stop) : content);
    }
    return found;
  }

  /** A mark as texts and codes: it is one, or may hold some, as <code>{q1}</code> does. */
  expanded(raw) {
    const found = [];
    let place = 0;
    for (const { 0: mark, index } of raw.matchAll(SHORT)) {
      if (!this.codes.has(mark)) continue;
      found.push(raw.slice(place, index), this.codes.get(mark));
      place = index + mark.length;
    }
    return [...found, raw.slice(place)];
  }

  /** The translation in the format. */
  restored(translation) {
    return this.pieces(translation).map((piece) => piece.raw ?? piece).join("");
  }
}

/** Whether a line with markup has a letter to translate. */
export function hasWords(line) {
  return textsOf(parse(line)).some(({ text }) => /\p{L}/u.test(text));
}

function withAddresses(piece) {
  if (!isText(piece)) return [piece];
  const found = [];
  let place = 0;
  for (const { 0: raw, index } of piece.matchAll(ADDRESS)) {
    found.push(piece.slice(place, index), { raw, kind: HOLE });
    place = index + raw.length;
  }
  return [...found, piece.slice(place)];
}
