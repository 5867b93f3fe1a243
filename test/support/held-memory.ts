// What a gateway process holds after a garbage collection. Resident memory depends on when V8 collects and what it gives back.
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import type { GatewayProcess } from './gateway-process.ts'

/** In the home of the gateway. */
export const heldMemorySocket = 'held-memory.sock'

/** Of Node, for a gateway whose memory is read. */
export const heldMemoryOptions = ['--import', join(import.meta.dirname, 'held-memory-server.ts')]

/** In bytes. */
export interface HeldMemory {
  /** Objects of JavaScript. */
  readonly heapUsed: number
  /** Buffers and other memory outside of the heap that objects keep. */
  readonly external: number
}

/** Collects garbage in the gateway, which must have been started with `heldMemoryOptions`, and resolves with what is left. */
export async function heldMemory({ folder }: GatewayProcess): Promise<HeldMemory> {
  return JSON.parse(await text(connect(join(folder, heldMemorySocket)))) as HeldMemory
}
