// Asks whatever listens at an address whether it is a gateway.
import { request } from 'node:http'

export type Health =
  /** `errorCode`: the gateway's own code, if it refuses this user. */
  | { readonly kind: 'gateway'; readonly errorCode: string | undefined }
  | { readonly kind: 'stranger' }
  | { readonly kind: 'silent'; readonly code: string }

const maxHealthBytes = 4_096

/** The gateway returns the request's id and marks its own errors; another program that returns `ok` does neither. */
export function requestHealth(
  where: { host: string; port: number } | { socketPath: string },
  timeoutMs = 3_000,
): Promise<Health> {
  const { promise, resolve } = Promise.withResolvers<Health>()
  const id = 'llm-gateway-doctor'
  const sent = request({
    ...where,
    path: '/healthz',
    agent: false,
    headers: { 'x-request-id': id, ...('socketPath' in where && { host: 'localhost' }) },
    signal: AbortSignal.timeout(timeoutMs),
  })
  sent.on('response', (response) => {
    const { 'x-request-id': returnedId, 'x-llm-gateway-error': error } = response.headers
    let text = ''
    const end = () => {
      sent.destroy()
      if (typeof error === 'string') resolve({ kind: 'gateway', errorCode: error.slice(0, 40) })
      const isOurs = response.statusCode === 200 && returnedId === id && text === '{"status":"ok"}'
      resolve(isOurs ? { kind: 'gateway', errorCode: undefined } : { kind: 'stranger' })
    }
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
      if (text.length > maxHealthBytes) end()
    })
    response.on('end', end)
    response.on('error', end)
  })
  sent.on('error', (error: NodeJS.ErrnoException) => {
    resolve({
      kind: 'silent',
      code:
        error.name === 'AbortError' || error.name === 'TimeoutError'
          ? 'no response'
          : (error.code ?? 'unknown'),
    })
  })
  sent.end()
  return promise
}
