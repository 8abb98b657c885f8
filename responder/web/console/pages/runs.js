// Runs going on: where each is, what it waits for, until when. And one run with its steps and what can be said to it.
import { command, facts, make, way } from "./make.js";
import { moment, span } from "./when.js";
import { mark, plural, tone, waits } from "./words.js";

const PAGE = 50;

export function draw({ first, total, waiting }) {
  if (!total) return [make("p", { class: "quiet" }, "None.")];
  return [chips(waiting), list(first),
    total > first.length && make("p", {}, make("a", { href: way("runs"), "data-key": "all runs" }, `All ${total.toLocaleString("en")}`))];
}

function chips(waiting, now = "") {
  return make("ul", { class: "chips", "aria-label": "Runs by what they wait for" }, Object.entries(waiting).map(([code, count]) =>
    make("li", {}, make("a", { class: `chip ${tone(code)}`, href: `${way("runs")}?waiting_for=${encodeURIComponent(code)}`, "data-key": `waits ${code}`,
      "aria-current": code === now ? "true" : null }, make("strong", {}, count.toLocaleString("en")), ` ${code === "nothing" ? "due" : `wait for ${waits(code)}`}`))));
}

function list(found) {
  return make("ul", { class: "runs" }, found.map((run) => make("li", {}, make("a", { class: "run", href: way("run", run.id), "data-key": `run ${run.id}` },
    make("span", { class: "name" }, run.name),
    make("span", {}, `${run.playbook}: ${run.step ?? "-"}`, run.step_number && make("span", { class: "quiet" }, ` (${run.step_number} of ${run.steps_total})`)),
    make("span", { class: `chip ${tone(run.waiting_for)}` }, run.state === "ready" ? "due now" : `waits for ${waits(run.waiting_for ?? "time")}`),
    run.wake_at && make("span", { class: "quiet" }, "looks again ", moment(run.wake_at, "until")),
    run.why && make("span", { class: "why" }, run.why)))));
}

export function listPath(route) {
  const asked = new URLSearchParams({ active: "1", limit: PAGE, offset: route.query.get("offset") || "0" });
  if (route.query.get("waiting_for")) asked.set("waiting_for", route.query.get("waiting_for"));
  return `/api/v1/runs?${asked}`;
}

export function drawList(found, route) {
  const offset = Number(route.query.get("offset") || 0);
  const to = (next) => {
    const query = new URLSearchParams(route.query);
    query.set("offset", String(next));
    return `${way("runs")}?${query}`;
  };
  return [
    make("nav", { class: "back" }, make("a", { href: "#/", "data-key": "back" }, "← Everything")),
    make("h2", { class: "title", tabindex: "-1" }, plural(found.total, "run"), " going on"),
    chips(found.waiting, route.query.get("waiting_for") || ""),
    found.runs.length ? list(found.runs) : make("p", { class: "quiet" }, "None."),
    make("nav", { class: "pages", "aria-label": "Pages" },
      offset > 0 && make("a", { href: to(Math.max(offset - PAGE, 0)), "data-key": "before" }, "← before"),
      found.next_offset !== null && make("a", { href: to(found.next_offset), "data-key": "next" }, "next →")),
  ];
}

export function path(route) { return `/api/v1/runs/${encodeURIComponent(route.parts[1])}`; }

export function drawOne(found) {
  const going = ["ready", "waiting"].includes(found.state);
  return [
    make("nav", { class: "back" }, make("a", { href: "#/", "data-key": "back" }, "← Everything"),
      found.outage && make("a", { href: way("outage", found.outage), "data-key": "outage" }, found.outage),
      found.outage && make("a", { href: way("outage", found.outage, "server", found.server), "data-key": "story" }, "story of its server")),
    make("h2", { class: "title", tabindex: "-1" }, found.name, make("small", {}, ` ${found.playbook}`)),
    make("p", { class: "lead" }, going ? (found.state === "ready" ? "Due now" : ["Waits for ", waits(found.waiting_for ?? "time")]) : found.state, found.why && `: ${found.why}`),
    found.brakes.map((sentence) => make("p", { class: "note" }, sentence)),
    going && found.approval && make("p", { class: "card warm" }, found.approval.sentence),
    facts([
      ["Run", found.id],
      ["Looks again", going && moment(found.wake_at, "until")],
      ["Started", [moment(found.created_at), ` by ${found.created_by}`]],
      ["Ended", moment(found.ended_at)],
      ["Server", found.server],
    ], "facts wide"),
    make("h3", {}, "Steps"),
    make("ol", { class: "steps" }, found.steps.map((one) => step(one, found))),
    found.signals.length > 0 && [make("h3", {}, "What was said to it"), make("ol", { class: "lines" }, found.signals.map((word) =>
      make("li", {}, moment(word.at, "clock"), make("span", { class: "kind" }, word.topic), make("span", {}, make("strong", {}, word.by), word.reason && `: ${word.reason}`))))],
    found.words?.length > 0 && [make("h3", {}, "What can be said to it"), make("p", { class: "quiet" }, "On the command line. A reason is kept with --reason TEXT; approve signs for a loss with --accept-loss 40m."),
      make("ul", { class: "plain words" }, found.words.map((one) => make("li", {}, command(one.command, `word ${one.topic}`, one.topic), make("p", { class: "quiet" }, one.about))))],
  ];
}

function step(one, run) {
  const now = one.id === run.step;
  const took = one.started_at && one.ended_at ? span((Date.parse(one.ended_at) - Date.parse(one.started_at)) / 1000) : null;
  const output = Object.entries(one.output).filter(([, value]) => value !== null && value !== "");
  return make("li", { class: `step ${one.state}`, "aria-current": now ? "step" : null },
    make("span", { class: "mark", "aria-hidden": "true" }, mark(one.state)),
    make("div", {},
      make("p", {}, make("strong", {}, one.id), make("span", { class: "quiet" }, ` ${one.state}`, one.attempts > 1 && `, try ${one.attempts}`, took && `, took ${took}`), one.started_at && !one.ended_at && make("span", { class: "quiet" }, ", since ", moment(one.started_at, "since"))),
      make("p", { class: "quiet" }, one.about),
      one.why && make("p", { class: "note" }, one.why),
      output.length > 0 && make("details", { "data-key": `output ${one.id}` }, make("summary", { "data-key": `output ${one.id} head` }, "What came of it"),
        facts(output.map(([name, value]) => [name.replaceAll("_", " "), typeof value === "string" ? value : JSON.stringify(value)])))));
}
