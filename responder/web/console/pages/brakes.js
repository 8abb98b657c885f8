// Brakes and deafness, above everything: what keeps the responder from acting or from hearing.
import { command, make, way } from "./make.js";
import { moment } from "./when.js";
import { plural, tail } from "./words.js";

/** What is told aloud when it changes, and shown as bars. Each: tone, title, text, and more. */
export function draw(found) {
  const bars = [...freezes(found), ...ears(found), ...shadow(found), ...told(found), ...stuck(found), ...limits(found), ...trouble(found)];
  if (bars.length) return bars;
  return [make("p", { class: "bar calm" }, "No brake is held. ", found.hearing.sentence)];
}

export function aloud(found) {
  const said = found.brakes.freezes.map((one) => `Frozen: ${one.sentence}.`);
  if (found.hearing.state === "blind" && !found.hearing.starting) said.push(found.hearing.sentence);
  return said.join(" ");
}

function bar(tone, title, ...rest) {
  return make("div", { class: `bar ${tone}` }, make("h2", {}, title), rest);
}

function freezes(found) {
  return found.brakes.freezes.map((one) => {
    const wave = one.scope.startsWith("wave:");
    const lift = one.remedy.match(/^`(.*)` lifts it\.$/);
    const until = one.until ? [" It ends by itself: ", moment(one.until, "until"), "."] : " Until somebody lifts it.";
    return bar("bad", `${wave ? "Halted" : "Frozen"}: ${one.words}`,
      make("p", { class: "reason" }, one.reason),
      make("p", {}, "By ", make("strong", {}, one.by), ", since ", moment(one.since, "since"), ".", until),
      lift ? command(lift[1], `freeze ${one.scope}`, "To lift it") : make("p", {}, one.remedy));
  });
}

function ears(found) {
  const { state, sentence, starting } = found.hearing;
  if (state === "blind") return [bar(starting ? "warm" : "bad", starting ? "Not hearing yet" : "Blind", make("p", {}, sentence))];
  if (state === "lagging") return [bar("warm", "Hears late", make("p", {}, sentence))];
  const deaf = found.sources.filter((one) => one.state === "blind" && !one.starting);
  return deaf.length ? [bar("warm", `${plural(deaf.length, "source")} of ${found.sources.length} blind`, make("p", {}, deaf.map((one) => `${one.source}. `)))] : [];
}

function shadow(found) {
  if (!found.shadow.length && found.mode !== "shadow") return [];
  const where = found.mode === "shadow" || found.shadow.includes("everything") ? "everywhere" : `in ${found.shadow.join(", ")}`;
  return [bar("warm", `Shadow mode ${where}`, make("p", {}, "It decides and tells, and starts nothing there."))];
}

function told(found) {
  const { runs, runs_more } = found.brakes;
  if (!runs.length) return [];
  const each = runs.map((one) => make("li", {},
    make("a", { href: way("run", one.run), "data-key": `told ${one.run} ${one.what}` }, one.run),
    ` ${one.what === "pause" ? "paused" : "held back from cutting over"} by `, make("strong", {}, one.by), ", since ", moment(one.at, "since"),
    one.until && [", until ", moment(one.until, "until")], ": ", one.reason || "no reason given"));
  const title = runs_more ? "Runs that people hold back" : `${plural(runs.length, "run")} held back by people`;
  return [bar("warm", title, make("ul", {}, each), runs_more && make("p", {}, "There are more: responder brakes"))];
}

function stuck(found) {
  const { quarantined, quarantined_total } = found.brakes;
  if (!quarantined_total) return [];
  const each = quarantined.map((one) => make("li", {}, make("a", { href: way("run", one.run), "data-key": `stuck ${one.run}` }, one.run), `: ${one.why}`));
  return [bar("bad", `${plural(quarantined_total, "run")} in quarantine`, make("ul", {}, each))];
}

function limits(found) {
  const full = found.brakes.full.map((one) => make("li", {}, `${one.under_way} of ${one.most} effects under way in ${one.of} ${one.name}: further runs wait for room.`));
  const refused = found.brakes.azure.map((one) => make("li", {}, `Azure takes no ${one.kind === "write" ? "writes" : "more calls"} for subscription ${one.subscription} until `, moment(one.refused_until, "until"), "."));
  return full.length + refused.length ? [bar("warm", "At a limit", make("ul", {}, full, refused))] : [];
}

function trouble(found) {
  const bars = [];
  const { failing, since } = found.announcements;
  if (failing) bars.push(bar("bad", `${plural(failing, "announcement")} cannot be delivered`, make("p", {}, "People may not know what this page shows. The oldest waits since ", moment(since, "since"), ".")));
  if (found.playbooks.problem) bars.push(bar("warm", "Playbooks cannot be loaded", make("p", {}, found.playbooks.problem, " Those loaded before stay.")));
  for (const [name, why] of Object.entries(found.playbooks.unusable)) bars.push(bar("warm", `Playbook ${tail(name)} cannot be used`, make("p", {}, why)));
  return bars;
}
