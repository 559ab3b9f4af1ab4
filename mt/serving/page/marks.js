// What is said of words: how sure the model is, what seems to be left out or repeated, and which words are linked.

const UNSURE = 0.7;
const DOUBTFUL = 0.3;
const MARKUP = /(<[^<>]*>|\{[^{}]*\}|%(?:\d+\$)?[A-Za-z@])/;

/** A word is what blanks (U+0020) separate, as the links count them. */
export function wordsOf(text) {
  return text.split(" ").filter(Boolean);
}

/** A record of the server (a line) as the page needs it; the translation is its first one. */
export function lineOf(record) {
  const best = record.translations[0];
  const links = (best.links ?? "").split(" ").filter(Boolean).map((link) => link.split("-").map(Number));
  return {
    record,
    text: best.text,
    hasMarkup: best.plain_text !== undefined,
    source: wordsOf(record.plain_source ?? record.source),
    target: wordsOf(best.plain_text ?? best.text),
    links: links.map(([source, target]) => ({ source, target })),
    confidence: best.confidence ?? [],
    omitted: new Set((best.omitted ?? []).map(({ position }) => position)),
    repeated: new Set((best.repeated ?? []).flatMap(repeatedPlaces)),
    terms: best.terms ?? [],
    notes: record.notes ?? [],
  };
}

function repeatedPlaces({ position, words, times }) {
  const size = wordsOf(words).length;
  return Array.from({ length: size * (times - 1) }, (_, at) => position + size + at); // all but the first time
}

/** The classes of a target word. */
export function classesOf(line, index) {
  const sure = line.confidence[index] ?? 1;
  const level = sure < DOUBTFUL ? " doubtful" : sure < UNSURE ? " unsure" : "";
  return level + (line.repeated.has(index) ? " repeated" : "");
}

/** How sure the model is of a target word, in words. */
export function sureness(line, index) {
  const sure = line.confidence[index];
  if (sure === null || sure === undefined) return "";
  const level = sure < DOUBTFUL ? "doubtful" : sure < UNSURE ? "unsure" : "likely";
  return `${level}, ${(100 * sure).toFixed(0)} %`;
}

/**
 * The text of a line in pieces { text, word } (`word`: the number of its word) and { text, isMarkup }.
 * Where text and words do not have the same letters, it is one piece without a word.
 */
export function piecesOf(line) {
  const parts = line.hasMarkup ? line.text.split(MARKUP) : [line.text];
  const plain = parts.filter((_, at) => at % 2 === 0).join("");
  if (plain.replaceAll(" ", "") !== line.target.join("")) return [{ text: line.text }];
  const pieces = [];
  let word = 0;
  let left = [...(line.target[0] ?? "")].length; // characters of the word that are still to come
  parts.forEach((part, at) => {
    if (at % 2) return pieces.push({ text: part, isMarkup: true });
    for (const run of part.split(/( +)/).filter(Boolean)) {
      if (run.startsWith(" ")) {
        pieces.push({ text: run });
        continue;
      }
      let letters = [...run];
      while (letters.length) {
        const taken = letters.slice(0, left);
        pieces.push({ text: taken.join(""), word });
        letters = letters.slice(taken.length);
        left -= taken.length;
        if (!left) left = [...(line.target[++word] ?? "")].length || Infinity;
      }
    }
  });
  return pieces;
}
