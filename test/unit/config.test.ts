/** The configuration: flag beats variable beats file; what is wrong is one line that says which, where and why. */
import { describe, expect, it, test } from "vitest";
import { isLoopback } from "../../src/config/doors.js";
import { configurationPage, settingsHelp } from "../../src/config/help.js";
import { nearestWord } from "../../src/config/nearest.js";
import { SETTINGS, settingKeys, variableOf } from "../../src/config/settings.js";
import { formatBytes, formatDurationMs, parseBytes, parseDurationMs } from "../../src/config/units.js";
import { type ConfigSources, defaultConfig, loadConfig, type ServeConfig } from "../../src/config.js";
import { ConfigError } from "../../src/errors.js";

/** Files by path; others do not exist. */
function load(
  argv: string[] = [],
  environment: ConfigSources["environment"] = {},
  files: Record<string, string> = {},
): ServeConfig {
  const readFile = (path: string): string => {
    const text = files[path];
    if (text === undefined)
      throw Object.assign(new Error("no"), { code: path === "dir" ? "EISDIR" : "ENOENT" });
    return text;
  };
  const config = loadConfig({ argv, environment, readFile });
  if (config === "help") throw new Error("asked for help");
  return config;
}

function complaint(...sources: Parameters<typeof load>): string {
  try {
    load(...sources);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    const { message } = error as ConfigError;
    expect(message, "one line").not.toMatch(/[\n\r]/);
    return message;
  }
  throw new Error(`no complaint about ${JSON.stringify(sources)}`);
}

