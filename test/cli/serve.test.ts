/** `jangada serve` as a process: the ready line, how it stops, and one clear line about whatever keeps it from running. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Outcome, outcomeOf, run, saying, start } from "./support.js";

let directory: string;
const running: ChildProcessWithoutNullStreams[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "jangada-serve-"));
});

afterEach(async () => {
  for (const child of running.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

interface Line {
  readonly level: number;
  readonly time: string;
  readonly msg: string;
  readonly [fact: string]: unknown;
}

interface Serving {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ready: Line;
  readonly end: Promise<Outcome>;
}

function linesOf(output: string | Buffer): Line[] {
  const lines = output.toString().split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
}

const freePorts = ["--mqtt-port", "0", "--http-port", "0"];

async function serve(args: readonly string[] = []): Promise<Serving> {
  const child = start(["serve", "--data-dir", directory, ...freePorts, ...args]);
  running.push(child);
  const end = outcomeOf(child);
  const said = await saying(child.stdout, '"msg":"ready"');
  const ready = linesOf(said.slice(0, said.lastIndexOf("\n"))).find(({ msg }) => msg === "ready");
  if (ready === undefined) throw new Error(`no ready line: ${said}`);
  return { child, ready, end };
}

async function serveInVain(args: readonly string[], env: Record<string, string> = {}): Promise<Line> {
  const child = start(["serve", "--data-dir", directory, ...freePorts, ...args], env);
  running.push(child);
  const { code, stdout, stderr } = await outcomeOf(child);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  const fatal = linesOf(stdout).filter(({ level }) => level === 60);
  expect(fatal, "one fatal line").toHaveLength(1);
  expect(linesOf(stdout).some(({ msg }) => msg === "ready")).toBe(false);
  return fatal[0] as Line;
}

describe("ready", () => {
  it("is one JSON line with the node's addresses, and the node answers at them", async () => {
    const { child, ready, end } = await serve(["--node-id", "7"]);
    expect(ready).toMatchObject({ level: 30, nodeId: "7", peer: null });
    expect(ready["mqtt"]).toMatch(/^127\.0\.0\.1:\d+$/);
    expect((await fetch(`http://${String(ready["http"])}/readyz`)).status).toBe(200);
    child.kill("SIGTERM");
    expect((await end).code).toBe(0);
  });

  it("is said whatever the log level is", async () => {
    const { child, end } = await serve(["--log-level", "silent"]);
    child.kill("SIGTERM");
    expect(linesOf((await end).stdout).map(({ msg }) => msg)).toEqual(["ready"]);
  });
});

describe("the cluster's secret", () => {
  it("that cannot be read is exit code 2 and one line, before anything runs", async () => {
    const child = start(["serve", "--data-dir", directory, "--cluster-secret-file", "/nowhere/secret"]);
    running.push(child);
    const { code, stdout, stderr } = await outcomeOf(child);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 2,
      stdout: "",
      stderr: 'jangada: --cluster-secret-file: there is no such file: "/nowhere/secret"\n',
    });
  });

  it("that others may read is warned of, and never logged", async () => {
    const path = join(directory, "secret");
    await writeFile(path, "a secret of the cluster\n", { mode: 0o600 });
    await chmod(path, 0o644);
    const { child, end } = await serve(["--data-dir", join(directory, "d"), "--cluster-secret-file", path]);
    child.kill("SIGTERM");
    const { stdout } = await end;
    expect(stdout.toString()).toContain("others than its owner may read the cluster secret (mode 0644)");
    expect(stdout.toString()).not.toContain("a secret of");
  });
});

describe("stopping", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "exits 0 on %s, and the directory is free again",
    async (signal) => {
      const first = await serve();
      first.child.kill(signal);
      expect(await first.end).toMatchObject({ code: 0, signal: null, stderr: "" });
      const second = await serve();
      second.child.kill("SIGTERM");
      expect((await second.end).code).toBe(0);
    },
  );

  it("exits 0 on SIGTERM with a stream open", async () => {
    const { child, ready, end } = await serve();
    const stream = await fetch(`http://${String(ready["http"])}/topics/t/stream`);
    child.kill("SIGTERM");
    expect((await end).code).toBe(0);
    await stream.text().catch(() => "cut");
  });

  it("exits 0 on SIGTERM while it is still starting", async () => {
    const child = start(["serve", "--data-dir", directory, ...freePorts, "--durability", "os"]);
    running.push(child);
    const end = outcomeOf(child);
    // The warning about durability is said before the node is started.
    child.stdout.once("data", () => child.kill("SIGTERM"));
    expect(await end).toMatchObject({ code: 0, signal: null });
  });
});

describe("what keeps a node from running", () => {
  it("port taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    const line = await serveInVain(["--mqtt-port", String(port)]);
    expect(line).toMatchObject({ code: "port_taken", msg: expect.stringContaining(String(port)) });
    other.close();
  });

  it("a second node on the same directory", async () => {
    const { child, end } = await serve();
    const line = await serveInVain([]);
    expect(line).toMatchObject({ code: "directory_locked", msg: expect.stringContaining(directory) });
    child.kill("SIGTERM");
    expect((await end).code).toBe(0);
  });

  it("a directory that cannot be made", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    const line = await serveInVain(["--data-dir", join(file, "data")]);
    expect(line.msg).toMatch(/^the node cannot start: /);
  });

  it("a log that is damaged in the middle: named with file and offset, and nothing is changed", async () => {
    const { child, ready, end } = await serve();
    for (let i = 0; i < 20; i += 1) {
      await fetch(`http://${ready["http"]}/topics/a/messages`, { method: "POST", body: `message ${i}` });
    }
    child.kill("SIGKILL");
    await end;
    const logs = join(directory, "groups", "0", "log");
    const [name = ""] = (await readdir(logs)).filter((file) => file.endsWith(".seg")).sort();
    const bytes = await readFile(join(logs, name));
    bytes[bytes.indexOf("message 7")]! ^= 1;
    await writeFile(join(logs, name), bytes);
    const line = await serveInVain([]);
    expect(line).toMatchObject({ code: "log_corrupt", msg: expect.stringContaining(join(logs, name)) });
    expect(line.msg).toMatch(/offset \d+/);
    expect((await readFile(join(logs, name))).equals(bytes)).toBe(true);
  });

  it("says it also when nothing else is logged", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    const line = await serveInVain(["--http-port", String(port)], { JANGADA_LOG_LEVEL: "silent" });
    expect(line["code"]).toBe("port_taken");
    other.close();
  });
});

describe("configuration", () => {
  it("comes from a file too", async () => {
    const file = join(directory, "jangada.yaml");
    await writeFile(file, "node-id: 9\nlog-level: silent\n");
    const { child, ready, end } = await serve(["--config", file]);
    expect(ready["nodeId"]).toBe("9");
    child.kill("SIGTERM");
    await end;
  });

  it("ends the program with 2 and one line when it is wrong", async () => {
    const { code, stdout, stderr } = await run(["serve", "--mqtt-port", "70000"]);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 2,
      stdout: "",
      stderr: 'jangada: flag --mqtt-port: must be a whole number from 0 to 65535, not "70000"\n',
    });
  });
});

describe("the client commands against a real node", () => {
  it("publish, subscribe, list, show and delete", async () => {
    const { child, ready, end } = await serve();
    const env = { JANGADA_URL: `http://${String(ready["http"])}` };
    const said = async (args: string[], input = ""): Promise<string> => {
      const outcome = await run(args, { env, input });
      expect(outcome, args.join(" ")).toMatchObject({ code: 0, stderr: "" });
      return outcome.stdout.toString();
    };
    await said(["topics", "create", "praça/1", "--retention-age", "1h", "--retention-bytes", "10MiB"]);
    const id = (await said(["pub", "praça/1", "olá\r\nmundo"])).trim();
    expect(id).not.toBe("");
    await said(["pub", "praça/1", "--ndjson"], '"a"\n"b"\n');
    const all = await said(["sub", "praça/1", "--from", "earliest", "--count", "3"]);
    expect(all.startsWith("olá\r\nmundo\n")).toBe(true);
    const rest = await said(["sub", "praça/#", "--from", id, "--count", "2", "--format", "json"]);
    expect(linesOf(rest)).toMatchObject([{ topic: "praça/1", offset: 1 }, { offset: 2 }]);
    expect(await said(["topics", "ls", "--prefix", "pra"])).toBe("praça/1\t3 messages\t17 bytes\n");
    expect(JSON.parse(await said(["topics", "show", "praça/1", "--json"]))).toMatchObject({
      name: "praça/1",
    });
    await said(["topics", "delete", "praça/1"]);
    const gone = await run(["topics", "show", "praça/1"], { env });
    expect(gone).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^jangada: topic_not_found: [^\n]+\n$/),
    });
    child.kill("SIGTERM");
    await end;
  });
});
