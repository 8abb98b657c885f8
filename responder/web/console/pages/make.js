// The one place that makes elements. Whatever comes from outside becomes text; there is no way to HTML from here.
const PLAIN = new Set([
  "aria-current", "aria-hidden", "aria-label", "aria-labelledby", "class", "colspan", "data-key", "datetime", "hidden",
  "href", "id", "open", "role", "scope", "start", "tabindex", "title", "type", "name", "autocomplete", "placeholder",
  "for", "spellcheck", "autocapitalize",
]);

/** An element. Children are elements, texts or nothing (null, false); a list counts as its members. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (!PLAIN.has(name)) throw new Error(`make: no attribute ${name}`);
    if (name === "href" && !String(value).startsWith("#")) throw new Error("make: links lead into this page only");
    made.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    made.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return made;
}

/** A link into this page, every part of the way encoded. */
export function way(...parts) {
  return "#/" + parts.map((part) => encodeURIComponent(part)).join("/");
}

/** Pairs of a word and what there is to say of it; pairs with nothing are left out. */
export function facts(pairs, cls = "facts") {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return make("dl", { class: cls }, told.map(([word, value]) => make("div", {}, make("dt", {}, word), make("dd", {}, value))));
}

/** A command with a button that copies it. */
export function command(text, key, label = "") {
  const said = make("span", { class: "unseen", role: "status" });
  const code = make("code", { tabindex: "0", class: "scroll" }, text);
  const button = make("button", { type: "button", "data-key": `copy ${key}`, "aria-label": `Copy: ${label || text}` }, "Copy");
  button.addEventListener("click", async () => {
    const done = await copied(text, code);
    button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    said.textContent = button.textContent;
    setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2500);
  });
  return make("div", { class: "command" }, label && make("span", { class: "label" }, label), code, button, said);
}

async function copied(text, code) {
  try {
    await navigator.clipboard.writeText(text); // only over https and on this machine
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    try { return document.execCommand("copy"); } catch { return false; }
  }
}

const shown = new WeakMap();

/** Put new content into a region if it says something new. What is open stays open, what is focused stays focused. */
export function put(region, fingerprint, draw) {
  if (shown.get(region) === fingerprint) return;
  const key = region.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const typed = key && document.activeElement.value;
  const open = new Map([...region.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open]));
  region.replaceChildren(...[draw()].flat(Infinity).filter(Boolean));
  shown.set(region, fingerprint);
  for (const one of region.querySelectorAll("details[data-key]")) {
    if (open.has(one.dataset.key)) one.open = open.get(one.dataset.key);
  }
  if (!key) return;
  const again = [...region.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  if (again) {
    if (typed) again.value = typed;
    again.focus({ preventScroll: true });
  }
}
