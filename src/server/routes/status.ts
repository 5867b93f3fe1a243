// `GET /status`: the page that shows what happens.
import type { FastifyInstance } from 'fastify'

/** @param routes whose hooks decide who may look. */
export function addStatus(routes: FastifyInstance): void {
  routes.get('/status', ({ viewer }, reply) =>
    reply.type('text/plain; charset=utf-8').send(`llm-gateway is running, and ${viewer?.id} may look.\n`),
  )
}
