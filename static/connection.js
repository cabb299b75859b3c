// @ts-check
/// <reference lib="dom" />

/**
 * The page's connection: held open, and opened again when it ends.
 *
 * @module
 */

/** How long a handshake, or the probe before it, may take, in milliseconds. */
const ATTEMPT_MS = 5000;
/** The same for a handshake after a fast probe, in milliseconds. Ten times what the
 * probe took is added for slow networks, and each handshake after one that was not
 * answered has twice as long: Firefox goes on with an abandoned one for 20 s, and has
 * six connections at most. */
const FAST_ATTEMPT_MS = 2000;
/** The first delay between two attempts, in milliseconds; each is twice the one
 * before. */
const DELAY_MS = 250;
/** The longest delay, in milliseconds: short enough to be back within two seconds
 * of the server. */
const MAX_DELAY_MS = 1500;
/** How long a request may be unanswered before the connection counts as dead, in
 * milliseconds. */
const TIMEOUT_MS = 10_000;
/** After this without an answer the page says that it waits, in milliseconds. */
export const PATIENCE_MS = 300;

/**
 * - `connecting`: the first attempt, or the first one after a connection ended
 * - `connected`: requests can be sent
 * - `offline`: an attempt has failed; others follow
 *
 * @typedef {"connecting" | "connected" | "offline"} State
 */

/** A connection that answers requests in the order they were sent. */
export class Connection {
  /** @type {State} */
  state = "connecting";
  /** @type {(state: State) => void} */
  #onState;
  /** The socket that opens or is open. @type {WebSocket | undefined} */
  #socket;
  /** Ends an attempt, or a connection that hangs.
   * @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  /** Starts the next attempt.
   * @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** Attempts since the connection ended. */
  #attempts = 0;
  /** Handshakes in a row that were not answered, or not yet. */
  #hung = 0;
  /** Why there is no connection. */
  #reason = "there is no connection yet";
  /** Sockets opened. Each has a path of its own: Firefox holds back every new
   * WebSocket to a path where one has failed, half as long again each time, up to
   * a minute. */
  #opened = 0;
  /** @type {PromiseWithResolvers<unknown>[]} The oldest first. */
  #unanswered = [];

  /** @param {(state: State) => void} onState Called at each change. */
  constructor(onState) {
    this.#onState = onState;
    const startAnew = () => {
      if (this.state === "connected" || document.hidden) return;
      this.#hung = 0;
      this.#drop();
      this.#attempt();
    };
    addEventListener("online", startAnew);
    document.addEventListener("visibilitychange", startAnew);
    // The browser may keep the page for the way back, but the server should not.
    addEventListener("pagehide", () => {
      this.#fail("the page was left");
      this.#become("connecting");
    });
    addEventListener("pageshow", ({ persisted }) => persisted && startAnew());
    this.#attempt();
  }

  /**
   * Sends a request.
   *
   * @param {string} text
   * @returns {Promise<unknown>} Its response; rejected with the reason if the
   * connection ends before that comes.
   */
  request(text) {
    if (this.state !== "connected") {
      return Promise.reject(new Error(this.#reason));
    }
    const request = Promise.withResolvers();
    this.#socket?.send(text);
    if (this.#unanswered.push(request) === 1) this.#expectAnswer();
    return request.promise;
  }

  /** @param {number} probeMs What the probe took. */
  #open(probeMs) {
    clearTimeout(this.#retry);
    const socket = this.#socket = new WebSocket(`/ws/${this.#opened++}`);
    const fast = FAST_ATTEMPT_MS * 2 ** this.#hung++ + 10 * probeMs;
    const attemptMs = Math.min(ATTEMPT_MS, fast);
    this.#expect(attemptMs, "the handshake was not answered");
    socket.onopen = () => {
      clearTimeout(this.#deadline);
      this.#attempts = this.#hung = 0;
      this.#become("connected");
    };
    socket.onmessage = ({ data }) => {
      this.#unanswered.shift()?.resolve(data);
      clearTimeout(this.#deadline);
      if (this.#unanswered.length > 0) this.#expectAnswer();
    };
    socket.onclose = (event) => {
      this.#hung = 0;
      this.#end(reasonOf(event));
    };
  }

  #expectAnswer() {
    this.#expect(TIMEOUT_MS, "no answer came for 10 seconds");
  }

  /**
   * @param {number} milliseconds
   * @param {string} otherwise
   */
  #expect(milliseconds, otherwise) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      this.#end(otherwise);
      this.#attempt(); // at once: there was delay enough
    }, milliseconds);
  }

  /** Lets go of the socket without waiting for its end: a hanging handshake cannot be
   * cancelled, and a peer need not answer a close frame. */
  #drop() {
    clearTimeout(this.#deadline);
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {string} reason */
  #fail(reason) {
    this.#reason = reason;
    this.#drop();
    for (const { reject } of this.#unanswered.splice(0)) {
      reject(new Error(reason));
    }
  }

  /** @param {string} reason */
  #end(reason) {
    this.#fail(reason);
    const first = this.state === "connected" && navigator.onLine;
    this.#become(first ? "connecting" : "offline");
    this.#attemptLater();
  }

  #attemptLater() {
    const most = Math.min(MAX_DELAY_MS, DELAY_MS * 2 ** this.#attempts++);
    const delay = most * (0.5 + Math.random() / 2);
    this.#retry = setTimeout(() => this.#attempt(), delay);
  }

  /** Opens a socket once the server answers a probe; the handshake may take as long as
   * the probe's time allows. The next probe does not wait for this one, which may
   * hang. */
  async #attempt() {
    clearTimeout(this.#retry);
    this.#attemptLater();
    const startedAt = performance.now();
    const signal = AbortSignal.timeout(ATTEMPT_MS);
    const up = await fetch("/healthz", { cache: "no-store", signal })
      .then(({ status }) => status < 500, () => false); // 503 while it drains
    if (this.#socket) return; // another probe was faster
    if (up) this.#open(performance.now() - startedAt);
    else this.#become("offline");
  }

  /** @param {State} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#onState(state);
  }
}

/**
 * @param {CloseEvent} event
 */
function reasonOf({ code, reason }) {
  switch (code) {
    case 1001: // going away
      return "the server shut down";
    case 1006: // no close frame came
      return "the connection was lost";
    default:
      return `the server closed the connection: ${reason || code}`;
  }
}
