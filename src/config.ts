/**
 * The configuration of `jangada serve`: parsed once from flags, variables and file, checked, frozen. What can be set is the
 * table in config/settings.ts.
 */
import { isLoopback } from "./config/doors.js";
import type { ServeConfig, SettingKey } from "./config/serve-config.js";
import { SETTINGS, settingKeys } from "./config/settings.js";
import {
  type FileChoice,
  Layer,
  layerOfFile,
  layerOfFlags,
  layerOfVariables,
  splitServeFlags,
} from "./config/sources.js";
import { formatBytes } from "./config/units.js";
import { ConfigError } from "./errors.js";

export type { ServeConfig } from "./config/serve-config.js";

/** What the configuration is made from. */
export interface ConfigSources {
  /** The command line after `serve`. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Gives a file's text; throws what `node:fs` throws. */
  readonly readFile: (path: string) => string;
}

/** The configuration of `jangada serve` without flags, variables or file. */
export function defaultConfig(): ServeConfig {
  const defaults: { -readonly [Key in SettingKey]?: ServeConfig[Key] } = {};
  const take = <Key extends SettingKey>(key: Key): void => {
    defaults[key] = SETTINGS[key].defaultValue;
  };
  for (const key of settingKeys()) take(key);
  return defaults as ServeConfig;
}

/**
 * Makes the configuration: flag beats variable beats file beats default. Every value of every source is checked, also one
 * that another beats. Returns "help" when the command line asks for it. Throws `ConfigError` with one line.
 */
export function loadConfig({ argv, environment, readFile }: ConfigSources): ServeConfig | "help" {
  const commandLine = splitServeFlags(argv);
  if (commandLine.help) return "help";
  const flags = layerOfFlags(commandLine);
  const variables = layerOfVariables(environment);
  const choice = flags.file ?? variables.file;
  const file = choice === undefined ? new Layer() : layerOfFile(textOf(choice, readFile), choice);

  const config = { ...defaultConfig(), ...file.values, ...variables.layer.values, ...flags.layer.values };
  const placeOf = (key: SettingKey): string =>
    flags.layer.placeOf(key) ??
    variables.layer.placeOf(key) ??
    file.placeOf(key) ??
    `setting ${SETTINGS[key].name} (its default)`;
  checkTogether(config, placeOf);
  return Object.freeze({ ...config, corsOrigins: Object.freeze([...config.corsOrigins]) });
}

function textOf({ path, place }: FileChoice, readFile: (path: string) => string): string {
  try {
    return readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    const reason = code === "ENOENT" ? "there is no such file" : `the file cannot be read (${code})`;
    throw new ConfigError(`${place}: ${reason}: ${JSON.stringify(path)}`);
  }
}

/** What no value can be judged by alone. The messages say what to add or to change. */
function checkTogether(config: ServeConfig, placeOf: (key: SettingKey) => string): void {
  if (!isLoopback(config.host) && !config.allowAnonymous) {
    throw new ConfigError(
      `${placeOf("host")}: ${config.host} can be reached from other machines and there is no authentication; ` +
        "add --allow-anonymous to let everybody in, or listen on 127.0.0.1",
    );
  }
  const retentionBytesAbove = 2 * config.messageSegmentBytes;
  if (config.retentionBytes <= retentionBytesAbove) {
    throw new ConfigError(
      `${placeOf("retentionBytes")}: must be more than two message segments (${formatBytes(retentionBytesAbove)}), ` +
        `not ${formatBytes(config.retentionBytes)}; raise it, or lower --message-segment-bytes`,
    );
  }
  if (config.mqttPort !== 0 && config.mqttPort === config.httpPort) {
    throw new ConfigError(
      `${placeOf("httpPort")}: ${config.httpPort} is the MQTT port too (${placeOf("mqttPort")})`,
    );
  }
}
