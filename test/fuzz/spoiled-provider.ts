// A provider that answers every call with what the run has planned for it, spoiled or not, in any conversation format.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'

import type { Cleanup } from '../support/scripted-upstream.ts'

export interface PlannedAnswer {
  readonly status: number
  readonly type: string
  readonly pieces: readonly Buffer[]
  /** What follows the last piece. */
  readonly end: 'end' | 'reset' | 'silence'
}

export interface SpoiledProvider {
  readonly url: string
  /** Of the call with this `x-request-id`, until it is forgotten. */
  readonly plan: Map<string, PlannedAnswer>
}

/** @param accuse is told of what a client has not sent. */
export async function startSpoiledProvider(
  t: Cleanup,
  accuse: (what: string) => void,
): Promise<SpoiledProvider> {
  const plan = new Map<string, PlannedAnswer>()
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    response.on('error', () => {})
    request.on('error', () => {})
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const answer = plan.get(String(request.headers['x-request-id']))
      const body = Buffer.concat(parts)
      if (!isObject(body)) accuse(`the provider got no JSON: ${body.toString().slice(0, 500)}`)
      // Of a client that has left.
      if (answer === undefined) response.destroy()
      else void send(response, answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, plan }
}

async function send(response: ServerResponse, { status, type, pieces, end }: PlannedAnswer): Promise<void> {
  response.writeHead(status, { 'content-type': type })
  for (const piece of pieces) {
    if (response.destroyed) return
    response.write(piece)
    await setTimeout(1)
  }
  if (end === 'end') response.end()
  else if (end === 'reset') response.socket?.resetAndDestroy()
}

function isObject(body: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
