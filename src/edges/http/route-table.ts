/** Which methods a path has: tells "no such path" (404) from "not with this method" (405 with `Allow`). */
import { pathOf } from "./topic-path.js";

export class RouteTable {
  readonly #routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  /** Takes a route as fastify names it: `:name` stands for one segment. */
  add(method: string | readonly string[], url: string): void {
    let route = this.#routes.get(url);
    if (route === undefined) {
      const segments = url
        .split("/")
        .map((part) => (part.startsWith(":") ? "[^/]*" : part.replaceAll(".", "\\.")));
      route = { pattern: new RegExp(`^${segments.join("/")}$`), methods: new Set(["OPTIONS"]) };
      this.#routes.set(url, route);
    }
    for (const one of typeof method === "string" ? [method] : method) route.methods.add(one);
  }

  /** The methods of the path of a request target, as `Allow` says them; `null` when there is no such path. */
  methodsOf(url: string): string | null {
    const path = pathOf(url);
    const methods = new Set<string>();
    for (const route of this.#routes.values()) {
      if (route.pattern.test(path)) for (const method of route.methods) methods.add(method);
    }
    return methods.size === 0 ? null : [...methods].sort().join(", ");
  }
}
