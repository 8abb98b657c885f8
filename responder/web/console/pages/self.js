// The responder itself: does it hear, and who carries the work.
import { facts, make } from "./make.js";
import { moment } from "./when.js";
import { plural } from "./words.js";

/** One line of counts, each leading to its part of the page. */
export function glance(found) {
  const down = found.outages.first.reduce((sum, one) => sum + one.servers_total, 0);
  const asked = found.approvals.total;
  return make("ul", { class: "chips" },
    make("li", {}, make("a", { class: `chip ${asked ? "warm" : ""}`, href: "#approvals-title", "data-key": "to sign" }, make("strong", {}, asked.toLocaleString("en")), found.approvals.more ? " or more to sign" : " to sign")),
    make("li", {}, make("a", { class: "chip", href: "#outages-title", "data-key": "outages" }, make("strong", {}, found.outages.total.toLocaleString("en")), found.outages.total === 1 ? " outage" : " outages", down ? `, ${plural(down, "server")}` : "")),
    make("li", {}, make("a", { class: "chip", href: "#runs-title", "data-key": "runs" }, make("strong", {}, found.runs.total.toLocaleString("en")), found.runs.total === 1 ? " run" : " runs")));
}

const TONES = { hearing: "good", idle: "good", lagging: "warm", blind: "bad" };

export function sources(found) {
  const state = found.hearing;
  return [
    make("p", {}, state.sentence),
    make("ul", { class: "plain sources" }, found.sources.map((one) => make("li", {},
      make("p", {}, make("span", { class: `chip ${one.starting ? "warm" : TONES[one.state]}` }, one.starting ? "starting" : one.state), " ", one.source),
      make("p", { class: "quiet" }, one.sentence || (one.last_event_at ? ["Last event ", moment(one.last_event_at, "ago"), "."] : "No event has come yet."),
        one.restarts > 0 && ` Started anew ${plural(one.restarts, "time")}.`, !one.vouches && " It cannot vouch that Azure finds our door.")))),
    found.intake.quarantined > 0 && make("p", { class: "note" }, `${plural(found.intake.quarantined, "piece")} of what came could not be read: responder events quarantine`),
  ];
}

export function instances(found) {
  return [
    facts([
      ["Servers known", found.servers.toLocaleString("en")],
      ["Store", found.store],
      ["To be announced", found.announcements.undelivered > 0 && `${found.announcements.undelivered}${found.announcements.failing ? `, ${found.announcements.failing} failing` : ""}`],
      ["Playbooks", found.playbooks.changed_on_disk && "their files have changed since they were loaded"],
    ]),
    found.instances.length ? make("ul", { class: "plain" }, found.instances.map((one) => make("li", {},
      make("p", {}, make("strong", {}, one.about), ` ${one.role}`, one.me && ", answers you"),
      make("p", { class: "quiet" }, plural(one.runs, "run"), " in hand", one.leads.length > 0 && `; leads ${one.leads.join(", ")}`, "; since ", moment(one.started_at), ".")))) : make("p", { class: "quiet" }, "One daemon, alone with its store."),
  ];
}
