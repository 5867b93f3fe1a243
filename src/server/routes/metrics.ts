// `GET /metrics`: for Prometheus.
import type { FastifyInstance } from 'fastify'

/** @param routes whose hooks decide who may look. */
export function addMetrics(routes: FastifyInstance): void {
  routes.get('/metrics', (_, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(''))
}
