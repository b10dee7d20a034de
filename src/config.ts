/**
 * The configuration of `jangada serve`: parsed once from flags, variables and file, checked, frozen. What can be set is the
 * table in config/settings.ts.
 */
import { checkTogether } from "./config/cross-checks.js";
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
import { ConfigError } from "./errors.js";

export type { Founder, ServeConfig } from "./config/serve-config.js";

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

  const given = { ...defaultConfig(), ...file.values, ...variables.layer.values, ...flags.layer.values };
  const placeOf = (key: SettingKey): string | undefined =>
    flags.layer.placeOf(key) ?? variables.layer.placeOf(key) ?? file.placeOf(key);
  const isAlone = given.initialCluster.length === 0 && given.joinUrl === null;
  const config = placeOf("singleNode") === undefined ? { ...given, singleNode: isAlone } : given;
  checkTogether(config, placeOf);
  return Object.freeze({
    ...config,
    initialCluster: Object.freeze([...config.initialCluster]),
    corsOrigins: Object.freeze([...config.corsOrigins]),
  });
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
