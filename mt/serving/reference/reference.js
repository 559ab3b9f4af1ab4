// Draws the description of the API (openapi.json) and sends requests from it. No library, no other host.
"use strict";

const JSON_TYPE = "application/json";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function resolved(schema, description) {
  return schema && schema.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema || {};
}

function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  return schema.format || schema.type || "any";
}

function bounds(schema) {
  const names = { minimum: "≥", maximum: "≤", exclusiveMinimum: ">", exclusiveMaximum: "<" };
  const all = [schema, ...(schema.anyOf || [])];
  return all.flatMap((one) => Object.entries(names).filter(([name]) => one[name] !== undefined)
    .map(([name, sign]) => `${sign} ${one[name]}`)).join(", ");
}

function fields(schema) {
  const rows = Object.entries(schema.properties || {}).map(([name, field]) => {
    const required = (schema.required || []).includes(name);
    const standard = required ? "required" : field.default === undefined ? "" : JSON.stringify(field.default);
    return element("tr", {}, element("td", {}, element("code", {}, name)),
      element("td", {}, [kind(field), bounds(field)].filter(Boolean).join(" ")),
      element("td", {}, standard), element("td", {}, field.description || ""));
  });
  const head = element("tr", {}, ...["field", "type", "default", "meaning"].map((one) => element("th", { scope: "col" }, one)));
  return element("table", {}, head, ...rows);
}

function example(schema, description) {
  const made = {};
  for (const name of schema.required || []) {
    const field = resolved(schema.properties[name], description);
    const first = field.anyOf ? field.anyOf[0] : field;
    made[name] = field.examples ? field.examples[0] : first.type === "array" ? ["…"] : "…";
  }
  return JSON.stringify(made, null, 2);
}

function form(path, method, schema, description) {
  const area = schema ? element("textarea", { "aria-label": "body", spellcheck: "false" }) : null;
  if (area) area.value = example(schema, description);
  const names = [...path.matchAll(/{(\w+)}/g)].map((found) => found[1]);
  const inputs = names.map((name) => element("input", { "aria-label": name, placeholder: name }));
  const output = element("pre", { "aria-live": "polite", hidden: "" });
  const button = element("button", { type: "button" }, "Send");
  button.addEventListener("click", async () => {
    const place = names.reduce((url, name, number) => url.replace(`{${name}}`, encodeURIComponent(inputs[number].value)), path);
    const headers = area ? { "content-type": JSON_TYPE } : {};
    const key = document.getElementById("key").value;
    if (key) headers["x-api-key"] = key;
    output.hidden = false;
    output.textContent = "…";
    try {
      const answer = await fetch(place, { method: method.toUpperCase(), headers, body: area ? area.value : undefined });
      const text = await answer.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON: as it came */ }
      output.textContent = `${answer.status} ${answer.statusText}\n\n${shown}`;
    } catch (error) {
      output.textContent = String(error);
    }
  });
  return element("div", {}, ...inputs, ...(area ? [area] : []), button, output);
}

function call(path, method, operation, description) {
  const summary = element("summary", {}, element("span", { class: "method" }, method.toUpperCase()),
    element("code", {}, path), ` ${operation.summary || ""}`);
  const parts = [summary];
  const content = operation.requestBody ? operation.requestBody.content : {};
  const types = Object.keys(content);
  const schema = types.length ? resolved(content[types[0]].schema, description) : null;
  if (schema) {
    if (schema.description) parts.push(element("p", {}, schema.description));
    parts.push(element("p", {}, `Body: ${types.join(", ")}`), fields(schema));
  }
  const codes = Object.entries(operation.responses || {}).map(([code, one]) => {
    const types = Object.entries(one.content || {}).map(([type, body]) => kind(body.schema) || type);
    return `${code} ${types.join(", ") || one.description}`;
  });
  parts.push(element("p", {}, `Answers: ${codes.join("; ")}`));
  if (!types.length || types.includes(JSON_TYPE)) parts.push(form(path, method, schema, description));
  return element("details", {}, ...parts);
}

async function draw() {
  const description = await (await fetch("/openapi.json")).json();
  const groups = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const name = (operation.tags || ["other"])[0];
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(call(path, method, operation, description));
    }
  }
  const sections = [...groups].flatMap(([name, calls]) => [element("h2", {}, name), ...calls]);
  const values = Object.entries(description.components.schemas).filter(([, schema]) => schema.properties);
  sections.push(element("h2", {}, "Values"), ...values.map(([name, schema]) =>
    element("details", {}, element("summary", {}, element("code", {}, name), ` ${schema.description || ""}`), fields(schema))));
  document.getElementById("calls").replaceChildren(...sections);
}

draw().catch((error) => { document.getElementById("calls").textContent = String(error); });