describe("sources", () => {
  it("gives the defaults when nothing is said", () => {
    expect(load()).toEqual(defaultConfig());
  });

  it("is frozen", () => {
    const config = load();
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.corsOrigins)).toBe(true);
    expect(Object.isFrozen(config.initialCluster)).toBe(true);
  });

  it("lets a flag beat a variable, and a variable beat the file", () => {
    const files = { "j.yaml": "mqtt-port: 1\nhttp-port: 2\nnode-id: 3\n" };
    const environment = { JANGADA_CONFIG: "j.yaml", JANGADA_MQTT_PORT: "11", JANGADA_HTTP_PORT: "12" };
    const { mqttPort, httpPort, nodeId } = load(["--mqtt-port", "111"], environment, files);
    expect({ mqttPort, httpPort, nodeId }).toEqual({ mqttPort: 111, httpPort: 12, nodeId: "3" });
  });

  it("lets --config beat JANGADA_CONFIG", () => {
    const files = { a: "mqtt-port: 1", b: "mqtt-port: 2" };
    expect(load(["--config=b"], { JANGADA_CONFIG: "a" }, files).mqttPort).toBe(2);
  });

  it("takes a JSON file, an empty file, a file of comments", () => {
    expect(load(["--config", "f"], {}, { f: '{"mqtt-port": 7, "auto-create": false}' })).toMatchObject({
      mqttPort: 7,
      autoCreate: false,
    });
    expect(load(["--config", "f"], {}, { f: "" })).toEqual(defaultConfig());
    expect(load(["--config", "f"], {}, { f: "# nothing\n" })).toEqual(defaultConfig());
  });

  it("counts an empty variable and an empty key as not set", () => {
    expect(load([], { JANGADA_MQTT_PORT: "" }).mqttPort).toBe(1883);
    expect(load(["--config", "f"], {}, { f: "mqtt-port:\n" }).mqttPort).toBe(1883);
  });

  it("leaves other programs' variables and the client's alone", () => {
    const environment = {
      PATH: "/bin",
      JANGADA_URL: "http://x",
      JANGADA_MQTT_URL: "mqtt://x",
      MQTT_PORT: "x",
    };
    expect(load([], environment)).toEqual(defaultConfig());
  });

  it("takes the last of a repeated flag", () => {
    expect(load(["--mqtt-port", "1", "--mqtt-port=2"]).mqttPort).toBe(2);
  });

  it("asks for help", () => {
    const readFile = (): string => "";
    expect(loadConfig({ argv: ["--help", "--nonsense"], environment: {}, readFile })).toBe("help");
    expect(loadConfig({ argv: ["-h"], environment: {}, readFile })).toBe("help");
  });

  /** A value other than the default, as text, for every setting: all three sources must take it. */
  const other: { readonly [Key in keyof ServeConfig]: readonly [string, ServeConfig[Key]] } = {
    nodeId: ["7", "7"],
    singleNode: ["true", true],
    initialCluster: ["1=127.0.0.1:7001", [{ id: "1", peer: "127.0.0.1:7001" }]],
    joinUrl: ["http://127.0.0.1:8081", "http://127.0.0.1:8081"],
    isLearner: ["true", true],
    peerHost: ["127.0.0.8", "127.0.0.8"],
    peerPort: ["7009", 7009],
    peerAdvertise: ["[::1]:7001", "[::1]:7001"],
    clusterSecretFile: ["/run/secrets/cluster", "/run/secrets/cluster"],
    dataDir: ["/var/lib/jangada", "/var/lib/jangada"],
    host: ["127.0.0.9", "127.0.0.9"],
    mqttPort: ["2883", 2883],
    httpPort: ["9080", 9080],
    allowAnonymous: ["true", true],
    autoCreate: ["false", false],
    durability: ["os", "os"],
    logLevel: ["warn", "warn"],
    payloadBytesMax: ["64KiB", 65_536],
    connectionsMax: ["10", 10],
    mqttAdvertise: ["broker.example:1883", "broker.example:1883"],
    sessionExpirySecondsMax: ["7d", 604_800],
    keepAliveSecondsMax: ["60", 60],
    sessionBacklogBytes: ["2GiB", 2 * 1024 ** 3],
    denySubscribe: ["a/#, b/+", ["a/#", "b/+"]],
    sysIntervalMs: ["1m", 60_000],
    topicsMax: ["11", 11],
    retentionAgeMs: ["7d", 604_800_000],
    retentionBytes: ["10GiB", 10 * 1024 ** 3],
    logSegmentBytes: ["32MiB", 32 * 1024 ** 2],
    messageSegmentBytes: ["33554432", 32 * 1024 ** 2],
    snapshotLogBytes: ["10MB", 10_000_000],
    corsOrigins: ["https://a.example, http://b:81", ["https://a.example", "http://b:81"]],
  };

  /** What else has to be given with a setting. */
  const also: { readonly [Key in keyof ServeConfig]?: readonly string[] } = {
    joinUrl: ["--node-id=9", "--peer-port=0"],
    isLearner: ["--join=http://127.0.0.1:8081", "--node-id=9", "--peer-port=0"],
    peerHost: ["--peer-port=0"],
    peerAdvertise: ["--peer-port=0"],
  };

  test.each(Object.entries(other))("%s comes from flag, variable and file alike", (key, [text, value]) => {
    const { name } = SETTINGS[key as keyof ServeConfig];
    const more = also[key as keyof ServeConfig] ?? [];
    const quoted = text.startsWith("[") ? JSON.stringify(text) : text;
    expect(load([...more, `--${name}=${text}`])).toMatchObject({ [key]: value });
    expect(load([...more], { [variableOf(name)]: text })).toMatchObject({ [key]: value });
    expect(load([...more, "--config", "f"], {}, { f: `${name}: ${quoted}` })).toMatchObject({ [key]: value });
  });

  test.each([
    [["--no-auto-create"], {}, ""],
    [["--auto-create=false"], {}, ""],
    [[], { JANGADA_NO_AUTO_CREATE: "true" }, ""],
    [[], { JANGADA_AUTO_CREATE: "0" }, ""],
    [[], {}, "no-auto-create: true"],
    [[], {}, "auto-create: false"],
  ])("a switch is turned off by %j %j %j", (argv, environment, f) => {
    expect(load([...argv, "--config", "f"], environment, { f }).autoCreate).toBe(false);
  });

  it("takes a list of origins as YAML", () => {
    const f = 'cors-origins:\n  - "https://a.example"\n  - "*"\n';
    expect(load(["--config", "f"], {}, { f }).corsOrigins).toEqual(["https://a.example", "*"]);
  });
});

