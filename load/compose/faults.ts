/** What is done to the containers, and how it is undone. */
import type { Engine } from "./engine.js";

const SERVICES = ["node1", "node2", "node3"] as const;
const CUT_MS = 5_000;

/** Does it, and gives what undoes it. */
export type Fault = () => Promise<() => Promise<void>>;

interface View {
  readonly nodeId: string;
  readonly leaderId: string | null;
}

function delayUntil(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - performance.now())));
}

export class Faults {
  readonly #engine: Engine;
  readonly #project: string;

  constructor(engine: Engine, project: string) {
    this.#engine = engine;
    this.#project = project;
  }

  async allHealthy(): Promise<boolean> {
    const states = await Promise.all(SERVICES.map((service) => this.#health(service)));
    return states.every((state) => state === "healthy");
  }

  /** Each fault with its name, done to the node that leads at that moment, or to one that does not. */
  all(who: "leader" | "follower"): readonly (readonly [string, Fault])[] {
    return [
      [`docker kill of the ${who}`, () => this.#kill(who)],
      [`docker network disconnect of the ${who}`, () => this.#disconnect(who)],
      [`docker pause of the ${who}`, () => this.#pause(who)],
    ];
  }

  async restartBalancer(): Promise<() => Promise<void>> {
    await this.#engine.docker("restart", "--time", "1", await this.#engine.containerOf("balancer"));
    return async () => undefined;
  }

  /** How many messages of a topic each node itself has. */
  async messageCounts(topic: string): Promise<readonly (readonly [string, string])[]> {
    const url = `http://127.0.0.1:8080/topics/${encodeURIComponent(topic)}?consistency=local`;
    const script = `fetch(${JSON.stringify(url)}).then((a) => a.json()).then((t) => console.log(t.messages))`;
    return await Promise.all(
      SERVICES.map(async (service) => {
        const container = await this.#engine.containerOf(service);
        return [service, await this.#engine.evaluate(container, script)] as const;
      }),
    );
  }

  async #health(service: string): Promise<string> {
    try {
      return await this.#engine.health(await this.#engine.containerOf(service));
    } catch {
      return "gone";
    }
  }

  async #kill(who: "leader" | "follower"): Promise<() => Promise<void>> {
    const { container } = await this.#choose(who);
    await this.#engine.docker("kill", container);
    return async () => {
      await this.#engine.docker("start", container);
    };
  }

  async #disconnect(who: "leader" | "follower"): Promise<() => Promise<void>> {
    const { service, container } = await this.#choose(who);
    const network = `${this.#project}_default`;
    await this.#engine.docker("network", "disconnect", network, container);
    const until = performance.now() + CUT_MS;
    return async () => {
      await delayUntil(until);
      await this.#engine.docker("network", "connect", "--alias", service, network, container);
    };
  }

  async #pause(who: "leader" | "follower"): Promise<() => Promise<void>> {
    const { container } = await this.#choose(who);
    await this.#engine.docker("pause", container);
    const until = performance.now() + CUT_MS;
    return async () => {
      await delayUntil(until);
      await this.#engine.docker("unpause", container);
    };
  }

  async #choose(who: "leader" | "follower"): Promise<{ service: string; container: string }> {
    const script =
      'fetch("http://127.0.0.1:8080/cluster?consistency=local").then((a) => a.text()).then((t) => console.log(t))';
    for (const service of SERVICES) {
      const container = await this.#engine.containerOf(service);
      const { nodeId, leaderId } = JSON.parse(await this.#engine.evaluate(container, script)) as View;
      if ((nodeId === leaderId) === (who === "leader")) return { service, container };
    }
    throw new Error(`there is no ${who}`);
  }
}
