// Whether the process serves, and whether it accepts calls. Never counted: monitors poll often. Only the first is open to
// clients without a key where one is required.
import type { FastifyInstance } from 'fastify'
import { shuttingDown } from '../../errors.ts'
import type { ServerParts } from '../parts.ts'
import { readMethods } from './read-methods.ts'

export function addHealth(app: FastifyInstance, { isDraining }: Pick<ServerParts, 'isDraining'>): void {
  app.route({
    method: readMethods,
    url: '/v1/healthz',
    config: { isOpen: true },
    handler: () => ({ status: 'ok' }),
  })
  app.route({
    method: readMethods,
    url: '/v1/readyz',
    handler() {
      if (!isDraining()) return { status: 'ok' }
      throw shuttingDown()
    },
  })
}
