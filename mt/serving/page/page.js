// What the page shows and what answers to what.

import { Alternatives } from "./alternatives.js";
import { ask, plainWords, Refusal } from "./api.js";
import { byId, make, speak, tell } from "./elements.js";
import { Files } from "./files.js";
import { AUTO, directionOf, Languages, nameOf } from "./languages.js";
import { classesOf, lineOf, piecesOf } from "./marks.js";
import { Pair } from "./pair.js";
import { showTerms, termsOf } from "./terms.js";

const PAUSE = 300; // milliseconds without a key until a text is sent
const THEME = "theme";

const state = { lines: [], between: [""], at: 0, source: AUTO, running: null, timer: 0 };
let settings;
let languages;
let pair;
let alternatives;
let files;

async function start() {
  turnTo(localStorage.getItem(THEME));
  byId("theme").addEventListener("click", () => turnTo(scheme() === "dark" ? "light" : "dark"));
  byId("key-form").addEventListener("submit", (event) => event.preventDefault());
  byId("key").addEventListener("change", load);
  settings = await ask("api/settings");
  byId("key-card").hidden = !settings.key_required;
  pair = new Pair({ onFocus: light, onOpen: openAlternatives });
  alternatives = new Alternatives({ asked, mostBest: settings.max_n_best, onChoose: replaceLine, onClose: backToWord });
  files = new Files({ settings, languages: () => languages });
  listen();
  count();
  if (settings.key_required) byId("key").focus();
  else await load();
}

/** The languages, once the key is known if one is needed. */
async function load() {
  try {
    languages = new Languages(await ask("api/languages"));
  } catch (error) {
    tell("message", plainWords(error));
    return;
  }
  tell("message", "");
  languagesChanged();
  files.isOpen = settings.file_endings.length > 0;
  document.documentElement.dataset.ready = "true";
}

function listen() {
  byId("text").addEventListener("input", soon);
  byId("terms").addEventListener("input", soon);
  byId("markup").addEventListener("change", translate);
  byId("style").addEventListener("change", translate);
  for (const id of ["source", "target"]) byId(id).addEventListener("change", () => (languages.update(), languagesChanged(), translate()));
  byId("swap").addEventListener("click", swap);
  byId("clear").addEventListener("click", () => {
    byId("text").value = "";
    translate();
    byId("text").focus();
  });
  byId("copy").addEventListener("click", copy);
  byId("previous").addEventListener("click", () => select(state.at - 1));
  byId("next").addEventListener("click", () => select(state.at + 1));
  const translation = byId("translation");
  translation.addEventListener("pointerover", (event) => {
    const place = placeOf(event);
    if (!place) return light(pair.pinned);
    select(place.line);
    light({ target: place.word });
  });
  translation.addEventListener("pointerleave", () => light(pair.pinned));
  translation.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (place) openAlternatives(place.word);
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (byId("alternatives").hidden) pair.unpin();
    else alternatives.close();
  });
}

function placeOf(event) {
  const word = event.target.closest(".word");
  return word && { line: Number(word.dataset.line), word: Number(word.dataset.index) };
}

// --- translating

/** The fields of a request, without its texts. */
function asked() {
  const terms = termsOf(byId("terms").value);
  return { ...languages.asked, alignment: true, coverage: true, confidence: true, markup: byId("markup").checked, terms };
}

function soon() {
  clearTimeout(state.timer);
  state.running?.abort();
  count();
  state.timer = setTimeout(translate, PAUSE);
}

/** Translates the text; an answer that is not awaited any more is dropped. */
async function translate() {
  clearTimeout(state.timer);
  state.running?.abort();
  const text = byId("text").value;
  count();
  if (!languages) return;
  if (!text.trim()) {
    show({ lines: [], between: [""] });
    return;
  }
  const running = (state.running = new AbortController());
  byId("result").classList.add("waiting");
  byId("state").textContent = "Translating…";
  try {
    const answer = await ask("api/translate", { body: { ...asked(), texts: [text] }, signal: running.signal });
    if (running.signal.aborted) return;
    show(partsOf(answer), answer);
    speak(`Translation: ${fullText()}`);
  } catch (error) {
    if (error.name === "AbortError" || running.signal.aborted) return;
    refused(error);
  }
}

/** A translation as lines, and what stands before, between and after them. */
function partsOf(answer) {
  const [{ text, lines }] = answer.translations;
  const found = { lines: lines.map(lineOf), between: [] };
  let done = 0;
  for (const line of found.lines) {
    const place = text.indexOf(line.text, done);
    found.between.push(text.slice(done, place));
    done = place + line.text.length;
  }
  found.between.push(text.slice(done));
  return found;
}

function refused(error) {
  byId("result").classList.remove("waiting");
  byId("state").textContent = "";
  tell("message", plainWords(error));
  if (error instanceof Refusal && error.status === 503) state.timer = setTimeout(translate, 1000 * error.retryAfter);
}

function fullText() {
  return state.lines.map((line, at) => state.between[at] + line.text).join("") + state.between.at(-1);
}

