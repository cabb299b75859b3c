/**
 * How the values of options are written. Each function here parses one kind, or makes
 * a function that does, and throws an `Error` that says what the value should be:
 * `is not a whole number from 1 to 5`.
 *
 * @module
 */

/** Any text. */
export function text(given: string): string {
  return given;
}

/** Of a switch. */
export function boolean(given: string): boolean {
  if (given !== "true" && given !== "false") {
    throw new Error("is neither true nor false");
  }
  return given === "true";
}

/** `10000`, `10k`, `2.5m`, `1e6` or `1_000_000`. */
const NUMBER = /^(\d+(?:_\d+)*(?:\.\d+)?)(?:([km])|e(\d{1,2}))?$/i;
const EXPONENTS: Record<string, string> = { k: "3", m: "6" };

function parseNumber(given: string): number {
  const [, digits, letter, exponent] = NUMBER.exec(given) ?? [];
  if (digits === undefined) return NaN;
  const e = exponent ?? EXPONENTS[letter?.toLowerCase()] ?? "0";
  // As one literal, or 1.001k would not be 1001.
  return Number(`${digits.replaceAll("_", "")}e${e}`);
}

/** Whole numbers of a range, both ends included. */
export function integer(min: number, max: number): (given: string) => number {
  return (given) => {
    const value = parseNumber(given);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new Error(`is not a whole number from ${min} to ${max}`);
  };
}

/** Numbers of a range, both ends included. */
export function decimal(min: number, max: number): (given: string) => number {
  return (given) => {
    const value = parseNumber(given);
    if (value >= min && value <= max) return value;
    throw new Error(`is not a number from ${min} to ${max}`);
  };
}

const TIME = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/;
const MILLISECONDS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Times of a range, both ends included: `500ms`, `10s`, `5m` or `1h`; a bare number is
 * seconds.
 *
 * @param min As a user writes it.
 * @param max Likewise.
 * @returns A function that returns milliseconds.
 */
export function time(min: string, max: string): (given: string) => number {
  const parse = (given: string) => {
    const [, digits, unit = "s"] = TIME.exec(given) ?? [];
    return digits === undefined ? NaN : Number(digits) * MILLISECONDS[unit];
  };
  const [least, most] = [parse(min), parse(max)];
  return (given) => {
    const value = parse(given);
    if (value >= least && value <= most) return value;
    throw new Error(`is not a time from ${min} to ${max}, like 500ms or 10s`);
  };
}
