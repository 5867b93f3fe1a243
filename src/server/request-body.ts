// A request's body as one buffer. A large one is assembled and scanned while it arrives, a little in each iteration of the
// event loop; its client is read from no faster than that.
import type { IncomingMessage } from 'node:http'
import { ByteCollector } from '../bytes/byte-collector.ts'
import type { ScanOutcome } from '../bytes/json/types.ts'
import { type BodyMemory, LargeBody, maxSmallBytes } from '../bytes/large-body.ts'
import { freePiece } from '../platform/node/read-piece.ts'
import type { TimeSlicer } from './time-slicer.ts'

/** Reads a body as far as it has arrived: `JsonScanner`. */
interface BodyScanner {
  readTo(limit: number): ScanOutcome | undefined
}

export interface BodyReadOptions {
  readonly maxBytes: number
  /** Limits the time in which large bodies are read. */
  readonly slicer: TimeSlicer
  readonly memory: BodyMemory
  /** Scans a large body as it arrives. */
  readonly scannerOf: (bytes: Buffer) => BodyScanner | undefined
  /** The body is complete. Not called when the client leaves before that. */
  readonly onBody: (body: Buffer | LargeBody) => void
  /** The body is larger than `maxBytes`. Called once, and nothing after it. */
  readonly onTooLarge: () => void
  /** The connection broke within the body. (The parser reports one that was closed there.) */
  readonly onBroken: () => void
}

/** The parser ensures that a body is as long as its `content-length`, which a guard has checked against `maxBytes`. */
export function readBody(request: IncomingMessage, options: BodyReadOptions): void {
  request.on('error', () => {
    if (request.socket.errored !== null) options.onBroken()
  })
  const length = request.headers['content-length']
  if (length === undefined) readUnmeasured(request, options)
  else if (Number(length) <= maxSmallBytes) readSmall(request, Number(length), options)
  else readLarge(request, Number(length), options)
}

function readSmall(request: IncomingMessage, length: number, { onBody }: BodyReadOptions): void {
  let body: Buffer | undefined
  let filled = 0
  request.on('data', (piece: Buffer) => {
    if (piece.length === length) body = piece
    else {
      body ??= Buffer.allocUnsafeSlow(length)
      filled += piece.copy(body, filled)
    }
  })
  request.on('end', () => onBody(body ?? empty))
}

function readLarge(request: IncomingMessage, length: number, options: BodyReadOptions): void {
  // A client that sends no more than a head costs no memory.
  request.once('data', (first: Buffer) => {
    readMeasured(request, new LargeBodyReader(length, options), options, first)
  })
}

function readMeasured(
  request: IncomingMessage,
  reader: LargeBodyReader,
  { slicer, onBody }: BodyReadOptions,
  first: Buffer,
): void {
  const goOn = () => {
    if (reader.scanAvailable()) request.resume()
    else slicer.yieldTo(goOn)
  }
  const finish = () => {
    if (reader.scanAvailable()) onBody(reader.body())
    else slicer.yieldTo(finish)
  }
  const take = (piece: Buffer) => {
    reader.take(piece)
    if (reader.scanAvailable()) return
    request.pause()
    slicer.yieldTo(goOn)
  }
  request.on('data', take)
  // Emitted while the request is paused, too.
  request.on('end', finish)
  take(first)
}

/** Its length is known only at its end. */
function readUnmeasured(request: IncomingMessage, options: BodyReadOptions): void {
  const collector = new ByteCollector()
  const take = (piece: Buffer) => {
    collector.push(piece)
    if (collector.length <= options.maxBytes) return
    collector.takePieces()
    request.off('data', take)
    request.off('end', end)
    options.onTooLarge()
  }
  const end = () => {
    const { length } = collector
    if (length > maxSmallBytes) join(collector.takePieces(), new LargeBodyReader(length, options), options)
    else options.onBody(collector.take())
  }
  request.on('data', take)
  request.on('end', end)
}

function join(pieces: readonly Buffer[], reader: LargeBodyReader, { slicer, onBody }: BodyReadOptions): void {
  let next = 0
  const goOn = () => {
    while (reader.scanAvailable()) {
      if (next === pieces.length) return onBody(reader.body())
      reader.take(pieces[next++]!)
    }
    slicer.yieldTo(goOn)
  }
  goOn()
}

/** Scanned without looking at the clock. Before the scan is compiled, even that takes a millisecond or two. */
const stepBytes = 8192

/** A large body while it arrives. */
class LargeBodyReader {
  readonly #bytes: Buffer
  readonly #memory: BodyMemory
  readonly #slicer: TimeSlicer
  readonly #scanner: BodyScanner | undefined
  #scan: ScanOutcome | undefined
  #filled = 0
  #read = 0

  constructor(length: number, { memory, slicer, scannerOf }: BodyReadOptions) {
    this.#memory = memory
    this.#bytes = memory.allocate(length)
    this.#slicer = slicer
    this.#scanner = scannerOf(this.#bytes)
  }

  /** @param piece is empty afterwards. */
  take(piece: Buffer): void {
    this.#filled += piece.copy(this.#bytes, this.#filled)
    freePiece(piece)
  }

  /** Scans the bytes that have arrived. False: the slice is over, and some may be left. */
  scanAvailable(): boolean {
    for (let hasTime = this.#slicer.startSlice(); hasTime; hasTime = !this.#slicer.sliceIsOver()) {
      if (this.#read === this.#filled) return true
      this.#read = Math.min(this.#read + stepBytes, this.#filled)
      this.#scan = this.#scanner?.readTo(this.#read)
    }
    return false
  }

  /** Once all has arrived and was scanned. */
  body(): LargeBody {
    return new LargeBody(this.#bytes, this.#scan, this.#memory)
  }
}

const empty = Buffer.alloc(0)
