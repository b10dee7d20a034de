/**
 * A data directory that a node of an earlier release left when it was killed: commands of version 1 in its log, stores as they
 * were. Today's node starts on it with everything that was acknowledged, and refuses what a later release wrote.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { lastCode } from "../../load/faults/members.js";
import { type HistoryRecord, readHistory } from "../../load/lib/history-pages.js";
import { HttpConnection, topicPath } from "../../load/lib/http-client.js";
import { spawnServer, startServer } from "../../load/lib/server.js";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";

interface Fixture {
  /** Brotli in base64, by path. */
  readonly files: Readonly<Record<string, string>>;
  readonly acknowledged: Readonly<Record<string, readonly Acknowledged[]>>;
}

interface Acknowledged {
  readonly id: string;
  readonly offset: number;
  readonly payload: string;
}

const { files, acknowledged } = JSON.parse(
  readFileSync(join(import.meta.dirname, "data-directory-v1.json"), "utf8"),
) as Fixture;
const START_TIMEOUT_MS = 60_000;

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) removeDirectory(directory);
});

function unpacked(): string {
  const directory = temporaryDirectory("golden");
  directories.push(directory);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), brotliDecompressSync(Buffer.from(content, "base64")));
  }
  return directory;
}

async function contents(connection: HttpConnection): Promise<Record<string, Acknowledged[]>> {
  const topics: Record<string, Acknowledged[]> = {};
  for (const topic of Object.keys(acknowledged)) {
    const records: Acknowledged[] = [];
    topics[topic] = records;
    const keep = ({ id, offset, payload = "" }: HistoryRecord): void => {
      records.push({ id, offset, payload });
    };
    await readHistory(connection, topic, keep);
  }
  return topics;
}

describe("a data directory of an earlier release", () => {
  test(
    "has everything that was acknowledged, takes more, and has both after a kill",
    async () => {
      const dataDir = unpacked();
      const [topic = ""] = Object.keys(acknowledged);
      const first = await startServer({ dataDir });
      const connection = new HttpConnection(first.http);
      expect(await contents(connection)).toEqual(acknowledged);
      const body = '{"text":"of today"}';
      const answer = await connection.ask("POST", `${topicPath(topic)}/messages`, body, {
        "content-type": "application/json",
      });
      expect(answer.status).toBeLessThan(300);
      connection.close();
      await first.child.stop("SIGKILL");

      const second = await startServer({ dataDir });
      const again = new HttpConnection(second.http);
      const after = await contents(again);
      expect(after[topic]?.map(({ payload }) => payload)).toEqual([
        ...(acknowledged[topic] ?? []).map(({ payload }) => payload),
        body,
      ]);
      again.close();
      expect(await second.child.stop()).toBe(0);
    },
    START_TIMEOUT_MS,
  );

  test(
    "of a later release is refused by its code",
    async () => {
      const dataDir = unpacked();
      const file = join(dataDir, "node.json");
      const identity = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
      writeFileSync(file, JSON.stringify({ ...identity, version: 99 }));
      const child = await spawnServer({ dataDir });
      expect(await child.exited).toBe(1);
      expect(lastCode(child.tail)).toBe("data_version");
    },
    START_TIMEOUT_MS,
  );
});
