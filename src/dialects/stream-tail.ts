// The last events of a stream, which show how it has ended.

/** Images and final responses take megabytes, and a stream may stay open for long after one. */
const longBytes = 16_384

/** Three events: enough for a last choice, a usage event and an end mark. In fields, because each event of a stream is one. */
export class StreamTail {
  #first: Buffer | undefined
  #second: Buffer | undefined
  #last: Buffer | undefined

  /** The newest last; at most one of them is long. */
  get events(): readonly Buffer[] {
    return [this.#first, this.#second, this.#last].filter((event) => event !== undefined)
  }

  push(event: Buffer): void {
    // A long event that another long one follows is not the end of any format.
    if (event.length > longBytes) this.#dropLong()
    this.#first = this.#second
    this.#second = this.#last
    this.#last = event
  }

  #dropLong(): void {
    if (isLong(this.#last)) this.#last = undefined
    if (isLong(this.#second)) this.#second = undefined
    if (isLong(this.#first)) this.#first = undefined
  }
}

function isLong(event: Buffer | undefined): boolean {
  return event !== undefined && event.length > longBytes
}
