/**
 * What is known of the terminal.
 *
 * @module
 */

/** Whether a stream is a terminal that obeys escape codes. */
export function isScreen(stream: { isTerminal(): boolean }): boolean {
  const variable = { name: "env", variable: "TERM" } as const;
  const { state } = Deno.permissions.querySync(variable);
  return stream.isTerminal() &&
    !(state === "granted" && Deno.env.get("TERM") === "dumb");
}

/** Its width in characters. */
export function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // what most terminals have
  }
}
