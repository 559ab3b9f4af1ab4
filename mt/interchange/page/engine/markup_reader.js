// Finds the markup of a line in one pass, by the rules of `mt.inference.markup`: tags, placeholders, entities, messages.

import { MAX_DEPTH, readFrame, START } from "./icu_message.js";
import { WORD } from "./letters.js";

const set = (names) => new Set(names.split(" "));
const VOID_TAGS = set("area base br col embed hr img input link meta param source track wbr");
// words before and after such a tag are two words for a reader
const PARTING_TAGS = set(
  "address article aside blockquote body br caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 " +
    "h5 h6 head header hr html img input li main nav ol option p pre section table tbody td tfoot th thead title tr ul",
);
const OPAQUE_TAGS = set("code kbd pre samp script style var"); // their content is not translated
const RAW_TAGS = set("script style"); // their content is not markup
const WINDOWS = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ"; // 0x80 to 0x9f of its code page
const ENDS = { "!--": "-->", "![CDATA[": "]]>", "?": "?>", "%": "%>" };

const [NUMBER, LETTER, NAME] = [String.raw`\p{Nd}`, String.raw`[\p{L}\p{Nl}\p{No}]`, `[${WORD}.\\-]`];
const TAG = `<(?<slash>/?)(?<name>[\\p{L}\\p{Nl}\\p{No}_][${WORD}:.\\-]*|${NUMBER}{1,4})(?<rest>/|\\s[^<>"']*(?:(?:"[^"]*"|'[^']*')[^<>"']*){0,64}|)>`;
const DECLARATION = String.raw`<(?<begin>!--|!\[CDATA\[|\?|%|![A-Za-z])`;
const ENTITY = "(?<entity>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)";
const FORMAT = `[\\-+#0]{0,3}(?:${NUMBER}{1,3}|\\*)?(?:\\.(?:${NUMBER}{1,3}|\\*))?(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGcsSp@]`;
// three kinds: the next argument (identified by order), one with a name or a number, a percent sign
const NEXT = `(?<next>\\{(?:[:!][^{}]*)?\\}|(?<!${NUMBER})%[sd@]|%${FORMAT}(?!${LETTER}))`; // not "5 %ige", nor "100%sure"
const NAMED = [
  String.raw`\{{3,4}[^{}]*\}{3,4}|[$%#]?\{\{[^{}]*\}\}|[$%#]\{[^{}]*\}`,
  String.raw`\{%[^{}]*%\}|\{#[^{}]*#\}`, // Jinja
  `\\{ ?${NAME}+(?:\\[[^{}]*)?(?:[,:!](?:[^{}]|\\{[${WORD}.]{0,64}\\}){0,200})? ?\\}`,
  `\\{\\s?(?:\\$${NAME}+|-[A-Za-z][${WORD}\\-]*|[A-Z][A-Z_\\-]*\\([^{}()]*\\))\\s?\\}`, // Fluent
  `(?<!${NUMBER})%[\\-+0 ]?${NUMBER}{0,3}<[${WORD}]{1,64}>${FORMAT}(?!${LETTER})|%(?:\\([${WORD}]{1,64}\\)|${NUMBER}{1,3}\\$)${FORMAT}|%%`,
  `\\$tc?\\([^()]{1,200}\\)|(?<![${WORD}])@(?:\\.[${WORD}]{1,20})?:(?:\\{[^{}]*\\}|\\([^()]{1,200}\\)|[${WORD}](?:${NAME}*[${WORD}])?)`,
].join("|");
const MARK = [TAG, DECLARATION, ENTITY, `(?<message>${START})`, `(?<named>${NAMED})`, NEXT].join("|");
// in a branch of a message: `#` stands for the number, and braces may be quoted
const BRANCH_MARK = `(?<quoted>'[{}][^']*')|${MARK}`;
const BLOCK = new RegExp(`^\\{\\{~?\\s?(?<sign>[#^/])\\s?(?<name>${NAME}+)`, "u");
const IS_OPAQUE =
  /(?:^|[\s"'])(?:translate\s*=\s*["']?no\b|class\s*=\s*(?:"[^"]*(?<![\w-])notranslate(?![\w-])|'[^']*(?<![\w-])notranslate(?![\w-])|notranslate(?![\w-])))/i;
const IS_EMPTY_ELEMENT = /(?:^|[\s"'])\/$/; // not <a href=folder/>

/** The kinds of marks that a text may have: a line; a branch of a message that selects by a word; one by a number. */
export const [LINE, BRANCH, NUMBER_BRANCH] = [MARK, BRANCH_MARK, `(?<number>#)|${BRANCH_MARK}`].map((one) => new RegExp(one, "gu"));

let entities = {}; // names of HTML to their texts

/** From now on these names are known. */
export function useEntities(known) {
  entities = known;
}

/**
 * A tag or a placeholder. `kind`: "open", "close" or "void" for tags, "hole" for placeholders; `at`: the characters of the
 * text before it; `before`, `after`: its neighbours, "blank", "sign", "letter" or "leaf"; `isApart`: a blank was between
 * it and the next mark; `partner`: among the line's marks, the tag that closes it, or that it closes.
 */
export function markOf(raw, kind, name = "", isSequential = false) {
  return { raw, kind, name, isSequential, at: 0, before: "blank", after: "blank", isApart: false, partner: null };
}

export const isLeaf = ({ kind }) => kind === "void" || kind === "hole";
export const partsWords = ({ kind, name }) => kind === "hole" || PARTING_TAGS.has(name);

/** Text and marks of a line in their order, { content, start, stop, isCode, frame } each, and notes about text that looked like a mark. */
export class Reader {
  constructor(line, syntax, depth) {
    Object.assign(this, { line, syntax, depth, notes: [], never: new Set(), readsMessages: true });
  }

  parts() {
    const { line } = this;
    const found = [];
    const text = (start, stop) => found.push({ content: line.slice(start, stop), start, stop });
    let end = 0;
    for (;;) {
      this.syntax.lastIndex = end;
      const match = this.syntax.exec(line);
      if (!match) break;
      const part = this.mark(match);
      text(end, part ? match.index : match.index + 1);
      if (part) found.push(part);
      end = part ? part.stop : match.index + 1; // what is no markup is text
    }
    text(end, line.length);
    return found;
  }

  mark(match) {
    const { line } = this;
    const [start, stop, groups] = [match.index, match.index + match[0].length, match.groups];
    if (groups.name) {
      const mark = tagOf(match);
      const end = RAW_TAGS.has(mark.name) && mark.kind === "open" ? this.endOfRaw(mark.name, stop) : null;
      if (end) return { content: markOf(line.slice(start, end), "hole"), start, stop: end, isCode: true };
      return { content: mark, start, stop, isCode: true };
    }
    if (groups.begin) {
      const closing = ENDS[groups.begin] ?? ">";
      const place = this.never.has(closing) ? -1 : line.indexOf(closing, stop);
      if (place < 0) {
        if (!this.never.has(closing) && closing !== ">") this.notes.push(`markup: <${groups.begin} is not closed, and was translated as text`);
        this.never.add(closing);
        return null;
      }
      const end = place + closing.length;
      return { content: markOf(line.slice(start, end), "void"), start, stop: end, isCode: true };
    }
    if (groups.entity) return { content: decoded(groups.entity) || markOf(groups.entity, "hole"), start, stop, isCode: true };
    if (groups.message) return this.message(start);
    const block = BLOCK.exec(match[0]);
    if (block) return { content: markOf(match[0], block.groups.sign === "/" ? "close" : "open", `{{${block.groups.name}`), start, stop };
    return { content: markOf(match[0], "hole", "", groups.next !== undefined), start, stop };
  }

  message(start) {
    if (!this.readsMessages) return null;
    const frame = this.depth < MAX_DEPTH ? readFrame(this.line, start) : null;
    if (frame) return { content: markOf(this.line.slice(start, frame.stop), "hole"), start, stop: frame.stop, frame };
    this.readsMessages = false; // otherwise each of very many would be read to the end of the line
    const why = this.depth < MAX_DEPTH ? "is not complete" : `is nested in more than ${MAX_DEPTH} others`;
    this.notes.push(`markup: the message at character ${start + 1} ${why}, and was translated as text`);
    return null;
  }

  /** The place after the closing tag of an element whose content is not markup. */
  endOfRaw(name, start) {
    if (this.never.has(`</${name}`)) return null;
    const closing = new RegExp(`</${name}\\s{0,99}>`, "gi");
    closing.lastIndex = start;
    if (closing.test(this.line)) return closing.lastIndex;
    this.never.add(`</${name}`);
    return null;
  }
}

function tagOf({ 0: raw, groups }) {
  const name = groups.name.toLowerCase();
  if (groups.slash) return markOf(raw, "close", name);
  return markOf(raw, VOID_TAGS.has(name) || IS_EMPTY_ELEMENT.test(groups.rest) ? "void" : "open", name);
}

/** The same with each element that is not to be translated, by its name or attributes, as one placeholder. */
export function withOpaqueWhole(line, parts) {
  const tags = parts.flatMap(({ content }, number) => (typeof content === "string" ? [] : [number]));
  const marks = partnered(tags.map((number) => parts[number].content));
  const found = [];
  let place = 0;
  tags.forEach((number, at) => {
    const mark = marks[at];
    if (number < place || mark.kind !== "open" || mark.partner === null || !isOpaque(mark)) return;
    const last = tags[mark.partner];
    const [{ start }, { stop }] = [parts[number], parts[last]];
    found.push(...parts.slice(place, number), { content: markOf(line.slice(start, stop), "hole"), start, stop, isCode: true });
    place = last + 1;
  });
  return [...found, ...parts.slice(place)];
}

function isOpaque({ raw, name }) {
  return OPAQUE_TAGS.has(name) || (raw.startsWith("<") && IS_OPAQUE.test(raw));
}

/** The text of an entity; empty for an unknown one and for control characters, which could break the line. */
function decoded(entity) {
  const text = entity[1] === "#" ? ofNumber(entity) : (entities[entity.slice(1)] ?? "");
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(text) ? "" : text;
}

function ofNumber(entity) {
  const code = /^&#[xX]/.test(entity) ? Number.parseInt(entity.slice(3, -1), 16) : Number.parseInt(entity.slice(2, -1), 10);
  if (code >= 0x80 && code <= 0x9f) return WINDOWS[code - 0x80]; // as browsers do
  if (!code || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return "\ufffd";
  const isInvalid = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return isInvalid ? "" : String.fromCodePoint(code);
}

/** Each closing tag with the nearest open one of its name; tags left open in between get no partner. */
export function partnered(marks) {
  const found = [...marks];
  const open = [];
  const ofName = new Map();
  marks.forEach((mark, number) => {
    const same = ofName.get(mark.name);
    if (mark.kind === "open") {
      open.push(number);
      if (same) same.push(number);
      else ofName.set(mark.name, [number]);
    } else if (mark.kind === "close" && same?.length) {
      const partner = same.at(-1);
      while (open.length && open.at(-1) >= partner) ofName.get(marks[open.pop()].name).pop();
      found[partner] = { ...found[partner], partner: number };
      found[number] = { ...mark, partner };
    }
  });
  return found;
}
