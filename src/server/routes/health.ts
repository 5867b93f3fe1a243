// Whether the process serves, and whether it accepts calls. Never counted: monitors poll often. Only the first is open to
// clients without a key where one is required.
import type { FastifyInstance } from 'fastify'
import { shuttingDown } from '../../errors.ts'
import type { ServerParts } from '../parts.ts'

export function addHealth(app: FastifyInstance, { isDraining }: Pick<ServerParts, 'isDraining'>): void {
  for (const prefix of ['', '/v1']) {
    app.get(`${prefix}/healthz`, { config: { isOpen: true } }, () => ({ status: 'ok' }))
    app.get(`${prefix}/readyz`, () => {
      if (!isDraining()) return { status: 'ok' }
      throw shuttingDown()
    })
  }
}
