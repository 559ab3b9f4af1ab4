// Text to pieces and back, with the ids that sentencepiece gives: unigram and BPE, its normalization, bytes, symbols.

const BLANK = "▁";
const [LEARNED, UNKNOWN, CONTROL, SYMBOL, BYTE] = [1, 2, 3, 4, 6]; // types of pieces, as sentencepiece numbers them
const PENALTY = 10; // of an unknown letter, below the worst piece
const UNKNOWN_TEXT = " ⁇ ";
const bytesOf = new TextEncoder();
const float = Math.fround; // sentencepiece adds scores in 32 bits

export class Tokenizer {
  /** `data`: { kind, pieces: [[piece, score, type]], charsmap, collapses, composes, symbols, bytes, blank }. */
  constructor(data) {
    Object.assign(this, data);
    this.ids = new Map();
    this.special = new Map(); // pieces that no text is cut into
    this.pieces.forEach(([piece, , type], id) => ([LEARNED, SYMBOL].includes(type) ? this.ids : this.special).set(piece, id));
    this.unknown = this.pieces.findIndex(([, , type]) => type === UNKNOWN);
    const learned = this.pieces.filter(([, , type]) => type === LEARNED).map(([, score]) => score);
    this.least = learned.reduce((a, b) => Math.min(a, b), Infinity) - PENALTY;
    this.most = learned.reduce((a, b) => Math.max(a, b), 0);
    this.firstLearned = this.pieces.findIndex(([, , type]) => type === LEARNED);
    this.longest = this.pieces.reduce((most, [piece]) => Math.max(most, [...piece].length), 1);
    this.map = this.charsmap ? new CharsMap(this.charsmap) : null;
  }

  get size() {
    return this.pieces.length;
  }

  /** Ids of a text, without those of its ends. */
  encode(text) {
    const composed = this.composes ? text.normalize("NFC") : text;
    const letters = this.normalized(composed);
    const found = this.kind === "unigram" ? this.unigram(letters) : this.merged(letters);
    const ids = this.spelled(found);
    const isSymbol = this.symbols.some((symbol) => composed.startsWith(symbol));
    return isSymbol && ids[0] === this.ids.get(BLANK) ? ids.slice(1) : ids;
  }

  /** Whether a piece is among the first that were learned, which are the commonest. */
  isCommon(id, count) {
    return id >= this.firstLearned && id < this.firstLearned + count;
  }

  decode(ids) {
    let text = "";
    let isStart = true;
    let hadBlank = false;
    let bytes = [];
    const flush = () => {
      if (bytes.length) text += decodedBytes(bytes);
      bytes = [];
    };
    for (const id of ids) {
      const [piece, , type] = this.pieces[id];
      if (type === BYTE) {
        bytes.push(Number.parseInt(piece.slice(3, 5), 16));
        continue;
      }
      flush();
      if (hadBlank || text) isStart = false;
      hadBlank = false;
      if (type === CONTROL) continue;
      if (type === UNKNOWN) {
        text += UNKNOWN_TEXT;
        continue;
      }
      const begins = isStart && piece.startsWith(BLANK);
      hadBlank = begins && !this.collapses;
      text += (begins ? piece.slice(1) : piece).replaceAll(BLANK, " ");
    }
    flush();
    return text.replace(/[\r\n]/g, " ");
  }

  /** The text as sentencepiece cuts it: its letters, with "▁" for blanks; a reserved symbol is one of them. */
  normalized(text) {
    let parts = [];
    for (let at = 0; at < text.length; ) {
      const symbol = this.symbolAt(text, at);
      const [part, size] = symbol ? [symbol, symbol.length] : this.replaced(text, at);
      parts.push([part, Boolean(symbol)]);
      at += size;
    }
    if (this.collapses) {
      const first = parts.findIndex(([part]) => part !== " ");
      parts = first < 0 ? [] : parts.slice(first);
    }
    if (!parts.length) return [];
    const letters = [BLANK];
    let wasBlank = this.collapses;
    for (const [part, isSymbol] of parts) {
      const kept = wasBlank ? part.replace(/^ +/, "") : part;
      if (isSymbol) letters.push(kept);
      else for (const letter of kept) letters.push(letter === " " ? BLANK : letter);
      if (kept) wasBlank = this.collapses && kept.endsWith(" ");
    }
    if (this.collapses) while (letters.at(-1) === BLANK) letters.pop();
    return letters;
  }

  symbolAt(text, at) {
    let found;
    for (const symbol of this.symbols) if (text.startsWith(symbol, at) && !(found?.length >= symbol.length)) found = symbol;
    return found;
  }

  replaced(text, at) {
    const found = this.map?.longest(text, at);
    if (found) return found;
    const letter = String.fromCodePoint(text.codePointAt(at));
    return [letter, letter.length];
  }

  /** The best pieces by their scores: [piece, id]. */
  unigram(letters) {
    const ends = Array.from({ length: letters.length + 1 }, () => ({ from: -1, id: -1, score: 0 }));
    const offer = (end, from, id, score) => {
      if (ends[end].from < 0 || score > ends[end].score) ends[end] = { from, id, score: float(score) };
    };
    for (let from = 0; from < letters.length; from++) {
      const before = ends[from].score;
      let hasLetter = false;
      let piece = "";
      for (let end = from + 1; end <= letters.length && end - from <= this.longest; end++) {
        piece += letters[end - 1];
        const id = this.ids.get(piece);
        if (id === undefined) continue;
        const [, score, type] = this.pieces[id];
        offer(end, from, id, (type === SYMBOL ? bytesOf.encode(piece).length * this.most - 0.1 : score) + before);
        hasLetter ||= end === from + 1;
      }
      if (!hasLetter) offer(from + 1, from, this.unknown, this.least + before);
    }
    const found = [];
    for (let end = letters.length; end > 0; end = ends[end].from) found.push([letters.slice(ends[end].from, end).join(""), ends[end].id]);
    return found.reverse();
  }

