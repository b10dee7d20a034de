/** Our own specifications of an MQTT.js client's session, run against one broker: with the client that is in our dependencies, always. */
import type { Address } from "../../lib/server.js";
import { CLIENT_SESSION } from "../names.js";
import type { Failure, SuiteReport } from "../report.js";
import { BOTH_VERSIONS } from "./both-versions.js";
import { Clients, type Version } from "./clients.js";
import { type Specification, VERSION_NAMES } from "./specification.js";
import { VERSION_5 } from "./version-5.js";

export const SPECIFICATIONS: Readonly<Record<Version, readonly Specification[]>> = {
  4: BOTH_VERSIONS,
  5: [...BOTH_VERSIONS, ...VERSION_5],
};

/** Busy machines are slow: only what waits for ever has to be ended. */
const SPECIFICATION_MS_MAX = 60_000;

/** Runs one specification; throws what does not hold, or that it does not end. */
export async function runSpecification(
  address: Address,
  version: Version,
  { run }: Specification,
): Promise<void> {
  const clients = new Clients(address, version);
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    const late = new Error(`not done after ${SPECIFICATION_MS_MAX / 1000} s`);
    timer = setTimeout(() => reject(late), SPECIFICATION_MS_MAX);
  });
  try {
    await Promise.race([run(clients), over]);
  } finally {
    clearTimeout(timer);
    clients.close();
  }
}

export async function runClientSession(address: Address): Promise<SuiteReport> {
  let passed = 0;
  const failures: Failure[] = [];
  for (const version of [4, 5] as const) {
    for (const specification of SPECIFICATIONS[version]) {
      const name = `${VERSION_NAMES[version]} ${specification.name}`;
      try {
        await runSpecification(address, version, specification);
        passed += 1;
        console.log(`  ${name}: passed`);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        console.log(`  ${name}: failed`);
        failures.push({
          name,
          detail: text
            .split("\n")
            .filter((line) => line.trim() !== "")
            .join(" | "),
        });
      }
    }
  }
  return { suite: CLIENT_SESSION, passed, failures, skipped: [], notRun: null, notes: [] };
}
