// What the page shows and what answers to what.

import { Alternatives } from "./alternatives.js";
import { byId, make, speak, tell } from "./elements.js";
import * as engine from "./engine.js";
import { Files } from "./files.js";
import { Glossaries } from "./glossaries.js";
import { KeyCard } from "./key.js";
import { AUTO, directionOf, Languages, nameOf } from "./languages.js";
import { classesOf, lineOf, piecesOf } from "./marks.js";
import { Pair } from "./pair.js";
import { isBusy, plainWords } from "./refusal.js";
import { showTerms, termsOf } from "./terms.js";

const PAUSE = 300; // milliseconds without a key until a text is sent
const THEME = "theme";

// lines: those of `lineOf`, null where one is awaited; fields: of the request that they answer, as JSON
const state = { lines: [], between: [""], at: 0, fields: "", source: AUTO, running: null, timer: 0 };
let settings;
let languages;
let pair;
let alternatives;
let files;
let glossaries;
let keyCard;

async function start() {
  turnTo(localStorage.getItem(THEME));
  byId("theme").addEventListener("click", () => turnTo(scheme() === "dark" ? "light" : "dark"));
  settings = await engine.settings();
  byId("reference").hidden = !settings.has_reference;
  pair = new Pair({ onFocus: light, onOpen: openAlternatives });
  alternatives = new Alternatives({ asked, mostBest: settings.max_n_best, onChoose: replaceLine, onClose: backToWord });
  files = new Files({ settings, asked: askedOfFile });
  glossaries = new Glossaries({ languages: codes, onChange: translate });
  keyCard = new KeyCard({ isNeeded: settings.key_required, onKey: load });
  listen();
  count();
  if (settings.key_required) keyCard.open();
  else await load();
}

/** The languages and the stored lists of terms, once the key is known if one is needed. */
async function load() {
  try {
    languages = new Languages(await engine.languages());
    if (settings.has_glossaries) await glossaries.load();
  } catch (error) {
    tellOf(error);
    if (isBusy(error)) setTimeout(load, 1000 * error.retryAfter);
    return;
  }
  keyCard.accepted();
  tell("message", "");
  languagesChanged();
  files.isOpen = settings.file_endings.length > 0;
  document.documentElement.dataset.ready = "true";
  await translate();
}

