// `GET /metrics`: for Prometheus.
import type { FastifyInstance } from 'fastify'
import type { ServerParts } from '../parts.ts'
import { readMethods } from './read-methods.ts'

/** Without it Prometheus 3 refuses the response. */
const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** @param routes whose hooks decide who may look. */
export function addMetrics(routes: FastifyInstance, { readMetrics }: Pick<ServerParts, 'readMetrics'>): void {
  routes.route({
    method: readMethods,
    url: '/metrics',
    async handler(_, reply) {
      const slices = await readMetrics()
      return reply.type(contentType).send(slices.join(''))
    },
  })
}
