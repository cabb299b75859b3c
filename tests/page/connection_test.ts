// The page's connection: what ends it, and how it comes back.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ENGINES } from "../../harness/browser.ts";
import { makeCertificate, serverProcess } from "../../harness/process.ts";
import { eventually, portOf, withServer } from "../../harness/helpers.ts";
import { RawSocket } from "../../harness/sockets.ts";
import {
  clickMany,
  press,
  sendAll,
  setTenSeconds,
  showsText,
  status,
  testIn,
  text,
  throughGate,
} from "./_page.ts";

testIn(
  ENGINES,
  "the server killed and restarted under the page",
  async (visit) => {
    const first = await serverProcess();
    let { server } = first;
    try {
      await visit(first.url, async (tab) => {
        await status(tab, "connected");
        await press(tab);
        server.kill("SIGKILL");
        await status(tab, "offline");
        assertEquals(await text(tab, "#status"), "offline, retrying");
        server = (await serverProcess(`--port=${first.port}`)).server;
        await status(tab, "connected");
        assertEquals(await text(tab, "#status"), "connected");
        assert(await press(tab));
        assertMatch(await sendAll(tab), /^done/);
      });
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
);

testIn(
  ENGINES,
  "what waits when the server goes is not shown as answered",
  async (visit) => {
    const { server, url } = await serverProcess();
    await using _ = server;
    await visit(url, async (tab) => {
      await status(tab, "connected");
      server.kill("SIGSTOP"); // it takes the request and does not answer
      await tab.click("#get");
      await showsText(tab, "#text", "Waiting for the answer");
      server.kill("SIGKILL");
      await showsText(tab, "#text", "No answer: the connection was lost.");
      assertEquals(await text(tab, "#number"), "?");
    });
  },
);

testIn(
  ["chromium"],
  "a server that hangs is given up, and found again",
  async (visit) => {
    const { server, url } = await serverProcess();
    await using _ = server;
    await visit(url, async (tab) => {
      await status(tab, "connected");
      await setTenSeconds(tab, 1000);
      server.kill("SIGSTOP");
      await clickMany(tab);
      await showsText(tab, "#verdict", "Waiting for answers …");
      await showsText(
        tab,
        "#detail",
        "then the server was silent for 10 seconds;",
      );
      server.kill("SIGCONT");
      await status(tab, "connected");
      assert(await press(tab));
    });
  },
);

testIn(ENGINES, "a run that the server ends says why", (visit) =>
  // "Message 1000" is too long, and all before it are answered.
  withServer({ maxMessage: "Message 999".length }, (_, server) =>
    visit(server.url, async (tab) => {
      await status(tab, "connected");
      await sendAll(tab);
      await showsText(
        tab,
        "#detail",
        "999 of 10,000 requests answered, then the server closed the " +
          "connection: a message of more than 11 bytes",
      );
      assertEquals(await text(tab, "#answered"), "999");
    })));

throughGate(
  ENGINES,
  "what waits when the server shuts down says so",
  async (tab, gate, server) => {
    gate.swallows = /^[^]/; // what arrives is answered, so nothing may
    await setTenSeconds(tab, 600_000); // or they pass on a slow machine
    await tab.click("#get");
    await eventually(() => gate.swallowed > 0); // or both come as one
    await clickMany(tab);
    await eventually(() => gate.swallowed > 1);
    await server.shutdown();
    await showsText(tab, "#text", "No answer: the server shut down.");
    await showsText(
      tab,
      "#detail",
      "0 of 10,000 requests answered, then the server shut down;",
    );
  },
);

testIn(
  ENGINES,
  "a server that is full is said to be so",
  (visit) =>
    withServer({ maxConnections: 1 }, async (ws, server) => {
      const guest = await RawSocket.open(portOf(ws));
      await visit(server.url, async (tab) => {
        await status(tab, "refused");
        assertEquals(await text(tab, "#status"), "refused, retrying");
        assertEquals(
          await text(tab, "#hint"),
          "Retrying: the server may be full.",
        );
        guest[Symbol.dispose]();
        await status(tab, "connected");
        assert(await press(tab));
      });
    }),
);

testIn(
  ENGINES,
  "a page that is left lets go of its connection, and has one again on return",
  (visit) =>
    withServer({}, (_, server) =>
      visit(server.url, async (tab) => {
        await status(tab, "connected");
        // As a browser does that keeps the page.
        const dispatch = (type: string) =>
          tab.evaluate((type) => {
            dispatchEvent(new PageTransitionEvent(type, { persisted: true }));
          }, type);
        await dispatch("pagehide");
        await eventually(() => server.metrics.open === 0);
        await dispatch("pageshow");
        await status(tab, "connected");
        assert(await press(tab));
      })),
);

testIn(ENGINES, "behind https the page connects by wss", async (visit) => {
  const folder = await Deno.makeTempDir();
  try {
    const { cert, key } = await makeCertificate(folder);
    await withServer({ cert, key }, (_, { url }) =>
      visit(url, async (tab) => {
        await status(tab, "connected");
        assert(await press(tab));
      }));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
