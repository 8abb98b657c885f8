// The login: keeps the place somebody wanted to see, and lets in at once whoever is logged in already. A link followed
// from elsewhere comes without the cookie (SameSite=Strict), which this page's own question then brings.
const form = document.querySelector("form");
form.action = "/login" + location.hash; // the answer's redirect keeps it

const last = Number(sessionStorage.getItem("let-in") || 0);
const known = await fetch("/console/session", { cache: "no-store" }).then((answer) => answer.json()).catch(() => null);
if (known?.known && Date.now() - last > 10000) {
  sessionStorage.setItem("let-in", String(Date.now())); // never in a circle
  location.replace("/" + location.hash);
}
