// A request's body that goes on to a provider while it arrives, no faster than the provider takes it: at most one piece of it
// is in memory. Its client may take long, but must not fall silent.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { IncomingUpload } from '../call/rest/request.ts'
import { GatewayError } from '../errors.ts'

/** The largest upload. OpenAI accepts files of 512 MB, and parts of 64 MB for files of 8 GB. */
export const maxUploadBytes = 8_589_934_592

/** How long a client may send nothing of a body that is waited for. */
const maxSilenceMs = 120_000

/** Whose request may last longer than others. */
const uploading = new WeakSet<Socket>()

/** Whether what arrives on a connection is an upload, whose silence is watched in place of its duration. */
export function isUploading(socket: Socket): boolean {
  return uploading.has(socket)
}

type Next = IteratorResult<Buffer, undefined>

const done: Next = { done: true, value: undefined }

/** The body of one request. Read once, by the provider's connection. */
export class ClientUpload implements IncomingUpload, AsyncIterator<Buffer, undefined> {
  readonly length: number | undefined
  readonly pieces: AsyncIterable<Buffer>
  endedAtMs: number | undefined
  problem: GatewayError | undefined
  readonly #request: IncomingMessage
  readonly #now: () => number
  readonly #maxBytes: number
  #bytes = 0
  readonly #read: Buffer[] = []
  #waiting: PromiseWithResolvers<Next> | undefined
  #waitingSinceMs = 0
  #isOver = false

  /** @param now milliseconds of a monotonic clock. */
  constructor(request: IncomingMessage, now: () => number, maxBytes = maxUploadBytes) {
    const { 'content-length': length } = request.headers
    this.length = length === undefined ? undefined : Number(length)
    this.#request = request
    this.#now = now
    this.#maxBytes = maxBytes
    this.pieces = { [Symbol.asyncIterator]: () => this }
    uploading.add(request.socket)
    request.pause()
    request.on('data', this.#take)
    request.on('end', this.#end)
    request.on('error', this.#break)
    request.on('close', this.#break)
  }

  next(): Promise<Next> {
    const piece = this.#read.shift()
    if (piece !== undefined) return Promise.resolve({ done: false, value: piece })
    if (this.endedAtMs !== undefined) return Promise.resolve(done)
    if (this.#isOver) return Promise.reject(incomplete())
    this.#waiting = Promise.withResolvers()
    this.#waitingSinceMs = this.#now()
    this.#request.resume()
    return this.#waiting.promise
  }

  return(): Promise<Next> {
    this.abandon()
    return Promise.resolve(done)
  }

  isOverdue(nowMs: number): boolean {
    if (this.#waiting === undefined || nowMs - this.#waitingSinceMs < maxSilenceMs) return false
    const what = `The client sent nothing of its body for ${maxSilenceMs} ms.`
    this.problem ??= new GatewayError('request_timeout', what)
    return true
  }

  abandon(): void {
    if (this.#isOver) return
    this.#isOver = true
    uploading.delete(this.#request.socket)
    this.#request.off('data', this.#take)
    this.#request.off('end', this.#end)
    this.#request.pause()
    this.#read.length = 0
    this.#waiting?.reject(incomplete())
    this.#waiting = undefined
  }

  readonly #take = (piece: Buffer): void => {
    this.#request.pause()
    this.#bytes += piece.length
    if (this.#bytes > this.#maxBytes) {
      this.problem = uploadTooLarge(this.#maxBytes)
      this.abandon()
    } else if (this.#waiting === undefined) {
      this.#read.push(piece)
    } else {
      const { resolve } = this.#waiting
      this.#waiting = undefined
      resolve({ done: false, value: piece })
    }
  }

  readonly #end = (): void => {
    this.endedAtMs = this.#now()
    uploading.delete(this.#request.socket)
    this.#waiting?.resolve(done)
    this.#waiting = undefined
  }

  /** The client has left in the middle. */
  readonly #break = (): void => {
    if (this.endedAtMs === undefined) this.abandon()
  }
}

/** @param maxBytes that the upload exceeds. */
export function uploadTooLarge(maxBytes = maxUploadBytes): GatewayError {
  return new GatewayError('request_too_large', `The upload is larger than ${maxBytes} bytes.`)
}

function incomplete(): Error {
  return new Error('the upload is incomplete')
}
