// Servers that applications were sent away from: nothing is done for them until somebody says that they are back.
import { command, make, way } from "./make.js";
import { moment } from "./when.js";

export function draw({ first, total }) {
  return [
    make("ul", { class: "plain" }, first.map((one) => make("li", {},
      make("p", {}, make("strong", {}, one.server), " is not the live server: ", make("strong", {}, one.name), " took its place, ", moment(one.since, "since"), ", by ",
        make("a", { href: way("run", one.run), "data-key": `away ${one.run}` }, one.run), "."),
      command(one.ends_it, `back ${one.run}`, "When applications are back on it")))),
    total > first.length && make("p", { class: "quiet" }, `And ${total - first.length} more: `, make("code", {}, "responder inventory")),
  ];
}
