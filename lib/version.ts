/**
 * The version, as `deno.json` has it.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** `1.2.3` */
export const VERSION: string = config.version;
