/** The container files against the program that they run: settings, ports and metrics are spelt as the node spells them. */
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../../src/config.js";
import { type GaugeSources, registerGauges } from "../../../src/replica/gauges.js";
import { createMetrics } from "../../../src/runtime/metrics.js";
import { readText } from "../../tidy/source.js";

interface Service {
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
}

const compose = parse(readText("docker-compose.cluster.yml"), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
};
const dockerfile = readText("Dockerfile");
const balancer = readText("docker/haproxy.cfg");

/** `NAME=value` of the image's ENV. */
function imageEnvironment(): Record<string, string> {
  return Object.fromEntries(
    [...dockerfile.matchAll(/(JANGADA_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
}

function configOf(service: string): ReturnType<typeof loadConfig> {
  const environment = { ...imageEnvironment(), ...compose.services[service]?.environment };
  return loadConfig({ argv: [], environment, readFile: () => "" });
}

describe("docker-compose.cluster.yml", () => {
  it.each(["1", "2", "3"])("gives node %s settings that it takes", (nodeId) => {
    expect(configOf(`node${nodeId}`)).toMatchObject({
      nodeId,
      singleNode: false,
      dataDir: "/data",
      host: "0.0.0.0",
      mqttPort: 1883,
      httpPort: 8080,
      peerHost: "0.0.0.0",
      peerPort: 7000,
      clusterSecretFile: "/run/jangada/cluster-secret",
    });
  });

  it("publishes ports on loopback, unless it is told otherwise", () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    expect(ports).toHaveLength(4);
    for (const port of ports) expect(port).toMatch(/^\$\{BIND_ADDRESS:-127\.0\.0\.1\}:/);
  });

  it("lets every image be another one, and uses no variable that the node would take for a setting", () => {
    for (const { image } of Object.values(compose.services)) expect(image).toMatch(/^\$\{[A-Z]+_IMAGE:-/);
    expect(readText("docker-compose.cluster.yml")).not.toMatch(/\$\{JANGADA_/);
  });

  it("watches only when asked to", () => {
    const watching = Object.entries(compose.services).filter(([, { profiles }]) => profiles !== undefined);
    expect(watching.map(([name]) => name)).toEqual(["prometheus", "grafana"]);
  });
});

describe("Dockerfile", () => {
  it("runs without root, on its volume, with a health check that needs no other program", () => {
    expect(dockerfile).toMatch(/^USER \$\{UID\}/m);
    expect(dockerfile).toMatch(/^VOLUME \/data$/m);
    expect(dockerfile).toMatch(/^EXPOSE 1883 8080 7000$/m);
    expect(dockerfile).toMatch(/CMD \["node", "--eval", "fetch\(.*\/readyz/);
  });

  it("copies only what .dockerignore lets through", () => {
    const letThrough = new Set(
      readText(".dockerignore")
        .split("\n")
        .filter((line) => line.startsWith("!"))
        .map((line) => line.slice(1)),
    );
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files]) =>
      files?.split(" "),
    );
    expect(new Set(copied)).toEqual(letThrough);
  });
});

describe("the load balancer", () => {
  it("knows the three nodes by the ports they have", () => {
    for (const backend of ["mqtt_nodes", "http_nodes", "reads", "streams"]) {
      const port = backend === "mqtt_nodes" ? 1883 : 8080;
      const [, section = ""] = balancer.split(`\nbackend ${backend}\n`);
      const servers = [...(section.split("\n\n")[0] ?? "").matchAll(/^ {2}server (\w+) (\S+)/gm)].map(
        ([, , to]) => to,
      );
      expect(servers).toEqual([`node1:${port}`, `node2:${port}`, `node3:${port}`]);
    }
  });

  it("never answers a stream with a status of its own, which an EventSource does not survive", () => {
    const [, streams = ""] = balancer.split("\nbackend streams\n");
    for (const status of [502, 503, 504]) expect(streams).toContain(`errorfile ${status} /dev/null`);
    expect(streams).toContain("http-response deny if { status 503 }");
    expect(streams).toContain("http-request reject if { nbsrv lt 1 }");
  });
});

describe("the dashboard", () => {
  /** Metrics of the Node process and of Prometheus itself are beside the node's own. */
  async function knownMetrics(): Promise<ReadonlySet<string>> {
    const metrics = createMetrics();
    const { text } = await metrics.expose();
    const known = new Set(["up"]);
    for (const [, name = "", type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
      known.add(name);
      if (type === "histogram") known.add(`${name}_bucket`);
    }
    const add = (name: string): unknown => known.add(`jangada_${name}`);
    registerGauges({ ...metrics, gauge: add, gauges: add }, {} as GaugeSources);
    return known;
  }

  it("asks for metrics that a node has", async () => {
    const known = await knownMetrics();
    const text = readText("docker/grafana/dashboards/jangada.json");
    const expressions = [...text.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(
      ([, expression]) => expression ?? "",
    );
    expect(expressions.length).toBeGreaterThan(20);
    const asked = new Set(
      expressions.flatMap((expression) => expression.match(/\b(jangada|nodejs|process)_\w+|\bup\b/g)),
    );
    expect([...asked].filter((name) => name !== null && !known.has(name))).toEqual([]);
  });

  it("is found where Grafana looks, and asks the source that it is given", () => {
    const provider = parse(readText("docker/grafana/provisioning/dashboards/jangada.yml")) as {
      providers: { options: { path: string } }[];
    };
    const mounts = (compose.services["grafana"] as { volumes: string[] }).volumes;
    expect(mounts).toContain(`./docker/grafana/dashboards:${provider.providers[0]?.options.path}:ro`);
    const source = parse(readText("docker/grafana/provisioning/datasources/prometheus.yml")) as {
      datasources: { uid: string }[];
    };
    const dashboard = readText("docker/grafana/dashboards/jangada.json");
    const uids = new Set([...dashboard.matchAll(/"uid": "(\w+)"/g)].map(([, uid]) => uid));
    expect(uids).toEqual(new Set([source.datasources[0]?.uid, "jangada"]));
  });
});
