// A request's body as one buffer. A large one is assembled and scanned while it arrives, a little in each iteration of the
// event loop; its client is read from no faster than that.
import type { IncomingMessage } from 'node:http'
import { ByteCollector } from '../bytes/byte-collector.ts'
import type { ScanOutcome } from '../bytes/json/types.ts'
import { type MemorySource, LargeBody, maxSmallBytes } from '../bytes/large-body.ts'
import { holdBody } from '../platform/node/held-body.ts'
import { freePiece } from '../platform/node/read-piece.ts'
import type { BodyShare } from './body-budget.ts'
import type { TimeSlicer } from './time-slicer.ts'

/** Reads a body as far as it has arrived: `JsonScanner`. */
interface BodyScanner {
  readTo(limit: number): ScanOutcome | undefined
}

export interface BodyReadOptions {
  readonly maxBytes: number
  /** Limits the time in which large bodies are read. */
  readonly slicer: TimeSlicer
  readonly memory: MemorySource
  /** Of the memory for all bodies. The receiver of a small body releases it; a large one does so itself. */
  readonly share: BodyShare
  /** Scans a large body as it arrives. */
  readonly scannerOf: (bytes: Buffer) => BodyScanner | undefined
  /** The body is complete. Not called when the client leaves before that. */
  readonly onBody: (body: Buffer | LargeBody) => void
  /** The body is larger than `maxBytes`. Called once, and nothing after it. */
  readonly onTooLarge: () => void
  /** There is no memory for it. Called once, and nothing after it. */
  readonly onNoMemory: () => void
  /** The connection broke within the body. (The parser reports one that was closed there.) */
  readonly onBroken: () => void
}

/** The parser ensures that a body is as long as its `content-length`, which a guard has checked against `maxBytes`. */
export function readBody(request: IncomingMessage, options: BodyReadOptions): void {
  if (!readArrived(request, options)) readArriving(request, options)
}

/**
 * A small body that is here already, as most are that came with their head, without listeners that would last as long as the
 * response.
 * @returns false: it is none.
 */
function readArrived(request: IncomingMessage, { share, onBody }: BodyReadOptions): boolean {
  const length = Number(request.headers['content-length'])
  const isHere = length > 0 && length <= maxSmallBytes && request.readableLength === length
  if (!isHere || !share.grow(length)) return false
  const body = request.read() as Buffer
  // The end of the request has still to be read.
  request.resume()
  onBody(body)
  return true
}

function readArriving(request: IncomingMessage, options: BodyReadOptions): void {
  const { share } = options
  request.on('error', () => {
    if (!request.readableEnded) share.release()
    if (request.socket.errored !== null) options.onBroken()
  })
  const declared = request.headers['content-length']
  if (declared === undefined) {
    readUnmeasured(request, options)
    return
  }
  const length = Number(declared)
  if (share.grow(length)) readMeasured(request, length, options)
  else awaitMemory(request, length, options, () => readMeasured(request, length, options))
}

/** Until there is memory for so many bytes more, keeps the few that still arrive, and reads no further. */
function awaitMemory(
  request: IncomingMessage,
  bytes: number,
  { share, onNoMemory }: BodyReadOptions,
  goOn: () => void,
): void {
  const release = holdBody(request, new ByteCollector())
  share.wait(bytes, {
    onGranted() {
      release()
      goOn()
    },
    onRefused() {
      release()
      onNoMemory()
    },
  })
}

function readMeasured(request: IncomingMessage, length: number, options: BodyReadOptions): void {
  if (length <= maxSmallBytes) readSmall(request, length, options)
  else readLarge(request, length, options)
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
    readInSlices(request, new LargeBodyReader(length, options), options, first)
  })
}

function readInSlices(
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
  request.on('error', () => {
    if (!request.readableEnded) reader.discard()
  })
  take(first)
}

/** For how much at a time a body of unknown length takes memory. */
export const shareStepBytes = 65_536

/** Its length is known only at its end. */
function readUnmeasured(request: IncomingMessage, options: BodyReadOptions): void {
  const { maxBytes, share, onTooLarge, onNoMemory } = options
  const collector = new ByteCollector()
  let sharedBytes = 0
  const giveUp = () => {
    collector.takePieces()
    share.release()
    request.off('data', take)
    request.off('end', end)
  }
  const take = (piece: Buffer) => {
    collector.push(piece)
    if (collector.length > maxBytes) {
      giveUp()
      onTooLarge()
    } else if (collector.length > sharedBytes) {
      growShare()
    }
  }
  const growShare = () => {
    const missing = Math.ceil((collector.length - sharedBytes) / shareStepBytes) * shareStepBytes
    sharedBytes += missing
    if (share.grow(missing)) return
    request.pause()
    const refuse = () => {
      giveUp()
      request.resume()
      onNoMemory()
    }
    awaitMemory(request, missing, { ...options, onNoMemory: refuse }, () => request.resume())
  }
  const end = () => finishBody(collector, options)
  request.on('data', take)
  request.on('end', end)
}

/** Hands over a body whose bytes have all come; its share covers them. */
export function finishBody(collector: ByteCollector, options: BodyReadOptions): void {
  const { length } = collector
  options.share.shrinkTo(length)
  if (length > maxSmallBytes) join(collector.takePieces(), new LargeBodyReader(length, options), options)
  else options.onBody(collector.take())
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
  readonly #memory: MemorySource
  readonly #slicer: TimeSlicer
  readonly #share: BodyShare
  readonly #scanner: BodyScanner | undefined
  #scan: ScanOutcome | undefined
  #filled = 0
  #read = 0

  constructor(length: number, { memory, slicer, share, scannerOf }: BodyReadOptions) {
    this.#share = share
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
    return new LargeBody(this.#bytes, this.#scan, this.#memory, this.#share)
  }

  /** The client has left before its end. */
  discard(): void {
    // Nothing is left to be scanned.
    this.#read = this.#filled
    this.#memory.release(this.#bytes)
  }
}

const empty = Buffer.alloc(0)
