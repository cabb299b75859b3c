import { testProxy, testSilence } from "./_every_proxy.ts";
import { longTestOf, type Proxy, testOf } from "./_proxy.ts";
import { testUnderLoad } from "./_load.ts";

const test = testOf("nginx");
const longTest = longTestOf("nginx");

/** As much of Debian's nginx.conf as there must be around the file, writing to its
 * folder only; and how long its old workers may go on after a reload. */
const AROUND = `
daemon off;
user root;
pid nginx.pid;
worker_shutdown_timeout 1s;
events {
    worker_connections 1000;
}
http {
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    include nginx.conf;
}
`;

const command = (
  folder: string,
) => ["nginx", "-p", folder, "-c", "around.conf", "-e", "stderr"];

const NGINX: Proxy = {
  name: "nginx",
  file: "nginx.conf",
  command(folder) {
    Deno.writeTextFileSync(`${folder}/around.conf`, AROUND);
    return { command: command(folder) };
  },
  reload: (folder) => ({ run: [...command(folder), "-s", "reload"] }),
  reloadCuts: true,
  withTls: (config, cert, key) =>
    config
      .replace(/^ +listen 127.0.0.1:8000;\n/m, "")
      .replaceAll(/#(?=listen|ssl)/g, "")
      .replace("/etc/nginx/ws-random.pem", cert)
      .replace("/etc/nginx/ws-random.key", key),
  refusals: 0,
};

testProxy(NGINX, test);
testSilence(NGINX, longTest);
testUnderLoad(NGINX, longTest);
