/** What is asked wrongly: exit code 2, nothing on standard output, one line on standard error. */
import { describe, expect, it, test } from "vitest";
import { run } from "./support.js";

describe("asked wrongly", () => {
  test.each<[string, string[], Record<string, string>, string]>([
    ["an unknown command", ["pubb"], {}, 'unknown command "pubb"; did you mean pub?'],
    ["a flag for a command", ["--verbose"], {}, 'unknown flag "--verbose"'],
    ["help on nothing", ["help", "srve"], {}, "did you mean serve?"],
    ["serve: an unknown flag", ["serve", "--mqtt-prot", "1"], {}, "did you mean --mqtt-port?"],
    ["serve: a bad value", ["serve", "--mqtt-port", "x"], {}, "flag --mqtt-port: must be a whole number"],
    ["serve: a bad variable", ["serve"], { JANGADA_NODE_ID: "0" }, "variable JANGADA_NODE_ID: must be"],
    ["serve: an open door", ["serve", "--host", "0.0.0.0"], {}, "add --allow-anonymous"],
    ["serve: a missing file", ["serve", "--config", "/nonexistent.yaml"], {}, "there is no such file"],
    ["pub: no topic", ["pub"], {}, "pub needs a TOPIC"],
    ["pub: too many words", ["pub", "a", "b", "c"], {}, "quote what has spaces"],
    ["pub: a bad QoS", ["pub", "a", "b", "--qos", "3"], {}, "flag --qos: must be a whole number from 0 to 2"],
    ["pub: a bad URL", ["pub", "a", "b", "--url", "ftp://x"], {}, "flag --url: must be a URL"],
    [
      "pub: a bad URL variable",
      ["pub", "a", "b"],
      { JANGADA_URL: "x" },
      "variable JANGADA_URL: must be a URL",
    ],
    ["pub: lines and a message", ["pub", "a", "b", "--ndjson"], {}, "flag --ndjson: reads standard input"],
    ["sub: no filter", ["sub"], {}, "sub needs a FILTER"],
    ["sub: a bad format", ["sub", "a", "--format", "xml"], {}, "flag --format: must be one of payload, json"],
    ["sub: an unknown flag", ["sub", "a", "--fromm", "1"], {}, "did you mean --from?"],
    ["topics: nothing", ["topics"], {}, "topics needs one of ls, create, show, delete"],
    ["topics: a wrong word", ["topics", "crate", "a"], {}, "did you mean create?"],
    ["topics: no name", ["topics", "show"], {}, "topics show needs a NAME"],
    ["topics: a name to list", ["topics", "ls", "a"], {}, "too many arguments: a"],
    ["topics: a flag out of place", ["topics", "ls", "--retention-age", "1h"], {}, "only with topics create"],
  ])("%s", async (_what, args, env, expected) => {
    const { code, stdout, stderr } = await run(args, { env });
    expect(stderr).toContain(expected);
    expect(stderr).toMatch(/^jangada: [^\n]+\n$/);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
  });
});

describe("help", () => {
  test.each([[[]], [["--help"]], [["-h"]], [["help"]]])("%j lists the commands", async (args) => {
    const { code, stdout } = await run(args);
    for (const name of ["serve", "pub", "sub", "topics"])
      expect(stdout.toString()).toContain(`jangada ${name}`);
    expect(code).toBe(0);
  });

  test.each(["serve", "pub", "sub", "topics"])("on %s is the same by word and by flag", async (name) => {
    const [byWord, byFlag] = await Promise.all([run(["help", name]), run([name, "--help"])]);
    expect(byWord.stdout.toString()).toMatch(new RegExp(`^jangada ${name} `));
    expect(byFlag.stdout.toString()).toBe(byWord.stdout.toString());
  });

  it("says its version", async () => {
    const { code, stdout } = await run(["--version"]);
    expect(stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(code).toBe(0);
  });
});
