// deploy/kubernetes.yaml and kubernetes-load.yaml: whether the Kubernetes API knows what
// they say, and whether that agrees with the server, the client and the image. There is
// no cluster here.

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { parseAll } from "@std/yaml/parse";
import type { Deployment } from "npm:kubernetes-types@1.30.0/apps/v1.d.ts";
import type { HorizontalPodAutoscaler } from "npm:kubernetes-types@1.30.0/autoscaling/v2.d.ts";
import type { Job } from "npm:kubernetes-types@1.30.0/batch/v1.d.ts";
import type {
  PodTemplateSpec,
  Service,
} from "npm:kubernetes-types@1.30.0/core/v1.d.ts";
import type { PodDisruptionBudget } from "npm:kubernetes-types@1.30.0/policy/v1.d.ts";
import config from "../../deno.json" with { type: "json" };
import {
  Process,
  ROOT,
  run,
  runClient,
  serverProcess,
  task,
} from "../../harness/process.ts";
import { frame, RawSocket } from "../../harness/sockets.ts";
import { eventually, test, TEXT } from "../../harness/helpers.ts";
import { parseFlags } from "../../lib/cli/flags.ts";
import { serverCommand } from "../../lib/server/options.ts";

interface Manifest {
  apiVersion?: string;
  kind?: string;
}

const read = (file: string) => Deno.readTextFile(`${ROOT}deploy/${file}`);

/** What tells users of them, from `deploy/` on. */
const PAGE = "../docs/containers.md";

async function manifests<T extends Manifest[]>(file: string): Promise<T> {
  return parseAll(await read(file)) as T;
}

const servers = () =>
  manifests<
    [Deployment, Service, PodDisruptionBudget, HorizontalPodAutoscaler]
  >("kubernetes.yaml");
const load = () => manifests<[Job]>("kubernetes-load.yaml");

/** The pods of a Deployment or a Job, and their only container. */
function pods({ spec }: Deployment | Job) {
  const { template } = spec as { template: PodTemplateSpec };
  const { containers, ...pod } = template.spec!;
  assertEquals(containers.length, 1);
  const { labels, annotations } = template.metadata!;
  return { pod, labels, annotations, container: containers[0] };
}

/** What the compiler finds wrong first with each manifest, by the types that
 * `kubernetes-types` has made of the API's schema. */
async function faults(manifests: Manifest[]): Promise<string[]> {
  const lines = manifests.map((manifest, i) => {
    const version = manifest.apiVersion!.replace(/^v/, "core/v");
    const types = `npm:kubernetes-types@1.30.0/${version}.d.ts`;
    const json = JSON.stringify(manifest);
    return `const _${i}: import("${types}").${manifest.kind} = ${json};\n`;
  });
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, lines.join(""));
  const { stderr } = await run(
    [Deno.execPath(), "check", "--quiet", "--lock=tests/deno.lock", file],
    { env: { NO_COLOR: "1" } },
  );
  await Deno.remove(file);
  const found = manifests.map(() => "");
  const error = /^TS\d+ \[ERROR\]: (.*)(?:\n.*)*?\n +at .*:(\d+):\d+$/gm;
  for (const [, message, line] of stderr.matchAll(error)) {
    found[Number(line) - 1] ||= message;
  }
  assertEquals(/^error/m.test(stderr), found.some(Boolean), stderr);
  return found;
}

test("the Kubernetes API knows all fields of the manifests", async () => {
  const right = [...await servers(), ...await load()];
  // And so that it is known to notice:
  const [unknown] = await servers();
  Object.assign(pods(unknown).container, { cpu: 1 });
  const [incomplete] = await servers();
  Object.assign(pods(incomplete).container, { ports: [{}] });
  const found = await faults([...right, unknown, incomplete]);
  assertEquals(found, [
    ...right.map(() => ""),
    "Object literal may only specify known properties, and '\"cpu\"' does not " +
    "exist in type 'Container'.",
    "Property 'containerPort' is missing in type '{}' but required in type " +
    "'ContainerPort'.",
  ]);
});

