"use strict";
// Building and finding elements. Text only ever becomes text nodes, so that no sentence can be markup.

const SVG = new Set(["svg", "g", "path", "line", "circle", "rect"]);

function byId(id) {
  return document.getElementById(id);
}

/** A new element with attributes (null ones are left out) and children, which may be strings. */
function make(name, attributes = {}, ...children) {
  const element = SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** A token as people see it: what cannot be printed becomes U+FFFD. */
function shown(token) {
  return token.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd");
}

function percent(share, digits = 0) {
  return (100 * share).toFixed(digits);
}
