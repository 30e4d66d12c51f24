"use strict";

// All text is inserted as text, never as HTML.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}

function follow(api, node) {
  while (node && node.$ref) node = node.$ref.slice(2).split("/").reduce((part, key) => part[key], api);
  return node;
}

function kind(api, schema) {
  schema = follow(api, schema);
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.map((choice) => kind(api, choice)).join(" or ");
  if (schema.enum) return schema.enum.filter((value) => value !== null).join(", ");
  const type = [].concat(schema.type || "any").filter((name) => name !== "null").join(" or ");
  return type === "array" ? `list of ${kind(api, schema.items)}` : type;
}

function bounds(schema) {
  const words = { minimum: "at least", maximum: "at most", minItems: "items at least", maxItems: "items at most",
    maxLength: "characters at most", maxProperties: "entries at most", default: "default", pattern: "pattern" };
  return Object.entries(words).filter(([key]) => key in schema).map(([key, text]) => `${text} ${schema[key]}`).join("; ");
}

function rows(api, schema, prefix = "", depth = 0) {
  schema = follow(api, schema) || {};
  if (schema.type === "array" || (Array.isArray(schema.type) && schema.type.includes("array"))) {
    return rows(api, schema.items, `${prefix.replace(/\.$/, "")}[].`, depth);
  }
  const variants = [schema, ...(schema.oneOf || []), ...(schema.anyOf || [])].map((each) => follow(api, each));
  return variants.flatMap((variant) => Object.entries(variant.properties || {}).flatMap(([name, member]) => {
    const known = follow(api, member);
    const required = (variant.required || []).includes(name) ? "required" : "";
    const text = [known.description, bounds(known)].filter(Boolean).join(" ");
    const row = element("tr", {}, element("td", {}, element("code", {}, prefix + name)),
      element("td", {}, kind(api, known)), element("td", {}, required), element("td", {}, text));
    return depth < 4 ? [row, ...rows(api, known, `${prefix}${name}.`, depth + 1)] : [row];
  }));
}

function table(title, lines) {
  return lines.length ? [element("h3", {}, title), element("table", {}, element("tbody", {}, ...lines))] : [];
}

function schemaOf(api, holder) {
  const content = holder && follow(api, holder).content;
  return content && content["application/json"].schema;
}

function operation(api, path, method, described) {
  const parameters = (described.parameters || []).map((each) => follow(api, each)).map((each) => element("tr", {},
    element("td", {}, element("code", {}, each.name)), element("td", {}, kind(api, each.schema)),
    element("td", {}, each.required ? "required" : ""),
    element("td", {}, [each.description, bounds(each.schema)].filter(Boolean).join(" "))));
  const answers = Object.entries(described.responses).map(([status, answer]) => element("tr", {},
    element("td", {}, element("code", {}, status)), element("td", {}, follow(api, answer).description)));
  const good = Object.keys(described.responses).find((status) => status.startsWith("2"));
  return element("details", { id: described.operationId },
    element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path),
      " ", element("span", { class: "dim" }, described.summary)),
    element("div", {}, element("p", {}, described.description || ""),
      ...table("Parameters", parameters),
      ...table("Request", rows(api, schemaOf(api, described.requestBody))),
      ...table(`Response ${good}`, rows(api, schemaOf(api, described.responses[good]))),
      ...table("Statuses", answers)));
}

async function show() {
  const api = await (await fetch("/openapi.json")).json();
  document.getElementById("about").replaceChildren(api.info.description, " ", element("a", { href: "/openapi.json" }, "The OpenAPI document"));
  for (const { name } of api.tags) {
    const found = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods)
      .filter(([, described]) => (described.tags || []).includes(name))
      .map(([method, described]) => operation(api, path, method, described)));
    document.getElementById("contents").append(element("a", { href: `#${name}` }, name));
    document.getElementById("operations").append(element("h2", { id: name }, name), ...found);
  }
}

show();
