// One outage: its servers by pages, each with what was decided and why; and the story of one server.
import { facts, make, way } from "./make.js";
import { chips, state } from "./outages.js";
import { moment, span } from "./when.js";
import { action, percent, plural, waits } from "./words.js";

const PAGE = 50;
const REST = new Set(["done", "observe", "settle", "wait"]); // nothing is to be begun there now, frozen or not

export function path(route) {
  const asked = new URLSearchParams({ brief: "1", limit: PAGE, offset: route.query.get("offset") || "0" });
  if (route.query.get("action")) asked.set("action", route.query.get("action"));
  return `/api/v1/incidents/${encodeURIComponent(route.parts[1])}?${asked}`;
}

export function draw(found, route) {
  const only = route.query.get("action") || "";
  const offset = Number(route.query.get("offset") || 0);
  return [
    make("nav", { class: "back" }, make("a", { href: "#/", "data-key": "back" }, "← Everything")),
    make("h2", { class: "title", tabindex: "-1" }, found.region_name, make("small", {}, ` ${found.id}`)),
    make("p", { class: "lead" }, state(found), found.title && [": ", make("span", { class: "outside" }, found.title)]),
    facts([
      ["Impact since", moment(found.impact_start, "since")],
      ["Heard", moment(found.heard_at)],
      ["Newest word", moment(found.updated_at)],
      ["Azure expects the end", moment(found.expected_end, "until")],
      ["Over since", moment(found.resolved_at)],
      ["Services", found.services.join(", ")],
      ["Subscriptions told", String(found.subscriptions_total)],
    ], "facts wide"),
    chips(found, only),
    find(found),
    make("h3", {}, plural(found.servers_total, "server"), only && [": ", action(only)[0], " ", make("a", { href: way("outage", found.id), "data-key": "all" }, "show all")]),
    found.servers.length ? make("ol", { class: "servers", start: String(offset + 1) }, found.servers.map((one) => make("li", {}, server(one, found)))) : make("p", { class: "quiet" }, "None."),
    pages(found, route, offset),
  ];
}

function find(found) {
  const input = make("input", { id: "find", name: "find", type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", "data-key": "find" });
  const form = make("form", { class: "find", role: "search" }, make("label", { for: "find" }, "Why did mine wait? Server"), input, make("button", { type: "submit" }, "Tell"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) location.hash = way("outage", found.id, "server", input.value.trim());
  });
  return form;
}

function server(one, outage) {
  const decision = one.decision;
  const [word, tone] = action(decision.action);
  const [first, ...others] = decision.reasons;
  const deadline = { ask: ["must serve by", decision.must_serve_by], hold: ["cuts over at", decision.cut_over_at], restoring: ["cuts over at", decision.cut_over_at],
    "start-restore": ["start by", decision.start_by], wait: ["start by", decision.start_by] }[decision.action] || ["", null];
  const key = `server ${one.id}`;
  return make("details", { class: "server", "data-key": key },
    make("summary", { "data-key": `${key} head` },
      make("span", { class: "name" }, one.name), make("span", { class: `chip ${tone}`, title: decision.action }, decision.shadow ? `${word} (shadow)` : word),
      deadline[1] && make("span", { class: "quiet" }, deadline[0], " ", moment(deadline[1], "until")),
      one.frozen && !REST.has(decision.action) && make("span", { class: "chip bad" }, "frozen"),
      make("span", { class: "why" }, first ? first.text : "")),
    others.length > 0 && [make("h4", {}, "And why, in order of weight"), make("ol", { class: "reasons", start: "2" }, others.map((reason) => make("li", {}, reason.text)))],
    one.frozen && make("p", { class: "note" }, one.frozen),
    facts([
      ["Expected downtime", decision.expected_downtime_s !== null && span(decision.expected_downtime_s)],
      ["waiting on", decision.expected_downtime_waiting_s !== null && span(decision.expected_downtime_waiting_s)],
      ["Chance to meet its RTO", decision.p_meet_rto !== null && `${percent(decision.p_meet_rto)}; waiting on ${percent(decision.p_meet_rto_waiting)}`],
      ["Loses at most", decision.data_loss_bound_s !== null && span(decision.data_loss_bound_s)],
      ["Start the copy by", moment(decision.start_by, "until")],
      ["Cut over at", moment(decision.cut_over_at, "until")],
      ["Must serve by", moment(decision.must_serve_by, "until")],
      ["Decided", moment(decision.at)],
      ["Evidence", decision.evidence],
      ["Way", decision.way],
      ["Copy goes to", decision.target],
      ["Resource Health", one.resource_health && `${one.resource_health.state}: ${one.resource_health.title}`],
    ]),
    one.runs.length > 0 && make("ul", { class: "plain" }, one.runs.map((run) => make("li", {}, make("a", { href: way("run", run.id), "data-key": `${key} ${run.id}` }, run.id), ` ${run.state}`,
      run.waiting_for && `, waits for ${waits(run.waiting_for)}`))),
    make("p", {}, make("a", { href: way("outage", outage.id, "server", one.id), "data-key": `${key} story` }, "The whole story of this server")));
}

function pages(found, route, offset) {
  if (offset === 0 && found.next_offset === null) return null;
  const to = (next) => {
    const query = new URLSearchParams(route.query);
    query.set("offset", String(next));
    return `${way("outage", found.id)}?${query}`;
  };
  return make("nav", { class: "pages", "aria-label": "Pages" },
    offset > 0 && make("a", { href: to(Math.max(offset - PAGE, 0)), "data-key": "before" }, "← before"),
    make("span", { class: "quiet" }, `${offset + 1} to ${offset + found.servers.length} of ${found.servers_total.toLocaleString("en")}`),
    found.next_offset !== null && make("a", { href: to(found.next_offset), "data-key": "next" }, "next →"));
}

export function storyPath(route) {
  return `/api/v1/incidents/${encodeURIComponent(route.parts[1])}?${new URLSearchParams({ server: route.parts[3] })}`;
}

export function drawStory(found) {
  return [
    make("nav", { class: "back" }, make("a", { href: way("outage", found.outage), "data-key": "back" }, `← ${found.outage}`)),
    make("h2", { class: "title", tabindex: "-1" }, found.name),
    make("p", { class: "lead" }, found.score),
    found.now && [make("h3", {}, `Now: ${action(found.now.action)[0]}`), make("ol", { class: "reasons" }, found.now.reasons.map((reason) => make("li", {}, reason.text)))],
    found.waits.length > 0 && [make("h3", {}, "Why it waited, in order of weight"),
      make("ol", { class: "reasons" }, found.waits.map((one) => make("li", {}, one.text, make("span", { class: "quiet" }, ` for ${span(one.for_s)}`))))],
    make("h3", {}, "What happened"),
    make("ol", { class: "lines" }, found.lines.map((line) => make("li", {}, moment(line.at, "clock"), make("span", { class: "kind" }, line.kind), make("span", {}, line.text)))),
    make("p", { class: "quiet" }, found.server),
  ];
}
