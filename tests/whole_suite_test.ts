// The last file of a bare `deno test`, which has no permissions, says what was left
// out.

import { NO_PERMISSIONS } from "../harness/process.ts";

if (NO_PERMISSIONS) {
  Deno.test.ignore("what is ignored here runs by `deno task test`", () => {});
}
