// @ts-check

/**
 * The proof: whether a response answers its request, and whether the numbers
 * received are uniform. Plain JavaScript, so that the client and the page run
 * the very same lines without a build.
 *
 * @module
 */

/** The numbers are from 1 to this. At most 256: the server draws a byte for each. */
export const HIGHEST = 100;

/**
 * Checks a response against its own request.
 *
 * @param {string} request What was sent.
 * @param {unknown} response What came back: anything but text is no answer.
 * @returns {number | undefined} The number that the response carries, or `undefined`
 * if it is not the request, one space and a number from 1 to {@linkcode HIGHEST}.
 */
export function parseResponse(request, response) {
  if (
    typeof response !== "string" || !response.startsWith(request) ||
    response[request.length] !== " "
  ) return undefined;
  return parseNumber(response.slice(request.length + 1));
}

/**
 * Reads a number as the protocol writes it: no sign, no padding.
 *
 * @param {string} digits
 * @returns {number | undefined} From 1 to {@linkcode HIGHEST}, or `undefined`.
 */
export function parseNumber(digits) {
  const number = digits.length <= 3 && /^[1-9][0-9]*$/.test(digits)
    ? Number(digits)
    : 0;
  return number >= 1 && number <= HIGHEST ? number : undefined;
}

/**
 * Pearson's chi-square statistic of 100 counts against the uniform
 * distribution.
 *
 * @param {ArrayLike<number>} counts How often each of the numbers 1 to 100 came.
 * @returns {number} About 99 when they are uniform; 0 when there are none.
 */
export function chiSquare(counts) {
  const list = Array.from(counts);
  const expected = list.reduce((sum, count) => sum + count, 0) / list.length;
  if (expected === 0) return 0;
  return list.reduce((sum, count) => sum + (count - expected) ** 2, 0) /
    expected;
}

/**
 * The probability that uniform numbers give a chi-square statistic of at least
 * this value, with 99 degrees of freedom.
 *
 * From Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 (an odd
 * number of degrees of freedom is a finite sum). Its normal tail is left out: it
 * is below 3e-10 from 40 on, and below 40 the result is 1 within 3e-8.
 *
 * @param {number} statistic The value of {@linkcode chiSquare}.
 * @returns {number} From 0 to 1.
 */
export function pValue(statistic) {
  if (statistic < 40) return 1;
  const density = Math.sqrt(2 / Math.PI) * Math.exp(-statistic / 2);
  if (density === 0) return 0; // below the smallest double
  let term = Math.sqrt(statistic);
  let sum = term;
  for (let odd = 3; odd < 99; odd += 2) {
    term *= statistic / odd;
    sum += term;
  }
  return Math.min(1, density * sum);
}

/** Fewer numbers than this say nothing of whether they are uniform. */
const ENOUGH = 1000;

/**
 * Whether numbers are uniform, in words.
 *
 * @param {ArrayLike<number>} counts How often each of the numbers 1 to 100 came.
 * @returns {string} `looks uniform, p = 0.49`, say.
 */
export function uniformity(counts) {
  if (Array.from(counts).reduce((sum, count) => sum + count, 0) < ENOUGH) {
    return "too few to tell";
  }
  const p = pValue(chiSquare(counts));
  if (p < 0.001) return "not uniform? p < 0.001";
  return `looks uniform, p = ${p < 0.01 ? p.toFixed(3) : p.toFixed(2)}`;
}