  /** The pieces that merging leaves, best pair first, of equals the one further left: [piece, id]. */
  merged(letters) {
    const symbols = letters.map((text, at) => ({ text, before: at - 1, after: at + 1 < letters.length ? at + 1 : -1, isFixed: this.symbols.includes(text) }));
    const queue = new Queue((a, b) => b.score - a.score || a.left - b.left);
    const offer = (left, right) => {
      if (left < 0 || right < 0 || symbols[left].isFixed || symbols[right].isFixed) return;
      const piece = symbols[left].text + symbols[right].text;
      const id = this.ids.get(piece);
      if (id !== undefined) queue.push({ left, right, score: this.pieces[id][1], size: piece.length });
    };
    for (let at = 1; at < symbols.length; at++) offer(at - 1, at);
    for (let top = queue.pop(); top; top = queue.pop()) {
      const [left, right] = [symbols[top.left], symbols[top.right]];
      if (!left.text || !right.text || left.text.length + right.text.length !== top.size) continue; // out of date
      left.text += right.text;
      left.after = right.after;
      if (right.after >= 0) symbols[right.after].before = top.left;
      right.text = "";
      offer(left.before, top.left);
      offer(top.left, left.after);
    }
    return symbols.filter(({ text }) => text).map(({ text }) => [text, this.special.get(text) ?? this.ids.get(text) ?? this.unknown]);
  }

  /** Ids of pieces; unknown ones in bytes, or, without bytes, one id for all that stand side by side. */
  spelled(found) {
    const ids = [];
    let wasUnknown = false;
    for (const [piece, id] of found) {
      const isUnknown = id === this.unknown;
      if (!isUnknown) ids.push(id);
      else if (this.bytes !== null) for (const byte of bytesOf.encode(piece)) ids.push(this.bytes + byte);
      else if (!wasUnknown) ids.push(id);
      wasUnknown = isUnknown;
    }
    return ids;
  }
}

/** Characters of bytes; U+FFFD for each byte that belongs to none. */
function decodedBytes(bytes) {
  return charactersOf(bytes).map(({ letter }) => letter).join("");
}

/** The characters that bytes spell as UTF-8, { letter, size } each; a byte that spells none is U+FFFD. */
export function charactersOf(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes[at] < 0x80 ? 1 : bytes[at] < 0xe0 ? 2 : bytes[at] < 0xf0 ? 3 : 4;
    let letter;
    try {
      letter = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes.slice(at, at + size)));
    } catch {
      letter = "";
    }
    const isWhole = [...letter].length === 1;
    found.push(isWhole ? { letter, size } : { letter: "\ufffd", size: 1 });
    at += found.at(-1).size;
  }
  return found;
}

/** sentencepiece's compiled rules of normalization: a double array of the strings to replace, and their replacements. */
class CharsMap {
  constructor(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const size = view.getUint32(0, true);
    this.units = Uint32Array.from({ length: size / 4 }, (_, at) => view.getUint32(4 + 4 * at, true));
    this.texts = bytes.subarray(4 + size);
  }

  /** [replacement, size] of the longest string with a rule at a place of the text; undefined where there is none. */
  longest(text, at) {
    let node = 0;
    let found;
    let unit = this.units[0];
    node ^= offsetOf(unit);
    for (let end = at; end < text.length; ) {
      const letter = String.fromCodePoint(text.codePointAt(end));
      for (const byte of bytesOf.encode(letter)) {
        if (byte === 0) return found;
        node ^= byte;
        unit = this.units[node];
        if ((unit & 0x800000ff) !== byte) return found;
        node ^= offsetOf(unit);
      }
      end += letter.length;
      if ((unit >>> 8) & 1) found = [this.textAt(this.units[node] & 0x7fffffff), end - at];
    }
    return found;
  }

  textAt(start) {
    return new TextDecoder().decode(this.texts.subarray(start, this.texts.indexOf(0, start)));
  }
}

function offsetOf(unit) {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** A heap: `pop` gives the first by `compare`. */
class Queue {
  constructor(compare) {
    Object.assign(this, { compare, items: [] });
  }

  push(item) {
    const { items, compare } = this;
    let at = items.push(item) - 1;
    for (let up = (at - 1) >> 1; at && compare(items[at], items[up]) < 0; up = (at - 1) >> 1) {
      [items[at], items[up]] = [items[up], items[at]];
      at = up;
    }
  }

  pop() {
    const { items, compare } = this;
    const [top] = items;
    const last = items.pop();
    if (!items.length) return top;
    items[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let best = at;
      if (left < items.length && compare(items[left], items[best]) < 0) best = left;
      if (right < items.length && compare(items[right], items[best]) < 0) best = right;
      if (best === at) return top;
      [items[at], items[best]] = [items[best], items[at]];
      at = best;
    }
  }
}
