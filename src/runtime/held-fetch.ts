/**
 * Node's fetch, with an end to its waiting and the process kept alive meanwhile: when a connection is closed as soon as it was accepted, fetch
 * neither answers nor fails nor keeps the process (seen in Node 20.20), and a program that only waits for it ends without a word.
 */

/** As `fetch`; rejects when not even the head of an answer has come within `headMs` milliseconds. The body may take as long as it likes. */
export async function heldFetch(url: URL, init: RequestInit, headMs: number): Promise<Response> {
  const late = new AbortController();
  const hold = setTimeout(() => late.abort(new Error(`no answer within ${headMs / 1_000} s`)), headMs);
  const given = init.signal ?? null;
  const signal = given === null ? late.signal : AbortSignal.any([given, late.signal]);
  try {
    return await fetch(url, { ...init, signal });
  } finally {
    clearTimeout(hold);
  }
}
