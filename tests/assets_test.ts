// The page's files, as the program holds them.

import { assertEquals, assertMatch } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { ROOT } from "../harness/process.ts";
import { loadAssets } from "../lib/http.ts";
import { test } from "./helpers.ts";

test("loadAssets() holds each file of static/, byte for byte", async () => {
  const assets = await loadAssets();
  const paths: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}static`)) {
    const file = await Deno.readFile(`${ROOT}static/${name}`);
    const path = name === "index.html" ? "/" : `/${name}`;
    paths.push(path);
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(file);
    const expected = path === "/"
      ? text.replace("{version}", config.version)
      : text;
    const { body, headers } = assets.get(path)!;
    assertEquals(body, new TextEncoder().encode(expected), path);
    assertMatch(headers.etag, /^"[^"]+"$/, "strong");
  }
  assertEquals(new Set(assets.keys()), new Set(paths));
});
