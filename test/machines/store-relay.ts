// The way of one gateway to the store, which can be cut as a network is: nothing comes through, and nobody is told.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

import type { Cleanup } from '../support/scripted-upstream.ts'

export interface StoreRelay {
  readonly port: number
  /** What is sent from now on arrives after `mend`, as TCP sends it again. */
  cut(): void
  mend(): void
}

export async function startStoreRelay(t: Cleanup, toPort: () => number): Promise<StoreRelay> {
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((near) => {
    const far = connect(toPort(), '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.setNoDelay(true).on('error', () => {})
      one.on('data', (chunk) => void other.write(chunk))
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      if (isCut) one.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true
      for (const socket of sockets) socket.pause()
    },
    mend() {
      isCut = false
      for (const socket of sockets) socket.resume()
    },
  }
}
