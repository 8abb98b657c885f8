// What codes of the API are called on the page.
const ACTIONS = {
  ask: ["waits for a yes", "warm"],
  "cut-over": ["cutting over", "busy"],
  "start-restore": ["copy is to be made", "busy"],
  restoring: ["copy is being made", "busy"],
  hold: ["copy ready, held", "busy"],
  wait: ["waits it out", ""],
  observe: ["looked at only", ""],
  settle: ["answers again", "good"],
  "stand-down": ["copy not needed", "good"],
  done: ["runs on its copy", "good"],
};
export const ORDER = Object.keys(ACTIONS);

export function action(code) { return ACTIONS[code] || [code, ""]; }

/** Counts by action as pairs, what needs people first. */
export function counted(actions) {
  const place = (code) => (ORDER.includes(code) ? ORDER.indexOf(code) : ORDER.length);
  return Object.entries(actions).sort(([a], [b]) => place(a) - place(b));
}

const WAITS = {
  approval: "somebody's yes or no",
  decision: "the next decision",
  operation: "Azure",
  retry: "another try",
  pause: "somebody to let it go on (paused)",
  freeze: "a brake to be let go (frozen)",
  hold: "the moment to cut over",
  turn: "room under a cap",
  quarantine: "somebody to look at it (quarantine)",
  copying: "data to be copied",
  nothing: "nothing: it is due",
  time: "its time",
};
export function waits(code) { return WAITS[code] || code; }

const TROUBLED = new Set(["quarantine", "retry"]);
const BRAKED = new Set(["pause", "freeze", "approval"]);
export function tone(code) { return TROUBLED.has(code) ? "bad" : BRAKED.has(code) ? "warm" : code === "operation" ? "busy" : ""; }

const STEPS = { done: "✓", failed: "✗", skipped: "–", begun: "▶", waiting: "▶", retrying: "↻", pending: "·" };
export function mark(state) { return STEPS[state] || "·"; }

export function percent(share) { return share === null || share === undefined ? "unknown" : `${Math.round(share * 100)} %`; }
export function plural(count, one, many = one + "s") { return `${count.toLocaleString("en")} ${count === 1 ? one : many}`; }
export function tail(id) { return id.split("/").pop(); }
