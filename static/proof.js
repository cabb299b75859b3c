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
 * Pearson's chi-square statistic of counts against the uniform distribution.
 *
 * @param {ArrayLike<number>} counts How often each number came.
 * @returns {number} About as much as there are counts when they are uniform; 0 when
 * nothing came.
 */
export function chiSquare(counts) {
  const list = Array.from(counts);
  const expected = sumOf(list) / list.length;
  if (expected === 0) return 0;
  return sumOf(list.map((count) => (count - expected) ** 2)) / expected;
}

/**
 * The probability that uniform numbers give a chi-square statistic of at least this
 * value: the regularized incomplete gamma function Q(freedom / 2, statistic / 2), by
 * its series (NIST Digital Library of Mathematical Functions, 8.7.1) or its continued
 * fraction (8.9.2), whichever converges fast.
 *
 * @param {number} statistic The value of {@linkcode chiSquare}.
 * @param {number} freedom Degrees of freedom: one less than there are counts.
 * @returns {number} From 0 to 1.
 */
export function pValue(statistic, freedom = HIGHEST - 1) {
  const [a, x] = [freedom / 2, statistic / 2];
  if (x <= 0) return 1;
  let logGamma = freedom % 2 === 0 ? 0 : Math.log(Math.PI) / 2;
  for (let factor = a - 1; factor > 0; factor--) logGamma += Math.log(factor);
  const front = Math.exp(a * Math.log(x) - x - logGamma);
  if (front === 0) return x > a ? 0 : 1;
  if (x < a + 1) {
    let [sum, term] = [0, 1 / a];
    for (let n = 1; term > sum * Number.EPSILON; n++) {
      sum += term;
      term *= x / (a + n);
    }
    return Math.max(0, 1 - front * sum);
  }
  let fraction = 0; // from its innermost part outwards
  for (let n = FRACTION_DEPTH; n > 0; n--) {
    fraction = n * (a - n) / (x + 2 * n + 1 - a + fraction);
  }
  return front / (x + 1 - a + fraction);
}

/** Parts of the continued fraction, enough for the precision of a double from 1 to 255
 * degrees of freedom. */
const FRACTION_DEPTH = 1000;

/** The fewest numbers that tell anything, for each possible one. The statistic's
 * distribution is only nearly that of chi-square, and its tail is longer: with this
 * many a fair server is called impossible five times in a billion
 * (docs/uniformity.md). */
const ENOUGH_OF_EACH = 5;
/** Below this a fair server is once in a thousand runs. */
const DOUBTFUL = 0.001;
/** Below this a fair server is once in a billion runs. */
const IMPOSSIBLE = 1e-9;

/**
 * @typedef {object} Uniformity
 * @property {number} chiSquare
 * @property {number | null} pValue `null` if there are too few numbers for one.
 * @property {"unknown" | "possible" | "doubtful" | "impossible"} verdict
 * @property {string} text The verdict in words: `may be uniform, p = 0.49`.
 */

/**
 * Whether numbers are uniform.
 *
 * @param {ArrayLike<number>} counts How often each number came.
 * @returns {Uniformity}
 */
export function uniformity(counts) {
  const list = Array.from(counts);
  const statistic = chiSquare(list);
  if (sumOf(list) < ENOUGH_OF_EACH * list.length) {
    const text = "too few numbers to tell";
    return { chiSquare: statistic, pValue: null, verdict: "unknown", text };
  }
  const p = pValue(statistic, list.length - 1);
  const verdict = p < IMPOSSIBLE
    ? "impossible"
    : p < DOUBTFUL
    ? "doubtful"
    : "possible";
  const text = `${WORDS[verdict]} uniform, ${probabilityText(p)}`;
  return { chiSquare: statistic, pValue: p, verdict, text };
}

const WORDS = { possible: "may be", doubtful: "hardly", impossible: "not" };

/** @param {number} p */
function probabilityText(p) {
  if (p < IMPOSSIBLE) return "p < 1e-9";
  if (p > 0.99) return "p > 0.99";
  return `p = ${p < 0.1 ? p.toPrecision(1) : p.toFixed(2)}`;
}

/** @param {number[]} list */
function sumOf(list) {
  return list.reduce((sum, count) => sum + count, 0);
}
