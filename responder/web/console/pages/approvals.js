// What waits for somebody's yes or no: the price, by when, who, and the command that says it.
import { command, facts, make, way } from "./make.js";
import { moment, now, span } from "./when.js";
import { percent, plural } from "./words.js";

const WHOLE = 4; // shown whole; of a hundred, the others are a line each until somebody opens it

export function draw({ first, total, more }) {
  if (!total) return [make("p", { class: "quiet" }, "Nobody is asked for anything.")];
  const left = total - first.length;
  return [
    make("ol", { class: "cards" }, first.slice(0, WHOLE).map((one) => make("li", {}, question(one)))),
    total > WHOLE && make("ol", { class: "servers", start: String(WHOLE + 1) }, first.slice(WHOLE).map((one) => make("li", {}, line(one)))),
    left > 0 && make("p", { class: "quiet" }, `And ${left}${more ? " or more" : ""} less urgent: `, make("code", {}, "responder approvals")),
  ];
}

function line(one) {
  return make("details", { class: "server", "data-key": `line ${one.run}` },
    make("summary", { "data-key": `line ${one.run} head` }, make("span", { class: "name" }, one.name),
      make("span", { class: "quiet" }, one.answer_by ? [moment(one.answer_by, "left"), " to meet its RTO"] : "no deadline"),
      one.price && make("span", { class: "quiet" }, "loses ", one.price.data_loss_s === null ? "an unknown amount" : `up to ${span(one.price.data_loss_s)}`)),
    question(one));
}

function question(one) {
  const price = one.price;
  return make("article", { class: "card warm" },
    make("header", {},
      make("h3", {}, make("a", { href: way("run", one.run), "data-key": `ask ${one.run}` }, one.name)),
      clock(one)),
    make("p", { class: "lead" }, lead(one)),
    price && make("table", { class: "price" },
      make("thead", {}, make("tr", {}, make("td", {}), make("th", { scope: "col" }, "Yes: cut over"), make("th", { scope: "col" }, "No: wait on"))),
      make("tbody", {},
        row("Newest data lost", loss(price), "nothing"),
        row("Expected downtime", span(price.expected_downtime_s), span(price.expected_downtime_waiting_s)),
        row("Chance to meet its RTO", percent(price.p_meet_rto), percent(price.p_meet_rto_waiting)))),
    !price && make("p", {}, one.sentence),
    facts([
      ["If nobody answers", silence(one)],
      ["Who may", one.who_may],
      ["Approvers", one.approvers.join(", ")],
      ["Still needed", needed(one)],
      ["Held by", one.held_by],
      ["Owner", one.owner],
      ["Asked", one.asked_at && [moment(one.asked_at, "ago"), one.times_asked > 1 ? `, ${one.times_asked} times so far: the price has risen` : ""]],
    ]),
    command(one.yes, `yes ${one.run}`, "Yes"),
    command(one.no, `no ${one.run}`, "No"));
}

function row(word, yes, no) {
  return make("tr", {}, make("th", { scope: "row" }, word), make("td", {}, yes), make("td", {}, no));
}

function lead(one) {
  if (one.why === "by-hand") return `${one.playbook}, started by ${one.started_by}, waits for a word.`;
  if (one.why === "early") return "The cut-over is not due yet. A yes said now counts.";
  return "The cut-over is due: the copy is ready and the server's tolerance is spent.";
}

function clock(one) {
  if (!one.answer_by) return make("p", { class: "clock" }, make("span", { class: "quiet" }, "no deadline"));
  return make("p", { class: "clock" }, moment(one.answer_by, "left"),
    make("span", { class: "quiet" }, " to meet its RTO, by ", moment(one.answer_by), Date.parse(one.answer_by) < now() && "; a yes still counts"));
}

function loss(price) {
  const how = price.data_loss_measured ? "measured" : "the bound of geo-backup";
  return price.data_loss_s === null ? "unknown" : [`up to ${span(price.data_loss_s)}`, make("small", {}, how)];
}

function silence(one) {
  if (!one.if_nobody) return null;
  const by = one.expires_at ? ["by ", moment(one.expires_at, "until"), ", "] : one.expired ? "the time to answer is over: " : "";
  return [by, one.if_nobody];
}

function needed(one) {
  const people = one.signatures > 1 ? `${plural(one.signatures, "signature")} by different people` : "one person";
  const sign = one.to_sign ? `, who signs for a loss of up to ${one.to_sign}` : "";
  return [people, sign, one.missing && make("strong", {}, `. ${one.missing}`)];
}
