// The files of the status page, from memory.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { statusHeaders } from './headers.ts'
import { type PageFile, pageFiles } from '../../status/page-files.ts'
import { readMethods } from '../routes/read-methods.ts'

/** @param readText the report as text, for clients that accept nothing else. */
export function addPage(
  routes: FastifyInstance,
  readText: (request: FastifyRequest) => Promise<string>,
): void {
  routes.route({
    method: readMethods,
    url: '/status',
    async handler(request, reply) {
      if (!wantsText(request.headers.accept)) return send(request, reply, pageFiles().html)
      return reply.type('text/plain; charset=utf-8').send(await readText(request))
    },
  })
  for (const [url, name] of files) {
    routes.route({
      method: readMethods,
      url,
      handler: (request, reply) => send(request, reply, pageFiles()[name]),
    })
  }
}

const files = [
  ['/status/app.js', 'js'],
  ['/status/app.css', 'css'],
  ['/status/icon.svg', 'icon'],
] as const

/** Browsers accept HTML first, and curl everything. */
function wantsText(accept = ''): boolean {
  return /\btext\/plain\b/i.test(accept) && !/\btext\/html\b/i.test(accept)
}

/** The document, on a route that has none of the page's hooks. */
export function sendPage(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  for (let index = 0; index < statusHeaders.length; index += 2) {
    reply.header(statusHeaders[index]!, statusHeaders[index + 1]!)
  }
  return send(request, reply.header('cache-control', 'no-cache').header('vary', 'accept'), pageFiles().html)
}

/** Browsers ask each time whether they still have the newest one. */
function send({ headers }: FastifyRequest, reply: FastifyReply, file: PageFile): FastifyReply {
  const { type, bytes, etag, gzip, brotli } = file
  reply.header('etag', etag).header('vary', 'accept-encoding')
  const known = (headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  if (known.includes(etag)) return reply.code(304).send()
  reply.type(type)
  const accepted = headers['accept-encoding'] ?? ''
  // Chromium accepts it on the loopback and over TLS.
  if (acceptsBrotli.test(accepted)) {
    void brotli().then(
      (compressed) => reply.header('content-encoding', 'br').send(compressed),
      () => reply.send(bytes),
    )
    return reply
  }
  return acceptsGzip.test(accepted) ? reply.header('content-encoding', 'gzip').send(gzip) : reply.send(bytes)
}

const acceptsBrotli = /\bbr\b(?!\s*;\s*q=0(?:\.0*)?(?:\s*,|\s*$))/i
const acceptsGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:\s*,|\s*$))/i