/** Tells why something failed, where it belongs. */
function tellOf(error) {
  if (!keyCard?.tell(error)) tell("message", plainWords(error));
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

/** The fields of a request, without its texts: those that the models know. */
function asked() {
  const wanted = { alignment: true, coverage: true, confidence: true, markup: byId("markup").checked, terms: termsOf(byId("terms").value) };
  const known = Object.entries(wanted).filter(([name]) => languages.can(name));
  return { ...languages.asked, ...Object.fromEntries(known), ...(glossaries.chosen && { glossary: glossaries.chosen }) };
}

function askedOfFile() {
  return { source: languages.source === AUTO ? "" : languages.source, target: languages.target, glossary: glossaries.chosen };
}

function soon() {
  clearTimeout(state.timer);
  state.running?.abort();
  count();
  state.timer = setTimeout(translate, PAUSE);
}

/** Translates the text sentence by sentence; an answer that is not awaited any more is dropped. */
async function translate() {
  clearTimeout(state.timer);
  state.running?.abort();
  const text = byId("text").value;
  count();
  if (!languages) return;
  if (!text.trim()) {
    byId("result").classList.remove("waiting");
    begin({ sentences: [], between: [""] }, "");
    finish();
    return;
  }
  const running = (state.running = new AbortController());
  const fields = asked();
  byId("result").classList.add("waiting");
  byId("state").textContent = "Translating…";
  try {
    const answer = await engine.translate(fields, text, {
      signal: running.signal,
      onStart: (parts) => running.signal.aborted || begin(parts, JSON.stringify(fields)),
      onLine: (at, record) => running.signal.aborted || arrive(at, lineOf(record)),
    });
    if (running.signal.aborted) return;
    finish(answer);
    speak(`Translation: ${fullText()}`);
  } catch (error) {
    if (error.name === "AbortError" || running.signal.aborted) return;
    refused(error);
  }
}

function refused(error) {
  byId("result").classList.remove("waiting");
  byId("state").textContent = "";
  tellOf(error);
  if (isBusy(error)) state.timer = setTimeout(translate, 1000 * error.retryAfter);
}

function fullText() {
  return state.lines.map((line, at) => state.between[at] + (line?.text ?? "")).join("") + state.between.at(-1);
}

// --- showing

/** Makes room for the sentences of a text; those that were translated before, as asked now, stay meanwhile. */
function begin({ sentences, between }, fields) {
  const before = new Map(fields === state.fields ? state.lines.filter(Boolean).map((line) => [line.record.source, line]) : []);
  Object.assign(state, { lines: sentences.map((sentence) => before.get(sentence) ?? null), between, fields });
  tell("message", "");
  redraw();
  byId("copy").disabled = true;
  const isLong = sentences.length > 1;
  byId("state").textContent = isLong ? `Translating… 0 of ${sentences.length}` : "Translating…";
}

/** A sentence is translated; where another translation of it was chosen, that one stays. */
function arrive(at, line) {
  if (!state.lines[at]?.isChosen) state.lines[at] = line;
  byId("translation").querySelectorAll(".sentence")[at].replaceWith(sentence(state.lines[at], at));
  if (at === state.at || !pair.line) select(at, { isNew: true });
  if (state.lines.length > 1) byId("state").textContent = `Translating… ${at + 1} of ${state.lines.length}`;
}

function finish(answer) {
  byId("result").classList.remove("waiting");
  byId("state").textContent = "";
  tell("message", "");
  state.source = answer?.source ?? languages.source;
  if (answer?.detected) byId("source").options[0].textContent = `${nameOf(answer.source)} (detected)`;
  byId("model").textContent = answer ? `${nameOf(answer.source)} → ${nameOf(answer.target)}, model ${answer.model}` : "";
  showTerms(termsOf(byId("terms").value), state.lines);
  languagesShown();
  if (state.lines.length) select(state.at, { isNew: true });
  byId("copy").disabled = !state.lines.length;
}

function redraw() {
  const pieces = state.lines.flatMap((line, at) => [state.between[at], sentence(line, at)]);
  byId("translation").replaceChildren(...pieces, state.between.at(-1));
  byId("copy").disabled = !state.lines.length;
  state.at = Math.max(0, Math.min(state.at, state.lines.length - 1));
  if (!state.lines.length) pair.line = null;
  byId("pair").hidden = !pair.line || !languages.can("alignment");
  if (state.lines[state.at]) select(state.at, { isNew: true });
}

/** The element of a sentence; one that is awaited has three dots. */
function sentence(line, at) {
  if (!line) return make("span", { class: "sentence awaited" }, "…");
  return make("span", { class: "sentence" }, ...piecesOf(line).map((piece) => element(piece, line, at)));
}

function element(piece, line, at) {
  if (piece.isMarkup) return make("span", { class: "tag" }, piece.text);
  if (piece.word === undefined) return piece.text;
  return make("span", { class: `word${classesOf(line, piece.word)}`, "data-line": at, "data-index": piece.word }, piece.text);
}

/** Shows a sentence word by word. */
function select(at, { isNew = false } = {}) {
  const line = state.lines[at];
  if (!line || (!isNew && at === state.at)) return;
  state.at = at;
  byId("pair").hidden = !languages.can("alignment");
  if (!(isNew && pair.line === line)) alternatives.close({ isQuiet: true });
  byId("line").textContent = `Sentence ${at + 1} of ${state.lines.length}`;
  document.querySelector(".steps").hidden = state.lines.length < 2;
  byId("previous").disabled = at === 0;
  byId("next").disabled = at === state.lines.length - 1;
  pair.show(line, both());
  const omitted = [...line.omitted].map((place) => `“${line.source[place]}”`);
  tell("left-out", omitted.length ? `Seems to be left out: ${omitted.join(", ")}` : "");
  light(null);
}

function light(focus) {
  const { line } = pair;
  if (!line) return;
  pair.light(focus);
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
  if (!languages.can("prefix") || settings.max_n_best < 2) return;
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
  for (const part of document.querySelectorAll("[data-feature]")) part.hidden = !languages.can(part.dataset.feature);
  byId("glossary-tools").hidden = !settings.has_glossaries;
  languagesShown();
}

/** The codes of the two languages; for one that is to be detected, what was detected or the first that is served. */
function codes() {
  const { source, target } = both();
  return { source: source.code, target: target.code };
}

function languagesShown() {
  const { source, target } = both();
  glossaries.show();
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

start().catch(tellOf);
