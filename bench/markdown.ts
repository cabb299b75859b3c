/**
 * Results as Markdown, and their place in docs/performance.md.
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

/** Puts results between `<!-- name -->` and `<!-- end -->` of docs/performance.md. */
export async function intoPerformance(
  name: string,
  markdown: string,
): Promise<void> {
  const path = `${ROOT}docs/performance.md`;
  const page = await Deno.readTextFile(path);
  const place = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- end -->)`);
  await Deno.writeTextFile(
    path,
    page.replace(
      place,
      (_, start, end) => `${start}\n${markdown}\n\n${end}`,
    ),
  );
  await run([Deno.execPath(), "fmt", "--quiet", path]);
}