describe("complaints", () => {
  test.each<[string, Parameters<typeof load>, string]>([
    ["an unknown flag", [["--mqtt-prot", "1"]], "unknown flag --mqtt-prot; did you mean --mqtt-port?"],
    ["a flag from nowhere", [["--zzzzzzzzzz"]], "unknown flag --zzzzzzzzzz"],
    ["a one-dash flag", [["-p", "1"]], "unknown flag -p"],
    ["an argument", [["2883"]], 'serve takes flags only, not "2883"'],
    ["a missing value", [["--mqtt-port"]], "flag --mqtt-port: needs a value"],
    ["a flag for a value", [["--data-dir", "--single-node"]], "flag --data-dir: needs a value"],
    [
      "a bad value in a flag",
      [["--mqtt-port", "abc"]],
      'flag --mqtt-port: must be a whole number from 0 to 65535, not "abc"',
    ],
    [
      "a bad value in a variable",
      [[], { JANGADA_HTTP_PORT: "65536" }],
      'variable JANGADA_HTTP_PORT: must be a whole number from 0 to 65535, not "65536"',
    ],
    [
      "a bad value in the file",
      [["--config", "f.yaml"], {}, { "f.yaml": "retention-age: soon" }],
      'key retention-age in "f.yaml": must be a time (milliseconds, or with ms, s, m, h, d), 1s or more, not "soon"',
    ],
    [
      "a bad value that a flag would beat",
      [["--mqtt-port", "1"], { JANGADA_MQTT_PORT: "x" }],
      'variable JANGADA_MQTT_PORT: must be a whole number from 0 to 65535, not "x"',
    ],
    [
      "an unknown variable",
      [[], { JANGADA_MQTTPORT: "1" }],
      "unknown variable JANGADA_MQTTPORT; did you mean JANGADA_MQTT_PORT?",
    ],
    [
      "an unknown key",
      [["--config", "f"], {}, { f: "mqttPort: 1" }],
      'unknown key "mqttPort" in "f"; did you mean mqtt-port?',
    ],
    ["a file in a file", [["--config", "f"], {}, { f: "config: g" }], 'unknown key "config" in "f"'],
    ["a missing file", [["--config", "gone.yaml"]], 'flag --config: there is no such file: "gone.yaml"'],
    [
      "an unreadable file",
      [[], { JANGADA_CONFIG: "dir" }],
      'variable JANGADA_CONFIG: the file cannot be read (EISDIR): "dir"',
    ],
    [
      "a list for a file",
      [["--config", "f"], {}, { f: "- 1" }],
      'file "f": must be a list of "name: value" lines',
    ],
    ["a switch with a word", [["--allow-anonymous=maybe"]], "flag --allow-anonymous: must be true or false"],
    ["a wrong word", [["--durability", "none"]], 'flag --durability: must be one of fsync, os, not "none"'],
    ["a node id of nought", [["--node-id", "0"]], "flag --node-id: must be a positive whole number"],
    ["a node id with letters", [["--node-id", "n1"]], "flag --node-id: must be a positive whole number"],
    [
      "a negative number",
      [["--max-connections", "-1"]],
      "flag --max-connections: must be a whole number from 1",
    ],
    ["half a port", [["--mqtt-port", "1.5"]], "flag --mqtt-port: must be a whole number"],
    [
      "a payload above a batch",
      [["--max-payload-bytes", "9MiB"]],
      "flag --max-payload-bytes: must be a size",
    ],
    [
      "a segment too small for a batch",
      [["--log-segment-bytes", "16MiB"]],
      "flag --log-segment-bytes: must be a size",
    ],
    [
      "an origin with a path",
      [["--cors-origins", "https://a.example/x"]],
      "flag --cors-origins: must be origins",
    ],
    ["a host with a port", [["--host", "localhost:80"]], "flag --host: must be an IP address or a host name"],
    ["half an address", [["--host", "127.0.0"]], "flag --host: must be an IP address or a host name"],
    ["an empty directory", [["--data-dir", ""]], "flag --data-dir: must be a path"],
    [
      "less retention than two segments",
      [["--retention-bytes", "128MiB"]],
      "flag --retention-bytes: must be more than two message segments (128MiB), not 128MiB",
    ],
    [
      "segments too large for the default retention",
      [["--message-segment-bytes", "1GiB"]],
      "setting retention-bytes (its default): must be more than two message segments (2GiB)",
    ],
    [
      "one port for two edges",
      [["--http-port", "5000"], { JANGADA_MQTT_PORT: "5000" }],
      "flag --http-port: 5000 is the MQTT port too (variable JANGADA_MQTT_PORT)",
    ],
    [
      "a switch and its opposite in one file",
      [["--config", "f"], {}, { f: "auto-create: true\nno-auto-create: true" }],
      'key no-auto-create in "f": the setting is also given by key auto-create in "f"',
    ],
  ])("%s", (_what, sources, expected) => {
    expect(complaint(...sources)).toContain(expected);
  });

  test.each(["a: [", "a: b: c", "mqtt-port: 1\nmqtt-port: 2", "a: *nowhere"])(
    "broken YAML %j is one line",
    (f) => {
      expect(complaint(["--config", "f"], {}, { f })).toMatch(/^file "f": is not YAML: .*[^:]$/);
    },
  );

  it("never repeats a long value whole, nor its line breaks", () => {
    expect(complaint(["--mqtt-port", `1\n${"x".repeat(10_000)}`]).length).toBeLessThan(200);
  });
});

