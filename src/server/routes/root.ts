// `GET /` and `GET /v1`: what people open, and clients probe, to see whether something is there.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readMethods } from './read-methods.ts'

type SendPage = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

/** @param sendPage of the gateway's status, to a browser of somebody who may see it. */
export function addRoot(app: FastifyInstance, sendPage: SendPage): void {
  for (const url of ['/', '/v1']) {
    app.route({ method: readMethods, url, handler })
  }

  function handler(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (request.viewer !== undefined) return sendPage(request, reply)
    const { host } = request.headers
    return reply
      .type('text/plain; charset=utf-8')
      .send(`llm-gateway is running. Its base URL is ${baseUrlOf(host)}\n`)
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
