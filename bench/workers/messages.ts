// HTTP messages with a content-length, or without a body, cut out of what a socket brings; nothing more, so that it costs next to nothing.

/** Collects the bytes of one connection. */
export class Messages {
  #rest: Buffer = Buffer.alloc(0)

  /** The messages that are whole now. */
  take(chunk: Buffer): Buffer[] {
    const whole: Buffer[] = []
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      const headEnd = bytes.indexOf('\r\n\r\n')
      if (headEnd < 0) break
      const length = /\r\ncontent-length: (\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1]
      const end = headEnd + 4 + Number(length ?? 0)
      if (bytes.length < end) break
      whole.push(bytes.subarray(0, end))
      bytes = bytes.subarray(end)
    }
    this.#rest = bytes
    return whole
  }
}