describe("doors", () => {
  test.each([
    ["localhost", true],
    ["LOCALHOST", true],
    ["127.0.0.1", true],
    ["127.255.0.9", true],
    ["::1", true],
    ["0.0.0.0", false],
    ["::", false],
    ["128.0.0.1", false],
    ["192.168.1.2", false],
    ["::2", false],
    ["localhost.example.org", false],
    ["127.0.0.1.example.org", false],
  ])("%s is loopback: %s", (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
    if (expected) expect(load(["--host", host]).host).toBe(host);
    else expect(complaint(["--host", host])).toContain("add --allow-anonymous");
  });

  it("says where the address was written", () => {
    expect(complaint([], { JANGADA_HOST: "0.0.0.0" })).toMatch(
      /^variable JANGADA_HOST: 0\.0\.0\.0 can be reached/,
    );
  });

  it("opens with --allow-anonymous, from any source", () => {
    expect(load(["--host", "0.0.0.0", "--allow-anonymous"]).host).toBe("0.0.0.0");
    expect(load(["--host", "::"], { JANGADA_ALLOW_ANONYMOUS: "true" }).host).toBe("::");
    expect(load(["--host", "[::1]"]).host).toBe("::1");
  });
});

describe("units", () => {
  test.each([
    ["0", 0],
    ["1024", 1024],
    ["64MiB", 64 * 1024 ** 2],
    ["64 mib", 64 * 1024 ** 2],
    ["1.5KiB", 1536],
    ["2GB", 2_000_000_000],
    ["7b", 7],
    ["", undefined],
    ["MiB", undefined],
    ["-1", undefined],
    ["1e3", undefined],
    ["12MiBs", undefined],
    ["99999999TiB", undefined],
  ])("%j is %s bytes", (text, expected) => {
    expect(parseBytes(text)).toBe(expected);
  });

  test.each([
    ["1500", 1500],
    ["1500ms", 1500],
    ["90s", 90_000],
    ["5m", 300_000],
    ["5min", 300_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
    ["0.5h", 1_800_000],
    ["1w", undefined],
    ["soon", undefined],
  ])("%j is %s ms", (text, expected) => {
    expect(parseDurationMs(text)).toBe(expected);
  });

  test.each([1, 1023, 1024, 1025, 65_536, 3 * 1024 ** 3])("a size of %i reads back", (bytes) => {
    expect(parseBytes(formatBytes(bytes))).toBe(bytes);
  });

  test.each([1, 1_000, 1_001, 86_400_000, 172_800_000, 604_800_001])("a time of %i reads back", (ms) => {
    expect(parseDurationMs(formatDurationMs(ms))).toBe(ms);
  });
});

describe("the nearest word", () => {
  test.each([
    ["mqtt-prot", "mqtt-port"],
    ["htpp-port", "http-port"],
    ["MQTT-PORT", "mqtt-port"],
    ["data", "data-dir"],
    ["nothing-like-it", undefined],
    ["nt", undefined],
  ])("of %s is %s", (word, expected) => {
    expect(nearestWord(word, ["mqtt-port", "http-port", "data-dir"])).toBe(expected);
  });

  it("of a very long word is not looked for", () => {
    expect(nearestWord("mqtt-port".repeat(1_000), ["mqtt-port"])).toBeUndefined();
  });
});

describe("the table", () => {
  it("writes docs/configuration.md (vitest -u writes it anew)", async () => {
    await expect(configurationPage()).toMatchFileSnapshot("../../docs/configuration.md");
  });

  it("writes help with every flag", () => {
    for (const key of settingKeys()) expect(settingsHelp()).toContain(SETTINGS[key].name);
  });

  it("writes every default so that it reads back", () => {
    for (const key of settingKeys()) {
      const { name, kind, defaultValue } = SETTINGS[key] as {
        name: string;
        kind: { format(v: unknown): string };
        defaultValue: unknown;
      };
      const written = kind.format(defaultValue);
      if (written === "none") continue;
      expect(load([`--${name}=${written}`]), name).toMatchObject({ [key]: defaultValue });
    }
  });
});
