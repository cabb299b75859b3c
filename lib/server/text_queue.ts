/**
 * A queue of texts as UTF-8 outside of V8's heap: 16 MiB of them as strings took a
 * server to 313 MB and more, for a string has a header and the collector lets the heap
 * grow before it cleans up.
 *
 * @module
 */

/** Bytes of a page; a queue that is not empty has at least one. */
const PAGE_BYTES = 4096;

/** Bytes of the length that stands before each text. */
const LENGTH_BYTES = Uint32Array.BYTES_PER_ELEMENT;

/** The most bytes that a UTF-16 code unit becomes in UTF-8. */
const MAX_BYTES = 3;

/** Some texts, one after the other. */
interface Page {
  view: DataView<ArrayBuffer>;
  /** Where the last text ends. */
  end: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Creates a page that has room for this text at least. */
function createPage(text: string): Page {
  const most = LENGTH_BYTES + text.length * MAX_BYTES;
  const bytes = most <= PAGE_BYTES
    ? PAGE_BYTES
    : Math.max(PAGE_BYTES, LENGTH_BYTES + encoder.encode(text).length);
  return { view: new DataView(new ArrayBuffer(bytes)), end: 0 };
}

/** Appends a text. Returns its bytes, or `undefined` if it does not fit. */
function append(page: Page, text: string): number | undefined {
  const { view, end } = page;
  if (end + LENGTH_BYTES > view.byteLength) return undefined;
  const free = new Uint8Array(view.buffer, end + LENGTH_BYTES);
  const { read, written } = encoder.encodeInto(text, free);
  if (read < text.length) return undefined;
  view.setUint32(end, written);
  page.end += LENGTH_BYTES + written;
  return written;
}

export class TextQueue {
  /** The oldest first. */
  #pages: Page[] = [];
  /** Where the oldest text begins in the oldest page. */
  #start = 0;
  /** The number of texts. */
  length = 0;
  /** Their bytes, without the lengths. */
  bytes = 0;

  push(text: string): void {
    const last = this.#pages.at(-1);
    let bytes = last && append(last, text);
    if (bytes === undefined) {
      const page = createPage(text);
      this.#pages.push(page);
      bytes = append(page, text)!;
    }
    this.length++;
    this.bytes += bytes;
  }

  /** Takes out the oldest text; there must be one. */
  shift(): string {
    const [{ view, end }] = this.#pages;
    const length = view.getUint32(this.#start);
    const start = this.#start + LENGTH_BYTES;
    const text = decoder.decode(new Uint8Array(view.buffer, start, length));
    this.#start = start + length;
    if (this.#start === end) {
      this.#pages.shift();
      this.#start = 0;
    }
    this.length--;
    this.bytes -= length;
    return text;
  }

  clear(): void {
    this.#pages = [];
    this.#start = this.length = this.bytes = 0;
  }
}
