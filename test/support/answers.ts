/** What the HTTP edge answers, as tests read it. */
import { expect } from "vitest";

/** A record of history. */
export interface RecordAnswer {
  readonly id: string;
  readonly topic: string;
  readonly offset: number;
  readonly timestamp: number;
  readonly payload: string;
}

/** Every field that some answer has. */
export interface Answer extends RecordAnswer {
  readonly name: string;
  readonly code: string;
  readonly detail: string;
  readonly count: number;
  readonly next: string | null;
  readonly retention: object;
  readonly topics: readonly { readonly name: string }[];
  readonly messages: readonly RecordAnswer[];
  readonly clients: readonly { readonly id: string }[];
  readonly clientId: string;
  readonly sessions: readonly { readonly clientId: string }[];
}

/** The JSON of an answer. */
export async function jsonOf(response: Response): Promise<Answer> {
  return (await response.json()) as Answer;
}

/** Holds an answer against the problem that it should be. */
export async function expectProblem(response: Response, status: number, code: string): Promise<void> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect({ status: response.status, code: (await jsonOf(response)).code }).toEqual({ status, code });
}
