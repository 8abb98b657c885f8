// Outages that are open, with how many servers were decided what.
import { make, way } from "./make.js";
import { moment } from "./when.js";
import { action, counted, plural } from "./words.js";

export function draw({ first, total, over }) {
  return [
    first.length ? make("ul", { class: "cards" }, first.map((one) => make("li", {}, outage(one)))) : make("p", { class: "quiet" }, "No outage is open."),
    total > first.length && make("p", { class: "quiet" }, `And ${total - first.length} more: `, make("code", {}, "responder incidents list")),
    over.length > 0 && make("details", { "data-key": "over" }, make("summary", { "data-key": "over" }, "Lately over"),
      make("ul", { class: "plain" }, over.map((one) => make("li", {},
        make("a", { href: way("outage", one.id), "data-key": `over ${one.id}` }, one.id), ` ${one.region_name}, `, plural(one.servers_total, "server"), ", since ", moment(one.impact_start))))),
  ];
}

function outage(one) {
  return make("article", { class: `card ${one.suspected_by_us ? "" : "bad-edge"}` },
    make("header", {},
      make("h3", {}, make("a", { href: way("outage", one.id), "data-key": `outage ${one.id}` }, one.region_name)),
      make("p", { class: "clock" }, plural(one.servers_total, "server"))),
    make("p", { class: "lead" }, state(one), one.title && [": ", make("span", { class: "outside" }, one.title)]),
    chips(one),
    make("p", { class: "quiet" }, one.id, ". Impact since ", moment(one.impact_start, "since"), ".",
      one.expected_end && [" Azure expects the end at ", moment(one.expected_end, "until"), "."],
      one.reopened > 0 && ` Reopened ${one.reopened === 1 ? "once" : one.reopened + " times"}.`));
}

export function state(one) {
  if (one.merged_into) return `Counted with ${one.merged_into}`;
  if (one.suspected_by_us) return "Suspected by us; Azure has said nothing";
  return { active: "Active, says Azure", resolved: "Over, says Azure; servers are still looked after", dropped: "Azure no longer names this region", withdrawn: "Azure took it back" }[one.status] || one.status;
}

/** Counts by action, each leading to those servers. `now`: the one that is shown. */
export function chips(one, now = "") {
  return make("ul", { class: "chips", "aria-label": "Servers by what was decided" }, counted(one.actions).map(([code, count]) => {
    const [word, tone] = action(code);
    return make("li", {}, make("a", { class: `chip ${tone}`, href: `${way("outage", one.id)}?action=${encodeURIComponent(code)}`,
      "data-key": `chip ${one.id} ${code}`, "aria-current": code === now ? "true" : null, title: code }, make("strong", {}, count.toLocaleString("en")), ` ${word}`));
  }));
}
