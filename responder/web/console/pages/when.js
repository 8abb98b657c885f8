// Times as people read them: UTC on the page, their own in the tooltip. The server's clock counts, not the browser's.
let ahead = 0; // ms that the server's clock is ahead of ours

export function follow(serverNow) { ahead = serverNow - Date.now(); }
export function now() { return Date.now() + ahead; }

/** `2 h 10 m`, of seconds: the two largest parts. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "unknown";
  const whole = Math.max(Math.round(seconds), 0);
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** `03:12 UTC`, with the day when it is not today; with seconds if asked. */
export function utc(iso, seconds = false) {
  const at = new Date(iso);
  const clock = at.toISOString().slice(11, seconds ? 19 : 16);
  const day = at.toISOString().slice(0, 10);
  return (day === new Date(now()).toISOString().slice(0, 10) ? "" : `${day} `) + `${clock} UTC`;
}

/** A moment that shows itself, and how far away it is where `kind` is `ago`, `until` or `since`. Null: nothing. */
export function moment(iso, kind = "") {
  if (!iso) return null;
  const made = document.createElement("time");
  made.dateTime = iso;
  made.title = new Date(iso).toLocaleString() + " here";
  made.dataset.kind = kind;
  tell(made);
  return made;
}

/** Let every moment on the page say anew how far away it is. */
export function tick() {
  for (const one of document.querySelectorAll("time[data-kind]")) tell(one);
}

function tell(one) {
  const left = (Date.parse(one.dateTime) - now()) / 1000;
  const at = utc(one.dateTime);
  const text = {
    ago: `${span(-left)} ago`,
    since: `${at}, for ${span(-left)}`,
    until: left > 0 ? `${at}, in ${span(left)}` : `${at}, ${span(-left)} ago`,
    clock: utc(one.dateTime, true),
    left: left > 0 ? span(left) : `${span(-left)} too late`,
  }[one.dataset.kind] || at;
  if (one.textContent !== text) one.textContent = text;
  one.classList.toggle("past", left <= 0 && ["until", "left"].includes(one.dataset.kind));
  one.classList.toggle("near", left > 0 && left < 900 && one.dataset.kind === "left");
}
