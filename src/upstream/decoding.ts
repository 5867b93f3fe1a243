// A response whose provider compressed it, though it was asked not to: decoded as it arrives, because what cannot be read
// can be neither judged, metered nor searched for keys. The pauses of the reader reach the provider through the decoder, so
// that a small body which becomes a huge one fills no memory.
import type { Transform } from 'node:stream'

interface Source {
  /** The decoder has room again, after `write` returned false. */
  resume(): void
  /** What was written is not in the coding, or was cut off. */
  onUndecodable(): void
}

interface Sink {
  onData(chunk: Buffer): void
  onEnd(): void
}

export class Decoding {
  readonly #decoder: Transform

  constructor(decoder: Transform, source: Source, sink: Sink) {
    this.#decoder = decoder
    decoder.on('data', (chunk: Buffer) => sink.onData(chunk))
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
