"use strict";
// The heatmap: source across, target down, darker (on a dark page lighter) is more weight, in even steps of lightness.

const RAMPS = {
  light: ["#f5f7f9", "#d4e3f2", "#a9cce6", "#7db4da", "#559cca", "#3583b7", "#206aa0", "#135286", "#0b3a6b", "#06254d"],
  dark: ["#1c242e", "#17344f", "#164a72", "#1d6091", "#3277ab", "#4c90c3", "#6faad6", "#97c3e5", "#c0dcf1", "#eef6fc"],
};
const LARGEST_CELL = 34; // pixels
const SMALLEST_CELL = 13;
const STEEP_FROM = 20; // pixels of a cell below which labels stand upright

const palettes = {};
const map = { cell: LARGEST_CELL, labels: { source: [], target: [] }, matrix: null };

/** 256 steps of weight as { names: for CSS, pixels: for image data }. */
function palette(scheme) {
  palettes[scheme] ??= paletteOf(RAMPS[scheme].map((name) => [1, 3, 5].map((at) => parseInt(name.slice(at, at + 2), 16))));
  return palettes[scheme];
}

function paletteOf(stops) {
  const steps = Array.from({ length: 256 }, (_, step) => {
    const place = (step / 255) * (stops.length - 1);
    const before = Math.min(Math.floor(place), stops.length - 2);
    return stops[before].map((value, at) => Math.round(value + (place - before) * (stops[before + 1][at] - value)));
  });
  const bytes = Uint8Array.from(steps.flatMap((step) => [...step, 255]));
  return { names: steps.map((step) => `rgb(${step.join(" ")})`), pixels: new Uint32Array(bytes.buffer) };
}

function buildMap(sentence, unit, languages) {
  SIDES.forEach((side, at) => {
    const box = byId(`${side}-labels`);
    box.lang = languages[at];
    map.labels[side] = sentence[side][unit].map((token) => make("span", {}, make("bdi", {}, shown(token))));
    box.replaceChildren(...map.labels[side]);
  });
  fitMap();
}

/** Cells as large as there is room for, labels leaning over them. */
function fitMap() {
  const frame = byId("map");
  const numSource = Math.max(map.labels.source.length, 1);
  const widest = (labels) => Math.max(0, ...labels.map((label) => label.firstChild.offsetWidth));
  frame.style.setProperty("--cell", `${LARGEST_CELL}px`);
  frame.classList.remove("steep", "flat");
  const [over, beside] = [widest(map.labels.source), widest(map.labels.target) + 10];
  const room = byId("map-room").clientWidth - beside;
  map.cell = Math.round(Math.max(SMALLEST_CELL, Math.min(LARGEST_CELL, (room - over * 0.65) / numSource)));
  const isFlat = over < map.cell;
  const isSteep = !isFlat && map.cell < STEEP_FROM;
  if (isSteep) map.cell = Math.round(Math.max(SMALLEST_CELL, Math.min(LARGEST_CELL, room / numSource)));
  frame.classList.toggle("flat", isFlat);
  frame.classList.toggle("steep", isSteep);
  frame.style.setProperty("--cell", `${map.cell}px`);
  frame.style.setProperty("--columns", numSource);
  frame.style.setProperty("--rows", Math.max(map.labels.target.length, 1));
  frame.style.setProperty("--over", `${isFlat ? 24 : Math.ceil(isSteep ? over + 8 : over * 0.77 + 20)}px`);
  frame.style.setProperty("--lean", `${isFlat || isSteep ? 0 : Math.ceil(over * 0.65)}px`);
}

function drawMap(matrix, marks, scheme) {
  map.matrix = matrix;
  const canvas = byId("cells");
  const scale = window.devicePixelRatio || 1;
  const size = Math.round(map.cell * scale);
  canvas.width = Math.max(1, matrix.columns * size);
  canvas.height = Math.max(1, matrix.rows * size);
  canvas.style.width = `${matrix.columns * map.cell}px`;
  canvas.style.height = `${matrix.rows * map.cell}px`;
  const context = canvas.getContext("2d");
  const { names } = palette(scheme);
  const gap = Math.max(1, Math.round(scale));
  matrix.values.forEach((weight, at) => {
    context.fillStyle = names[Math.round(255 * weight)];
    const [left, top] = [(at % matrix.columns) * size, Math.floor(at / matrix.columns) * size];
    context.fillRect(left, top, size - gap, size - gap);
  });
  drawMarks(marks, matrix);
}

/** A sign for each link: its shape says the same as its colour. */
function drawMarks(marks, { rows, columns }) {
  const svg = byId("marks");
  svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  svg.style.width = `${columns * map.cell}px`;
  svg.style.height = `${rows * map.cell}px`;
  svg.replaceChildren(
    ...marks.map(({ source, target, kind }) => {
      const [x, y] = [source + 0.485, target + 0.485];
      const sign = {
        link: () => [make("circle", { cx: x, cy: y, r: 0.13 })],
        right: () => [make("circle", { cx: x, cy: y, r: 0.2 })],
        allowed: () => [make("circle", { cx: x, cy: y, r: 0.19 })],
        wrong: () => {
          const d = `M${x - 0.2} ${y - 0.2}l.4 .4m0 -.4l-.4 .4`;
          return [make("path", { d, class: "halo" }), make("path", { d })];
        },
        missed: () => [make("rect", { x: x - 0.36, y: y - 0.36, width: 0.72, height: 0.72 })],
        open: () => [make("rect", { x: x - 0.36, y: y - 0.36, width: 0.72, height: 0.72 })],
      }[kind]();
      return make("g", { class: `mark ${kind}` }, ...sign);
    }),
  );
}

function lightMap(focus, marks) {
  const frame = byId("map");
  for (const side of SIDES) {
    const other = side === "source" ? "target" : "source";
    const isAlone = focus && focus[side] === undefined;
    frame.classList.toggle(`has-${side}`, Boolean(focus) && !isAlone);
    if (focus && !isAlone) frame.style.setProperty(`--${side}`, focus[side]);
    map.labels[side].forEach((label, index) => {
      const isPartner =
        isAlone && marks.some((mark) => mark.kind !== "open" && mark[side] === index && mark[other] === focus[other]);
      label.classList.toggle("here", Boolean(focus) && focus[side] === index);
      label.classList.toggle("partner", Boolean(isPartner));
    });
  }
}

/** The cell under a pointer, as a focus. */
function focusInMap(event) {
  const box = byId("cells").getBoundingClientRect();
  const source = Math.floor((event.clientX - box.left) / map.cell);
  const target = Math.floor((event.clientY - box.top) / map.cell);
  const isInside = source >= 0 && target >= 0 && source < map.matrix.columns && target < map.matrix.rows;
  return isInside ? { source, target } : null;
}

/** The cell that an arrow key leads to from a focus; null for other keys. */
function walkMap(event, focus) {
  const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const step = steps[event.key];
  if (!step || !map.matrix.values.length) return null;
  event.preventDefault();
  const { source = 0, target = 0 } = focus ?? {};
  const within = (place, count) => Math.max(0, Math.min(count - 1, place));
  if (!focus) return { source, target };
  return { source: within(source + step[0], map.matrix.columns), target: within(target + step[1], map.matrix.rows) };
}
