/** What the simulator's and the fuzzer's command lines share: numbers of flags, and an end that shows how they are used. */

/** A number from 0 up. Throws for anything else, and names the flag. */
export function numberOf(text: string, flag: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${flag} takes a number from 0 up`);
  return number;
}

/** The exit code is what `main` gives; 2, with the error and `help`, when it throws. */
export function runCommand(main: () => Promise<number>, help: string): void {
  main().then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${help}`);
      process.exitCode = 2;
    },
  );
}
