/** What is done to the containers, and how it is undone. */
import type { Engine } from "./engine.js";

const SERVICES = ["node1", "node2", "node3"] as const;
const CUT_MS = 5_000;

/** The node that something is done to. */
export interface Victim {
  readonly service: string;
  readonly container: string;
}

export type Role = "leader" | "follower";

/** Does it, and gives what undoes it. */
export type Fault = (victim: Victim) => Promise<() => Promise<void>>;

interface View {
  readonly nodeId: string;
  readonly leaderId: string | null;
}

function delayUntil(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - performance.now())));
}

/** JavaScript that prints what a node answers to a request of its own container. */
function askScript(path: string, print = "text"): string {
  const url = JSON.stringify(`http://127.0.0.1:8080${path}`);
  return `fetch(${url}).then((answer) => answer.json()).then((text) => console.log(${print}))`;
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

  /** Each with its name. */
  get all(): readonly (readonly [string, Fault])[] {
    return [
      ["docker kill", (victim) => this.#kill(victim)],
      ["docker stop", (victim) => this.#stop(victim)],
      ["docker network disconnect", (victim) => this.#disconnect(victim)],
      ["docker pause", (victim) => this.#pause(victim)],
    ];
  }

  /** A node that has this role now. */
  async choose(role: Role): Promise<Victim> {
    for (const service of SERVICES) {
      const container = await this.#engine.containerOf(service);
      const script = askScript("/cluster?consistency=local", "JSON.stringify(text)");
      const { nodeId, leaderId } = JSON.parse(await this.#engine.evaluate(container, script)) as View;
      if ((nodeId === leaderId) === (role === "leader")) return { service, container };
    }
    throw new Error(`there is no ${role}`);
  }

  /** How many event streams end at this node. */
  async streamsOn({ container }: Victim): Promise<number> {
    const count = 'text.clients.filter(({ edge }) => edge === "sse").length';
    return Number(await this.#engine.evaluate(container, askScript("/clients", count)));
  }

  /** Pauses two of three: nothing can be committed until they go on. */
  async pauseMajority(): Promise<() => Promise<void>> {
    // Chosen first: a paused container tells nothing, and who leads changes when one is paused.
    const victims = [await this.choose("leader"), await this.choose("follower")];
    const undo = await Promise.all(victims.map((victim) => this.#pause(victim)));
    return async () => {
      await Promise.all(undo.map((resume) => resume()));
    };
  }

  async restartBalancer(): Promise<() => Promise<void>> {
    await this.#engine.docker("restart", "--time", "1", await this.#engine.containerOf("balancer"));
    return async () => undefined;
  }

  /** How many messages of a topic each node itself has. */
  async messageCounts(topic: string): Promise<readonly (readonly [string, string])[]> {
    const script = askScript(`/topics/${encodeURIComponent(topic)}?consistency=local`, "text.messages");
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

  async #kill({ container }: Victim): Promise<() => Promise<void>> {
    await this.#engine.docker("kill", container);
    return async () => {
      await this.#engine.docker("start", container);
    };
  }

  /** SIGTERM: a node that had to be killed after all says so by its exit code. */
  async #stop({ container }: Victim): Promise<() => Promise<void>> {
    await this.#engine.docker("stop", "--time", "15", container);
    const code = await this.#engine.docker("inspect", "--format", "{{.State.ExitCode}}", container);
    return async () => {
      await this.#engine.docker("start", container);
      if (code !== "0") throw new Error(`a stopped node ended with ${code}`);
    };
  }

  async #disconnect({ service, container }: Victim): Promise<() => Promise<void>> {
    const network = `${this.#project}_default`;
    await this.#engine.docker("network", "disconnect", network, container);
    const until = performance.now() + CUT_MS;
    return async () => {
      await delayUntil(until);
      await this.#engine.docker("network", "connect", "--alias", service, network, container);
    };
  }

  async #pause({ container }: Victim): Promise<() => Promise<void>> {
    await this.#engine.docker("pause", container);
    const until = performance.now() + CUT_MS;
    return async () => {
      await delayUntil(until);
      await this.#engine.docker("unpause", container);
    };
  }
}
