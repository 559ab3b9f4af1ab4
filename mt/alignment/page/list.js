"use strict";
// The list of sentences: their scores at the chosen reading, in any order, found by their text.

const SCORES = [
  { key: "confidence", name: "Conf.", about: "Confidence: the mean over target tokens of their largest weight, in %" },
  { key: "sink", name: "Sink", about: "Sink mass: how much of the attention the end-of-sentence column held, in %" },
  { key: "aer", name: "AER", about: "Alignment error rate against the gold links, in %" },
];

const list = { rows: [], shown: 0, sortedBy: "line", descending: false };

function buildList(sentences, select) {
  const scores = SCORES.filter(({ key }) => sentences.some((sentence) => sentence[key] !== null));
  byId("headings").replaceChildren(
    heading("line", "Line", "Number of the line in its file"),
    make("th", { scope: "col", class: "sentence" }, "Sentence"),
    ...scores.map(({ key, name, about }) => heading(key, name, about)),
  );
  list.rows = sentences.map((sentence, at) => {
    const source = shown(sentence.source.words.join(" "));
    const target = shown(sentence.target.words.join(" "));
    const button = make(
      "button",
      { type: "button", tabindex: -1 },
      make("span", { dir: sentence.source.rtl ? "rtl" : "ltr" }, source),
      make("span", { dir: sentence.target.rtl ? "rtl" : "ltr" }, target),
    );
    const cells = scores.map(({ key }) => score(sentence[key]));
    const row = make("tr", {}, make("td", {}, `${sentence.line}`), make("td", { class: "sentence" }, button), ...cells);
    row.addEventListener("click", () => select(at));
    return { row, button, at, values: sentence, text: `${source}\n${target}`.toLocaleLowerCase() };
  });
  byId("sentences").replaceChildren(...list.rows.map(({ row }) => row));
  byId("find").addEventListener("input", filterList);
  byId("sentences").addEventListener("keydown", (event) => {
    const visible = visibleRows();
    const here = visible.findIndex(({ button }) => button === document.activeElement);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: visible.length - 1 }[event.key];
    if (to === undefined || !visible[to]) return;
    event.preventDefault();
    visible[to].button.focus();
    select(visible[to].at);
  });
}

function heading(key, name, about) {
  const button = make("button", { type: "button", title: about, "aria-label": about }, name);
  const cell = make("th", { scope: "col", "data-key": key, "aria-sort": key === "line" ? "ascending" : "none" }, button);
  button.addEventListener("click", () => sortList(key));
  return cell;
}

function score(value) {
  if (value === null) return make("td");
  return make("td", { class: "score", style: `--share: ${percent(value, 1)}%` }, percent(value));
}

/** By what has most in it first, and the other way round at the second click; lines from the first. */
function sortList(key) {
  list.descending = list.sortedBy === key ? !list.descending : key !== "line";
  list.sortedBy = key;
  for (const cell of byId("headings").querySelectorAll("[data-key]")) {
    const order = list.descending ? "descending" : "ascending";
    cell.setAttribute("aria-sort", cell.dataset.key === key ? order : "none");
  }
  byId("sentences").replaceChildren(...orderedRows().map(({ row }) => row));
}

function orderedRows() {
  const sign = list.descending ? -1 : 1;
  const value = ({ values }) => values[list.sortedBy] ?? -1;
  return [...list.rows].sort((one, other) => sign * (value(one) - value(other)) || one.at - other.at);
}

function visibleRows() {
  return orderedRows().filter(({ row }) => !row.hidden);
}

function filterList() {
  const wanted = byId("find").value.trim().toLocaleLowerCase();
  for (const { row, text } of list.rows) row.hidden = !text.includes(wanted);
  setTabStop();
}

/** Marks the sentence that is shown, and brings its row into sight. */
function markInList(shown) {
  list.shown = shown;
  for (const { row, button, at } of list.rows) {
    row.classList.toggle("current", at === shown);
    button.setAttribute("aria-current", `${at === shown}`);
    if (at === shown) bringIntoSight(row);
  }
  setTabStop();
}

/** The Tab key stops at the row that is shown, or the first that was found; arrow keys go on from there. */
function setTabStop() {
  const visible = visibleRows();
  const stop = visible.find(({ at }) => at === list.shown) ?? visible[0];
  for (const one of list.rows) one.button.tabIndex = one === stop ? 0 : -1;
}

/** Scrolls the list alone: scrollIntoView would move the whole page on a small screen. */
function bringIntoSight(row) {
  const box = byId("list-rows");
  const covered = byId("headings").offsetHeight;
  const bottom = row.offsetTop + row.offsetHeight;
  box.scrollTop = Math.min(row.offsetTop - covered, Math.max(box.scrollTop, bottom - box.clientHeight));
}

/** The sentence `step` rows on from the one that is shown, if there is one. */
function neighbourInList(step) {
  const visible = visibleRows();
  const here = visible.findIndex(({ at }) => at === list.shown);
  return visible[here + step]?.at;
}
