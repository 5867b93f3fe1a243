// Answers the clients that wait at a service manager's sockets while the gateway cannot start. Without an answer their
// connections would stay in the sockets, the manager would start the gateway for them again at once, and soon give up on
// the sockets too.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { GatewayError } from '../errors.ts'
import type { SetTimer } from '../platform/clock.ts'
import type { InheritedSocket } from '../server/listeners/inherited.ts'
import { respondUnread } from '../server/raw-response.ts'

/** By then a client that waited in a socket has been accepted. */
const quietMs = 300

/** The manager starts the gateway for the next client after that, so it bounds how often that can happen. */
const refusingMs = 10_000
const checkEveryMs = 200

/**
 * Answers 503 `not_configured` on every connection, whoever opened it; the response says nothing about the cause.
 * Resolves after 0.3 s if no client connects; else after 10 s more, or once `hasChanged`. A socket that cannot be listened
 * on is left alone.
 * @param hasChanged whether a new start may succeed.
 */
export async function refuseCalls(
  sockets: readonly InheritedSocket[],
  setTimer: SetTimer,
  hasChanged: () => boolean,
): Promise<void> {
  if (sockets.length === 0) return
  const message = 'The gateway cannot start with its configuration. Its log names the problems.'
  const error = new GatewayError('not_configured', message, { headers: { 'retry-after': '10' } })
  const { promise, resolve } = Promise.withResolvers<void>()
  let stopTimer = setTimer(resolve, quietMs)
  let isNeeded = false
  const check = () => (hasChanged() ? resolve() : void setTimer(check, checkEveryMs))
  const servers = sockets.map(({ fd }) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      respondUnread(socket, error)
      if (isNeeded) return
      isNeeded = true
      stopTimer()
      stopTimer = setTimer(resolve, refusingMs)
      check()
    })
    server.on('error', () => {})
    return server.listen({ fd })
  })
  await promise
  const listening = servers.filter((server) => server.listening)
  await Promise.all(listening.map((server) => once(server.close(), 'close')))
}
