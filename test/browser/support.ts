/** A real browser, and pages for it that each have an origin of their own. */
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type BrowserContext, chromium } from "playwright-core";

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const LAUNCH_ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts Chromium. Throws when there is none. */
export async function launchBrowser(profileDir: string): Promise<BrowserContext> {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(`there is no Chromium at ${EXECUTABLE}: install it, or say where it is in CHROMIUM`);
  }
  return chromium.launchPersistentContext(profileDir, {
    executablePath: EXECUTABLE,
    args: LAUNCH_ARGS,
    headless: true,
  });
}

/** A page on a port, so an origin, of its own. */
export async function servePage(): Promise<{ readonly server: Server; readonly origin: string }> {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end("<!doctype html><title>jangada</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return { server, origin: `http://127.0.0.1:${port}` };
}
