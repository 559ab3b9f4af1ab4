// Files of text and subtitles: their texts, and the file with translations in place of them (`mt.inference.files`).

import { BREAK, CodedLine, hasWords, HOLE } from "./coded_line.js";
import { strip, stripEnd, stripStart } from "./letters.js";
import { Refused } from "./refused.js";

const PAUSE_SECONDS = 2; // between two cues, after which a sentence does not go on
const MOST_CUES = 8; // of a sentence
const LINE_CHARACTERS = 42; // of a line, unless the source has longer ones
const TIME = String.raw`(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[,.](\d{1,3})`;
const TIMING = new RegExp(`^[ \\t]*${TIME}[ \\t]+-->[ \\t]+${TIME}(?:[ \\t].*)?$`);
const SENTENCE_END = /[.!?。！？؟।♪\])]["'”’»)\]]*$|[.!?]\s*-+$/;
const GOES_ON = /(?:…|\.\.\.)["'”’»]*$/;
const NEW_SPEAKER = /^(?:[-–—♪[(]|>>|[A-Z][A-Z .']{1,20}:)/;
const DASH = /^[-–—]\s*(?=\S)/;
const LINE_DASH = /^(?:<[^<>]*>|\s)*[-–—]\s*/;
const TAG = /<[^<>]*>/g;
const CODE = /(\{\\[^{}]*\}|<\d[\d:.]*>)/; // commands of SubStation Alpha, times within a cue
const LEAD = /^(?:\{\\[^{}]*\}|<v\b[^<>]*>|\s)*/;
const WRAPPED = /^(<(?<name>[biuc]|font|lang)\b[^<>]*>)(?<inner>.*)(<\/\k<name>>)$/s;
const NO_TEXT = "\u00a0"; // of a cue that gets no word: one without any line may be misread
const BORDER = { raw: "", kind: BREAK };
const without = (text) => text.replace(TAG, "");

/** The formats by the endings of their names: text -> passages { start, stop, lines, put }; `put` gives edits [start, stop, new]. */
const FORMATS = { ".txt": plainPassages, ".text": plainPassages, ".srt": subtitles, ".vtt": subtitles };
export const ENDINGS = Object.keys(FORMATS);

/**
 * { text, notes }: a file's content with its texts translated by `translate`, lines with markup to lines, in order; all
 * other characters stay. `notes` say what could not be written. Throws Refused for another format, for what is not UTF-8, and for subtitles without timings.
 */
export async function translatedFile(name, bytes, translate) {
  const format = FORMATS[ENDINGS.find((ending) => name.toLowerCase().endsWith(ending))];
  if (!format) throw new Refused(`file (${name}) must have one of the endings ${ENDINGS.join(", ")}`);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused(`file (${name}) must be UTF-8`);
  }
  if (format === subtitles && name.toLowerCase().endsWith(".vtt") && !/^\ufeff?WEBVTT(?:\s|$)/.test(text)) throw new Refused(`${name} line 1: must be WEBVTT: ${text.split(/\r?\n/)[0].slice(0, 60)}`);
  const passages = format(text, name);
  const lines = passages.flatMap((passage) => passage.lines);
  const translations = (await translate(lines.filter(hasWords)))[Symbol.iterator]();
  const found = lines.map((line) => (hasWords(line) ? translations.next().value : line));
  const notes = [];
  let [at, end, whole] = [0, 0, ""];
  for (const { lines: given, put } of passages) {
    const own = found.slice(at, (at += given.length));
    if (own.every((line, number) => line === given[number])) continue; // with its own blanks and notation
    const edits = put(own);
    if (format === subtitles && edits.some(([, , changed]) => changed.includes("-->"))) {
      const line = text.slice(0, edits[0][0]).split("\n").length;
      notes.push(`line ${line}: left as it was, its translation would be read as something else`);
      continue;
    }
    for (const [start, stop, changed] of edits) {
      whole += text.slice(end, start) + changed;
      end = stop;
    }
  }
  return { text: whole + text.slice(end), notes };
}

function plainPassages(text) {
  return Array.from(text.matchAll(/[^\n]+/g)).flatMap(({ 0: line, index }) => {
    const core = strip(index ? line : line.replace(/^\ufeff/, ""));
    if (!core) return [];
    const coded = new CodedLine([core]);
    const start = index + line.indexOf(core);
    return [{ lines: [coded.line], put: ([found]) => [[start, start + core.length, coded.restored(found)]] }];
  });
}

// --- subtitles: a sentence over several cues is translated whole and split again by word links; timings stay

function subtitles(text, name) {
  const lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
  return groupsOf(cuesOf(text, name)).map((group) => (isDialogue(group[0]) ? dialogue : sentence)(group, lineEnd));
}

/** The cues that have a text: { start, end (seconds), first, last (characters), lead, text, tail }. */
function cuesOf(text, name) {
  const lines = Array.from(text.matchAll(/[^\n]*\n|[^\n]+$/g), ({ 0: line, index }) => ({ line, index }));
  const found = [];
  let numTimings = 0;
  for (let number = 0; number < lines.length; ) {
    const line = strip(lines[number++].line);
    if (!line.includes("-->")) continue;
    const timing = TIMING.exec(line);
    if (!timing) throw new Refused(`${name} line ${number}: must be a timing, as 00:00:01,000 --> 00:00:02,500: ${line.slice(0, 60)}`);
    numTimings += 1;
    const begin = number;
    while (number < lines.length && strip(lines[number].line)) {
      if (lines[number].line.includes("-->")) throw new Refused(`${name} line ${number + 1}: a timing inside the text of a cue`);
      number += 1;
    }
    if (number === begin) continue;
    const [first, last] = [lines[begin].index, lines[number - 1].index + lines[number - 1].line.length];
    found.push(cueOf(timing, first, stripEnd(text.slice(first, last))));
  }
  if (!numTimings && strip(text)) throw new Refused(`${name}: has no timing, as 00:00:01,000 --> 00:00:02,500`);
  return found;
}

function cueOf(timing, first, text) {
  let [lead] = LEAD.exec(text);
  let [inner, tail] = [text.slice(lead.length), ""];
  if (lead.includes("<v") && stripEnd(inner).endsWith("</v>")) [inner, tail] = [inner.slice(0, inner.lastIndexOf("</v>")), "</v>"];
  for (let match; (match = WRAPPED.exec(inner)); ) {
    if (new RegExp(`</?${match.groups.name}\\b`).test(match.groups.inner)) break;
    [lead, inner, tail] = [lead + match[1], match.groups.inner, match[4] + tail];
  }
  const seconds = (place) => {
    const [hours, minutes, whole, rest] = timing.slice(place, place + 4);
    return Number(hours ?? 0) * 3600 + Number(minutes) * 60 + Number(whole) + Number(`0.${rest}`);
  };
  return { start: seconds(1), end: seconds(5), first, last: first + text.length, lead, text: inner, tail };
}

const plainOf = ({ text }) => without(text).split(CODE).filter((_, at) => at % 2 === 0).join("").split(/\s+/).filter(Boolean).join(" ");
const linesOf = ({ text }) => text.split(/\r?\n|\r/).map(strip).filter(Boolean);

/** Whether each line is said by somebody else. */
function isDialogue(cue) {
  const lines = linesOf(cue).map((line) => strip(without(line)));
  return lines.length > 1 && lines.every((line) => DASH.test(line));
}

/** Cues that are translated together. */
function groupsOf(cues) {
  const groups = [];
  for (const cue of cues) {
    const group = groups.at(-1);
    if (group && group.length < MOST_CUES && isOneSentence(group.at(-1), cue)) group.push(cue);
    else groups.push([cue]);
  }
  return groups;
}

function isOneSentence(cue, following) {
  const [before, after] = [plainOf(cue), plainOf(following)];
  if (isDialogue(cue) || isDialogue(following) || !before || !after) return false;
  if (Math.abs(following.start - cue.end) >= PAUSE_SECONDS || NEW_SPEAKER.test(after)) return false;
  if (GOES_ON.test(before)) return /^(?:…|\.\.\.|\p{Lowercase})/u.test(after);
  return !SENTENCE_END.test(before);
}

/** A cue whose lines are translated separately, without their dashes. */
function dialogue([cue], lineEnd) {
  const lines = linesOf(cue);
  const dashes = lines.map((line) => LINE_DASH.exec(line)[0]);
  const coded = lines.map((line, at) => codedOf([line.slice(dashes[at].length)]));
  const put = (texts) => [[cue.first, cue.last, cue.lead + texts.map((text, at) => dashes[at] + coded[at].restored(text)).join(lineEnd) + cue.tail]];
  return { lines: coded.map(({ line }) => line), put };
}

/** Cues whose texts are translated as one. */
function sentence(group, lineEnd) {
  const coded = codedOf(group.map((cue) => linesOf(cue).join(" ")));
  const put = ([found]) =>
    divided(coded, found, group).map((text, at) => {
      const cue = group[at];
      const limit = Math.max(LINE_CHARACTERS, ...linesOf(cue).map((line) => without(line).length));
      return [cue.first, cue.last, cue.lead + broken(text, limit).join(lineEnd) + cue.tail];
    });
  return { lines: [coded.line], put };
}

function codedOf(texts) {
  return new CodedLine(
    texts.flatMap((text, number) => [
      ...(number ? [" ", BORDER, " "] : []),
      ...text.split(CODE).map((part, place) => (place % 2 ? { raw: part, kind: HOLE } : part)),
    ]),
  );
}

/** The texts of the cues: by the borders among the words, or else by the lengths of the cues. */
function divided(coded, translation, group) {
  let texts = [""];
  for (const piece of coded.pieces(translation)) {
    if (piece === BORDER) texts.push("");
    else texts[texts.length - 1] += piece.raw ?? piece;
  }
  texts = texts.map((text) => text.split(/\s+/).filter(Boolean).join(" "));
  if (texts.length === group.length && texts.every((text) => strip(without(text)))) return texts;
  const whole = texts.filter(Boolean).join(" ");
  const gaps = gapsOf(whole).filter((gap) => isBalanced(whole.slice(0, gap)));
  const lengths = group.map((cue) => plainOf(cue).length);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const cuts = [0];
  for (let number = 1; number < group.length; number++) {
    const wanted = (whole.length * sum(lengths.slice(0, number))) / sum(lengths);
    const numAfter = group.length - number - 1; // gaps that must remain for the other cues
    const free = gaps.filter((gap) => gap > cuts.at(-1));
    const kept = free.slice(0, Math.max(0, free.length - numAfter));
    const some = kept.length ? kept : free;
    cuts.push(some.length ? some.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a)) : whole.length);
  }
  cuts.push(whole.length);
  return group.map((_, at) => strip(whole.slice(cuts[at], cuts[at + 1])) || NO_TEXT);
}

/** The text in lines of about equal length, as few as have at most `limit` characters each (without tags). */
function broken(text, limit) {
  const lines = [];
  let rest = text;
  for (let number = Math.ceil(without(text).length / limit); number > 1; number--) {
    const [gaps, wanted] = [gapsOf(rest), without(rest).length / number];
    if (!gaps.length) break;
    const cost = (gap) => Math.abs(without(rest.slice(0, gap)).length - wanted) - (",;:.!?".includes(rest[gap - 1]) ? 6 : 0); // a mark is worth a shift
    const gap = gaps.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    lines.push(stripEnd(rest.slice(0, gap)));
    rest = stripStart(rest.slice(gap));
  }
  return [...lines, rest];
}

/** Where blanks stand outside of tags. */
function gapsOf(text) {
  const inside = Array.from(text.matchAll(TAG), ({ 0: tag, index }) => [index, index + tag.length]);
  return Array.from(text.matchAll(/ /g), ({ index }) => index).filter((at) => !inside.some(([a, b]) => a < at && at < b));
}

function isBalanced(text) {
  const tags = text.match(TAG) ?? [];
  return tags.filter((tag) => !tag.startsWith("</")).length === tags.filter((tag) => tag.startsWith("</")).length;
}
