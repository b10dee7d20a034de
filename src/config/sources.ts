/**
 * Where settings come from: flags, environment variables and the file. Each source is read into a layer of checked values
 * that remember where they were written, so that every complaint can say so.
 */
import { parseDocument } from "yaml";
import { ConfigError } from "../errors.js";
import { checkValue, shown } from "./check.js";
import { type CommandLine, type FlagShape, parseFlags } from "./flags.js";
import { type Kind, opposite } from "./kinds.js";
import { suggestion } from "./nearest.js";
import type { ServeConfig, SettingKey } from "./serve-config.js";
import {
  CLIENT_VARIABLES,
  CONFIG_FILE,
  isOurVariable,
  NAMED_SETTINGS,
  type NamedSetting,
  SETTINGS,
  variableOf,
} from "./settings.js";

type Values = { -readonly [Key in SettingKey]?: ServeConfig[Key] };

/** The settings that one source gives, checked one by one. */
export class Layer {
  readonly values: Readonly<Values>;
  readonly #values: Values = {};
  readonly #places = new Map<SettingKey, string>();

  constructor() {
    this.values = this.#values;
  }

  /** Checks a value and keeps it; a later one of the same setting replaces it. Throws `ConfigError`. */
  give({ key, negated }: NamedSetting, raw: unknown, place: string): void {
    this.#keep(key, negated ? opposite(raw) : raw, place);
    this.#places.set(key, place);
  }

  /** `"flag --mqtt-port"`, or `undefined` when this source does not give the setting. */
  placeOf(key: SettingKey): string | undefined {
    return this.#places.get(key);
  }

  #keep<Key extends SettingKey>(key: Key, value: unknown, place: string): void {
    const kind: Kind<ServeConfig[Key]> = SETTINGS[key].kind;
    this.#values[key] = checkValue(kind, value, place);
  }
}

/** Which file is to be read, and who said so. */
export interface FileChoice {
  readonly path: string;
  readonly place: string;
}

/** A layer, and the file that its source names. */
export interface LayerWithFile {
  readonly layer: Layer;
  readonly file: FileChoice | undefined;
}

/** Splits the command line of `jangada serve`. Throws `ConfigError` for unknown flags. */
export function splitServeFlags(argv: readonly string[]): CommandLine {
  const shapes = new Map<string, FlagShape>(NAMED_SETTINGS).set(CONFIG_FILE.name, { isSwitch: false });
  return parseFlags(argv, shapes);
}

/** Settings from flags. Throws `ConfigError` for a bad value and for arguments, of which there are none. */
export function layerOfFlags({ flags, positionals }: CommandLine): LayerWithFile {
  const layer = new Layer();
  let file: FileChoice | undefined;
  for (const { name, value } of flags) {
    const place = `flag --${name}`;
    const setting = NAMED_SETTINGS.get(name);
    if (setting !== undefined) layer.give(setting, value, place);
    else file = { path: value, place };
  }
  const [extra] = positionals;
  if (extra !== undefined) throw new ConfigError(`serve takes flags only, not ${shown(extra)}`);
  return { layer, file };
}

/**
 * Settings from variables. An empty variable counts as not set (compose files make such). Throws `ConfigError` for a bad
 * value and for a `JANGADA_` variable that means nothing: a typing mistake must not pass for a default.
 */
export function layerOfVariables(environment: Readonly<Record<string, string | undefined>>): LayerWithFile {
  const byVariable = new Map([...NAMED_SETTINGS.values()].map((named) => [variableOf(named.name), named]));
  const fileVariable = variableOf(CONFIG_FILE.name);
  const known = [...byVariable.keys(), fileVariable, ...CLIENT_VARIABLES];
  const layer = new Layer();
  let file: FileChoice | undefined;
  for (const [variable, value] of Object.entries(environment)) {
    if (!isOurVariable(variable)) continue;
    if (!known.includes(variable)) {
      throw new ConfigError(`unknown variable ${variable}${suggestion(variable, known)}`);
    }
    if (value === undefined || value === "") continue;
    const place = `variable ${variable}`;
    const setting = byVariable.get(variable);
    if (setting !== undefined) {
      refuseTwice(layer, setting, place);
      layer.give(setting, value, place);
    } else if (variable === fileVariable) file = { path: value, place };
  }
  return { layer, file };
}

/** Settings from the text of a YAML or JSON file. Throws `ConfigError`. */
export function layerOfFile(text: string, { path }: FileChoice): Layer {
  const layer = new Layer();
  for (const [key, value] of Object.entries(mappingOf(text, path))) {
    const setting = NAMED_SETTINGS.get(key);
    if (setting === undefined) {
      throw new ConfigError(
        `unknown key ${shown(key)} in ${shown(path)}${suggestion(key, [...NAMED_SETTINGS.keys()])}`,
      );
    }
    if (value === null) continue;
    const place = `key ${key} in ${shown(path)}`;
    refuseTwice(layer, setting, place);
    layer.give(setting, value, place);
  }
  return layer;
}

/** `auto-create` and `no-auto-create` side by side: order does not decide in variables and files, so neither counts. */
function refuseTwice(layer: Layer, { key }: NamedSetting, place: string): void {
  const other = layer.placeOf(key);
  if (other !== undefined) throw new ConfigError(`${place}: the setting is also given by ${other}`);
}

function mappingOf(text: string, path: string): object {
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const [firstLine = ""] = problem.message.split("\n");
    // The colon announced the excerpt on the lines below.
    throw new ConfigError(`file ${shown(path)}: is not YAML: ${firstLine.replace(/:$/, "")}`);
  }
  const content: unknown = toValue(document, path);
  if (content === null) return {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new ConfigError(`file ${shown(path)}: must be a list of "name: value" lines`);
  }
  return content;
}

/** Resolves aliases; the library refuses the ones that would explode. */
function toValue(document: ReturnType<typeof parseDocument>, path: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new ConfigError(`file ${shown(path)}: is not YAML: ${reason}`);
  }
}
