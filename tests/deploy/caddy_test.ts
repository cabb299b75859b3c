import { testProxy } from "./_every_proxy.ts";
import { longTestOf, type Proxy, testOf } from "./_proxy.ts";
import { testUnderLoad } from "./_load.ts";

const test = testOf("caddy");
const longTest = longTestOf("caddy");

const CADDY: Proxy = {
  name: "Caddy",
  file: "Caddyfile",
  command: (folder) => ({
    command: ["caddy", "run", "--config", `${folder}/Caddyfile`],
    env: {
      HOME: folder,
      XDG_CONFIG_HOME: folder,
      XDG_DATA_HOME: folder,
      ADMIN: `unix/${folder}/admin`,
    },
  }),
  reload: (folder) => ({
    run: ["caddy", "reload", "--config", `${folder}/Caddyfile`],
  }),
  reloadCuts: true,
  // Or it listens on port 2019 too, and on port 80 to send browsers to https.
  adapt: (config) =>
    config.replace(
      "{\n",
      "{\n\tadmin {$ADMIN}\n\tauto_https disable_redirects\n",
    ),
  withTls: (config, cert, key) =>
    config
      .replaceAll("http://127.0.0.1:8000", "https://127.0.0.1:8443")
      .replace("#tls", "tls")
      .replace("/etc/caddy/ws-random.pem", cert)
      .replace("/etc/caddy/ws-random.key", key),
  refusals: 1,
};

testProxy(CADDY, test);
testUnderLoad(CADDY, longTest);
