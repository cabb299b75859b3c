/**
 * `deno task mutate [file…]`: makes one small change to a file at a time and runs its
 * tests. A change that no test notices is a defect that could come in unseen. It
 * works in copies of the project; without a file it takes all that have tests, an
 * hour. The exit status is the number of files with survivors.
 *
 * @module
 */

import ts from "npm:typescript@5.9.3";
import config from "../deno.json" with { type: "json" };
import { EQUAL, TESTS } from "./mutate_table.ts";

/** A change: this text in place of what is from `start` to `end`. */
interface Mutant {
  start: number;
  end: number;
  text: string;
}

/** What stands in place of an operator. */
const OPERATORS: Record<string, string> = {
  ...{ "<": "<=", "<=": "<", ">": ">=", ">=": ">" },
  ...{ "===": "!==", "!==": "===", "&&": "||", "||": "&&", "??": "&&" },
  ...{ "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "**": "*" },
  ...{ "+=": "-=", "-=": "+=", "*=": "/=", "++": "--", "--": "++", "&": "|" },
  ...{ "|": "&", "<<": ">>", ">>>": "<<", "??=": "=" },
};

/** The changes of one piece of syntax, without those of its parts. */
function changes(node: ts.Node, source: ts.SourceFile): Mutant[] {
  const [start, end] = [node.getStart(source), node.end];
  const code = source.text.slice(start, end);
  const change = (text: string, of = node) => ({
    ...{ start: of.getStart(source), end: of.end, text },
  });
  const negated = (of: ts.Node) => change(`!(${of.getText(source)})`, of);
  if (ts.isBinaryExpression(node)) {
    const other = OPERATORS[node.operatorToken.getText(source)];
    return other ? [change(other, node.operatorToken)] : [];
  }
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const sign = ts.tokenToString(node.operator)!;
    if (sign === "!" || sign === "-") {
      return [change(node.operand.getText(source))];
    }
    const other = OPERATORS[sign];
    return other ? [change(code.replace(sign, other))] : [];
  }
  if (ts.isNumericLiteral(node)) return [change(`(${code} + 1)`)];
  if (/^(?:true|false)$/.test(code)) return [change(`${code !== "true"}`)];
  if (ts.isRegularExpressionLiteral(node)) {
    return [[/^\/\^/, "/"], [/\$(?=\/\w*$)/, ""]].flatMap(([anchor, text]) => {
      const without = code.replace(anchor, text as string);
      return without === code ? [] : [change(without)];
    });
  }
  if (ts.isStringLiteral(node) && node.text !== "") return [change('""')];
  if (ts.isTemplateExpression(node)) return [change("``")];
  if (
    ts.isExpressionStatement(node) || ts.isThrowStatement(node) ||
    ts.isBreakOrContinueStatement(node)
  ) return [change(";")];
  if (ts.isIfStatement(node) || ts.isWhileStatement(node)) {
    return [negated(node.expression)];
  }
  if (ts.isConditionalExpression(node)) return [negated(node.condition)];
  return [];
}

/** All changes of a file. Types, imports and the names of properties stay. */
function mutants(source: ts.SourceFile): Mutant[] {
  const found: Mutant[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    if (ts.isExportDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    found.push(...changes(node, source));
    const name = ts.isPropertyAssignment(node) ? node.name : undefined;
    ts.forEachChild(node, (child) => child === name ? undefined : visit(child));
  };
  visit(source);
  return found;
}

/** A copy of what git knows, to be changed. */
async function copyProject(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const args = ["-c", `git ls-files | xargs cp --parents -t ${folder}`];
  await new Deno.Command("sh", { args }).output();
  return folder;
}

/** The options of `deno test` in `deno task test`. */
const [, options] = /deno test (.*) --$/.exec(config.tasks.test.command)!;

/** Runs tests in their order, each for so many seconds, until one fails; returns the
 * seconds that each took, if none did. */
async function pass(cwd: string, tests: string[], limits: number[]) {
  const deno = [Deno.execPath(), "test", "--fail-fast", ...options.split(" ")];
  const seconds: number[] = [];
  for (const [index, test] of tests.entries()) {
    const began = performance.now();
    // `timeout` ends what the tests have started, too.
    const args = ["-sKILL", `${limits[index] ?? 600}`, ...deno, test];
    const run = new Deno.Command("timeout", { args, cwd }).output();
    if (!(await run).success) return;
    seconds.push((performance.now() - began) / 1000);
  }
  return seconds;
}

/** Runs the tests of a file against each of its mutants; returns whether all were
 * noticed that are not equal in effect. */
async function mutate(file: string, copies: string[]): Promise<boolean> {
  const text = await Deno.readTextFile(file);
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const own = file.replace(/^lib/, "tests").replace(/\.\w+$/, "_test.ts");
  const tests = TESTS[file] ?? [own];
  const limits = (await pass(copies[0], tests, []))?.map((s) => 5 + 4 * s);
  if (!limits) throw new Error(`${tests} fail`);
  const all = mutants(source);
  const left = [...all];
  let [noticed, equal] = [0, 0];
  await Promise.all(copies.map(async (copy) => {
    for (let mutant = left.shift(); mutant; mutant = left.shift()) {
      const { start, end, text: replacement } = mutant;
      const { line } = source.getLineAndCharacterOfPosition(start);
      const was = text.split("\n")[line].trim();
      const what = `${text.slice(start, end).split("\n")[0]} -> ${replacement}`;
      const mutated = text.slice(0, start) + replacement + text.slice(end);
      await Deno.writeTextFile(`${copy}/${file}`, mutated);
      const isThis = ([code, to]: string[]) => code === was && to === what;
      if (EQUAL[file]?.some(isThis)) equal++;
      else if (!await pass(copy, tests, limits)) noticed++;
      else console.log(`${file}:${line + 1}: ${was}\n    ${what}`);
    }
    await Deno.writeTextFile(`${copy}/${file}`, text);
  }));
  const tried = all.length - equal;
  const share = (noticed / tried * 100).toFixed(1);
  console.log(`${file}: ${noticed} of ${tried} noticed, ${share} %`);
  return noticed === tried;
}
const files = Deno.args.length > 0 ? Deno.args : Object.keys(TESTS);
const cores = { length: navigator.hardwareConcurrency };
const copies = await Promise.all(Array.from(cores, copyProject));
let incomplete = 0;
for (const file of files) if (!await mutate(file, copies)) incomplete++;
for (const copy of copies) await Deno.remove(copy, { recursive: true });
Deno.exit(Math.min(incomplete, 125));
