/**
 * Results as Markdown, and their place in the README.
 *
 * @module
 */

import { ROOT, run } from "../harness/process.ts";

/** A table; the first row is its head. */
export function table(rows: string[][]): string {
  const [head, ...body] = rows;
  return [head, head.map(() => "---"), ...body]
    .map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** 1,234 */
export const thousands = (value: number) =>
  Math.round(value).toLocaleString("en");

/** Puts results between `<!-- name -->` and `<!-- end -->` of the README. */
export async function intoReadme(
  name: string,
  markdown: string,
): Promise<void> {
  const path = `${ROOT}README.md`;
  const readme = await Deno.readTextFile(path);
  const place = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- end -->)`);
  await Deno.writeTextFile(
    path,
    readme.replace(
      place,
      (_, start, end) => `${start}\n${markdown}\n\n${end}`,
    ),
  );
  await run([Deno.execPath(), "fmt", "--quiet", path]);
}
