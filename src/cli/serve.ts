/** `jangada serve`: reads the configuration; the node itself is loaded only then, so that the client commands start quickly. */
import { readFileSync } from "node:fs";
import { settingsHelp } from "../config/help.js";
import { loadConfig } from "../config.js";
import type { CliCommand } from "./command.js";

export const serve: CliCommand = {
  name: "serve",
  usage: "serve [flags]",
  summary: "run a node until SIGTERM or Ctrl-C",
  details: () =>
    "Every flag is also a variable (JANGADA_MQTT_PORT) and a key in the file of --config (mqtt-port);\n" +
    `flag beats variable beats file. Defaults are in parentheses.\n\n${settingsHelp()}`,
  async run(argv) {
    const config = loadConfig({
      argv,
      environment: process.env,
      readFile: (path) => readFileSync(path, "utf8"),
    });
    if (config === "help") {
      process.stdout.write(`${settingsHelp()}\n`);
      return 0;
    }
    // Part by part: the files of all modules at once are more descriptors than a small limit leaves.
    await import("../runtime/metrics.js");
    await import("../edges/mqtt/server.js");
    const { runNode } = await import("./run-node.js");
    return await runNode(config);
  },
};
