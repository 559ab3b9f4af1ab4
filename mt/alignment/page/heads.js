"use strict";
// Every head of every layer at a glance: its map of this sentence, its sink mass and its entropy.

const heads = { cells: [], agreement: null };
const ROLES = {
  links: "looks at a linked word",
  position: "looks at a fixed place",
  end: "looks at the end",
  rare: "looks at the rarest piece",
};

/** A table of layers and heads, each with its role, and the mean of each layer; `choose(layer, heads)` answers a click.
 *  `agreement` of each head with erasure, by signal and shift, or null. */
function buildHeads(numLayers, numHeads, roles, agreement, choose) {
  const all = Array.from({ length: numHeads }, (_, head) => head);
  const columns = [...all.map((head) => ({ name: `${head}`, heads: [head] }))];
  if (numHeads > 1) columns.push({ name: "mean", heads: all });
  const table = byId("heads");
  byId("heads-card").style.setProperty("--columns", columns.length);
  heads.cells = [];
  heads.agreement = agreement;
  const head = make("tr", {}, make("td"), ...columns.map(({ name }) => make("th", { scope: "col" }, name)));
  const rows = all.length
    ? Array.from({ length: numLayers }, (_, layer) => {
        const cells = columns.map(({ name, heads: members }) => {
          const canvas = make("canvas", { width: 1, height: 1 });
          const bars = make("span", { class: "bars" }, make("i", { class: "sink" }), make("i", { class: "entropy" }));
          const role = (members.length === 1 && roles[layer]?.[members[0]]) || null;
          const label = make("small", { class: "role" }, role ? role[0] : "");
          const button = make("button", { type: "button" }, canvas, bars, label);
          button.addEventListener("click", () => choose(layer, members));
          heads.cells.push({ layer, heads: members, name, role, button, canvas, bars });
          return make("td", {}, button);
        });
        return make("tr", {}, make("th", { scope: "row" }, `${layer}`), ...cells);
      })
    : [];
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}

/** Draws them for a sentence at a shift and by a signal. */
function drawHeads(sentence, data, numHeads, { shift, signal }, scheme) {
  const { pixels } = palette(scheme);
  const most = Math.log2(Math.max(2, sentence.columns.length));
  for (const { layer, heads: members, name, role, button, canvas, bars } of heads.cells) {
    const { matrix, sink } = pieceWeights(sentence, data, numHeads, { layer, heads: members, shift, signal });
    const entropy = entropyOf(matrix);
    bars.style.setProperty("--sink", sink.toFixed(3));
    bars.style.setProperty("--entropy", (entropy / most).toFixed(3));
    const head = members.length === 1 ? `head ${name}` : "mean of the heads";
    const mostly = role ? `, ${ROLES[role[0].split(" ")[0]]} in ${percent(role[1])} % of all rows (${role[0]})` : "";
    const agreement = heads.agreement?.[signal] ?? heads.agreement?.weights; // a signal of the whole model has no heads
    const same = members.length === 1 ? agreement?.[shift]?.[layer]?.[members[0]] : undefined;
    const asErasure = same === undefined ? "" : `, the same word as erasure for ${percent(same)} %`;
    const shape = `sink mass ${percent(sink)} %, entropy ${entropy.toFixed(2)} bits`;
    const title = `layer ${layer}, ${head}: ${shape}${mostly}${asErasure}`;
    button.title = title;
    button.setAttribute("aria-label", title);
    canvas.width = Math.max(1, matrix.columns);
    canvas.height = Math.max(1, matrix.rows);
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const painted = new Uint32Array(image.data.buffer);
    matrix.values.forEach((weight, at) => (painted[at] = pixels[Math.round(255 * weight)]));
    context.putImageData(image, 0, 0);
  }
}

/** Marks what is read, and what was chosen. */
function markHeads(reading, chosen) {
  for (const { layer, heads: members, button } of heads.cells) {
    const belongs = (place) => place.layer === layer && isSameHeads(place.heads, members);
    const isPart = (place) => place.layer === layer && members.length === 1 && place.heads.includes(members[0]);
    button.setAttribute("aria-pressed", `${belongs(reading)}`);
    button.classList.toggle("part", isPart(reading));
    button.classList.toggle("chosen", belongs(chosen));
  }
}

function isSameHeads(one, other) {
  return one.length === other.length && one.every((head, at) => head === other[at]);
}
