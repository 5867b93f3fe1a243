// A text that grows by a few characters at a time. As one string it would cost some fifteen times its length while it grows:
// V8 keeps an object for each concatenation.
import { ByteCollector } from '../../../bytes/byte-collector.ts'

/** Characters that are kept as a string. */
const maxTailLength = 1024

export class GrowingText {
  /** As JSON writes it, without quotes: unlike plain UTF-8, that keeps the halves of a surrogate pair from two pieces. */
  readonly #start = new ByteCollector()
  #tail = ''

  get isEmpty(): boolean {
    return this.#tail === '' && this.#start.length === 0
  }

  add(text: string): void {
    this.#tail += text
    if (this.#tail.length < maxTailLength) return
    this.#start.push(Buffer.from(JSON.stringify(this.#tail).slice(1, -1)))
    this.#tail = ''
  }

  /** All of it. Holds nothing afterwards. */
  take(): string {
    const tail = this.#tail
    this.#tail = ''
    if (this.#start.length === 0) return tail
    return (JSON.parse(`"${this.#start.take().toString()}"`) as string) + tail
  }
}
