/// <reference lib="dom" />

/** The page's connection: held open, and opened again when it ends. @module */

import { parseResponse } from "./proof.js";

/** How long a handshake may take, in milliseconds; after one that was not answered the
 * next may take twice as long, up to the second figure. Firefox goes on with an
 * abandoned one for 20 s, and has six connections at most. */
const [HANDSHAKE_MS, MAX_HANDSHAKE_MS] = [2000, 8000];
/** The delay before a probe, in milliseconds, at first and at most; each is twice the
 * one before. Short enough to be back within two seconds of the server. */
const [DELAY_MS, MAX_DELAY_MS] = [250, 1500];
/** How long a probe may take, in milliseconds. */
const PROBE_MS = 5000;
/** How long a request waits for a connection, and how long for its answer, in
 * milliseconds. */
const TIMEOUT_MS = 10_000;
/** After this the page says that it waits, in milliseconds. */
export const PATIENCE_MS = 300;

const ANEW = "another attempt may succeed now";
const HUNG = "the handshake was not answered";
const LEFT = "the page was left";

/** Why there is no connection. */
export const REASONS = {
  /** The first attempt, or the first one after a connection ended. */
  connecting: "the server is unreachable",
  connected: "",
  /** Tried again and again, and so is `refused`. */
  offline: "the server is unreachable",
  /** It answers, but takes no connection. */
  refused: "the server may be full",
};

/** @typedef {keyof typeof REASONS} State */

/** @typedef {{ request: string, onInvalid?: () => void }} Request */

/** A connection that answers requests, in the order they were sent. */
export class Connection {
  /** @type {State} */
  state = "connecting";
  #onState;
  /** The one that opens or is open. @type {WebSocket | undefined} */
  #socket;
  /** Called once there is a connection. @type {(() => void)[]} */
  #waiting = [];
  /** The oldest first.
   * @type {(PromiseWithResolvers<unknown> & Request)[]} */
  #unanswered = [];
  /** Ends what is waited for: a handshake or a connection, for a reason, or a delay.
   * @type {(reason: string) => void} */
  #end = () => {};
  /** Of the handshake, or of the oldest request.
   * @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;

  /** @param {(state: State) => void} onState Called at each change. */
  constructor(onState) {
    this.#onState = onState;
    for (const event of ["online", "visibilitychange"]) {
      addEventListener(event, () => {
        if (this.state !== "connected" && !document.hidden) this.#end(ANEW);
      });
    }
    // The browser may keep the page for the way back, but the server should not.
    addEventListener("pagehide", () => this.#end(LEFT));
    this.#keepOpen();
  }

  /** Waits for a connection; rejected with the reason if none comes. */
  async opened() {
    if (this.state === "connected") return;
    await new Promise((resolve, reject) => {
      this.#waiting.push(() => resolve(undefined));
      setTimeout(() => reject(Error(REASONS[this.state])), TIMEOUT_MS);
    });
  }

  /**
   * Sends a request, as soon as there is a connection. Returns the response, and how
   * long it took; rejected with the reason if none comes.
   *
   * @param {string} request
   * @param {() => void} [onInvalid] Called for a message that answers no request, and
   * this one goes on waiting; without it, such a message is its response.
   */
  async request(request, onInvalid) {
    if (this.state !== "connected") await this.opened();
    const sentAt = performance.now();
    this.#socket?.send(request);
    const answer = { ...Promise.withResolvers(), request, onInvalid };
    if (this.#unanswered.push(answer) === 1) this.#expectAnswer();
    return { response: await answer.promise, ms: performance.now() - sentAt };
  }

  /** Gives a message to the oldest request that it answers, as the client does.
   *
   * @param {unknown} message */
  #take(message) {
    const index = this.#unanswered.findIndex(({ request }) =>
      parseResponse(request, message) !== undefined
    );
    const [oldest] = this.#unanswered;
    if (index < 0 && oldest?.onInvalid) oldest.onInvalid();
    else this.#unanswered.splice(Math.max(index, 0), 1)[0]?.resolve(message);
  }

  /** The page's connections, one after the other. */
  async #keepOpen() {
    for (let path = 0, failures = 0, hung = 0;; path++) {
      const { promise: ended, resolve: end } = Promise.withResolvers();
      this.#end = end;
      // A path of its own: Firefox holds back every new WebSocket to a path where one
      // has failed, half as long again each time, up to a minute.
      const socket = this.#socket = new WebSocket(`ws/${path}`);
      socket.onopen = () => {
        clearTimeout(this.#deadline);
        failures = hung = 0;
        this.#become("connected");
        for (const proceed of this.#waiting.splice(0)) proceed();
      };
      socket.onmessage = ({ data }) => {
        clearTimeout(this.#deadline);
        this.#take(data);
        if (this.#unanswered.length > 0) this.#expectAnswer();
      };
      socket.onclose = (event) => {
        // All attempts but the first follow a probe that was answered.
        if (path > 0 && this.state !== "connected") this.#become("refused");
        end(reasonOf(event));
      };
      this.#expect(Math.min(HANDSHAKE_MS * 2 ** hung, MAX_HANDSHAKE_MS), HUNG);

      const reason = await ended;

      // Without waiting for the socket's end: a hanging handshake cannot be cancelled,
      // and a peer need not answer a close frame.
      clearTimeout(this.#deadline);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      for (const { reject } of this.#unanswered.splice(0)) {
        reject(Error(reason));
      }
      hung = reason === HUNG ? hung + 1 : 0;
      if (hung > 0 || !navigator.onLine) this.#become("offline");
      else if (this.state === "connected") this.#become("connecting");

      if (reason === ANEW) failures = 0;
      if (reason === LEFT) {
        await new Promise((resolve) => {
          addEventListener("pageshow", resolve, { once: true });
        });
      }
      await this.#probed(failures++);
    }
  }

  /** Waits until the server answers a probe. A probe can be cancelled, which a
   * handshake cannot; and one that hangs does not hold up the next.
   *
   * @param {number} failures */
  async #probed(failures) {
    let answered = false;
    for (;; failures++) {
      const most = Math.min(DELAY_MS * 2 ** failures, MAX_DELAY_MS);
      await new Promise((resolve) => {
        this.#end = resolve;
        setTimeout(resolve, most * (0.5 + Math.random() / 2));
      });
      if (answered) return;
      const signal = AbortSignal.timeout(PROBE_MS);
      fetch("healthz", { cache: "no-store", signal })
        .then(({ status }) => status < 500, () => false) // 503 while it drains
        .then((up) => {
          if (answered) return;
          answered = up;
          if (up) this.#end(ANEW);
          else this.#become("offline");
        });
    }
  }

  #expectAnswer() {
    this.#expect(TIMEOUT_MS, "the server was silent for 10 seconds");
  }

  /** @param {number} milliseconds @param {string} otherwise */
  #expect(milliseconds, otherwise) {
    this.#deadline = setTimeout(() => this.#end(otherwise), milliseconds);
  }

  /** @param {State} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#onState(state);
  }
}

/** @param {CloseEvent} event */
function reasonOf({ code, reason }) {
  if (code === 1001) return "the server shut down"; // going away
  if (code === 1006) return "the connection was lost"; // no close frame came
  return `the server closed the connection: ${reason || code}`;
}
