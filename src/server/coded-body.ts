// A request's body in a content coding: read as it is, then decoded, with the limit on what comes out. What is decoded is
// counted in the memory of all bodies; the decoders' own memory is bounded by their number.
import type { IncomingMessage } from 'node:http'
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
  /** The body is not in the coding, or goes on behind it. Called once, and nothing after it. */
  readonly onUndecodable: () => void
}

/** Lets a few bodies be decoded at once, in the order in which they arrived. */
export class DecoderQueue {
  readonly #waiting: (() => void)[] = []
  #working = 0

  enter(begin: () => void): void {
    if (this.#working === maxDecoders) this.#waiting.push(begin)
    else {
      this.#working += 1
      begin()
    }
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#working -= 1
    else next()
  }
}

/** As `readBody`, of which `maxBytes` and `share` count what is decoded. */
export function readCodedBody(request: IncomingMessage, options: CodedReadOptions): void {
  readBody(request, {
    ...options,
    share: options.codedShare,
    memory: unshared,
    scannerOf: noScanner,
    onBody: (coded) => options.queue.enter(() => decode(coded, options)),
  })
}

function noScanner(): undefined {}

/** A decoder that is ended early may still read in its thread, so the memory is left to the garbage collector. */
const unshared: MemorySource = { allocate: (length) => Buffer.allocUnsafeSlow(length), release: ignore }

function decode(coded: Buffer | LargeBody, options: CodedReadOptions): void {
  const { coding, codedShare, share, maxBytes, queue } = options
  const bytes = coded instanceof LargeBody ? coded.bytes : coded
  const decoder = createDecoder(coding, bytes.subarray(0, 2))
  const collector = new ByteCollector()
  let sharedBytes = 0
  const finish = (end: () => void) => {
    decoder.off('data', take).off('error', fail).off('end', complete)
    // One that is ended early may report that.
    decoder.on('error', ignore)
    decoder.once('close', () => {
      if (coded instanceof LargeBody) coded.dispose()
      else codedShare.release()
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
  const complete = () => {
    if (decoder.bytesWritten !== bytes.length) fail()
    else finish(() => finishBody(collector, options))
  }
  decoder.on('data', take).on('error', fail).on('end', complete)
  decoder.end(bytes)
}

function ignore(): void {}
