// A response whose provider compressed it, though it was asked not to: decoded as it arrives, because what cannot be read
// can be neither judged, metered nor searched for keys. The pauses of the reader reach the provider through the decoder, so
// that a small body which becomes a huge one fills no memory.
import type { Decoder } from '../http/content-coding.ts'

interface Source {
  /** The decoder has room again, after `write` returned false. */
  resume(): void
  /** What was written is not in the coding, was cut off, or becomes more than any response would. */
  onUndecodable(): void
}

interface Sink {
  onData(chunk: Buffer): void
  onEnd(): void
}

/** Events repeat themselves, and may become fifty times as long; a bomb becomes a thousand times as long, or a million. */
const maxExpansion = 200

/** What may come out whatever went in: less than is held of a body before it goes to the client. */
const freeBytes = 131_072

/** Of one response. */
export class Decoding {
  readonly #decoder: Decoder
  #decoded = 0

  constructor(decoder: Decoder, source: Source, sink: Sink) {
    this.#decoder = decoder
    decoder.on('data', (chunk: Buffer) => {
      this.#decoded += chunk.length
      if (this.#decoded > freeBytes + maxExpansion * decoder.bytesWritten) source.onUndecodable()
      else sink.onData(chunk)
    })
    decoder.on('end', () => sink.onEnd())
    decoder.on('drain', () => source.resume())
    decoder.on('error', () => source.onUndecodable())
  }

  /** @returns false if the decoder has enough for now. */
  write(chunk: Buffer): boolean {
    return this.#decoder.write(chunk)
  }

  /** The last piece has been written. */
  end(): void {
    this.#decoder.end()
  }

  pause(): void {
    this.#decoder.pause()
  }

  resume(): void {
    this.#decoder.resume()
  }

  /** Nothing more comes out. */
  abort(): void {
    this.#decoder.removeAllListeners('data').removeAllListeners('end').destroy()
  }
}