test("the manifests agree with each other and with the image", async () => {
  const [deployment, service, budget, scaler] = await servers();
  const { name } = deployment.metadata!;
  const server = pods(deployment);
  for (
    const selector of [
      deployment.spec!.selector.matchLabels,
      service.spec!.selector,
      budget.spec!.selector!.matchLabels,
    ]
  ) assertEquals(selector, server.labels);
  const { kind, apiVersion } = deployment;
  assertEquals(scaler.spec!.scaleTargetRef, { apiVersion, kind, name });
  assertEquals(deployment.spec!.replicas, undefined); // they are the scaler's
  assert(scaler.spec!.minReplicas! > Number(budget.spec!.maxUnavailable));

  const [job] = await load();
  const client = pods(job);
  const [{ port, targetPort }] = service.spec!.ports!;
  assertEquals(targetPort, server.container.ports![0].name);
  assertEquals(port, 80); // that of ws:
  const url = `ws://${service.metadata!.name}/ws`;
  assertEquals(client.container.args!.slice(0, 2), ["client", url]);
  // Or the service would send requests to clients.
  assertNotEquals(client.labels, server.labels);

  for (const file of ["kubernetes.yaml", "kubernetes-load.yaml", PAGE]) {
    for (const [, tag] of (await read(file)).matchAll(/ws-random:(\S+)/g)) {
      assertEquals(tag, config.version, file);
    }
  }
  const containerfile = await read("Containerfile");
  const [, uid, gid] = /^USER (\d+):(\d+)$/m.exec(containerfile)!;
  for (const { pod, container } of [server, client]) {
    const { runAsUser, runAsGroup, runAsNonRoot } = pod.securityContext!;
    assertEquals([runAsUser, runAsGroup], [Number(uid), Number(gid)]);
    assertEquals(runAsNonRoot, true);
    assertEquals(
      container.image,
      `registry.example/ws-random:${config.version}`,
    );
    assertEquals(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  }
});

/** Bytes of a quantity: `512Mi`. */
function bytes(quantity: string): number {
  const [, n, unit] = /^(\d+)([MG])i$/.exec(quantity)!;
  return Number(n) * 1024 ** (unit === "G" ? 3 : 2);
}

test("the server's pods have the time, ports and memory that its options ask for", async () => {
  const [deployment] = await servers();
  const { pod, container, annotations } = pods(deployment);
  const [command, ...args] = container.args!;
  assertEquals(command, serverCommand.name);
  const options = parseFlags(serverCommand, args);
  assertEquals(container.ports![0].containerPort, options.port);
  assertEquals(annotations!["prometheus.io/port"], `${options.port}`);

  const seconds = (options.drainDelay + options.grace) / 1000;
  assert(seconds + 5 <= pod.terminationGracePeriodSeconds!);
  // It is found to be not ready before it takes no more connections.
  const { periodSeconds, failureThreshold } = container.readinessProbe!;
  assert(periodSeconds! * failureThreshold! < options.drainDelay / 1000);

  const { requests, limits } = container.resources!;
  const connections = options.maxConnections * 30_000; // docs/operating.md
  assert(connections + 2 * options.maxBacklog < bytes(requests!.memory));
  const unit = await read("ws-random.service");
  const [, most] = /^MemoryMax=(.*)$/m.exec(unit)!;
  assertEquals(bytes(limits!.memory), bytes(`${most}i`)); // systemd's G is Gi
});

test("a server with the options of its pods answers while it is no longer ready", async () => {
  const [deployment] = await servers();
  const { container, annotations } = pods(deployment);
  const { livenessProbe, readinessProbe } = container;
  const args = container.args!.slice(1)
    .map((arg) => arg.replace(/(?<=^--port=).*/, "0"));
  await using server = new Process([...task("server"), ...args]);
  const [, url] = await server.until(/"Listening on (\S+) /);
  const status = async (path: string) => {
    const response = await fetch(new URL(path, url));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status(annotations!["prometheus.io/path"]), 200);
  const [live, ready] = [livenessProbe, readinessProbe].map((probe) => {
    assertEquals(probe!.httpGet!.port, container.ports![0].name);
    return probe!.httpGet!.path!;
  });
  assertEquals([await status(live), await status(ready)], [200, 200]);

  server.kill("SIGTERM");
  await eventually(async () => await status(ready) === 503);
  assertEquals(await status(live), 200);
  using socket = await RawSocket.open(Number(new URL(url).port));
  await socket.write(frame(TEXT, "late"));
  const response = (await socket.frame())!.payload;
  assertMatch(new TextDecoder().decode(response), /^late \d+$/);
});

test("clients with the options of the Job's pods print what can be merged", async () => {
  const [job] = await load();
  const { container } = pods(job);
  const { server, url } = await serverProcess();
  await using _ = server;
  const [, , ...args] = container.args!;
  const [{ name, valueFrom }] = container.env!;
  assertEquals(
    valueFrom!.fieldRef!.fieldPath,
    "metadata.annotations['batch.kubernetes.io/job-completion-index']",
  );
  const logs = await Promise.all(["0", "1"].map(async (index) => {
    const { code, stdout, stderr } = await runClient(
      url.replace(/^http(.*)/, "ws$1ws"),
      ...args.map((arg) =>
        arg.replace(`$(${name})`, index).replace(/(?<=^--count=).*/, "2000")
      ),
    );
    assertEquals([code, stderr], [0, ""]); // a pod's log has both
    assertEquals(JSON.parse(stdout).message, `Pod ${index} message {i}`);
    const log = await Deno.makeTempFile();
    await Deno.writeTextFile(log, stdout);
    return log;
  }));
  const { code, stdout, stderr } = await run([...task("merge"), ...logs]);
  for (const log of logs) await Deno.remove(log);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /4000 of 4000 requests answered exactly once/);
});
