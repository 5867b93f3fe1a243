// `GET /` and `GET /v1`: what people open, and clients probe, to see whether something is there.
import type { FastifyInstance } from 'fastify'

export function addRoot(app: FastifyInstance): void {
  for (const path of ['/', '/v1']) {
    app.get(path, ({ headers: { host } }, reply) => {
      return reply
        .type('text/plain; charset=utf-8')
        .send(`llm-gateway is running. Its base URL is ${baseUrlOf(host)}\n`)
    })
  }
}

const loopback = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i

/**
 * The base URL for clients, as words for a sentence.
 * @param host of the request. Behind a public name stands a proxy, whose scheme is unknown.
 */
export function baseUrlOf(host: string | undefined): string {
  return host !== undefined && loopback.test(host)
    ? `http://${host}/v1`
    : "the gateway's address followed by /v1"
}
