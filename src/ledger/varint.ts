// Whole numbers in as few bytes as they need: seven bits in each, the lowest first, and the highest bit where more follow (LEB128,
// https://webassembly.github.io/spec/core/binary/values.html#integers).

export class VarintWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  /** @param value at most `Number.MAX_SAFE_INTEGER`; less than 0 counts as 0. */
  number(value: number): void {
    if (this.#length + 8 > this.#bytes.length) this.#grow(8)
    let rest = Math.max(0, value)
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  /** With their length before them. */
  bytes(bytes: Uint8Array): void {
    this.number(bytes.length)
    if (this.#length + bytes.length > this.#bytes.length) this.#grow(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(by: number): void {
    const bytes = new Uint8Array(Math.max(this.#length + by, 2 * this.#bytes.length))
    bytes.set(this.#bytes)
    this.#bytes = bytes
  }
}

export class VarintReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** After the end there are only zeros. */
  number(): number {
    let byte = this.#bytes[this.#at++] ?? 0
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    for (let scale = 0x80; ; scale *= 0x80) {
      byte = this.#bytes[this.#at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length
  }

  numbers(length: number): number[] {
    const numbers: number[] = []
    for (let left = length; left > 0; left -= 1) numbers.push(this.number())
    return numbers
  }

  bytes(): Uint8Array {
    const length = this.number()
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
