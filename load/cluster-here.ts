/**
 * `npm run cluster -- [--nodes 3|5] [--mqtt-port 1883] [--http-port 8080] [--peer-port 7001] [--data-dir data/cluster]`: a cluster
 * on this machine, for trying things: a live line per node, keys that kill, stop, pause and start nodes, and Ctrl-C stops all.
 * Each node's log is beside its directory (data/cluster/1.log).
 */
import { join, resolve } from "node:path";
import { KEY_HELP, type KeyCommand, KeyReader } from "./cluster/keys.js";
import { Member } from "./cluster/member.js";
import { type ClusterOptions, claimDirectory, planNodes, portComplaint, takenPort } from "./cluster/plan.js";
import { PlainScreen, TerminalScreen } from "./cluster/screen.js";
import { handleSignalsYourself } from "./lib/children.js";
import { Options } from "./lib/options.js";
import { runMain } from "./lib/support.js";

const ASK_EVERY_MS = 1_000;
const PLAIN_EVERY_MS = 3_000;
const SIZES = [3, 5];

function readOptions(): ClusterOptions {
  const given = new Options(["nodes", "mqtt-port", "http-port", "peer-port", "data-dir"]);
  return {
    nodes: given.number("nodes", 3),
    mqttPort: given.number("mqtt-port", 1883),
    httpPort: given.number("http-port", 8080),
    peerPort: given.number("peer-port", 7001),
    dataDir: resolve(given.text("data-dir", join("data", "cluster"))),
  };
}

/** Runs `task` at once and then every so often, one at a time, until the function that it returns is called. */
function repeat(task: () => Promise<void> | void, everyMs: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const run = async (): Promise<void> => {
    await task();
    if (!isOver) timer = setTimeout(() => void run(), everyMs);
  };
  void run();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/** Hands complete commands to `carryOut` as they are typed. */
function listenToKeys(reader: KeyReader, carryOut: (command: KeyCommand) => void): void {
  const { stdin } = process;
  if (!stdin.isTTY) return;
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.on("data", (text: string) => {
    for (const command of reader.feed(text)) carryOut(command);
  });
}

/** One Ctrl-C may come twice, from the terminal and from npm: so close together they are one. */
const SAME_WISH_MS = 200;

/** The first wish ends in order, a later one at once. */
function endOrGiveUp(end: () => void): () => void {
  let wishedAtMs: number | undefined;
  return () => {
    const nowMs = performance.now();
    if (wishedAtMs !== undefined && nowMs - wishedAtMs > SAME_WISH_MS) process.exit(130);
    wishedAtMs ??= nowMs;
    end();
  };
}

/** Shows the nodes until somebody wants the end. */
async function watch(members: readonly Member[]): Promise<number> {
  const keys = new KeyReader();
  const terminal = process.stdout.isTTY ? new TerminalScreen(process.stdout) : null;
  const plain = new PlainScreen(process.stdout);
  let footer = process.stdin.isTTY ? KEY_HELP : "Ctrl-C stops all";
  const draw = (): void => {
    const nodes = members.map((member) => member.status());
    if (terminal === null) plain.draw(nodes);
    else terminal.draw(nodes, footer);
  };
  const stopAsking = members.map((member) => repeat(() => member.ask(), ASK_EVERY_MS));
  const stopDrawing = repeat(draw, terminal === null ? PLAIN_EVERY_MS : ASK_EVERY_MS / 2);
  await new Promise<void>((resolveEnd) => {
    const end = endOrGiveUp(resolveEnd);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
    listenToKeys(keys, (command) => {
      if (command === "quit") return end();
      const member = members.find(({ plan }) => plan.id === command.nodeId);
      void member?.carryOut(command.deed).then(draw);
    });
    // Nobody could start them again.
    if (!process.stdin.isTTY)
      void Promise.all(members.map((member) => member.exited)).then(() => resolveEnd());
  });
  footer = "stopping ...";
  const allDied = members.every((member) => !member.isAlive);
  for (const stop of stopAsking) stop();
  await Promise.all(members.map((member) => member.stop()));
  stopDrawing();
  draw();
  return allDied ? 1 : 0;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (!SIZES.includes(options.nodes)) {
    console.error(`--nodes must be ${SIZES.join(" or ")}, not ${options.nodes}`);
    return 2;
  }
  const plans = planNodes(options);
  const complaint = portComplaint(plans);
  if (complaint !== null) {
    console.error(complaint);
    return 2;
  }
  const refusal = (await takenPort(plans)) ?? claimDirectory(options);
  if (refusal !== null) {
    console.error(refusal);
    return 1;
  }
  handleSignalsYourself();
  const members = plans.map((plan) => new Member(plan, join(options.dataDir, `${plan.id}.log`)));
  try {
    await Promise.all(members.map((member) => member.start()));
    return await watch(members);
  } finally {
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  }
}

runMain(main);
