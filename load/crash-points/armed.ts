/**
 * Loaded into a node under test before its own code (`node --import`): from SIGUSR2 on the process kills itself the nth time that it comes
 * to one moment. The product knows nothing of it: its named points are an option that nobody gives, which is found here where options
 * inherit it from, and file calls are wrapped where Node keeps them.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const asked = new URL(import.meta.url).searchParams;
const kind = asked.get("kind");
const name = asked.get("name") ?? "";
const side = asked.get("side");

let passings = Number(asked.get("passing"));
let isArmed = false;

function passed(): void {
  if (!isArmed) return;
  passings -= 1;
  if (passings <= 0) process.kill(process.pid, "SIGKILL");
}

function wrapCalls(target: object): void {
  const real: unknown = Reflect.get(target, name);
  if (typeof real !== "function") return;
  Reflect.set(target, name, (...given: unknown[]): unknown => {
    if (side === "before") passed();
    const done = given.at(-1);
    if (side === "before") return Reflect.apply(real, target, given);
    if (typeof done !== "function") {
      return Reflect.apply(real, target, given).then((result: unknown) => {
        passed();
        return result;
      });
    }
    const after = (...results: unknown[]): void => {
      passed();
      done(...results);
    };
    return Reflect.apply(real, target, [...given.slice(0, -1), after]);
  });
}

process.on("SIGUSR2", () => {
  isArmed = true;
});

if (kind === "point") {
  const crashPoint = (point: string): void => {
    if (point === name) passed();
  };
  Object.defineProperty(Object.prototype, "crashPoint", { value: crashPoint, enumerable: false });
} else {
  wrapCalls(fs);
  wrapCalls(fs.promises);
  syncBuiltinESMExports();
}
