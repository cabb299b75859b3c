/**
 * `deno task test`: runs the tests by the command that the task gives, in groups:
 * first those that can share the machine, those that take longest before the others,
 * last those that need it for themselves.
 * `--record` writes how long each file took into CONTRIBUTING.md; all else is for
 * `deno test`, and files or folders choose.
 *
 * @module
 */

/** There are three browsers for one, and a test that is slow costs more than time. */
const IN_CI = Boolean(Deno.env.get("CI"));

/** Which files run when, and how many at a time: each is in the first group that
 * takes it. Who compares waits or times must be alone; browsers, and proxies under
 * load, need most of the machine. Most of the others wait for something, so that six
 * use two cores. */
const GROUPS = [
  { files: /^tests\/(server\/(flood|peers)_|linear_)/, jobs: 1 },
  {
    files: /^tests\/(page\/|deploy\/(caddy|container|haproxy|nginx)_)/,
    jobs: IN_CI ? 3 : 4,
  },
  { files: /./, jobs: IN_CI ? 4 : 6 },
];

const FOLDER = ".cache/tests";
const REPORT = `${FOLDER}/report.xml`;
const SECONDS = `${FOLDER}/seconds.tsv`;
const PAGE = "CONTRIBUTING.md";

interface Counts {
  passed: number;
  failed: number;
  ignored: number;
}

/** The test files in a folder, or the file itself. */
function testFiles(path: string): string[] {
  if (!Deno.statSync(path).isDirectory) return [path];
  return Array.from(Deno.readDirSync(path)).flatMap(({ name, isDirectory }) =>
    isDirectory || name.endsWith("_test.ts")
      ? testFiles(`${path.replace(/\/$/, "")}/${name}`)
      : []
  ).sort();
}

function exists(path: string): boolean {
  try {
    return Boolean(Deno.statSync(path));
  } catch {
    return false;
  }
}

/** Runs these files, so many at a time. */
async function runFiles(
  command: string[],
  files: string[],
  jobs: number,
): Promise<Counts> {
  await Deno.writeTextFile(REPORT, ""); // which stays so if the run breaks
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [...command, `--junit-path=${REPORT}`, ...files],
    env: { DENO_JOBS: String(jobs), TEST_SECONDS: SECONDS },
  }).spawn().status;
  const counts = readReport(await Deno.readTextFile(REPORT));
  // What broke the run, or failed outside of its tests, is a failure too.
  if (!success && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Counts the tests in the JUnit report of `deno test`, in which a step of a test
 * stands like a test, behind it. */
function readReport(xml: string): Counts {
  const counts = { passed: 0, failed: 0, ignored: 0 };
  const tests: string[] = [];
  const cases = /<testcase name="([^"]*)"[^>]*>\s*(<skipped|<\w+)?/g;
  for (const [, name, what] of xml.matchAll(cases)) {
    if (tests.some((test) => name.startsWith(`${test} &gt; `))) continue;
    tests.push(name);
    if (what === undefined) counts.passed++;
    else if (what === "<skipped") counts.ignored++;
    else counts.failed++;
  }
  return counts;
}

/** How long each file took when that was last recorded, in seconds. */
function recorded(): Map<string, number> {
  const rows = Deno.readTextFileSync(PAGE).matchAll(/^ *(\d+\.\d) {2}(\S+)$/gm);
  return new Map(Array.from(rows, ([, n, file]) => [file, Number(n)]));
}

/** Writes the seconds of each file between the two marks in the page. */
async function record(inAll: number): Promise<void> {
  const seconds: Record<string, number> = {};
  const root = new URL("..", import.meta.url).href;
  for (const line of (await Deno.readTextFile(SECONDS)).trim().split("\n")) {
    const [url, n] = line.split("\t");
    const file = url.replace(root, "");
    seconds[file] = (seconds[file] ?? 0) + Number(n);
  }
  const rows = Object.entries(seconds).sort(([, a], [, b]) => b - a)
    .map(([file, n]) => `${n.toFixed(1).padStart(5)}  ${file}\n`);
  const date = new Date().toISOString().slice(0, 10);
  const { hardwareConcurrency: cores } = navigator;
  const load = Deno.loadavg()[2].toFixed(0); // of 15 minutes
  rows.unshift(
    `${date}, Deno ${Deno.version.deno}, ${cores} cores with a load of ${load}: ` +
      `${inAll} s in all\n\n`,
  );
  const page = await Deno.readTextFile(PAGE);
  const between = /(?<=<!-- seconds -->\n\n```\n)[^]*?(?=```\n\n<!-- end -->)/;
  await Deno.writeTextFile(PAGE, page.replace(between, () => rows.join("")));
}

const command = Deno.args.slice(1, Deno.args.indexOf("--"));
const given = Deno.args.slice(command.length + 2);
const options = given.filter((arg) => arg !== "--record" && !exists(arg));
const paths = given.filter((arg) => arg !== "--record" && exists(arg));
const seconds = recorded();
let files = (paths.length > 0 ? paths : ["tests"]).flatMap(testFiles)
  .sort((a, b) => (seconds.get(b) ?? 0) - (seconds.get(a) ?? 0));
const phases = GROUPS.map(({ files: pattern, jobs }) => {
  const mine = files.filter((file) => pattern.test(file));
  files = files.filter((file) => !mine.includes(file));
  return { files: mine, jobs };
}).reverse();

// Ctrl-C reaches `deno test` too, which names the tests that run.
let interrupted = false;
Deno.addSignalListener("SIGINT", () => interrupted = true);

const began = performance.now();
await Deno.mkdir(FOLDER, { recursive: true });
await Deno.writeTextFile(SECONDS, "");
const total: Counts = { passed: 0, failed: 0, ignored: 0 };
for (const { jobs, files } of phases) {
  if (files.length === 0) continue;
  const counts = await runFiles([...command, ...options], files, jobs);
  if (interrupted) Deno.exit(130);
  for (const key of ["passed", "failed", "ignored"] as const) {
    total[key] += counts[key];
  }
}
const { passed, failed, ignored } = total;
const inAll = Math.round((performance.now() - began) / 1000);
if (given.includes("--record")) await record(inAll);
console.log(
  `${failed === 0 ? "ok" : "FAILED"} | ${passed} passed | ${failed} failed | ` +
    `${ignored} not run (${inAll}s)`,
);
Deno.exit(failed === 0 ? 0 : 1);
