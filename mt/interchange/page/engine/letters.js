// Classes of characters, named as Python names them.

export const WORD = String.raw`\p{L}\p{N}_`; // of \w, inside brackets
const BLANKS = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+`; // not U+FEFF
const [FIRST, LAST] = [new RegExp(`^${BLANKS}`), new RegExp(`${BLANKS}$`)];
const SIGN = /^[\p{P}\p{S}]/u;

/** A text without the blanks at its start, at its end, and at both, as Python's `strip` removes them. */
export const stripStart = (text) => text.replace(FIRST, "");
export const stripEnd = (text) => text.replace(LAST, "");
export const strip = (text) => stripEnd(stripStart(text));

export const isBlank = (text) => !strip(text);

/** Whether it is punctuation or a symbol, and not part of a word. */
export const isSign = (character) => SIGN.test(character);

/** How many characters a text has; those beyond U+FFFF are one. */
export const sizeOf = (text) => [...text].length;

/** The last character of a text, or none; characters beyond U+FFFF are one. */
export const lastOf = (text) => [...text.slice(-2)].at(-1) ?? "";

/** The first one. */
export const firstOf = (text) => [...text.slice(0, 2)][0] ?? "";

// what cannot be seen, as in `mt.data.visible`
const INVISIBLE =
  "\\x00-\\x20\\x7f-\\xa0\\xad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f\\u2000-\\u200f\\u2028-\\u202f" +
  "\\u205f-\\u206f\\u2800\\u3000\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\u{13430}-\\u{1343f}\\u{1bca0}-\\u{1bca3}" +
  "\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}";
const VISIBLE = new RegExp(`[^${INVISIBLE}]`, "u");

export const isVisible = (text) => VISIBLE.test(text);
