// Where the other gateway listens: its port is carried, so that clients need no other; another address than loopback is not.
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'

/** @param server holds the host and the port. */
export function setListener(server: Foreign, draft: Draft, keys = { host: 'host', port: 'port' }): void {
  const at = server.get(keys.port)
  const number = at.number()
  if (number !== undefined && Number.isInteger(number) && number > 0 && number < 65_536) {
    draft.config.server = { ...draft.config.server, port: number }
    draft.carried(at, ['server', 'port'])
  }
  const address = server.get(keys.host)
  const text = address.text()
  if (text === undefined || /^(?:localhost|127\.0\.0\.1|::1)$/.test(text)) return
  draft.leftOut(address, 'the gateway listens on loopback alone (docs/remote.md)')
}
