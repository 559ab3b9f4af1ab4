// Building and finding elements. Text only ever becomes text nodes, so that no sentence can be markup.

const SVG = new Set(["svg", "g", "path"]);

export function byId(id) {
  return document.getElementById(id);
}

/** A new element with attributes (null ones are left out) and children, which may be strings. */
export function make(name, attributes = {}, ...children) {
  const element = SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Shows a text in an element, or hides the element where there is none. */
export function tell(id, text) {
  byId(id).textContent = text;
  byId(id).hidden = !text;
}

/** Says a text to screen readers. */
export function speak(text) {
  byId("spoken").textContent = text;
}
