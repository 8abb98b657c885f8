// The loop: reads the overview and what is looked at, draws what has changed, and never lets an old page look current.
import * as api from "./api.js";
import * as approvals from "./approvals.js";
import * as away from "./away.js";
import * as brakes from "./brakes.js";
import * as outage from "./outage.js";
import * as outages from "./outages.js";
import * as runs from "./runs.js";
import * as self from "./self.js";
import { make, put } from "./make.js";
import { follow, now, span, tick, utc } from "./when.js";

const EVERY = 5000; // ms
const HIDDEN = 10000;
const OLD = 20; // seconds after which what is shown is called old

const at = (id) => document.getElementById(id);
const state = { found: null, asOf: null, heard: 0, ticks: 0, trouble: "", aloud: null, view: null, turn: 0, timer: 0 };

const VIEWS = {
  outage: { path: outage.path, draw: outage.draw },
  server: { path: outage.storyPath, draw: outage.drawStory, every: 30000 },
  runs: { path: runs.listPath, draw: runs.drawList },
  run: { path: runs.path, draw: runs.drawOne },
};

function route() {
  const [where, query] = location.hash.replace(/^#\/?/, "").split("?");
  let parts = [];
  try { parts = where.split("/").map(decodeURIComponent); } catch { /* no address of ours */ }
  const kind = parts[0] === "outage" && parts[2] === "server" && parts[3] ? "server" : parts[0];
  const known = kind === "runs" || ((kind === "run" || kind === "outage" || kind === "server") && parts[1]);
  return { kind: known ? kind : "", parts, query: new URLSearchParams(query || "") };
}

async function turn() {
  const mine = ++state.turn;
  clearTimeout(state.timer);
  try {
    const { body, asOf, now: serverNow } = await api.get("/api/v1/overview");
    follow(serverNow);
    state.found = body;
    draw();
    Object.assign(state, { asOf, heard: Date.now(), ticks: performance.now(), trouble: "" }); // what was not drawn is old
  } catch (error) {
    if (error.status === 401) return;
    state.trouble = error instanceof api.Refused ? `It says: ${error.message}` : error.name === "TimeoutError" ? "It does not answer in time." : "It cannot be reached.";
    if (!(error instanceof api.Refused) && !["TimeoutError", "TypeError", "AbortError"].includes(error.name)) console.error(error);
  }
  await detail();
  age();
  if (mine === state.turn) state.timer = setTimeout(turn, document.hidden ? HIDDEN : EVERY);
}

function draw() {
  const found = state.found;
  const show = (id, part, drawn) => put(at(id), JSON.stringify(part), drawn);
  show("brakes", [found.brakes, found.hearing, found.sources, found.mode, found.shadow, found.announcements, found.playbooks], () => brakes.draw(found));
  show("glance", [found.approvals.total, found.approvals.more, found.outages, found.runs.total], () => self.glance(found));
  show("approvals", found.approvals, () => approvals.draw(found.approvals));
  show("outages", found.outages, () => outages.draw(found.outages));
  show("runs", found.runs, () => runs.draw(found.runs));
  show("away", found.away, () => away.draw(found.away));
  at("away-section").hidden = !found.away.total;
  show("sources", [found.hearing, found.sources, found.intake], () => self.sources(found));
  show("instances", [found.instances, found.servers, found.store, found.announcements, found.playbooks], () => self.instances(found));
  const aloud = brakes.aloud(found);
  if (aloud !== state.aloud && (aloud || state.aloud)) at("spoken").textContent = aloud || "No brake is held any more, and it hears.";
  state.aloud = aloud;
}

async function detail() {
  const asked = route();
  const view = VIEWS[asked.kind];
  at("overview").hidden = at("glance").hidden = Boolean(view);
  at("detail").hidden = !view;
  if (!view) { state.view = null; return; }
  const fresh = state.view?.hash !== location.hash;
  if (fresh) {
    state.view = { hash: location.hash, at: 0 };
    put(at("detail"), `reading ${location.hash}`, () => make("p", { class: "quiet" }, "Reading ..."));
  }
  const mine = state.view;
  if (view.every && Date.now() - mine.at < view.every) return;
  try {
    const { body } = await api.get(view.path(asked));
    if (state.view !== mine) return;
    put(at("detail"), location.hash + JSON.stringify(body), () => view.draw(body, asked));
    mine.at = Date.now(); // what was not drawn is old
  } catch (error) {
    if (state.view !== mine || error.status === 401) return;
    if (error instanceof api.Refused && error.status < 500) {
      mine.at = Date.now();
      put(at("detail"), location.hash + error.message, () => [make("nav", { class: "back" }, make("a", { href: "#/" }, "← Everything")), make("p", { class: "note" }, error.message)]);
    } else if (error instanceof api.Refused) {
      state.trouble = `It says: ${error.message}`;
    }
    if (fresh && !mine.at) {
      put(at("detail"), location.hash + "failed", () => make("p", { class: "note" }, "It cannot be read now; it is tried again."));
    }
  }
  if (fresh) at("detail").querySelector(".title")?.focus({ preventScroll: true });
}

/** How old what is shown is, by whichever clock has gone on further: machines sleep, and clocks are set back. */
function age() {
  const stale = at("stale");
  if (state.asOf === null) {
    stale.hidden = !state.trouble;
    if (state.trouble) say(stale, `Nothing could be read. ${state.trouble}`);
    return;
  }
  const since = Math.max(Date.now() - state.heard, performance.now() - state.ticks, now() - state.asOf) / 1000;
  const late = detailLate();
  const old = since > OLD || late > OLD;
  const shown = `as of ${utc(state.asOf, true)}`;
  if (at("as-of").textContent !== shown) at("as-of").textContent = shown;
  at("as-of").title = new Date(state.asOf).toLocaleString() + " here";
  document.body.classList.toggle("old", old);
  stale.hidden = !old;
  if (!old) delete stale.dataset.told;
  if (old && since <= OLD) say(stale, `What is shown below is old: it could not be read for ${span(late)}. ${state.trouble}`);
  else if (old) say(stale, `This page is old: as of ${utc(state.asOf, true)}. The daemon has not answered for ${span(since)}. ${state.trouble}`);
  title(old);
}

/** For how many seconds longer than it should be what is looked at has not been read. */
function detailLate() {
  const view = state.view;
  return view?.at ? (Date.now() - view.at - (VIEWS[route().kind]?.every || 0)) / 1000 : 0;
}

function say(where, text) {
  if (where.hidden === false && !where.dataset.told) {
    where.dataset.told = "1";
    at("spoken").textContent = text;
  }
  if (where.textContent !== text) where.textContent = text;
}

function title(old) {
  const { approvals: asked, outages: open, brakes: held } = state.found;
  const parts = [old && "OLD", held.freezes.length && "frozen", asked.total && `${asked.total} to sign`,
    open.total && !asked.total && `${open.total} ${open.total === 1 ? "outage" : "outages"}`].filter(Boolean);
  const text = (parts.length ? `(${parts.join(", ")}) ` : "") + "Responder";
  if (document.title !== text) document.title = text;
}

async function who() {
  const { body } = await api.get("/api/v1/session");
  at("who").textContent = body.name ?? "the command line's token";
  at("who").title = body.roles.join(", ");
}

addEventListener("hashchange", () => { if (location.hash === "" || location.hash.startsWith("#/")) { scrollTo(0, 0); detail(); } });
document.addEventListener("visibilitychange", () => { if (!document.hidden) { age(); turn(); } });
addEventListener("online", turn);
setInterval(() => { tick(); age(); }, 1000);
who().catch(() => {});
turn();
