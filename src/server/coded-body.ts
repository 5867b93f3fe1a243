// A request's body in a content coding: read as it is, then decoded, with the limit on what comes out. What is decoded is
// counted in the memory of all bodies; the decoders' own memory is bounded by their number.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ByteCollector } from '../bytes/byte-collector.ts'
import { LargeBody, type MemorySource } from '../bytes/large-body.ts'
import { type Coding, createDecoder } from '../http/content-coding.ts'
import type { BodyShare } from './body-budget.ts'
import { type BodyReadOptions, finishBody, readBody, shareStepBytes } from './request-body.ts'

/** Decoders at work at once. Each has a window of up to 16 MiB. */
const maxDecoders = 4

export interface CodedReadOptions extends BodyReadOptions {
  readonly coding: Coding
  /** Of the coded body; released once it is decoded. */
  readonly codedShare: BodyShare
  readonly queue: DecoderQueue
  /** Of the request; it closes when the client leaves. */
  readonly response: ServerResponse
  /** The client has left before its body was decoded. Called once, and nothing after it. */
  readonly onLeft: () => void
  /** The body is not in the coding, or goes on behind it. Called once, and nothing after it. */
  readonly onUndecodable: () => void
}

/** Lets a few bodies be decoded at once, in the order in which they arrived. */
export class DecoderQueue {
  /** In the order of their arrival. */
  readonly #waiting = new Set<() => void>()
  #working = 0

  /** Calls `begin` once there is a decoder, which it has until `leave`. */
  enter(begin: () => void): void {
    if (this.#working === maxDecoders) this.#waiting.add(begin)
    else {
      this.#working += 1
      begin()
    }
  }

  /** `begin` still waits, and is not to be called. */
  abandon(begin: () => void): void {
    this.#waiting.delete(begin)
  }

  leave(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#working -= 1
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}

/** As `readBody`, of which `maxBytes` and `share` count what is decoded. */
export function readCodedBody(request: IncomingMessage, options: CodedReadOptions): void {
  readBody(request, {
    ...options,
    share: options.codedShare,
    memory: unshared,
    scannerOf: noScanner,
    onBody: (coded) => awaitDecoder(coded, options),
  })
}

/** A client that leaves meanwhile leaves the queue, too. */
function awaitDecoder(coded: Buffer | LargeBody, options: CodedReadOptions): void {
  const { codedShare, queue, response, onLeft } = options
  const begin = () => {
    response.off('close', leave)
    decode(coded, options)
  }
  const leave = () => {
    queue.abandon(begin)
    releaseCoded(coded, codedShare)
    onLeft()
  }
  // It may have left while its body was read.
  if (response.destroyed) return leave()
  response.once('close', leave)
  queue.enter(begin)
}

function releaseCoded(coded: Buffer | LargeBody, share: BodyShare): void {
  if (coded instanceof LargeBody) coded.dispose()
  else share.release()
}

function noScanner(): undefined {}

/** A decoder that is ended early may still read in its thread, so the memory is left to the garbage collector. */
const unshared: MemorySource = { allocate: (length) => Buffer.allocUnsafeSlow(length), release: ignore }

function decode(coded: Buffer | LargeBody, options: CodedReadOptions): void {
  const { coding, codedShare, share, maxBytes, queue, response } = options
  const bytes = coded instanceof LargeBody ? coded.bytes : coded
  const decoder = createDecoder(coding, bytes.subarray(0, 2))
  const collector = new ByteCollector()
  let sharedBytes = 0
  const finish = (end: () => void) => {
    decoder.off('data', take).off('error', fail).off('end', complete)
    response.off('close', abandon)
    // One that is ended early may report that.
    decoder.on('error', ignore)
    decoder.once('close', () => {
      releaseCoded(coded, codedShare)
      queue.leave()
    })
    decoder.destroy()
    end()
  }
  const giveUp = (end: () => void) => {
    collector.takePieces()
    share.release()
    finish(end)
  }
  const take = (piece: Buffer) => {
    collector.push(piece)
    if (collector.length > maxBytes) return giveUp(options.onTooLarge)
    const missing = Math.ceil((collector.length - sharedBytes) / shareStepBytes) * shareStepBytes
    if (missing <= 0) return
    sharedBytes += missing
    if (share.grow(missing)) return
    decoder.pause()
    share.wait(missing, {
      onGranted: () => decoder.resume(),
      onRefused: () => giveUp(options.onNoMemory),
    })
  }
  const fail = () => giveUp(options.onUndecodable)
  const abandon = () => giveUp(options.onLeft)
  const complete = () => {
    if (decoder.bytesWritten !== bytes.length) fail()
    else finish(() => finishBody(collector, options))
  }
  decoder.on('data', take).on('error', fail).on('end', complete)
  response.once('close', abandon)
  decoder.end(bytes)
}

function ignore(): void {}
