// `GET /metrics`: for Prometheus.
import type { FastifyInstance } from 'fastify'
import type { ServerParts } from '../parts.ts'

/** Without it Prometheus 3 refuses the response. */
const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** @param routes whose hooks decide who may look. */
export function addMetrics(routes: FastifyInstance, { readMetrics }: Pick<ServerParts, 'readMetrics'>): void {
  routes.get('/metrics', async (_, reply) => {
    const slices = await readMetrics()
    return reply.type(contentType).send(slices.join(''))
  })
}
