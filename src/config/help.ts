/** What people read about the settings: `jangada serve --help` and docs/configuration.md, both from the table. Pure. */
import type { SettingKey } from "./serve-config.js";
import { CONFIG_FILE, SETTINGS, settingKeys, variableOf } from "./settings.js";

interface Row {
  /** `--mqtt-port PORT` */
  readonly flag: string;
  readonly variable: string;
  readonly fileKey: string;
  readonly defaultText: string;
  readonly expected: string;
  readonly help: string;
}

function rowOf<Key extends SettingKey>(key: Key): Row {
  const { name, kind, defaultValue, help } = SETTINGS[key];
  const isTurnedOff = defaultValue === true && key !== "singleNode";
  const flag =
    kind.placeholder === "" ? `--${isTurnedOff ? "[no-]" : ""}${name}` : `--${name} ${kind.placeholder}`;
  return {
    flag,
    variable: variableOf(name),
    fileKey: name,
    defaultText: kind.format(defaultValue),
    expected: kind.expected,
    help,
  };
}

const configRow: Row = {
  flag: `--${CONFIG_FILE.name} ${CONFIG_FILE.placeholder}`,
  variable: variableOf(CONFIG_FILE.name),
  fileKey: "",
  defaultText: "none",
  expected: "a path",
  help: CONFIG_FILE.help,
};

function rows(): Row[] {
  return [configRow, ...settingKeys().map(rowOf)];
}

const FLAG_COLUMN = 34;

/** The flags of `jangada serve`, two lines each where the flag is long. */
export function settingsHelp(): string {
  return rows()
    .map(({ flag, help, defaultText }) => {
      const head = `  ${flag}`;
      const gap =
        head.length < FLAG_COLUMN ? head.padEnd(FLAG_COLUMN) : `${head}\n${" ".repeat(FLAG_COLUMN)}`;
      return `${gap}${help} (${defaultText})`;
    })
    .join("\n");
}

const PREAMBLE = `# Configuration

Generated from the table in src/config/settings.ts; a test compares.

Every setting of \`jangada serve\` is a flag, an environment variable and a key in the file that \`--config\` names (YAML or
JSON). A flag beats a variable, a variable beats the file. An empty variable counts as not set. Switches take no value on
the command line; \`--no-\` before one (\`JANGADA_NO_\`, \`no-\`) turns it off. Sizes are bytes, or carry a unit: \`64MiB\` (1024s), \`64MB\`
(1000s). Times are milliseconds, or carry a unit: \`90s\`, \`24h\`, \`7d\`.

What is unknown or wrong ends the program with exit code 2 and one line that says which setting, where it was written and
why. That goes for \`JANGADA_\` variables too, except \`JANGADA_URL\` and \`JANGADA_MQTT_URL\`, which the client commands read.
`;

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** The text of docs/configuration.md. */
export function configurationPage(): string {
  const table = rows().map(({ flag, variable, fileKey, defaultText, expected, help }) =>
    [
      `\`${cell(flag)}\``,
      `\`${variable}\``,
      fileKey === "" ? "" : `\`${fileKey}\``,
      `\`${cell(defaultText)}\``,
      cell(expected),
      cell(help),
    ].join(" | "),
  );
  return [
    PREAMBLE,
    "| flag | variable | key in the file | default | must be | what it does |",
    "| --- | --- | --- | --- | --- | --- |",
    ...table.map((line) => `| ${line} |`),
    "",
  ].join("\n");
}