// --- showing

function show(parts, answer) {
  Object.assign(state, parts);
  byId("result").classList.remove("waiting");
  byId("state").textContent = "";
  tell("message", "");
  state.source = answer?.source ?? languages.source;
  if (answer?.detected) byId("source").options[0].textContent = `${nameOf(answer.source)} (detected)`;
  byId("model").textContent = answer ? `${nameOf(answer.source)} → ${nameOf(answer.target)}, model ${answer.model}` : "";
  showTerms(termsOf(byId("terms").value), state.lines);
  languagesShown();
  redraw();
}

function redraw() {
  const pieces = state.lines.flatMap((line, at) => [state.between[at], ...piecesOf(line).map((piece) => element(piece, line, at))]);
  byId("translation").replaceChildren(...pieces, state.between.at(-1));
  byId("copy").disabled = !state.lines.length;
  byId("pair").hidden = !state.lines.length;
  if (state.lines.length) select(Math.min(state.at, state.lines.length - 1), { isNew: true });
}

function element(piece, line, at) {
  if (piece.isMarkup) return make("span", { class: "tag" }, piece.text);
  if (piece.word === undefined) return piece.text;
  return make("span", { class: `word${classesOf(line, piece.word)}`, "data-line": at, "data-index": piece.word }, piece.text);
}

/** Shows a line word by word. */
function select(at, { isNew = false } = {}) {
  if (!isNew && at === state.at) return;
  state.at = at;
  alternatives.close({ isQuiet: true });
  const line = state.lines[at];
  byId("line").textContent = `Line ${at + 1} of ${state.lines.length}`;
  document.querySelector(".steps").hidden = state.lines.length < 2;
  byId("previous").disabled = at === 0;
  byId("next").disabled = at === state.lines.length - 1;
  pair.show(line, both());
  const omitted = [...line.omitted].map((place) => `“${line.source[place]}”`);
  tell("left-out", omitted.length ? `Seems to be left out: ${omitted.join(", ")}` : "");
  light(null);
}

function light(focus) {
  if (!state.lines.length) return;
  pair.light(focus);
  const line = state.lines[state.at];
  const partners = focus?.target === undefined ? line.links.filter((link) => link.source === focus?.source).map((link) => link.target) : [focus.target];
  for (const word of byId("translation").querySelectorAll(".word")) {
    const isHere = Number(word.dataset.line) === state.at && partners.includes(Number(word.dataset.index));
    word.classList.toggle("here", isHere);
  }
  const [side, index] = Object.entries(focus ?? {}).at(-1) ?? [];
  byId("readout").replaceChildren(...(focus ? [make("b", {}, line[side][index]), `: ${pair.describe({ [side]: index })}`] : [line.notes.join("; ")]));
}

function count() {
  const number = [...byId("text").value].length;
  byId("count").textContent = `${number.toLocaleString("en")} / ${settings.max_characters.toLocaleString("en")}`;
  byId("count").classList.toggle("too-many", number > settings.max_characters);
  byId("clear").disabled = !number;
}

// --- alternatives

function openAlternatives(index) {
  alternatives.open(state.lines[state.at], index, both());
}

function replaceLine(line) {
  state.lines[state.at] = line;
  redraw();
}

function backToWord(index) {
  pair.focusWord("target", Math.min(index, pair.words.target.length - 1));
}

// --- languages

function both() {
  const of = (code) => ({ code, direction: directionOf(code) });
  return { source: of(state.source === AUTO ? languages.pairs[0].source : state.source), target: of(languages.target) };
}

function languagesChanged() {
  state.source = languages.source;
  byId("source").options[0].textContent = "Detect language";
  languagesShown();
}

function languagesShown() {
  const { source, target } = both();
  Object.assign(byId("text"), { dir: state.source === AUTO ? "auto" : source.direction, lang: state.source === AUTO ? "" : source.code });
  Object.assign(byId("translation"), { dir: target.direction, lang: target.code });
  const canSwap = languages.has(languages.target, state.source === AUTO ? source.code : state.source);
  byId("swap").disabled = !canSwap;
  byId("swap").title = canSwap ? "Swap languages" : `${nameOf(target.code)} to ${nameOf(source.code)} is not served`;
}

function swap() {
  const text = fullText();
  const [source, target] = [languages.target, both().source.code];
  languages.choose(source, target);
  if (text.trim()) byId("text").value = text;
  languagesChanged();
  translate();
}

async function copy() {
  try {
    await navigator.clipboard.writeText(fullText());
    byId("state").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("translation")); // where pages may not write: ready for Ctrl+C
    byId("state").textContent = "Selected: press Ctrl+C";
  }
  speak(byId("state").textContent);
}

// --- light and dark

function scheme() {
  const own = document.documentElement.style.colorScheme;
  return own || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function turnTo(theme) {
  if (!theme) return;
  document.documentElement.style.colorScheme = theme;
  localStorage.setItem(THEME, theme);
}

start().catch((error) => tell("message", plainWords(error)));
